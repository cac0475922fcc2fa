"""The fields of phrases.py that speak of failures: how many, of whose, and whom to ask."""

from __future__ import annotations

import numpy as np

from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.failed_services import FailedService
from pcap_analyzer.analysis.failures import nobody_answers, other_resolvers
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Cause, Party
from pcap_analyzer.analysis.quantities import count, duration
from pcap_analyzer.analysis.verdict import Decision

NOTICED_S = 0.1  # shorter waits are not worth a word


def failure_words(context: Context, decision: Decision) -> dict[str, str]:
    """Fields for failed connections or look-ups; those that a cause does not need may be empty."""
    failed = decision.failed
    if failed is None:
        return _without_failures(context, decision)
    server = context.names.server(int(failed.rows[0])) if len(failed.rows) else ""
    between = failed.party in (Party.NETWORK, Party.UNKNOWN)
    lost = failed.cause is Cause.NO_RESPONSE and between
    ask_between = (
        f"Ask whoever runs {server} whether it is up, and whoever runs the network and the firewalls between."
        if lost
        else f"Ask whoever runs the firewalls and load balancers before {server} why it does that."
    )
    ask_server = f"Ask whoever runs {server} for its log at these times: a crash, a limit, a timeout of its own."
    numbers = {
        "same": f"{failed.same:,}",
        "attempts": f"{failed.attempts:,}",
        "kept": f" That kept people waiting for {duration(failed.seconds)}." if failed.seconds >= NOTICED_S else "",
        "ask": ask_between if between else ask_server,
        "who_resets": "A device on the way" if between else "The server",
        "tls_detail": _alerts(context, failed),
        "unanswered": "It was sent again and again, and nothing ever acknowledged it."
        if lost
        else "The server's system had acknowledged the request; then no answer came.",
    }
    return numbers | _lookups(context, decision, failed)


def resolver(context: Context, decision: Decision) -> str:
    """The resolver that the decision is about, else the one that took longest; empty without look-ups."""
    lookups, took = context.account.lookups, context.account.intervals.of(Code.DNS_LOOKUP).length_ns
    if decision.failed is not None and len(decision.failed.lookups):
        lookups, took = lookups[decision.failed.lookups], took[decision.failed.lookups]
    if len(lookups) == 0:
        return ""
    worst = lookups[int(np.argmax(took))]
    return context.names.host(worst["server_ip"], int(worst["ip_version"]))


def _without_failures(context: Context, decision: Decision) -> dict[str, str]:
    silent, every = int(context.failures.lookup_failed.sum()), count(len(context.account.lookups), "look-up")
    who = resolver(context, decision)
    return dict.fromkeys(("attempts", "kept", "ask", "who_resets", "tls_detail", "unanswered"), "") | {
        "same": f"{len(decision.rows) if decision.rows is not None else 0:,}",
        "dns_failure": f"{who} did not answer {silent:,} of {every}.",
        "dns_detail": f"That kept people waiting for {duration(decision.seconds or 0.0)}.",
        "dns_ask": f"Ask whoever runs the resolver {who} why it does not answer.",
    }


def _alerts(context: Context, failed: FailedService) -> str:
    alerts = int((context.flows["tls_alert_ns"][failed.rows] >= 0).sum())
    if not alerts:
        return "They were closed without an alert that says why."
    return f"{alerts:,} of them ended with an alert: one side rejected what the other offered."


def _lookups(context: Context, decision: Decision, failed: FailedService) -> dict[str, str]:
    if len(failed.lookups) == 0:
        return dict.fromkeys(("dns_failure", "dns_detail", "dns_ask"), "")
    lookups = context.account.lookups[failed.lookups]
    client = context.names.host(lookups[0]["client_ip"], int(lookups[0]["ip_version"]))
    who = resolver(context, decision)
    if failed.party is Party.CLIENT:
        return {
            "dns_failure": f"{client} asked {who} for {failed.same:,} names that do not exist.",
            "dns_detail": "The resolver answers, and says so each time.",
            "dns_ask": f"Ask whoever runs {client} which program asks for these names.",
        }
    silent = int((lookups["answer_ns"] < 0).sum())
    how = "did not answer" if silent * 2 >= len(lookups) else "answered with an error (SERVFAIL) to"
    waited = duration(failed.seconds)
    others = other_resolvers(lookups)
    asked = f"The resolvers {who} and {count(others, 'other')}" if others else f"The resolver {who}"
    first = f"Look at the gateway and the uplink of {client} first, because no resolver answers anything; then ask"
    return {
        "dns_failure": f"{asked} {how} {failed.same:,} of {failed.attempts:,} look-ups of {client}.",
        "dns_detail": f"That kept people waiting for {waited}; without an address no connection can begin.",
        "dns_ask": f"{first if nobody_answers(context.account.lookups) else 'Ask'} whoever runs the resolver {who} "
        "whether it is up and reaches its upstream servers.",
    }
