"""Marks of exchanges on their flow's life: request, gap, response, what follows, and the pauses inside of runs.

All functions mark one stretch of exchanges; `position` counts from the first exchange of the capture.
"""

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis import pauses as pause_rules
from pcap_analyzer.analysis.columns import Ints, Mask, Rows, integers, last_of_each
from pcap_analyzer.analysis.gaps import Gaps, closed_ns
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.paths import Paths
from pcap_analyzer.analysis.runs import Pauses
from pcap_analyzer.analysis.tiling import marks
from pcap_analyzer.capture.tables import C2S, S2C

REQUEST, REQUEST_PAUSES, LOSS, GAP, RESPONSE, RESPONSE_PAUSES, TAIL = range(7)  # stages of an exchange


def exchange_marks(exchanges: Rows, row: Ints, gaps: Gaps, first: int) -> list[Rows]:
    """The request, the loss before the gap, the gap, the response."""
    position = np.arange(first, first + len(row))
    asked = exchanges["request_first_ns"] >= 0
    answered = exchanges["response_first_ns"] >= 0
    begins = np.where(gaps.closing, int(Code.IDLE), int(Code.REQUEST_TRANSFER))
    request = marks(row, position, REQUEST, integers(exchanges, "request_first_ns"), begins)
    lost = gaps.start_ns > gaps.first_copy_ns
    on_path = marks(row, position, LOSS, gaps.first_copy_ns, Code.PATH_DELAY)
    losing = marks(row, position, LOSS, gaps.path_until_ns, Code.LOSS_RECOVERY)
    losing["step"] = 1
    response = marks(row, position, RESPONSE, integers(exchanges, "response_first_ns"), Code.RESPONSE_TRANSFER)
    return [
        request[asked],
        on_path[lost],
        losing[lost],
        *(part[~gaps.closing] for part in _gap_marks(row, position, gaps)),
        response[answered],
    ]


def _gap_marks(row: Ints, position: Ints, gaps: Gaps) -> tuple[Rows, Rows, Rows]:
    """Half of the leg, the thinking, the other half; bounds are what the longest and the shortest leg leave."""
    half, length = gaps.leg_ns // 2, gaps.end_ns - gaps.start_ns
    there = marks(row, position, GAP, gaps.start_ns, Code.PATH_DELAY)
    thinking = marks(row, position, GAP, gaps.start_ns + half, gaps.code)
    back = marks(row, position, GAP, gaps.end_ns - (gaps.leg_ns - half), Code.PATH_DELAY)
    thinking["low_ns"], thinking["high_ns"] = gaps.low_ns, gaps.high_ns
    for path in (there, back):
        path["low_ns"], path["high_ns"] = (length - gaps.high_ns) // 2, (length - gaps.low_ns + 1) // 2
    thinking["step"], back["step"] = 1, 2
    thinking["side"] = np.where(gaps.code == Code.RECEIVER_NOT_READING, C2S, -1)
    return there, thinking, back


@dataclass(frozen=True)
class Ends:
    """How flows end, one value a row of the flow table."""

    flows: Rows
    paths: Paths
    held_up: Mask  # the server still probed a closed window


def tail_marks(exchanges: Rows, row: Ints, ends: Ends, first: int) -> list[Rows]:
    """What follows the last byte: the client's leg, what an unfinished response still waits for, then no waiting."""
    flows, paths, held_up = ends.flows, ends.paths, ends.held_up
    position = np.arange(first, first + len(row))
    answered = exchanges["response_first_ns"] >= 0
    following, last = integers(exchanges, "next_request_ns"), integers(flows, "last_ns")[row]
    is_last = last_of_each(row)
    spoken = integers(exchanges, "response_last_ns")
    leg_end = np.minimum(spoken + np.maximum(paths.client_leg_ns[row], 0), last)
    leg_end = np.where(following >= 0, np.minimum(leg_end, following), leg_end)
    over = np.maximum(spoken, integers(exchanges, "request_last_ns"))
    given_up = np.minimum(closed_ns(flows, row, over), last)
    missing = integers(exchanges, "expected_bytes") > integers(exchanges, "response_bytes")
    unfinished = (missing & ~exchanges["complete"]) | held_up[row]
    unfinished &= answered & is_last & (given_up > leg_end)
    begin = np.where(answered, np.where(unfinished, given_up, leg_end), np.where(is_last, given_up, following))
    reason = np.where(held_up[row], int(Code.RECEIVER_NOT_READING), int(Code.SERVER_STALL))
    path = marks(row, position, TAIL, spoken, Code.PATH_DELAY)
    waiting = marks(row, position, TAIL, leg_end, reason)
    rest = marks(row, position, TAIL, begin, np.where(is_last, int(Code.IDLE), int(Code.CLIENT_THINKING)))
    waiting["step"], rest["step"] = 1, 2
    waiting["side"] = S2C
    return [path[answered], waiting[unfinished], rest]


def pause_marks(pauses: Pauses, exchange: Rows, setting: pause_rules.Setting) -> list[Rows]:
    """Two marks that open each pause and one that ends it; pauses outside of their run are the gap's or idle.

    `exchange` has the exchange of each pause.
    """
    rows = pauses.rows
    end_of_run = np.where(rows["direction"] == C2S, exchange["request_last_ns"], exchange["response_last_ns"])
    inside = rows["start_ns"] < end_of_run
    long = rows["end_ns"] - rows["start_ns"] >= setting.paths.pause_floor_ns[pauses.flow]
    real, slowed = np.flatnonzero(inside & long), np.flatnonzero(inside & ~long & rows["after_loss"])
    scene = pause_rules.Scene(pauses.flow[real], pauses.position[real], exchange[real], setting)
    return [
        *_marks_of(pauses, real, pause_rules.judge(rows[real], scene)),
        *_marks_of(pauses, slowed, pause_rules.slowed_transfer(rows[slowed])),
    ]


def _marks_of(pauses: Pauses, index: Ints, judged: pause_rules.Judged) -> tuple[Rows, Rows, Rows]:
    """Marks of the pauses at `index`, which is their order too."""
    rows, flow, position = pauses.rows[index], pauses.flow[index], pauses.position[index]
    request = rows["direction"] == C2S
    transfer = np.where(request, int(Code.REQUEST_TRANSFER), int(Code.RESPONSE_TRANSFER))
    begin = marks(flow, position, 0, integers(rows, "start_ns"), judged.first_code)
    cut = marks(flow, position, 0, judged.cut_ns, judged.code)
    resume = marks(flow, position, 0, integers(rows, "end_ns"), transfer)
    resume["code"][judged.over] = Code.IDLE
    cut["low_ns"][judged.presumed] = 0
    for step, part in enumerate((begin, cut, resume)):
        part["stage"] = np.where(request, REQUEST_PAUSES, RESPONSE_PAUSES)
        part["step"] = 3 * index + step
    begin["side"] = cut["side"] = rows["direction"]
    return begin, cut, resume
