"""Name look-ups that are slow, have to be repeated, fail, or ask for names that do not exist again and again.

Method: a look-up lasts from its first query to the matching answer (same client, name, type and id), or to its last
try. By resolver: look-ups of at least `slow_lookup_ms`; look-ups that ended in SERVFAIL, an ICMP error, or without an
answer to two tries or for 5 s; and at least ten names of one client that do not exist and whose first label resolves
nowhere.
Source: RFC 1035 (4.1.1, response codes; 7.2, repetition), RFC 2308 (names that do not exist), RFC 1536 (repetition).
False alarms: a search list tries suffixes that do not exist before the right one, and empty AAAA answers are normal:
both are left out. Queries at the very end of a capture have no answer yet: one try without an answer counts after 5 s
only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Mask, Rows, address_keys, group, integers
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.failures import NXDOMAIN, SERVFAIL, nobody_answers, other_resolvers
from pcap_analyzer.analysis.findings import FLOWS_NAMED, GROUPS, Words, severity, since_start
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Category, Confidence, Evidence, Finding, FindingKind, FlowRef, Number, Severity
from pcap_analyzer.analysis.naming import join, printable, text
from pcap_analyzer.analysis.quantities import ENOUGH, count, duration, typical
from pcap_analyzer.analysis.waiting import lookup_end_ns

SLOW = FindingKind(
    id="dns_slow",
    title="Slow name look-ups",
    category=Category.DNS_LOOKUP,
    advice="Ask whoever runs the resolver for its load and its upstream servers.",
)
FAILED = FindingKind(
    id="dns_failure",
    title="Name look-ups fail",
    category=Category.DNS_LOOKUP,
    advice="Ask whoever runs the resolver whether it is up and reaches its upstream servers.",
)
MISSING = FindingKind(
    id="dns_unknown_names",
    title="Names that do not exist",
    category=Category.DNS_LOOKUP,
    advice="Ask whoever runs the client which program asks for these names.",
)

RCODES = {0: "no error", SERVFAIL: "SERVFAIL", NXDOMAIN: "no such name (NXDOMAIN)", 5: "refused"}


@dataclass(frozen=True)
class Settings:
    slow_lookup_ms: float = setting(
        200, "an answered look-up that takes longer is slow", "judgement: twice Nielsen's 100 ms"
    )
    total_ms: float = setting(300, "slow look-ups of a resolver are reported from this sum on", "judgement")


@dataclass(frozen=True)
class Batch:
    """Look-ups of one resolver that have one thing in common."""

    lookups: Rows
    seconds: float  # wall clock


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    lookups, failures = context.account.lookups, context.failures
    took = lookup_end_ns(lookups) - integers(lookups, "query_ns")
    bad = failures.lookup_failed | failures.lookup_unknown_name
    for batch in _by_resolver(context, failures.lookup_failed):
        yield _failed(context, batch)
    for batch in _by_resolver(context, failures.lookup_unknown_name):
        yield _missing(context, batch)
    for batch in _by_resolver(context, (took >= settings.slow_lookup_ms * 1e6) & ~bad):
        if batch.seconds * 1e3 >= settings.total_ms:
            yield _slow(context, batch)


def _by_resolver(context: Context, chosen: Mask) -> Iterator[Batch]:
    rows = np.flatnonzero(chosen)
    lookups = context.account.lookups[rows]
    intervals = context.account.intervals.of(Code.DNS_LOOKUP)  # in the order of the look-ups
    groups: Ints = group(*address_keys(lookups["server_ip"]), integers(lookups, "server_port"))[1]
    resolvers, counts = np.unique(groups, return_counts=True)
    for resolver in resolvers[np.argsort(-counts, kind="stable")][:GROUPS]:
        mine = np.zeros(len(context.account.lookups), np.bool_)
        mine[rows[groups == resolver]] = True
        yield Batch(context.account.lookups[mine], intervals.where(mine).wall_ns() / 1e9)


def _who(context: Context, batch: Batch) -> tuple[str, str]:
    first = batch.lookups[0]
    version = int(first["ip_version"])
    return context.names.host(first["server_ip"], version), context.names.host(first["client_ip"], version)


def _failed(context: Context, batch: Batch) -> Finding:
    resolver, client = _who(context, batch)
    others, silent = other_resolvers(batch.lookups), int((batch.lookups["answer_ns"] < 0).sum())
    errors = int((batch.lookups["rcode"] == SERVFAIL).sum())
    how = "answered with an error (SERVFAIL)" if errors > silent else "did not answer"
    who = f"Resolvers {resolver} and {count(others, 'other')}" if others else f"Resolver {resolver}"
    words = Words(
        title=f"{who} {how}: {count(len(batch.lookups), 'look-up')} failed",
        explanation=(
            f"{silent:,} got no answer and {errors:,} got SERVFAIL, an error of the resolver; the queries were sent "
            f"{_tries(resolver, batch.lookups)}. Without an address no connection can begin.",
        ),
        next_step=f"{_look_first(context, client)} whoever runs the resolver {resolver} whether it is up and reaches "
        "its upstream servers.",
    )
    numbers = (
        Number("failed look-ups", len(batch.lookups), ""),
        Number("without answer", silent, ""),
        Number("SERVFAIL", errors, ""),
    )
    return _finding(context, FAILED, batch, words, numbers)


def _tries(resolver: str, lookups: Rows) -> str:
    every, here = int(lookups["tries"].sum()), int(lookups["server_tries"].sum())
    if every == here:
        return f"{count(every, 'time')} in all"
    return f"{count(here, 'time')} to {resolver} and {count(every - here, 'time')} to others"


def _look_first(context: Context, client: str) -> str:
    if not nobody_answers(context.account.lookups):
        return "Ask"
    return f"Look at the gateway and the uplink of {client} first, because no resolver answers anything; then ask"


def _missing(context: Context, batch: Batch) -> Finding:
    resolver, client = _who(context, batch)
    names = len(np.unique(batch.lookups["name"]))
    words = Words(
        title=f"{client} asks for {count(names, 'name')} that do not exist",
        explanation=(
            f"The resolver {resolver} answered {count(len(batch.lookups), 'look-up')} with NXDOMAIN: there is no such "
            "name, and no other name of this capture that begins alike resolves.",
        ),
        next_step=f"Ask whoever runs {client} which program asks for these names: a wrong setting, or malware.",
    )
    numbers = (Number("look-ups", len(batch.lookups), ""), Number("names", names, ""))
    return _finding(context, MISSING, batch, words, numbers)


def _slow(context: Context, batch: Batch) -> Finding:
    resolver = _who(context, batch)[0]
    took = (lookup_end_ns(batch.lookups) - batch.lookups["query_ns"]) / 1e9
    slowest, median = float(took.max()), float(np.median(took))
    many = len(took) >= ENOUGH
    usual = f"{duration(median)} (median), the slowest " if many else "" if len(took) == 1 else "up to "
    again = int(integers(batch.lookups, "tries").sum()) - len(batch.lookups)
    repeated = f" {count(again, 'query', 'queries')} had to be repeated." if again else ""
    words = Words(
        title=f"Resolver {resolver} takes {typical(took)} to answer",
        explanation=(
            f"{count(len(batch.lookups), 'look-up')} took {usual}"
            f"{duration(slowest)}.{repeated} What comes after a look-up can only begin when it is answered.",
        ),
        next_step=f"Ask whoever runs the resolver {resolver} for its load and its upstream servers.",
    )
    numbers = (
        Number("slow look-ups", len(batch.lookups), ""),
        *((Number("median", median, "s"),) if many else ()),
        Number("slowest", slowest, "s"),
        Number("repeated queries", again, ""),
    )
    return _finding(context, SLOW, batch, words, numbers)


def _finding(context: Context, kind: FindingKind, batch: Batch, words: Words, numbers: tuple[Number, ...]) -> Finding:
    took = lookup_end_ns(batch.lookups) - batch.lookups["query_ns"]
    worst = batch.lookups[int(took.argmax())]
    clients = group(*address_keys(batch.lookups["client_ip"]))[0]
    begun = since_start(context, int(batch.lookups["query_ns"].min()))
    level = severity(batch.seconds, context.waited_s)
    return Finding(
        kind=kind.id,
        category=kind.category if batch.seconds else None,
        severity=level if kind is not FAILED or level.rank >= Severity.MEDIUM.rank else Severity.MEDIUM,
        confidence=Confidence.HIGH,
        title=words.title,
        explanation=(
            *words.explanation,
            f"{count(len(clients), 'client')} asked; first seen {begun} into the capture.",
        ),
        seconds=round(batch.seconds, 6),
        flow_count=len(np.unique(batch.lookups["stream"])),
        flows=tuple(_flow(context, one) for one in batch.lookups[np.argsort(-took, kind="stable")[:FLOWS_NAMED]]),
        evidence=_evidence(worst),
        display_filter=_batch_filter(worst),
        example_filter=_name_filter(worst) or _resolver_filter(worst),
        next_step=words.next_step,
        numbers=numbers,
    )


def _flow(context: Context, lookup: Rows) -> FlowRef:
    version = int(lookup["ip_version"])
    resolver = join(context.names.host(lookup["server_ip"], version), int(lookup["server_port"]))
    return FlowRef("udp", int(lookup["stream"]), text(lookup["client_ip"], version), resolver)


def _evidence(lookup: Rows) -> tuple[Evidence, ...]:
    name, stream = printable(bytes(lookup["name"])), int(lookup["stream"])
    asked, again, answered = (int(lookup[column]) for column in ("query_ns", "last_query_ns", "answer_ns"))
    made = [Evidence(int(lookup["query_frame"]), asked / 1e9, f"Query for {name}", None, stream, "udp")]
    if lookup["tries"] > 1:
        after = round((again - asked) / 1e9, 9)
        made.append(Evidence(int(lookup["last_query_frame"]), again / 1e9, "Asked again", after, stream, "udp"))
    if answered >= 0:
        after = round((answered - (again if lookup["tries"] > 1 else asked)) / 1e9, 9)
        what = f"Answer: {RCODES.get(int(lookup['rcode']), 'response code ' + str(int(lookup['rcode'])))}"
        made.append(Evidence(int(lookup["answer_frame"]), answered / 1e9, what, after, stream, "udp"))
    return tuple(made)


def _batch_filter(worst: Rows) -> str:
    """All look-ups of the resolver; a name that was asked for again may have been asked elsewhere."""
    resolver, name = _resolver_filter(worst), _name_filter(worst)
    return f"({resolver}) || ({name})" if worst["tries"] > 1 and name else resolver


def _resolver_filter(lookup: Rows) -> str:
    field, version = ("ipv6.addr", 6) if lookup["ip_version"] == 6 else ("ip.addr", 4)
    return f"{field} == {text(lookup['server_ip'], version)} && udp.port == {int(lookup['server_port'])}"


def _name_filter(lookup: Rows) -> str | None:
    """Queries and answers of one name, in whatever case it was written; None for a name that no filter can hold."""
    name = printable(bytes(lookup["name"]))
    if not name or "\\" in name or '"' in name:
        return None
    return f'udp.port == {int(lookup["server_port"])} && lower(dns.qry.name) == "{name}"'


DETECTOR = Detector("slow_dns", (SLOW, FAILED, MISSING), ("dns",), Settings, find)
