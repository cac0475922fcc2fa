"""The decision table, step by step, on rows that say nothing else."""

import pytest

from pcap_analyzer.analysis import registry
from pcap_analyzer.analysis.engine import diagnose
from pcap_analyzer.analysis.model import Cause, Confidence, Party, Report, Severity, Verdict
from pcap_analyzer.capture.tables import S2C, App, Damage, EventKind, PacketKind, Role
from tests.analysis.rows import MS, T0, Rows, S, Value, event, exchange, flow, lookup, pause, second, tables


def report(*rows: Rows, damage: Damage | None = None, **facts: Value) -> Report:
    return diagnose(tables(*rows, damage=damage, **facts), registry.load(), "a.pcap", lambda stage: None)


def verdict(*rows: Rows, damage: Damage | None = None, **facts: Value) -> Verdict:
    return report(*rows, damage=damage, **facts).verdict


def unanswered(number: int, **values: Value) -> Rows:
    """A connect that nobody answered: three SYNs over three seconds."""
    never: dict[str, Value] = {
        "synack_count": 0,
        "synack_ns": -1,
        "synack_last_ns": -1,
        "established_ns": -1,
        "synack_frame": 0,
    }
    never |= {"frames": (3, 0), "payload_bytes": (0, 0), "leg_min_ns": (-1, -1), "exchanges": 0}
    never |= {"syn_count": 3, "syn_last_ns": T0 + 3 * S, "last_ns": T0 + 3 * S}
    return flow(number, **(never | values))


def busy(number: int = 9, count: int = 12) -> list[Rows]:
    """A healthy connection with quick answers, so that a capture is not too short to judge."""
    asked = [exchange(number, index, start_s=1 + 0.2 * index, think_s=0.02) for index in range(count)]
    return [flow(number, server="10.0.0.9"), *asked]


# --- step 1: the capture --------------------------------------------------------------------------


def test_traffic_of_one_direction_withholds_judgement() -> None:
    made = verdict(flow(frames=(0, 50)), exchange(think_s=3.0))
    assert (made.cause, made.party) == (Cause.ONE_SIDED_CAPTURE, Party.CAPTURE)
    assert made.ruled_out == ()


def test_one_side_that_only_repeats_itself_is_no_one_sided_capture() -> None:
    again: dict[str, Value] = {
        "frames": (6, 0),
        "payload_frames": (6, 0),
        "payload_bytes": (3888, 0),
        "retransmitted_frames": (5, 0),
        "retransmitted_bytes": (3240, 0),
    }
    never: dict[str, Value] = {
        "response_first_ns": -1,
        "response_last_ns": -1,
        "request_copies": 5,
        "request_last_copy_ns": T0 + 10 * S,
        "status": 0,
        "expected_bytes": -1,
    }
    made = report(flow(**again), exchange(**never))
    assert (made.verdict.cause, made.verdict.party) == (Cause.NO_RESPONSE, Party.UNKNOWN)
    assert "again and again" in made.verdict.detail
    assert "packet_loss" not in {finding.kind for finding in made.findings}
    assert verdict(flow(**again | {"retransmitted_bytes": (1000, 0)}), exchange(**never)).party is Party.CAPTURE


def test_answers_that_were_not_captured_withhold_judgement() -> None:
    rows = [
        flow(acked_unseen_bytes=(0, 9000)),
        exchange(think_s=5.0),
        event(EventKind.ACKED_UNSEEN, at_s=3.0, direction=S2C),
    ]
    assert verdict(*rows).cause is Cause.CAPTURE_INCOMPLETE


def test_a_glimpse_is_too_little() -> None:
    made = verdict(flow(last_ns=T0 + 200 * MS), exchange(start_s=0.1), last_ns=T0 + 200 * MS)
    assert (made.cause, made.confidence) == (Cause.INSUFFICIENT_DATA, Confidence.LOW)


def test_a_clock_that_leaps_leaves_nothing_to_tell() -> None:
    days: dict[str, Value] = {"last_ns": T0 + 5 * 86_400 * S}
    leap = event(EventKind.CLOCK_LEAP, 2**64 - 1, at_s=4 * 86_400, value=3 * 86_400 * S)
    said = verdict(flow(syn_ns=-1, synack_ns=-1, established_ns=-1, exchanges=0, **days), leap, **days)
    assert said.cause is Cause.INSUFFICIENT_DATA
    assert "clock of this capture cannot be trusted" in said.sentence


def test_nothing_at_all_is_too_little() -> None:
    assert verdict(first_ns=None, last_ns=None, frames=0).cause is Cause.INSUFFICIENT_DATA


# --- step 2: attacks ------------------------------------------------------------------------------


def test_many_targets_without_payload_are_a_scan() -> None:
    made = verdict(*(unanswered(n, port=1000 + n, syn_count=1, syn_last_ns=T0) for n in range(20)))
    assert (made.cause, made.party, made.scope) == (Cause.PORT_SCAN, Party.CLIENT, "client 10.0.0.1")
    assert "20 different addresses and ports" in made.sentence


def test_many_half_open_connections_to_one_service_are_a_flood() -> None:
    rows = [unanswered(n, client=f"10.9.0.{n + 1}", syn_count=1, syn_last_ns=T0) for n in range(60)]
    assert verdict(*rows).cause is Cause.FLOOD


# --- step 3: failures -----------------------------------------------------------------------------


def test_refused_connections_are_the_servers() -> None:
    refused: dict[str, Value] = {
        "frames": (1, 1),
        "reset_ns": T0 + MS,
        "reset_direction": S2C,
        "syn_count": 1,
        "syn_last_ns": T0,
    }
    made = verdict(*(unanswered(n, **refused) for n in range(3)))
    assert (made.cause, made.party, made.confidence) == (Cause.CONNECT_REFUSED, Party.SERVER, Confidence.HIGH)
    assert made.severity is Severity.HIGH


def test_silence_to_a_client_that_hears_others_is_a_filter() -> None:
    made = verdict(*(unanswered(n) for n in range(3)), *busy())
    assert (made.cause, made.party) == (Cause.CONNECT_FILTERED, Party.UNKNOWN)


def test_silence_to_a_client_that_hears_nobody_proves_nothing() -> None:
    assert verdict(*(unanswered(n) for n in range(3))).cause is not Cause.CONNECT_FILTERED


def test_a_lost_race_between_address_families_is_no_failure() -> None:
    loser = unanswered(0, client="2001:db8::1", server="2001:db8::2", syn_count=3)
    assert verdict(loser, flow(1), exchange(1), *busy()).cause is not Cause.CONNECT_FILTERED


def test_resets_before_the_response_is_complete_are_the_servers() -> None:
    cut: dict[str, Value] = {"reset_ns": T0 + 2 * S, "reset_direction": S2C, "reset_ttl": 60}
    rows = [flow(n, **cut) for n in range(3)] + [exchange(n, expected_bytes=90_000, complete=False) for n in range(3)]
    made = verdict(*rows)
    assert (made.cause, made.party) == (Cause.RESET, Party.SERVER)


def test_resets_with_a_foreign_ttl_come_from_the_way() -> None:
    cut: dict[str, Value] = {"reset_ns": T0 + 2 * S, "reset_direction": S2C, "reset_ttl": 250}
    rows = [flow(n, **cut) for n in range(3)] + [exchange(n, expected_bytes=90_000, complete=False) for n in range(3)]
    assert verdict(*rows).party is Party.NETWORK


def test_resets_after_complete_responses_are_harmless() -> None:
    cut: dict[str, Value] = {"reset_ns": T0 + 2 * S, "reset_direction": S2C, "reset_ttl": 60}
    rows = [flow(n, **cut) for n in range(3)] + [exchange(n) for n in range(3)]
    assert verdict(*rows).cause is Cause.NONE


def test_a_reset_after_both_sides_said_goodbye_cuts_nothing_off() -> None:
    cut: dict[str, Value] = {"reset_ns": T0 + 2 * S, "reset_direction": S2C, "reset_ttl": 60}
    short = [exchange(n, expected_bytes=90_000, complete=False) for n in range(3)]
    gone = [flow(n, fin_ns=(T0 + 2 * S - 2 * MS, T0 + 2 * S - MS), **cut) for n in range(3)]
    assert "reset" not in {finding.kind for finding in report(*gone, *short).findings}
    half = [flow(n, fin_ns=(-1, T0 + 2 * S - MS), **cut) for n in range(3)]
    assert "reset" in {finding.kind for finding in report(*half, *short).findings}


def test_requests_that_are_never_answered_are_the_servers() -> None:
    never: dict[str, Value] = {
        "response_first_ns": -1,
        "response_last_ns": -1,
        "request_ack_ns": T0 + S + 10 * MS,
        "status": 0,
    }
    made = verdict(*(flow(n, last_ns=T0 + 20 * S) for n in range(3)), *(exchange(n, **never) for n in range(3)))
    assert (made.cause, made.party) == (Cause.NO_RESPONSE, Party.SERVER)


@pytest.mark.parametrize(("fin_s", "failed"), [((1.2, -1), False), ((1.2, 1.1), True), ((4.0, 4.1), True)])
def test_who_closes_at_once_after_the_last_message_waits_for_nothing(
    fin_s: tuple[float, float], *, failed: bool
) -> None:
    never: dict[str, Value] = {"response_first_ns": -1, "response_last_ns": -1, "request_ack_ns": T0 + S + 10 * MS}
    fin = tuple(T0 + round(at * S) if at > 0 else -1 for at in fin_s)
    made = report(
        *(flow(n, fin_ns=fin, last_ns=T0 + 5 * S) for n in range(3)), *(exchange(n, **never) for n in range(3))
    )
    assert ("no_response" in {finding.kind for finding in made.findings}) == failed


def test_a_failure_costs_the_wait_for_its_own_answer_only() -> None:
    never: dict[str, Value] = {
        "response_first_ns": -1,
        "response_last_ns": -1,
        "request_ack_ns": T0 + 12 * S + 10 * MS,
        "status": 0,
    }
    slow = exchange(0, start_s=1.0, think_s=5.0, next_request_ns=T0 + 10 * S)
    printed = exchange(0, 1, start_s=10.0, request_last_ns=T0 + 12 * S, **never)
    sending = pause(0, 1, start_s=10.0, end_s=12.0, direction=0, window_room_bytes=0, window_bytes=0)
    made = report(flow(last_ns=T0 + 25 * S), slow, printed, sending)
    assert made.verdict.cause is Cause.NO_RESPONSE
    assert "waiting for 13.0 s" in made.verdict.detail
    assert next(one.seconds for one in made.findings if one.kind == "no_response") == pytest.approx(13.0, abs=0.02)


def test_failed_handshakes_are_named() -> None:
    shaken: dict[str, Value] = {
        "tls_start_ns": T0 + 20 * MS,
        "tls_alert_ns": T0 + 60 * MS,
        "exchanges": 0,
        "app": App.TLS,
    }
    made = verdict(*(flow(n, **shaken) for n in range(3)))
    assert made.cause is Cause.TLS_FAILURE
    assert "3 of them ended with an alert" in made.detail


def test_server_errors_are_named() -> None:
    made = verdict(*(flow(n) for n in range(3)), *(exchange(n, status=503) for n in range(3)))
    assert (made.cause, made.party) == (Cause.APP_ERRORS, Party.SERVER)


def test_lookups_without_answer_are_the_resolvers() -> None:
    rows = [lookup(f"a{n}.example", start_s=n, took_s=None, tries=3, last_query_ns=T0 + (n + 5) * S) for n in range(4)]
    made = verdict(*rows)
    assert (made.cause, made.party, made.scope) == (Cause.DNS_FAILURE, Party.RESOLVER, "resolver 10.0.0.53")


def test_resolvers_that_are_silent_together_point_at_the_uplink() -> None:
    made = report(lookup(took_s=None, tries=7, server_tries=4, servers=2, last_query_ns=T0 + 8 * S))
    assert made.verdict.sentence.startswith("The resolvers 10.0.0.53 and 1 other did not answer")
    assert "gateway and the uplink of 10.0.0.1 first" in made.verdict.next_step
    finding = next(one for one in made.findings if one.kind == "dns_failure")
    assert "sent 4 times to 10.0.0.53 and 3 times to others" in finding.explanation[0]
    assert "gateway" in finding.next_step
    answered = report(lookup(took_s=None, tries=7, last_query_ns=T0 + 8 * S), lookup("b.example"))
    assert "gateway" not in next(one for one in answered.findings if one.kind == "dns_failure").next_step


def test_many_names_that_do_not_exist_are_the_clients() -> None:
    rows = [lookup(f"gone{n}.example", start_s=0.1 * n, rcode=3) for n in range(12)]
    made = verdict(*rows)
    assert (made.cause, made.party) == (Cause.DNS_FAILURE, Party.CLIENT)


def test_suffixes_of_a_search_list_are_no_failure() -> None:
    missing = [lookup(f"shop.corp{n}.example", start_s=0.1 * n, rcode=3) for n in range(12)]
    assert verdict(*missing, lookup("shop.example", start_s=2.0), *busy()).cause is Cause.NONE


# --- step 4: nothing ------------------------------------------------------------------------------


def test_quick_answers_are_nothing_to_complain_of() -> None:
    made = verdict(*busy(), lookup(), second(payload_bytes=(1000, 250_000)))
    assert (made.cause, made.party, made.severity) == (Cause.NONE, Party.NOBODY, Severity.INFO)


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        ((1.36,), "The client itself let 1.35 s pass before it asked; that is not counted as waiting."),
        ((2.0, 4.5), "Between requests the clients themselves let up to 2.47 s pass; that is not counted as waiting."),
        ((0.5, 1.0), ""),
    ],
)
def test_pauses_of_the_client_are_named_where_nothing_is_slow(starts: tuple[float, ...], words: str) -> None:
    following = [T0 + round(start * S) for start in starts[1:]] + [-1]
    asked = [
        exchange(0, index, start_s=start, next_request_ns=after)
        for index, (start, after) in enumerate(zip(starts, following, strict=True))
    ]
    made = verdict(flow(last_ns=T0 + 5 * S), *asked, *busy())
    assert made.cause is Cause.NONE
    assert made.detail.endswith(words or "sent again for long.")


def test_a_way_that_takes_most_of_all_waiting_is_not_ruled_out() -> None:
    def denials(*rows: Rows) -> set[str]:
        return {one.what for one in verdict(*rows).ruled_out}

    assert "Not the network path" in denials(
        flow(), *(exchange(0, n, start_s=1 + n / 5, think_s=0.09) for n in range(9))
    )
    quick = [exchange(0, n, start_s=1 + n / 5, think_s=0.001, response_last_ns=-1) for n in range(9)]
    for one in quick:
        one["response_last_ns"] = one["response_first_ns"]
    assert "Not the network path" not in denials(flow(), *quick)


def test_long_idle_and_slow_users_are_innocent() -> None:
    rows = [
        flow(last_ns=T0 + 900 * S),
        exchange(0, 0, start_s=1, next_request_ns=T0 + 600 * S),
        exchange(0, 1, start_s=600),
    ]
    assert verdict(*rows, *busy(), last_ns=T0 + 900 * S).cause is Cause.NONE


def test_a_cut_file_that_shows_nothing_else_is_the_verdict() -> None:
    made = verdict(*busy(), damage=Damage("It was cut.", 1000, 99_000))
    assert made.cause is Cause.TRUNCATED_FILE
    assert "It was cut." in made.detail


def test_duplicates_that_show_nothing_else_are_the_verdict() -> None:
    assert verdict(*busy(), duplicate_frames=400).cause is Cause.CAPTURE_DUPLICATES


# --- step 5: the largest waiting ------------------------------------------------------------------


def slow(count: int = 12, **values: Value) -> list[Rows]:
    asked = [exchange(0, index, start_s=1 + 2 * index, think_s=1.5) for index in range(count)]
    return [flow(last_ns=T0 + 60 * S, **values), *asked]


def test_the_counts_of_the_verdict_are_those_of_the_server_that_it_names() -> None:
    slow = [exchange(0, n, start_s=1 + 2 * n, think_s=1.5 if n < 3 else 0.05) for n in range(4)]
    other = [exchange(1, n, start_s=1 + 0.3 * n, think_s=0.11) for n in range(5)]
    said = verdict(flow(), flow(1, server="10.0.0.7"), *slow, *other).sentence
    assert "3 of 4 requests took 100 ms or longer" in said
    assert "(4.55 s of " in said


def test_a_wait_for_answers_that_never_came_counts_no_answers() -> None:
    never: dict[str, Value] = {"response_first_ns": -1, "response_last_ns": -1, "request_ack_ns": T0 + S, "status": 0}
    made = verdict(flow(last_ns=T0 + 5 * S), exchange(**never), *busy())
    assert made.cause is Cause.SERVER_THINKING
    assert "; 1 request never answered)" in made.sentence


def test_a_slow_server_is_named_with_high_confidence() -> None:
    made = verdict(*slow(server_name=b"shop.example"))
    assert (made.cause, made.party, made.confidence) == (Cause.SERVER_THINKING, Party.SERVER, Confidence.HIGH)
    assert made.scope == "server shop.example:80"
    assert [one.what for one in made.ruled_out] == ["Not the network path", "Not bandwidth"]
    assert made.share == pytest.approx(0.98, abs=0.02)


def test_without_a_leg_the_confidence_is_low_and_the_word_is_probably() -> None:
    unknown: dict[str, Value] = {"leg_server_ns": -1, "request_ack_ns": -1, "leg_client_ns": -1}
    asked = [exchange(0, index, start_s=1 + 2 * index, think_s=1.5, **unknown) for index in range(12)]
    made = verdict(flow(last_ns=T0 + 60 * S, leg_min_ns=(-1, -1)), *asked)
    assert made.confidence is Confidence.LOW
    assert made.headline == "Probably: the server is slow"
    assert made.sentence.startswith("Probably, ")


def test_guessed_roles_name_nobody() -> None:
    assert verdict(*slow(role=Role.GUESSED)).cause is Cause.INSUFFICIENT_DATA


def paused(*, count: int = 5, **facts: Value) -> list[Rows]:
    """A download of 20 s with five pauses of 2 s."""
    rows = [flow(last_ns=T0 + 30 * S), exchange(response_last_ns=T0 + 21 * S)]
    return rows + [pause(start_s=2 + 4 * n, end_s=4 + 4 * n, **facts) for n in range(count)]


def test_a_reader_that_stops_is_the_client() -> None:
    made = verdict(*paused(window_room_bytes=0, window_bytes=0))
    assert (made.cause, made.party, made.scope) == (Cause.RECEIVER_NOT_READING, Party.CLIENT, "client 10.0.0.1")


def test_a_server_that_does_not_read_an_upload_is_the_server() -> None:
    asked: dict[str, Value] = {
        "request_last_ns": T0 + 21 * S,
        "response_first_ns": T0 + 22 * S,
        "response_last_ns": T0 + 22 * S,
    }
    rows = [flow(last_ns=T0 + 30 * S), exchange(**asked)]
    rows += [
        pause(start_s=2 + 4 * n, end_s=5.5 + 4 * n, direction=0, window_room_bytes=0, window_bytes=0) for n in range(4)
    ]
    made = verdict(*rows)
    assert (made.cause, made.party) == (Cause.RECEIVER_NOT_READING, Party.SERVER)


@pytest.mark.parametrize(
    ("kind", "direction", "party"),
    [
        (EventKind.GAP_FILLED, 1, Party.NETWORK_SERVER_SIDE),
        (EventKind.RETRANSMISSION, 1, Party.NETWORK_CLIENT_SIDE),
        (EventKind.GAP_FILLED, 0, Party.NETWORK_CLIENT_SIDE),
        (EventKind.RETRANSMISSION, 0, Party.NETWORK_SERVER_SIDE),
    ],
)
def test_gaps_and_copies_tell_the_side_of_a_loss(kind: EventKind, direction: int, party: Party) -> None:
    rows = paused(next_kind=PacketKind.COPY, in_flight_bytes=1460, hole_open=True, hole_sign_ns=T0)
    made = verdict(*rows, *(event(kind, direction=direction, at_s=2 + n, frame=10 + n) for n in range(4)))
    assert (made.cause, made.party) == (Cause.NETWORK_LOSS, party)


def test_losses_behind_a_queue_are_a_full_line() -> None:
    rows = paused(next_kind=PacketKind.COPY, in_flight_bytes=1460, hole_open=True, hole_sign_ns=T0, queue=True)
    assert verdict(*rows).cause is Cause.BANDWIDTH_LIMIT


def test_losses_of_several_pairs_at_once_are_a_blackout() -> None:
    lost: dict[str, Value] = {
        "next_kind": PacketKind.COPY,
        "in_flight_bytes": 1460,
        "hole_open": True,
        "hole_sign_ns": T0,
    }
    rows: list[Rows] = []
    for n in range(2):
        rows += [flow(n, server=f"10.0.0.{n + 2}"), exchange(n, response_last_ns=T0 + 8 * S)]
        rows += [pause(n, start_s=2, end_s=6, **lost)]
    assert verdict(*rows).cause is Cause.BLACKOUT


def test_repeated_connects_are_lost_first_packets() -> None:
    late: dict[str, Value] = {
        "syn_count": 2,
        "syn_last_ns": T0 + S,
        "synack_ns": T0 + S + 10 * MS,
        "established_ns": T0 + S + 10 * MS,
    }
    rows = [flow(n, **late) for n in range(4)] + [exchange(n, start_s=1.5) for n in range(4)]
    made = verdict(*rows)
    assert (made.cause, made.party) == (Cause.SYN_LOSS, Party.NETWORK_SERVER_SIDE)


@pytest.mark.parametrize(
    ("synack_ms", "party", "headline"),
    [
        (890, Party.UNKNOWN, "Connections come up slowly"),
        (10, Party.CLIENT, "Clients finish their connections late"),
    ],
)
def test_the_half_of_a_late_connect_tells_which_end_is_late(synack_ms: int, party: Party, headline: str) -> None:
    late: dict[str, Value] = {"synack_ns": T0 + synack_ms * MS, "established_ns": T0 + 900 * MS}
    made = verdict(*(flow(n, **late) for n in range(4)), *(exchange(n, start_s=1.5) for n in range(4)))
    assert (made.cause, made.party, made.headline) == (Cause.NETWORK_DELAY, party, headline)


def test_a_far_server_is_network_delay_whichever_phase_pays_it() -> None:
    far: dict[str, Value] = {"leg_min_ns": (0, 400 * MS), "synack_ns": T0 + 400 * MS, "established_ns": T0 + 400 * MS}
    asked = [exchange(0, i, start_s=1 + i, think_s=0.39, leg_server_ns=400 * MS, request_ack_ns=-1) for i in range(8)]
    made = verdict(flow(last_ns=T0 + 20 * S, **far), *asked)
    assert (made.cause, made.party) == (Cause.NETWORK_DELAY, Party.NETWORK_SERVER_SIDE)
    assert "path delay" not in made.detail


def test_slow_lookups_are_the_resolvers() -> None:
    made = verdict(*(lookup(f"a{n}.example", start_s=n, took_s=0.9) for n in range(8)))
    assert (made.cause, made.party) == (Cause.DNS_SLOW, Party.RESOLVER)


def test_a_slow_server_hello_is_the_servers() -> None:
    shaken: dict[str, Value] = {
        "tls_start_ns": T0 + 20 * MS,
        "tls_server_hello_ns": T0 + 2 * S,
        "tls_end_ns": T0 + 2 * S + 20 * MS,
        "app": App.TLS,
    }
    rows = [flow(n, **shaken) for n in range(4)] + [exchange(n, start_s=3) for n in range(4)]
    made = verdict(*rows)
    assert (made.cause, made.party) == (Cause.TLS_SLOW, Party.SERVER)


def test_a_server_that_pauses_in_its_answers_stalls() -> None:
    made = verdict(*paused())
    assert (made.cause, made.party) == (Cause.SERVER_STALL, Party.SERVER)


def test_a_window_too_small_for_the_path_limits() -> None:
    made = verdict(*paused(in_flight_bytes=64_000, window_room_bytes=100, release_ns=T0 + 3 * S))
    assert (made.cause, made.party) == (Cause.WINDOW_LIMITED, Party.CLIENT)


def test_acknowledgements_held_back_are_the_receivers() -> None:
    held: dict[str, Value] = {"in_flight_bytes": 300, "last_bytes": 300}
    rows = [flow(last_ns=T0 + 30 * S), exchange(response_last_ns=T0 + 6 * S)]
    for n in range(20):
        rows.append(
            pause(start_s=1.1 + 0.22 * n, end_s=1.32 + 0.22 * n, release_ns=T0 + round((1.31 + 0.22 * n) * S), **held)
        )
    made = verdict(*rows)
    assert (made.cause, made.party) == (Cause.DELAYED_ACK, Party.CLIENT)


def test_many_quick_questions_in_a_row_are_the_applications() -> None:
    asked = [exchange(0, i, start_s=1 + 0.06 * i, leg_server_ns=50 * MS, request_ack_ns=-1) for i in range(200)]
    for one in asked:
        one["response_first_ns"] = one["request_last_ns"] + 50 * MS
        one["response_last_ns"] = one["response_first_ns"]
    made = verdict(flow(last_ns=T0 + 20 * S, leg_min_ns=(0, 50 * MS)), *asked)
    assert (made.cause, made.party) == (Cause.CHATTY_APPLICATION, Party.CLIENT)


def test_round_trips_that_grow_with_the_flight_are_a_full_queue() -> None:
    rows = [flow(last_ns=T0 + 30 * S), exchange(response_last_ns=T0 + 21 * S)]
    for n in range(20):
        facts: dict[str, Value] = {
            "in_flight_bytes": 10_000 * (n + 1),
            "leg_sender_ns": (10 + 20 * n) * MS,
            "queue": n > 2,
        }
        facts |= {"next_kind": PacketKind.COPY, "hole_open": True, "hole_sign_ns": T0}
        rows.append(pause(start_s=1.1 + n, end_s=1.9 + n, **facts))
    assert verdict(*rows).cause is Cause.BUFFERBLOAT
