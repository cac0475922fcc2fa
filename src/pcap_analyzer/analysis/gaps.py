"""The gap between the last byte of a request and the first of its response: the server's, less its leg.

Rule: the path takes the leg of the server, half before and half after the thinking. A request that was sent again
before anyone acknowledged it lost its time on the network up to the copy that was answered; a kernel acknowledges
within 500 ms whatever its application does (RFC 1122, 4.2.3.2).
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from pcap_analyzer.analysis.columns import FAR, Ints, Mask, Rows, address_keys, group, integers
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.paths import MS, Paths, S
from pcap_analyzer.analysis.tiling import any_between
from pcap_analyzer.capture.tables import App, Role

#: Protocols in which the server speaks first; elsewhere a response without a request means that it was not captured.
GREETERS = (App.UNKNOWN, App.SSH, App.SMTP, App.FTP, App.IMAP, App.POP3, App.MYSQL, App.VNC)
ACK_TIMER_NS = 500 * MS  # RFC 1122: an acknowledgement may wait no longer
ACK_SLACK_NS = 25 * MS  # shorter than any delayed-ACK timer in use: the ACK came at once
QUIET_NS = 2 * S  # longer silences without a reason end a message
CLOSING_BYTES = 64  # a last small message before the close asks for nothing
CLOSING_NS = 1 * S
POLL_NS, POLL_SPREAD_NS, POLL_COUNT = 20 * S, 2 * S, 3  # long polls: so many equal waits, within +- 1 s


@dataclass(frozen=True)
class Gaps:
    """One value a row of the exchange table, times in ns."""

    first_copy_ns: Ints  # last byte of the request, sent for the first time
    path_until_ns: Ints  # resent without an answer to it: the path's share of the loss; else first_copy_ns
    start_ns: Ints  # where the gap begins: the copy that was answered, or its acknowledgement
    end_ns: Ints  # first byte of the response, or where waiting for it ended
    leg_ns: Ints  # the server's leg, at most the gap
    thinking_ns: Ints
    low_ns: Ints
    high_ns: Ints
    code: Ints  # Code of what lies between the two halves of the leg
    closing: Mask  # not an exchange: the last small message before the close

    def part(self, rows: slice) -> Self:
        return type(self)(*(getattr(self, column.name)[rows] for column in fields(self)))


@dataclass(frozen=True)
class Doubts:
    """What may explain a gap otherwise: answers never captured, and clients held up by a closed window."""

    unseen: tuple[Ints, Ints]  # flow and time
    held_up: Mask  # one a flow


def measure(exchanges: Rows, row: Ints, flows: Rows, paths: Paths, doubts: Doubts) -> Gaps:
    """Gaps of all exchanges, which are in order of flow and index."""
    first_copy, end = _borders(exchanges, row, flows)
    closing = _closing(exchanges, row, flows)
    leg = integers(exchanges, "leg_server_ns")
    leg = np.where(leg >= 0, leg, paths.server_leg_ns[row])
    path_until, start, settled = _resent(exchanges, first_copy, end, np.maximum(leg, 0))
    gap = end - start
    best_leg, longest_leg = _share_of_path(exchanges, start, gap, leg, row)
    best_leg, longest_leg = np.where(settled, 0, best_leg), np.where(settled, 0, longest_leg)
    shortest_leg = np.where(settled, 0, np.clip(paths.server_leg_ns[row], 0, best_leg))
    best_leg = np.minimum(best_leg, gap)
    code = _code(exchanges, row, flows, paths, gap)
    code[doubts.held_up[row] & (exchanges["response_first_ns"] < 0)] = Code.RECEIVER_NOT_READING
    code[any_between(doubts.unseen, row, start, end)] = Code.UNKNOWN
    code[_long_polls(gap, row) | closing] = Code.IDLE
    low = np.maximum(0, gap - np.maximum(longest_leg, best_leg))
    low[_presumed(exchanges, row, flows)] = 0
    return Gaps(
        first_copy,
        path_until,
        start,
        end,
        best_leg,
        gap - best_leg,
        low,
        np.maximum(gap - shortest_leg, 0),
        code,
        closing,
    )


def _borders(exchanges: Rows, row: Ints, flows: Rows) -> tuple[Ints, Ints]:
    """Last request byte and first response byte; without a request the end of the set-up, if the server greets."""
    request, response = integers(exchanges, "request_last_ns"), integers(exchanges, "response_first_ns")
    greets = (request < 0) & (exchanges["index"] == 0) & (flows["established_ns"][row] >= 0)
    greets &= (flows["tls_start_ns"][row] < 0) & ~flows["mid_stream"][row] & np.isin(flows["app"][row], GREETERS)
    start = np.where(request >= 0, request, np.where(greets, flows["established_ns"][row], response))
    following = integers(exchanges, "next_request_ns")
    given_up = np.minimum(closed_ns(flows, row, start), flows["last_ns"][row])
    end = np.where(response >= 0, response, np.where(following >= 0, following, given_up))
    return start, np.maximum(end, start)


def closed_ns(flows: Rows, row: Ints, after_ns: Ints) -> Ints:
    """When the client closed or either side reset the flow, at or after a time; FAR if it never did."""
    client_fin, reset = flows["fin_ns"][row, 0], flows["reset_ns"][row]
    fin = np.where(client_fin >= after_ns, client_fin, FAR)
    return np.minimum(fin, np.where(reset >= after_ns, reset, FAR))


def _closing(exchanges: Rows, row: Ints, flows: Rows) -> Mask:
    unanswered = (exchanges["response_first_ns"] < 0) & (exchanges["next_request_ns"] < 0)
    small = unanswered & (exchanges["request_bytes"] <= CLOSING_BYTES) & (exchanges["request_last_ns"] >= 0)
    last = integers(exchanges, "request_last_ns")
    return small & (closed_ns(flows, row, last) - last < CLOSING_NS)


def _resent(exchanges: Rows, first_copy: Ints, end: Ints, leg: Ints) -> tuple[Ints, Ints, Mask]:
    """(until when the path's share of a loss lasts, where the gap then starts, whether that is the ACK itself)."""
    acknowledged, copy = integers(exchanges, "request_ack_ns"), integers(exchanges, "request_last_copy_ns")
    resent = (exchanges["request_copies"] > 0) & (copy > first_copy)
    answered = np.where(end - copy >= leg * 9 // 10, copy, first_copy)
    by_response = resent & (exchanges["response_first_ns"] >= 0) & (acknowledged < 0)
    by_response &= end - answered <= leg + ACK_TIMER_NS
    by_ack = resent & ~by_response
    heard = np.where(acknowledged >= 0, np.clip(acknowledged, first_copy, end), end)
    start = np.where(by_response, answered, np.where(by_ack, heard, first_copy))
    path_until = np.where(by_ack, np.minimum(first_copy + leg, heard), first_copy)
    return path_until, start, by_ack


def _share_of_path(exchanges: Rows, start: Ints, gap: Ints, leg: Ints, row: Ints) -> tuple[Ints, Ints]:
    """(best value of the server's leg in this gap, largest that it may have been)."""
    known = np.maximum(leg, 0)
    own = integers(exchanges, "request_ack_ns") - start
    has_own = (exchanges["request_ack_ns"] >= 0) & (own >= 0)
    believed = has_own & ((own < known + ACK_SLACK_NS) | (own > known + ACK_TIMER_NS))
    best = np.where(believed, own, known)
    longest = np.where(has_own, np.maximum(own, best), best)
    smallest_gap = np.full(int(row.max()) + 1 if len(row) else 0, FAR)
    answered = exchanges["response_first_ns"] >= 0
    np.minimum.at(smallest_gap, row[answered], gap[answered])
    without = (leg < 0) & ~believed
    return best, np.where(without, np.minimum(smallest_gap[row], gap), longest)


def _code(exchanges: Rows, row: Ints, flows: Rows, paths: Paths, gap: Ints) -> Ints:
    code = np.full(len(exchanges), int(Code.SERVER_THINKING))
    code[(exchanges["response_first_ns"] < 0) & ~answer_due(exchanges, row, flows)] = Code.IDLE
    guessed = flows["role"][row] == Role.GUESSED
    code[guessed] = np.where(gap[guessed] > QUIET_NS, Code.IDLE, Code.UNKNOWN)
    code[paths.one_sided[row]] = Code.UNKNOWN
    return code


def answer_due(exchanges: Rows, row: Ints, flows: Rows) -> Mask:
    """Whether framing, or other exchanges of the service, prove that it answers: uploads and syslog never do."""
    services = group(*address_keys(flows["server_ip"]), integers(flows, "server_port"))[1]
    answers = np.zeros(int(services.max()) + 1 if len(services) else 0, np.bool_)
    answers[services[row[exchanges["response_first_ns"] >= 0]]] = True
    framed = (flows["app"][row] == App.HTTP) & flows["app_certain"][row]
    due: Mask = answers[services[row]] | framed
    return due


def _presumed(exchanges: Rows, row: Ints, flows: Rows) -> Mask:
    """A first word of the server in a protocol that is not known may be a push: nobody need have waited for it."""
    unknown: Mask = (exchanges["request_last_ns"] < 0) & (flows["app"][row] == App.UNKNOWN)
    return unknown


def _long_polls(gap: Ints, row: Ints) -> Mask:
    """At least three waits of 20 s or more on one flow, of equal length: the server answers when it has news."""
    polls = np.zeros(len(gap), np.bool_)
    long = np.flatnonzero(gap >= POLL_NS)
    long = long[np.lexsort((gap[long], row[long]))]
    reach = POLL_COUNT - 1
    if len(long) <= reach:
        return polls
    first, last = long[:-reach], long[reach:]
    equal = (row[first] == row[last]) & (gap[last] - gap[first] <= POLL_SPREAD_NS)
    for step in range(POLL_COUNT):
        polls[long[step : len(long) - reach + step][equal]] = True
    return polls
