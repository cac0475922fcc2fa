"""Whether a queue stands on the path: round trips that grow under load."""

import numpy as np
import numpy.typing as npt

from pcap_analyzer.analysis.columns import Ints, gather, integers, rows_of
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.paths import MS
from pcap_analyzer.capture.tables import PacketKind

GROWTH_NS = 100 * MS  # over the smallest round trip: what people notice (Nielsen 1993)
FOLLOWS = 0.5  # rank correlation between the round trip and the bytes in flight
FEW, FLOWS_LOOKED_AT = 8, 5
MOST_LOSSES = 0.7
SMALL_SEGMENTS = 10


def bloated(context: Context) -> bool:
    """Round trips under load exceed the smallest by 100 ms at the 95th percentile and follow the flight."""
    rows = gather(context.tables.pauses, ("flow", "in_flight_bytes", "leg_sender_ns", "leg_receiver_ns"))
    rows = rows[(rows["leg_sender_ns"] >= 0) & (rows["leg_receiver_ns"] >= 0) & (rows["in_flight_bytes"] >= 0)]
    flows, counts = np.unique(rows["flow"], return_counts=True)
    for flow in flows[np.argsort(-counts, kind="stable")][:FLOWS_LOOKED_AT]:
        mine = rows[rows["flow"] == flow]
        round_trip = integers(mine, "leg_sender_ns") + integers(mine, "leg_receiver_ns")
        if len(mine) < FEW or np.percentile(round_trip, 95) < round_trip.min() + GROWTH_NS:
            continue
        if rank_correlation(round_trip, integers(mine, "in_flight_bytes")) >= FOLLOWS:
            return True
    return False


def losses_behind_a_queue(context: Context) -> bool:
    """Whether most losses happened while a queue stood."""
    rows = gather(context.tables.pauses, ("hole_open", "next_kind", "queue"))
    lost = rows[rows["hole_open"] | (rows["next_kind"] == PacketKind.COPY)]
    return len(lost) > 0 and int(lost["queue"].sum()) >= MOST_LOSSES * len(lost)


def small_exchanges_behind_a_queue(context: Context) -> int:
    """Exchanges of a few segments on flows where a queue stood: others that pay for it."""
    rows = gather(context.tables.pauses, ("flow", "queue"))
    queued = np.zeros(len(context.flows), np.bool_)
    row = rows_of(integers(rows, "flow"), integers(context.flows, "flow"))
    queued[row[(row >= 0) & rows["queue"]]] = True
    account = context.account
    small = account.exchanges["response_frames"] < SMALL_SEGMENTS
    return int((small & queued[account.exchange_row]).sum())


def queue_seen(context: Context) -> bool:
    return any(bool(chunk["queue"].any()) for chunk in context.tables.pauses)


def rank_correlation(first: Ints, second: Ints) -> float:
    """Spearman's coefficient; 0 where either does not vary."""
    a, b = _ranks(first), _ranks(second)
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread else 0.0


def _ranks(values: Ints) -> npt.NDArray[np.float64]:
    """Ranks; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: npt.NDArray[np.float64] = (ends - (counts - 1) / 2)[place]
    return mean
