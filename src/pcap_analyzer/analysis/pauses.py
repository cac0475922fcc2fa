"""Why a sender was silent inside a run of payload: the table of six rows, the first that holds takes the pause.

The kernel states what the sender knew when it fell silent and what let it go on; here that becomes one category, or two
where the first sign of a loss, or of a delayed acknowledgement, cuts the pause.
"""

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Mask, Rows, group, integers
from pcap_analyzer.analysis.gaps import QUIET_NS
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.paths import MS, Paths
from pcap_analyzer.analysis.tiling import any_between
from pcap_analyzer.capture.tables import C2S, S2C, App, PacketKind

ACK_DELAY_NS = (25 * MS, 500 * MS)  # over the receiver's leg: below, path; above, no timer of RFC 1122
PACED_COUNT, PACED_SPREAD = 5, 0.2  # so many equal pauses between single packets: a slow link or a pacer
DEFAULT_MSS = 1460


@dataclass(frozen=True)
class Judged:
    """One value a row of the pauses; `cut_ns` splits a pause in two, and equals its start where there is one part."""

    first_code: Ints
    cut_ns: Ints
    code: Ints
    presumed: Mask
    over: Mask  # the response had ended before: what follows is pushed, and nobody waits for it


@dataclass(frozen=True)
class Setting:
    """What is known of all flows, and when bytes were acknowledged that were never captured."""

    flows: Rows
    paths: Paths
    unseen: tuple[tuple[Ints, Ints], tuple[Ints, Ints]]  # of the data of each direction


@dataclass(frozen=True)
class Scene:
    """What lies around each pause: the rows of its flow and of its exchange."""

    row: Ints
    position: Ints
    exchange: Rows
    setting: Setting

    def segment_bytes(self, direction: Ints) -> Ints:
        """What the receiver announced limits the sender."""
        announced: Ints = self.setting.flows["mss"][self.row, 1 - direction].astype(np.int64)
        return np.where(announced > 0, announced, DEFAULT_MSS)


def judge(pauses: Rows, scene: Scene) -> Judged:
    """The category of every pause, which is in order of flow, exchange and time."""
    direction = integers(pauses, "direction")
    start, end = integers(pauses, "start_ns"), integers(pauses, "end_ns")
    segment = scene.segment_bytes(direction)
    full = _window_full(pauses, np.minimum(segment, np.maximum(integers(pauses, "next_bytes"), 1)))
    own, presumed = _sender_silent(pauses, scene, segment)
    released, delayed_from = _released(pauses, direction, segment)
    window = _window_code(pauses, scene, direction)
    lost, sign = _loss(pauses, scene)
    rows = [
        _doubtful(pauses, scene),
        full & (pauses["in_flight_bytes"] == 0),
        lost,
        full,
        own >= 0,
    ]
    fixed = (np.full(len(pauses), int(code)) for code in (Code.UNKNOWN, Code.RECEIVER_NOT_READING, Code.LOSS_RECOVERY))
    code = np.select(rows, [*fixed, window, own], released)
    over = _over(code == Code.IDLE, scene.position)
    code[over] = Code.IDLE
    by_ack = ~np.logical_or.reduce(rows) & ~over
    loss = lost & ~rows[0] & ~rows[1]
    cut = np.where(
        loss,
        np.clip(sign, start, end),
        np.where(by_ack & (delayed_from >= 0), np.clip(delayed_from, start, end), start),
    )
    before_loss = np.where(full, window, int(Code.PATH_DELAY))
    return Judged(
        first_code=np.where(loss, before_loss, int(Code.PATH_DELAY)),
        cut_ns=cut,
        code=code,
        presumed=presumed & (own >= 0) & ~np.logical_or.reduce(rows[:4]) & ~over,
        over=over,
    )


def slowed_transfer(pauses: Rows) -> Judged:
    """Silences shorter than a pause while a loss still keeps the window small.

    The ACK clock spreads packets closer than a pause: what the flight is of the largest before the loss stays transfer,
    the rest is the loss's.
    """
    start, length = integers(pauses, "start_ns"), integers(pauses, "end_ns") - integers(pauses, "start_ns")
    before = np.maximum(integers(pauses, "flight_before_loss_bytes"), 1)
    share = np.clip(integers(pauses, "in_flight_bytes") / before, 0.0, 1.0)
    none = np.zeros(len(pauses), np.bool_)
    lost = np.full(len(pauses), int(Code.LOSS_RECOVERY))
    cut = start + (length * share).astype(np.int64)
    return Judged(_transfer(integers(pauses, "direction")), cut, lost, none, none)


def _over(ended: Mask, position: Ints) -> Mask:
    """From the first pause on that ended an exchange's response to the last pause of that exchange."""
    first = np.full(int(position.max()) + 1 if len(position) else 0, len(position))
    at = np.flatnonzero(ended)
    np.minimum.at(first, position[at], at)
    return np.arange(len(position)) >= first[position]


def _doubtful(pauses: Rows, scene: Scene) -> Mask:
    """Row 1: bytes acknowledged that were never captured, or a flow of one side only."""
    start, end = integers(pauses, "start_ns"), integers(pauses, "end_ns")
    # A hole that the receiver acknowledged unfilled was no loss, even if it opened long before the pause.
    opened = np.where(pauses["hole_open"] & (pauses["hole_sign_ns"] >= 0), pauses["hole_sign_ns"] - 1, start)
    start = np.minimum(start, opened)
    missing = [any_between(unseen, scene.row, start, end) for unseen in scene.setting.unseen]
    return np.where(pauses["direction"] == S2C, missing[S2C], missing[C2S]) | scene.setting.paths.one_sided[scene.row]


def _window_full(pauses: Rows, needed: Ints) -> Mask:
    """Rows 2 and 4: what is to be sent next does not fit into the receiver's window, as far as its scale is known."""
    fits = integers(pauses, "window_room_bytes") >= needed
    full: Mask = ~fits & pauses["window_known"] & (pauses["in_flight_bytes"] >= 0)
    return full


def _window_code(pauses: Rows, scene: Scene, direction: Ints) -> Ints:
    """Row 4: a window under half its maximum is not being emptied; a larger one would only lengthen a queue."""
    largest = scene.setting.flows["window_max"][scene.row, 1 - direction].astype(np.int64)
    small = integers(pauses, "window_bytes") < largest // 2
    small |= pauses["window_bytes"] == 0
    limited = np.where(pauses["queue"], _transfer(direction), int(Code.WINDOW_LIMITED))
    return np.where(small, int(Code.RECEIVER_NOT_READING), limited)


def _loss(pauses: Rows, scene: Scene) -> tuple[Mask, Ints]:
    """Row 3: (a hole is open or a needed copy ends the pause, from when on that is so)."""
    start, end = integers(pauses, "start_ns"), integers(pauses, "end_ns")
    copy = pauses["next_kind"] == PacketKind.COPY
    lost: Mask = pauses["hole_open"] | copy
    due = start + np.maximum(integers(pauses, "leg_receiver_ns"), 0)
    sign = np.where(pauses["hole_sign_ns"] >= 0, pauses["hole_sign_ns"], np.where(copy, due, start))
    # Without the loss the run had ended at the pause's start, if all of it had been sent by then.
    last = np.where(pauses["direction"] == S2C, scene.exchange["response_last_ns"], scene.exchange["request_last_ns"])
    tail = (pauses["next_kind"] != PacketKind.NEW) & (end >= last)
    return lost, np.where(tail, start, sign)


def _sender_silent(pauses: Rows, scene: Scene, segment: Ints) -> tuple[Ints, Mask]:
    """Row 5: (category where nothing held the sender up, else -1; whether that is presumed)."""
    length = integers(pauses, "end_ns") - integers(pauses, "start_ns")
    direction = integers(pauses, "direction")
    nothing_awaited = (pauses["release_ns"] < 0) | (pauses["in_flight_bytes"] == 0)
    message_ended = pauses["last_push"] | (pauses["last_bytes"] < segment)
    framed = (scene.exchange["expected_bytes"] >= 0) | (scene.exchange["status"] > 0)
    pushed = (
        (direction == S2C) & (length > QUIET_NS) & message_ended & ~framed & (pauses["next_kind"] == PacketKind.NEW)
    )
    blind = (pauses["leg_sender_ns"] < 0) & (pauses["release_ns"] < 0) & (pauses["in_flight_bytes"] != 0)
    stalled = np.where(direction == S2C, int(Code.SERVER_STALL), int(Code.CLIENT_THINKING))
    paced = _paced(pauses, scene.row, nothing_awaited & ~pushed & ~blind)
    code = np.select([blind, pushed, paced], [int(Code.UNKNOWN), int(Code.IDLE), _transfer(direction)], stalled)
    unknown_protocol = scene.setting.flows["app"][scene.row] == App.UNKNOWN
    presumed = (direction == S2C) & unknown_protocol & pauses["last_push"] & (pauses["last_bytes"] < segment)
    return np.where(nothing_awaited, code, -1), presumed


def _paced(pauses: Rows, row: Ints, silent: Mask) -> Mask:
    """Five or more pauses of equal length, each after a single packet: the sender sends packets one by one."""
    runs = group(row, integers(pauses, "exchange"), integers(pauses, "direction"))[1]
    single = np.zeros(len(pauses), np.bool_)
    single[1:] = (runs[1:] == runs[:-1]) & (pauses["start_frame"][1:] == pauses["end_frame"][:-1])
    chosen = np.flatnonzero(silent & single)
    length = (pauses["end_ns"] - pauses["start_ns"])[chosen].astype(np.float64)
    # Logarithms of lengths stay below 64, so that runs do not mix on one axis.
    place = runs[chosen] * 64.0 + np.log(np.maximum(length, 1.0))
    ordered = np.sort(place)
    near = np.searchsorted(ordered, place + np.log1p(PACED_SPREAD), side="right")
    near -= np.searchsorted(ordered, place + np.log1p(-PACED_SPREAD), side="left")
    paced = np.zeros(len(pauses), np.bool_)
    paced[chosen[near >= PACED_COUNT]] = True
    return paced


def _released(pauses: Rows, direction: Ints, segment: Ints) -> tuple[Ints, Ints]:
    """Row 6: (category of a pause that an ACK ended, from when on that ACK was overdue or -1)."""
    released = integers(pauses, "release_ns")
    over = released - integers(pauses, "start_ns") - np.maximum(integers(pauses, "leg_receiver_ns"), 0)
    alone = (pauses["in_flight_bytes"] == pauses["last_bytes"]) & (pauses["last_bytes"] < segment)
    late = alone & (over >= ACK_DELAY_NS[0]) & (over <= ACK_DELAY_NS[1]) & ~pauses["after_loss"]
    waiting = np.where(pauses["queue"], _transfer(direction), int(Code.PATH_DELAY))
    code = np.select([pauses["after_loss"], late], [int(Code.LOSS_RECOVERY), int(Code.ACK_DELAY)], waiting)
    return code, np.where(late, pauses["end_ns"] - over, -1)


def _transfer(direction: Ints) -> Ints:
    return np.where(direction == C2S, int(Code.REQUEST_TRANSFER), int(Code.RESPONSE_TRANSFER))
