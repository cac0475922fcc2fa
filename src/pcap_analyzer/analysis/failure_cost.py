"""What a failure cost: the waiting for the connect, the handshake or the answer that failed, not all of its flow's."""

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Mask, last_of_each
from pcap_analyzer.analysis.failures import Failure
from pcap_analyzer.analysis.intervals import CONNECT_UNIT, TLS_UNIT, Intervals
from pcap_analyzer.analysis.waiting import Account

CONNECTS = (Failure.REFUSED, Failure.FILTERED, Failure.UNREACHABLE)
LAST_ANSWER = (Failure.RESET, Failure.NO_RESPONSE, Failure.REQUEST_LOST)
SERVER_ERROR = 500  # RFC 9110, 15.6


def spent(account: Account, failure: Ints, rows: Ints) -> Mask:
    """Which intervals are waiting that the failures of `rows` cost; `failure` has the Failure of every flow."""
    intervals = account.intervals
    how = np.append(failure, int(Failure.NONE))[intervals.flow]  # look-ups have flow -1
    unit = intervals.unit
    errors = np.zeros(len(unit), np.bool_)
    errors[unit >= 0] = account.exchanges["status"][unit[unit >= 0]] >= SERVER_ERROR
    part = np.select(
        [np.isin(how, CONNECTS), how == Failure.TLS, np.isin(how, LAST_ANSWER), how == Failure.APP_ERRORS],
        [unit == CONNECT_UNIT, unit == TLS_UNIT, _for_last_answer(account), errors],
        np.True_,
    )
    chosen: Mask = part & _waiting_of(intervals, rows)
    return chosen


def last_answer(account: Account, rows: Ints) -> Mask:
    """Which intervals are waiting for the last answer of the given flows."""
    return _for_last_answer(account) & _waiting_of(account.intervals, rows)


def _waiting_of(intervals: Intervals, rows: Ints) -> Mask:
    mine: Mask = intervals.is_waiting & np.isin(intervals.flow, rows) & (intervals.flow >= 0)
    return mine


def _for_last_answer(account: Account) -> Mask:
    last = np.full(len(account.flows) + 1, -1, np.int64)
    ends = np.flatnonzero(last_of_each(account.exchange_row))
    last[account.exchange_row[ends]] = ends
    unit = account.intervals.unit
    within: Mask = (unit >= 0) & (unit == last[account.intervals.flow])
    # Sending the request may have taken long for other reasons.
    asked_ns = account.exchanges["request_last_ns"][unit[within]]
    within[within] = account.intervals.start_ns[within] >= asked_ns
    return within
