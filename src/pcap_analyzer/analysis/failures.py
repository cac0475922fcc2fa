"""Which connections failed, and how: facts for the verdict's third step and for the detectors of failures."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Mask, Rows, add_up, address_keys, group, integers, last_of_each
from pcap_analyzer.analysis.gaps import CLOSING_NS, answer_due
from pcap_analyzer.analysis.paths import S
from pcap_analyzer.analysis.phases import handshake_end_ns, unreachable_ns
from pcap_analyzer.analysis.waiting import Account, is_tcp
from pcap_analyzer.capture.tables import C2S, S2C, Tables

SILENT_SYNS, SILENT_NS = 3, 3 * S  # unanswered tries of a connect, or of a request, before it is called a failure
UNANSWERED_NS = 10 * S
RESET_AFTER_NS = 1 * S  # a reset so soon after payload of unknown length cut it off
EYEBALLS_NS = 2 * S  # RFC 8305: attempts of one race start this close together
MANY_NAMES = 10  # names that do not exist, asked for by one client: a storm
LOOKUP_TRIES, LOOKUP_NS = 2, 5 * S  # RFC 1035, 7.2: a resolver tries again after 5 s
OTHER_DEVICE_HOPS = 3  # a reset whose TTL differs by so much comes from another device
SERVFAIL, NXDOMAIN = 2, 3


class Failure(IntEnum):
    """How a connection failed."""

    NONE = 0
    REFUSED = 1
    FILTERED = 2
    UNREACHABLE = 3
    NOT_ACCEPTING = 4
    TLS = 5
    RESET = 6
    NO_RESPONSE = 7
    REQUEST_LOST = 8
    APP_ERRORS = 9


@dataclass(frozen=True)
class Failures:
    """One value a row of the flow table, and of the look-ups."""

    flow: Ints  # Failure
    cut_off: Mask  # reset by either side while a response was owed or under way
    lookup_failed: Mask  # SERVFAIL, an ICMP error, or no answer to two tries or for 5 s
    lookup_unknown_name: Mask  # NXDOMAIN, one of a storm: a search list's suffixes are none


def find_failures(tables: Tables, account: Account) -> Failures:
    """Failures of all connections and look-ups of a capture."""
    flows = account.flows
    cut_off = _cut_off(account)
    doubt = handshake_end_ns(flows, cut=tables.capture.cut_frames > 0)[1]
    secured = flows["tls_start_ns"] >= 0
    ended = (flows["tls_alert_ns"] >= 0) | (flows["fin_ns"] >= 0).any(axis=1) | (flows["reset_ns"] >= 0)
    dialled = (flows["syn_count"] > 0) & (flows["synack_count"] == 0) & ~_race_losers(flows)
    silent = (flows["syn_count"] >= SILENT_SYNS) & (flows["syn_last_ns"] - flows["syn_ns"] >= SILENT_NS)
    again = (flows["established_ns"] >= 0) & (flows["synack_last_ns"] > flows["established_ns"])
    no_response, request_lost = _unanswered(account)
    # The first that holds; connects before what comes after them.
    rules = [
        (dialled & (flows["reset_direction"] == S2C) & (flows["payload_bytes"][:, S2C] == 0), Failure.REFUSED),
        (dialled & (unreachable_ns(flows, tables) >= 0), Failure.UNREACHABLE),
        (dialled & silent & _client_hears(flows, account.lookups), Failure.FILTERED),
        (again, Failure.NOT_ACCEPTING),
        (secured & (flows["tls_end_ns"] < 0) & ended & ~doubt, Failure.TLS),
        (cut_off & (flows["reset_direction"] == S2C), Failure.RESET),
        (no_response, Failure.NO_RESPONSE),
        (request_lost, Failure.REQUEST_LOST),
        (_app_errors(account), Failure.APP_ERRORS),
    ]
    tcp = is_tcp(flows)
    found = np.select([tcp & mask for mask, _ in rules], [int(kind) for _, kind in rules], int(Failure.NONE))
    failed, unknown_name = _lookup_failures(account.lookups, tables.capture.last_ns or 0)
    return Failures(found.astype(np.int64), cut_off & tcp, failed, unknown_name)


def _race_losers(flows: Rows) -> Mask:
    """Attempts over one IP version while a connection to the same port came up over the other."""
    lost = np.zeros(len(flows), np.bool_)
    dialled = (flows["syn_ns"] >= 0) & is_tcp(flows)
    if len(np.unique(flows["ip_version"][dialled])) < 2:
        return lost
    port, syn = integers(flows, "server_port"), integers(flows, "syn_ns")
    for version in (4, 6):
        won = dialled & (flows["established_ns"] >= 0) & (flows["ip_version"] == version)
        rivals = np.flatnonzero(dialled & (flows["established_ns"] < 0) & (flows["ip_version"] == 10 - version))
        for number in np.unique(port[rivals]):
            times = np.sort(syn[won & (port == number)])
            mine = rivals[port[rivals] == number]
            near = np.searchsorted(times, syn[mine] + EYEBALLS_NS, side="right")
            near -= np.searchsorted(times, syn[mine] - EYEBALLS_NS, side="left")
            lost[mine] = near > 0
    return lost


def _client_hears(flows: Rows, lookups: Rows) -> Mask:
    """Whether the flow's client received anything at all in this capture: else the capture may be one-sided."""
    answered = lookups[lookups["answer_ns"] >= 0]
    keys = [
        np.concatenate(halves)
        for halves in zip(address_keys(flows["client_ip"]), address_keys(answered["client_ip"]), strict=True)
    ]
    clients = group(*keys)[1]
    hears = np.zeros(int(clients.max()) + 1 if len(clients) else 0, np.bool_)
    hears[clients[: len(flows)][flows["frames"][:, S2C] > 0]] = True
    hears[clients[len(flows) :]] = True
    heard: Mask = hears[clients[: len(flows)]]
    return heard


def _cut_off(account: Account) -> Mask:
    """Flows that were reset while their last exchange still owed bytes."""
    flows, exchanges = account.flows, account.exchanges
    last = last_of_each(account.exchange_row) & ~account.gaps.closing
    exchange, row = exchanges[last], account.exchange_row[last]
    reset = flows["reset_ns"][row]
    missing = integers(exchange, "expected_bytes") > integers(exchange, "response_bytes")
    framed = exchange["expected_bytes"] >= 0
    unmeasured = ~framed & (exchange["status"] > 0) & ~exchange["complete"]
    unmeasured &= (flows["fin_ns"][row] < 0).all(axis=1) & (reset - exchange["response_last_ns"] <= RESET_AFTER_NS)
    none = (exchange["response_first_ns"] < 0) & answer_due(exchanges, account.exchange_row, flows)[last]
    owed = none | (framed & missing & ~exchange["complete"]) | unmeasured
    # Both sides had said goodbye: a reset after that cuts nothing off.
    owed &= ~((flows["fin_ns"][row] >= 0) & (flows["fin_ns"][row] <= reset[:, np.newaxis])).all(axis=1)
    cut = np.zeros(len(flows), np.bool_)
    cut[row[owed & (reset >= 0) & (exchange["request_last_ns"] >= 0)]] = True
    return cut


def _unanswered(account: Account) -> tuple[Mask, Mask]:
    """(request acknowledged, but never answered; request never even acknowledged)."""
    flows, exchanges = account.flows, account.exchanges
    last = last_of_each(account.exchange_row) & ~account.gaps.closing
    exchange, row = exchanges[last], account.exchange_row[last]
    asked = integers(exchange, "request_last_ns")
    none = (exchange["response_first_ns"] < 0) & (asked >= 0)
    acknowledged = exchange["request_ack_ns"] >= 0
    fin = flows["fin_ns"][row]
    # Who closes at once after the last message, before the server does, has said goodbye and waits for nothing.
    farewell = (fin[:, C2S] >= asked) & (fin[:, C2S] - asked < CLOSING_NS)
    farewell &= (fin[:, S2C] < 0) | (fin[:, S2C] >= fin[:, C2S])
    waited = (flows["last_ns"][row] - asked >= UNANSWERED_NS) | ((fin >= 0).any(axis=1) & ~farewell)
    due = answer_due(exchanges, account.exchange_row, flows)[last]
    copies = (exchange["request_copies"] + 1 >= SILENT_SYNS) & (exchange["request_last_copy_ns"] - asked >= SILENT_NS)
    no_response, lost = np.zeros(len(flows), np.bool_), np.zeros(len(flows), np.bool_)
    no_response[row[none & acknowledged & waited & due]] = True
    lost[row[none & ~acknowledged & copies]] = True
    return no_response, lost


def _app_errors(account: Account) -> Mask:
    """At least half of a flow's exchanges ended in a status of 500 or more (RFC 9110, 15.6)."""
    errors = (account.exchanges["status"] >= 500).astype(np.int64)
    counts = add_up(account.exchange_row, errors, len(account.flows))
    every = add_up(account.exchange_row, np.ones_like(errors), len(account.flows))
    failing: Mask = (counts > 0) & (counts * 2 >= every)
    return failing


def _lookup_failures(lookups: Rows, last_ns: int) -> tuple[Mask, Mask]:
    silent = lookups["answer_ns"] < 0
    tried = (lookups["tries"] >= LOOKUP_TRIES) | (last_ns - lookups["query_ns"] >= LOOKUP_NS)
    failed = (lookups["rcode"] == SERVFAIL) | lookups["icmp"] | (silent & tried)
    missing = lookups["rcode"] == NXDOMAIN
    # A search list tries the suffixes in turn: a first label that resolves anywhere is no missing name.
    labels = np.char.partition(lookups["name"], b".")[:, 0] if len(lookups) else np.zeros(0, "S1")
    storm = missing & ~np.isin(labels, labels[lookups["rcode"] == 0])
    clients = group(*address_keys(lookups["client_ip"]), *address_keys(lookups["server_ip"]))[1]
    counts = add_up(clients, storm.astype(np.int64), len(lookups))
    return failed, storm & (counts[clients] >= MANY_NAMES)


def foreign_resets(flows: Rows, hops: float = OTHER_DEVICE_HOPS) -> Mask:
    """Resets whose TTL differs from that of their sender by `hops` or more: another device sent them.

    The usual TTL of a sender is the smallest that any of its flows shows, the reset's own flow if there is no other.
    """
    foreign = np.zeros(len(flows), np.bool_)
    for side, address in ((C2S, "client_ip"), (S2C, "server_ip")):
        hosts = group(*address_keys(flows[address]))[1]
        shown = flows["ttl_max"][:, side].astype(np.int64)
        usual = np.full(len(flows), 256)
        np.minimum.at(usual, hosts[shown > 0], shown[shown > 0])
        differs = np.abs(integers(flows, "reset_ttl") - usual[hosts]) >= hops
        foreign |= (flows["reset_direction"] == side) & (flows["reset_ttl"] > 0) & (usual[hosts] < 256) & differs
    return foreign


def initiators(flows: Rows) -> Mask:
    """TCP flows whose connect was seen: the attempts of the verdict's second step."""
    seen: Mask = is_tcp(flows) & (flows["syn_count"] > 0)
    return seen


def half_open(flows: Rows) -> Mask:
    """Attempts that were neither finished by their client nor refused."""
    waiting: Mask = initiators(flows) & (flows["established_ns"] < 0)
    waiting &= (flows["synack_count"] > 0) | (flows["reset_ns"] < 0)
    return waiting


def without_payload(flows: Rows) -> Mask:
    silent: Mask = initiators(flows) & (flows["payload_bytes"][:, C2S] == 0) & (flows["payload_bytes"][:, S2C] == 0)
    return silent


def nobody_answers(lookups: Rows) -> bool:
    """Whether no resolver answered anything: then the way to all of them is as likely to be broken as they are."""
    return len(lookups) > 0 and bool((lookups["answer_ns"] < 0).all() and not lookups["icmp"].any())


def other_resolvers(lookups: Rows) -> int:
    """How many more resolvers were asked for one of these look-ups, all of them without an answer."""
    silent = lookups[lookups["answer_ns"] < 0]
    return max(0, int(silent["servers"].max()) - 1) if len(silent) else 0
