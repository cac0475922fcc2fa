"""Services that fail for a client: most attempts at least, and enough of them to be the story of the capture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.columns import Ints, add_up, address_keys, group, integers
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.failure_cost import spent
from pcap_analyzer.analysis.failures import Failure, foreign_resets
from pcap_analyzer.analysis.intervals import LOOKUP_UNIT, WAITING_CODES
from pcap_analyzer.analysis.model import Cause, Party
from pcap_analyzer.analysis.waiting import is_tcp, lookup_end_ns

MOST, SOME, FEW_ATTEMPTS = 0.5, 0.1, 3
LOOKUP_FAILED, LOOKUP_UNKNOWN_NAME = 20, 21  # beside the values of Failure
COSTED = 20  # services whose wall clock is computed: the ones with the largest sums

CAUSES: tuple[tuple[int, Cause, Party], ...] = (
    (Failure.REFUSED, Cause.CONNECT_REFUSED, Party.SERVER),
    (Failure.FILTERED, Cause.CONNECT_FILTERED, Party.UNKNOWN),
    (Failure.UNREACHABLE, Cause.UNREACHABLE, Party.NETWORK),
    (Failure.NOT_ACCEPTING, Cause.SERVER_NOT_ACCEPTING, Party.SERVER),
    (Failure.TLS, Cause.TLS_FAILURE, Party.SERVER),
    (Failure.RESET, Cause.RESET, Party.SERVER),
    (Failure.NO_RESPONSE, Cause.NO_RESPONSE, Party.SERVER),
    (Failure.REQUEST_LOST, Cause.NO_RESPONSE, Party.UNKNOWN),
    (Failure.APP_ERRORS, Cause.APP_ERRORS, Party.SERVER),
    (LOOKUP_FAILED, Cause.DNS_FAILURE, Party.RESOLVER),
    (LOOKUP_UNKNOWN_NAME, Cause.DNS_FAILURE, Party.CLIENT),
)


@dataclass(frozen=True)
class FailedService:
    """One client's failing service: `failed` of `attempts` failed, `same` of them in the way of `cause`."""

    cause: Cause
    party: Party
    attempts: int
    failed: int
    same: int
    seconds: float  # wall clock that the attempts which failed in that way waited for it
    rows: Ints  # of the flow table; empty for a resolver
    lookups: Ints  # rows of the account's look-ups; empty for a TCP service


def failed_services(context: Context) -> tuple[FailedService, ...]:
    """Those that count, the one that cost most wall clock first."""
    flows, lookups = context.flows, context.account.lookups
    tcp = np.flatnonzero(is_tcp(flows))
    how = np.concatenate((context.failures.flow[tcp], _lookup_kinds(context)))
    key = _keys(context, tcp)
    if len(key) == 0 or not how.any():
        return ()
    number = int(key.max()) + 1
    attempts, bad = np.bincount(key, minlength=number), np.bincount(key[how > 0], minlength=number)
    waited = np.concatenate(
        (context.account.flow_ns[tcp, :WAITING_CODES].sum(axis=1), lookup_end_ns(lookups) - lookups["query_ns"])
    )
    cost = add_up(key[how > 0], waited[how > 0], number)
    counted_ns = context.account.counted_wall_ns()
    total = int(attempts.sum())
    few = attempts < FEW_ATTEMPTS
    told = np.where(
        few,
        (bad >= MOST * total) | ((cost >= MOST * counted_ns) & (counted_ns > 0)),
        (bad >= SOME * total) | (bad == attempts),
    )
    chosen = np.flatnonzero((bad > 0) & (bad >= MOST * attempts) & told)
    chosen = chosen[np.lexsort((-bad[chosen], -cost[chosen]))][:COSTED]
    made = [_describe(context, tcp, np.flatnonzero(key == service), how) for service in chosen]
    return tuple(sorted(made, key=lambda one: (-one.seconds, -one.failed)))


def _keys(context: Context, tcp: Ints) -> Ints:
    """Client and service of every TCP flow, then client and resolver of every look-up, as group numbers."""
    flows, lookups = context.flows[tcp], context.account.lookups
    columns = [
        np.concatenate(pair)
        for side in ("client_ip", "server_ip")
        for pair in zip(address_keys(flows[side]), address_keys(lookups[side]), strict=True)
    ]
    ports = np.concatenate((integers(flows, "server_port"), integers(lookups, "server_port")))
    kind = np.repeat(np.array([0, 1], np.int64), [len(flows), len(lookups)])
    return group(*columns, ports, kind)[1]


def _lookup_kinds(context: Context) -> Ints:
    failures = context.failures
    return np.select(
        [failures.lookup_failed, failures.lookup_unknown_name],
        [np.int64(LOOKUP_FAILED), np.int64(LOOKUP_UNKNOWN_NAME)],
        np.int64(0),
    )


def _describe(context: Context, tcp: Ints, members: Ints, how: Ints) -> FailedService:
    kinds, counts = np.unique(how[members][how[members] > 0], return_counts=True)
    kind = int(kinds[np.argmax(counts)])
    cause, party = next((cause, party) for code, cause, party in CAUSES if code == kind)
    same = members[how[members] == kind]
    rows, lookups = tcp[same[same < len(tcp)]], same[same >= len(tcp)] - len(tcp)
    bad = members[how[members] > 0]
    if cause is Cause.RESET and _other_device(context, rows):
        party = Party.NETWORK
    return FailedService(
        cause,
        party,
        len(members),
        len(bad),
        len(same),
        _wall_s(context, rows, lookups),
        rows,
        lookups,
    )


def _other_device(context: Context, rows: Ints) -> bool:
    """Whether most resets came from a device between."""
    return int(foreign_resets(context.flows)[rows].sum()) * 2 > len(rows)


def _wall_s(context: Context, rows: Ints, lookups: Ints) -> float:
    intervals = context.account.intervals
    mine = spent(context.account, context.failures.flow, rows)
    asked = np.flatnonzero(intervals.unit == LOOKUP_UNIT)
    mine[asked[lookups]] = True
    return intervals.where(mine).wall_ns() / 1e9
