"""What is known of each flow's path and of what of it was captured: legs, round trip, one-sidedness.

C is the capture point. The leg of a side is the round trip C -> that side -> C. A flow that measured none takes the
smallest of its host pair in this capture; -1 where there is none.
"""

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.columns import FAR, Ints, Mask, Rows, address_keys, group
from pcap_analyzer.capture.tables import C2S, S2C

MS, S = 1_000_000, 1_000_000_000
TCP, UDP = 6, 17
HEALTHY_ROUND_TRIP_NS = 100 * MS  # RFC 2681 knows no limit; 100 ms: Nielsen, what people take for immediate
HEALTHY_PATH_DELAY_NS = 3 * S
UNHEARD_COPIES, UNHEARD_NS = 3, 3 * S


@dataclass(frozen=True)
class Paths:
    """One value a row of the flow table; times in ns, -1 unknown."""

    client_leg_ns: Ints
    server_leg_ns: Ints
    round_trip_ns: Ints  # sum of the known legs; 0 where none is known
    pause_floor_ns: Ints  # shorter silences are no pauses: max(1 ms, R/4), RFC 8985's reordering window
    one_sided: Mask  # frames of one direction only
    both_scales: Mask  # window scales are known


def measure(flows: Rows) -> Paths:
    """Legs of every flow, filled up from its host pair."""
    own = flows["leg_min_ns"].astype(np.int64)
    pairs = group(*address_keys(flows["client_ip"]), *address_keys(flows["server_ip"]))[1]
    legs = np.empty_like(own)
    for side in (C2S, S2C):
        measured = np.where(own[:, side] >= 0, own[:, side], FAR)
        smallest = np.full(len(flows), FAR)
        np.minimum.at(smallest, pairs, measured)
        pair = smallest[pairs]
        legs[:, side] = np.where(own[:, side] >= 0, own[:, side], np.where(pair < FAR, pair, -1))
    round_trip = np.maximum(legs, 0).sum(axis=1)
    frames = flows["frames"]
    return Paths(
        client_leg_ns=legs[:, C2S],
        server_leg_ns=legs[:, S2C],
        round_trip_ns=round_trip,
        pause_floor_ns=np.maximum(MS, round_trip // 4),
        one_sided=(flows["protocol"] == TCP) & (frames.min(axis=1) == 0) & (frames.sum(axis=1) > 2) & ~unheard(flows),
        both_scales=(flows["window_scale"] != -1).all(axis=1),
    )


def unheard(flows: Rows) -> Mask:
    """Flows of one side that sends the same bytes again and again: its peer is silent, not merely uncaptured.

    A sender whose acknowledgements reach it by another way makes progress.
    """
    again = flows["retransmitted_frames"].sum(axis=1)
    lasted = flows["last_ns"] - flows["first_ns"]
    mostly = 2 * flows["retransmitted_bytes"].sum(axis=1) > flows["payload_bytes"].sum(axis=1)
    alone = flows["frames"].min(axis=1) == 0
    silent_peer: Mask = alone & (again >= UNHEARD_COPIES) & mostly & (lasted >= UNHEARD_NS)
    return silent_peer


def sent_again(flows: Rows) -> int:
    """Frames with payload that had to be sent twice: copies seen, and gaps that losses before the capture left."""
    return int(flows["retransmitted_frames"].sum()) + int(flows["gaps"].sum())
