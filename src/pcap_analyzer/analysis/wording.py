"""A decision in words: names, numbers, what it is not, and whom to ask."""

from __future__ import annotations

import numpy as np

from pcap_analyzer.analysis.blame import loss_side
from pcap_analyzer.analysis.columns import Ints, add_up, address_keys, group
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.failure_words import failure_words, resolver
from pcap_analyzer.analysis.findings import severity
from pcap_analyzer.analysis.intervals import Code, Intervals
from pcap_analyzer.analysis.model import Cause, Confidence, Party, Severity, Verdict
from pcap_analyzer.analysis.paths import S
from pcap_analyzer.analysis.phrases import LATE_CLIENTS, LATE_CONNECTS, PHRASES, Phrase
from pcap_analyzer.analysis.quality import looks_filtered
from pcap_analyzer.analysis.quantities import ENOUGH, count, duration, percent
from pcap_analyzer.analysis.ruled_out import ruled_out
from pcap_analyzer.analysis.verdict import IMMEDIATE_NS, Decision
from pcap_analyzer.analysis.waiting import clock_leaps

OWN_PAUSE_NS = 1 * S  # judgement: a pause that people notice
OF_ONE_SERVER = (Cause.SERVER_THINKING, Cause.SERVER_STALL, Cause.TLS_SLOW)  # their sentences blame who they name
ALMOST_ALL = 0.8  # of the waiting with one server, host or client makes it the scope

SIDES = {
    Party.NETWORK_CLIENT_SIDE: "between the capture point and the client",
    Party.NETWORK_SERVER_SIDE: "between the capture point and the server",
}
CAPTURE_CAUSES = (
    Cause.ONE_SIDED_CAPTURE,
    Cause.CAPTURE_INCOMPLETE,
    Cause.CAPTURE_DUPLICATES,
    Cause.TRUNCATED_FILE,
    Cause.INSUFFICIENT_DATA,
)


def _phrase(decision: Decision) -> Phrase:
    if decision.code is Code.TCP_CONNECT and decision.cause is Cause.NETWORK_DELAY:
        return {Party.UNKNOWN: LATE_CONNECTS, Party.CLIENT: LATE_CLIENTS}.get(decision.party, PHRASES[decision.cause])
    return PHRASES[decision.cause]


def verdict(context: Context, decision: Decision) -> Verdict:
    """The verdict as it is shown."""
    phrase = _phrase(decision)
    words = _words(context, decision)
    headline, sentence = phrase.headline, phrase.sentence.format_map(words)
    if decision.confidence is Confidence.LOW and decision.cause is not Cause.INSUFFICIENT_DATA:
        headline = f"Probably: {_lowered(headline)}"
        sentence = f"Probably, {_lowered(sentence) if phrase.sentence[0].isalpha() else sentence}"
    share = _share(context, decision)
    return Verdict(
        cause=decision.cause,
        party=decision.party,
        scope=scope(context, decision),
        confidence=decision.confidence,
        severity=_severity(context, decision),
        headline=headline,
        sentence=sentence,
        detail=" ".join(filter(None, (phrase.detail.format_map(words), _beside(context, decision)))),
        next_step=phrase.next_step.format_map(words),
        ruled_out=ruled_out(context, decision),
        share=round(share, 6) if share is not None else None,
    )


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def _share(context: Context, decision: Decision) -> float | None:
    if decision.code is None or decision.seconds is None or not context.waited_s:
        return None
    return min(1.0, _cost_s(context, decision) / context.waited_s)


def _meant(context: Context, decision: Decision) -> Intervals | None:
    """The counted waiting that the sentence is about: of the one server that it names, else of all."""
    if decision.code is None:
        return None
    counted = context.account.counted_of([decision.code])
    if decision.cause not in OF_ONE_SERVER or decision.rows is None or _distinct(context, decision)[0] != 1:
        return counted
    services = context.names.service_of
    return counted.where((counted.flow >= 0) & (services[counted.flow] == services[decision.rows[0]]))


def _cost_s(context: Context, decision: Decision) -> float:
    """Wall clock of what the sentence is about; of causes that several categories share, all of it."""
    meant = _meant(context, decision) if decision.cause in OF_ONE_SERVER else None
    return meant.wall_ns() / 1e9 if meant is not None else decision.seconds or 0.0


def _slow_requests(context: Context, meant: Intervals | None) -> str:
    """ "39 of 147 requests took 100 ms or longer": the count of the finding, on the same requests."""
    if meant is None:
        return ""
    answered = context.account.exchanges["response_first_ns"][meant.unit[meant.unit >= 0]] >= 0
    length = meant.length_ns[meant.unit >= 0][answered]
    if len(length) == 0:
        return f"{count(len(meant), 'request')} never answered"
    slow, every = int((length >= IMMEDIATE_NS).sum()), count(len(length), "request")
    took = f"took {duration(IMMEDIATE_NS / 1e9)} or longer"
    if slow == len(length):
        return f"{every} {took}" if slow == 1 else f"each of {every} {took}"
    return f"{slow:,} of {every} {took}"


def _severity(context: Context, decision: Decision) -> Severity:
    if decision.cause is Cause.NONE:
        return Severity.INFO
    if decision.cause in CAPTURE_CAUSES:
        return Severity.LOW
    if decision.failed is not None or decision.code is None:
        return Severity.HIGH
    if decision.cause is Cause.BANDWIDTH_LIMIT:
        return Severity.LOW
    return severity(_cost_s(context, decision), context.waited_s)


def _words(context: Context, decision: Decision) -> dict[str, str]:
    """The fields of phrases.py; those that a cause does not need may be empty."""
    return (
        _who(context, decision)
        | _figures(context, decision)
        | _path(context, decision)
        | failure_words(context, decision)
    )


def _who(context: Context, decision: Decision) -> dict[str, str]:
    rows, names = decision.rows, context.names
    if rows is None or len(rows) == 0:
        unnamed = dict.fromkeys(("server", "host", "client_host"), "the server")
        return unnamed | {
            "client": "the clients",
            "reader": "the receiver",
            "port": "",
            "targets": "",
            "resolver": resolver(context, decision),
        }
    row = int(rows[0])
    servers, clients = _distinct(context, decision)
    server = names.server(row) if servers == 1 else f"{names.server(row)} and {count(servers - 1, 'other server')}"
    client = (
        names.client_host(row) if clients == 1 else f"{names.client_host(row)} and {count(clients - 1, 'other client')}"
    )
    return {
        "server": server,
        "host": names.server_host(row),
        "port": str(int(context.flows["server_port"][row])),
        "client": client,
        "client_host": names.client_host(row),
        "reader": server if decision.party is Party.SERVER else client,
        "targets": f"{len(np.unique(names.service_of[rows])):,}",
        "resolver": resolver(context, decision),
    }


def _distinct(context: Context, decision: Decision) -> tuple[int, int]:
    """Servers and clients that together have `ALMOST_ALL` of the waiting: others are not worth naming."""
    rows = decision.rows
    if rows is None or decision.code is None:
        return 1, 1
    weight = context.account.flow_ns[rows, decision.code]
    servers = context.names.service_of[rows]
    clients = group(*address_keys(context.flows["client_ip"][rows]))[1]
    return _needed(add_up(servers, weight, int(servers.max()) + 1)), _needed(
        add_up(clients, weight, int(clients.max()) + 1)
    )


def _needed(sums: Ints) -> int:
    ordered = np.sort(sums[sums > 0])[::-1].cumsum()
    return int(np.searchsorted(ordered, ALMOST_ALL * ordered[-1])) + 1 if len(ordered) else 1


def _figures(context: Context, decision: Decision) -> dict[str, str]:
    facts, account = context.tables.capture, context.account
    share = _share(context, decision)
    unknown = account.intervals.of(Code.UNKNOWN).wall_ns() / 1e9
    filtered = looks_filtered(context.flows)
    return {
        "seconds": duration(_cost_s(context, decision)),
        "total": duration(context.waited_s),
        "share": percent(share or 0.0),
        "units": _slow_requests(context, _meant(context, decision)),
        "little": _little(context, decision),
        "exchanges": f"{int((~account.gaps.closing).sum()):,}",
        "lookups": f"{len(account.lookups):,}",
        "most": "no look-up, connect, handshake or request took more than"
        if len(account.unit_counted_ns()) < ENOUGH
        else "95 % of all look-ups, connects, handshakes and requests took less than",
        "p95": f"{max(1.0, np.ceil((decision.p95_s or 0.0) * 1e3)):.0f} ms",
        "unknown_part": f": {duration(unknown)} of {duration(context.waited_s)} of waiting have no known cause"
        if unknown
        else "",
        "duplicates": f"{facts.duplicate_frames:,}",
        "frames": f"{facts.frames:,}",
        "before": "what is in it before shows nothing slow"
        if decision.code is None
        else "what is in it before does not show why anybody waited",
        "missed": "a filter left them out of this file: each TCP frame in it carries data"
        if filtered
        else "the capturing machine missed them or cut them short, or a filter left them out of the file",
        "again": "Export the file again without a filter (all packets, not the displayed ones), or capture without one."
        if filtered
        else "If this file was exported or filtered, export it again without a filter; else capture again with a "
        "larger buffer, full packets, or on a faster machine.",
        "damage": f"{facts.damage.reason} The last whole frame is {facts.damage.frame:,}." if facts.damage else "",
    }


def _little(context: Context, decision: Decision) -> str:
    """What there is, where that is too little to judge."""
    facts, flows = context.tables.capture, context.flows
    if decision.code is Code.TCP_CONNECT and decision.rows is not None:
        unanswered = decision.rows[flows["established_ns"][decision.rows] < 0]
        who = context.names.server(int(unanswered[0] if len(unanswered) else decision.rows[0]))
        tries = count(int(flows["syn_count"][unanswered].sum()), "packet", "packets")
        return f"{who} did not answer {tries} that ask for a connection: too few to tell a lost one from a dead server."
    if decision.code is Code.UNKNOWN:
        unknown, total = duration(decision.seconds or 0.0), duration(context.waited_s)
        return f"This capture does not show why anybody waited: {unknown} of {total} of waiting have no known cause."
    if len(clock_leaps(context.tables)[0]):
        return "The clock of this capture cannot be trusted: its frames are stamped days or years apart."
    exchanges = count(int((~context.account.gaps.closing).sum()), "request")
    span = duration(((facts.last_ns or 0) - (facts.first_ns or 0)) / 1e9)
    held = f"{count(facts.frames, 'packet')}, {exchanges} in {span}"
    return f"This capture is too short to say why something was slow: it holds {held}."


def _path(context: Context, decision: Decision) -> dict[str, str]:
    rows = decision.rows if decision.rows is not None else np.empty(0, np.int64)
    known = context.account.paths.round_trip_ns[rows]
    known = known[known > 0]
    median = duration(float(np.median(known)) / 1e9) if len(known) else ""
    round_trip = f" (network round trip {median})" if median else ""
    side = decision.party if decision.party in SIDES else loss_side(context, rows)
    sent, again = (
        int(context.flows["payload_frames"][rows].sum()),
        int(context.flows["retransmitted_frames"][rows].sum()),
    )
    worst = (
        int(context.account.intervals.of(decision.code).length_ns.max()) / 1e9
        if decision.code is not None and decision.seconds
        else 0
    )
    return {
        "round_trip": round_trip,
        "trip": f"; one round trip takes {median}" if median else "",
        "side": SIDES.get(side, "on the way"),
        "retransmitted": percent(again / sent) if sent else "An unknown part",
        "worst": f" The longest single wait was {duration(worst)}." if worst else "",
    }


def _beside(context: Context, decision: Decision) -> str:
    """What the verdict does not mean: the client's own pauses where nothing is slow, else the next largest waiting."""
    return _own_pauses(context) if decision.cause is Cause.NONE else _following(context, decision)


def _own_pauses(context: Context) -> str:
    """Time that clients let pass before they asked, where anybody may take it for waiting."""
    thinking = context.account.intervals.of(Code.CLIENT_THINKING)
    long = thinking.length_ns[thinking.length_ns >= OWN_PAUSE_NS]
    if len(long) == 0:
        return ""
    if len(long) == 1:
        let = f"The client itself let {duration(int(long[0]) / 1e9)} pass before it asked"
    else:
        let = f"Between requests the clients themselves let up to {duration(int(long.max()) / 1e9)} pass"
    return f"{let}; that is not counted as waiting."


def _following(context: Context, decision: Decision) -> str:
    """The next largest waiting, which the verdict does not mean."""
    if decision.code is None or decision.failed is not None or decision.cause in CAPTURE_CAUSES:
        return ""
    meant = {decision.code}
    if decision.cause is Cause.NETWORK_DELAY and decision.party is not Party.UNKNOWN:
        meant |= {Code.PATH_DELAY, Code.TCP_CONNECT}
    parts = {code: context.account.counted_of([code]).wall_ns() / 1e9 for code in Code if code not in meant}
    code = max(parts, key=lambda one: parts[one])
    if parts[code] <= 0.01 * context.waited_s:
        return ""
    return f"Next comes {code.category.value.replace('_', ' ')} with {duration(parts[code])}."


def scope(context: Context, decision: Decision) -> str:
    """Whom it is about: one server, one host, one client, a resolver, or all."""
    rows = decision.rows
    if (decision.failed is not None and len(decision.failed.lookups)) or decision.code is Code.DNS_LOOKUP:
        return f"resolver {resolver(context, decision)}"
    if rows is None or len(rows) == 0 or decision.cause in CAPTURE_CAUSES:
        return "all"
    row = int(rows[0])
    weight = context.account.flow_ns[rows, decision.code] if decision.code is not None else np.ones(len(rows), np.int64)
    if decision.cause is Cause.PORT_SCAN:
        return f"client {context.names.client_host(row)}"
    same_service = context.names.service_of[rows] == context.names.service_of[row]
    same_host = (context.flows["server_ip"][rows] == context.flows["server_ip"][row]).all(axis=1)
    same_client = (context.flows["client_ip"][rows] == context.flows["client_ip"][row]).all(axis=1)
    if decision.party is Party.CLIENT and int(weight[same_client].sum()) >= ALMOST_ALL * int(weight.sum()):
        return f"client {context.names.client_host(row)}"
    for same, name in (
        (same_service, f"server {context.names.server(row)}"),
        (same_host, f"server {context.names.server_host(row)}"),
        (same_client, f"client {context.names.client_host(row)}"),
    ):
        if int(weight[same].sum()) >= ALMOST_ALL * int(weight.sum()):
            return name
    return "all"
