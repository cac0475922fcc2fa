"""Made-up reports for tests and for the development of pages: rich, quiet, damaged and hostile."""

from __future__ import annotations

from dataclasses import replace

from pcap_analyzer.analysis.model import (
    RULES_VERSION,
    SCHEMA_VERSION,
    CaptureSummary,
    Category,
    Cause,
    Confidence,
    Evidence,
    Finding,
    FlowRef,
    FlowRow,
    NotComputed,
    Number,
    Party,
    QualityNote,
    Report,
    RuledOut,
    Series,
    Severity,
    Verdict,
    WaitingAccount,
    WaitShare,
)

START_S = 1_795_010_531.204118  # 18 Nov 2026, 14:02:11 UTC
STEPS = 252

SHOP = "shop-api.corp.example:8443"
STATIC = "static.corp.example:443"
FAR = "203.0.113.24:443"


def _share(category: Category, seconds: float, low: float, high: float, connection_seconds: float) -> WaitShare:
    return WaitShare(category, seconds, low, high, connection_seconds)


WAITING = WaitingAccount(
    shares=(
        _share(Category.SERVER_THINKING, 342.5, 339.1, 344.2, 1172.83),
        _share(Category.RESPONSE_TRANSFER, 36.7, 36.7, 36.7, 41.2),
        _share(Category.TLS_HANDSHAKE, 12.8, 12.8, 12.8, 13.1),
        _share(Category.TCP_CONNECT, 7.8, 7.8, 7.8, 7.9),
        _share(Category.RECEIVER_NOT_READING, 6.2, 5.1, 6.2, 6.2),
        _share(Category.LOSS_RECOVERY, 5.0, 4.4, 6.1, 5.3),
        _share(Category.DNS_LOOKUP, 1.6, 1.6, 1.6, 1.6),
        _share(Category.CLIENT_THINKING, 204.0, 204.0, 204.0, 9120.0),
        _share(Category.IDLE, 31.0, 31.0, 31.0, 4100.5),
    ),
    wall_seconds=412.6,
    connection_seconds=1248.13,
    exchanges=1204,
    connections=1842,
    lookups=318,
)

FINDINGS = (
    Finding(
        kind="slow_server",
        category=Category.SERVER_THINKING,
        severity=Severity.HIGH,
        confidence=Confidence.HIGH,
        title="shop-api.corp.example takes 1.9 s to answer; the network round trip is 12 ms",
        explanation=(
            "In 612 of 1 204 requests the server acknowledged the request within one round trip (12.2 ms), then sent "
            "nothing for 1.9 s (median) or 8.4 s (p95). The request was delivered and the path was idle, so the time "
            "was spent inside the server or something it waits for.",
            "It begins at 14:03:45 on all 38 flows at once and ends at 14:05:09. Before and after, the same requests "
            "take 0.3 s.",
        ),
        seconds=342.5,
        flow_count=38,
        flows=(
            FlowRef("tcp", 217, "10.8.3.52:51834", SHOP),
            FlowRef("tcp", 231, "10.8.3.52:51862", SHOP),
            FlowRef("tcp", 198, "10.8.3.71:40218", SHOP),
        ),
        evidence=(
            Evidence(791213, START_S + 134.914086, "Request, 1,204 B, client to server", None, 217, "tcp"),
            Evidence(791214, START_S + 134.926259, "ACK, server to client", 0.012173, 217, "tcp"),
            Evidence(791977, START_S + 137.240072, "First response byte, server to client", 2.313813, 217, "tcp"),
        ),
        display_filter=(
            "ip.src == 10.20.4.17 && tcp.srcport == 8443 && tcp.time_delta > 1 && tls.record.content_type == 23"
        ),
        example_filter="tcp.stream == 217",
        next_step=(
            "Ask the owner of shop-api for its logs between 14:03:45 and 14:05:09. Look for a slow dependency or a "
            "full worker pool; 38 flows stalled together."
        ),
        numbers=(
            Number("median think time", 1.9, "s"),
            Number("p95 think time", 8.4, "s"),
            Number("slow requests", 612, ""),
            Number("round trip", 12.2, "ms"),
        ),
    ),
    Finding(
        kind="slow_tls_handshake",
        category=Category.TLS_HANDSHAKE,
        severity=Severity.MEDIUM,
        confidence=Confidence.HIGH,
        title="571 connections each make a full TLS handshake; none is resumed",
        explanation=("Each full handshake costs one more round trip and a signature of the server.",),
        seconds=12.8,
        flow_count=571,
        flows=(FlowRef("tcp", 231, "10.8.3.52:51862", SHOP),),
        evidence=(
            Evidence(4411, START_S + 1.201, "ClientHello, client to server", None, 231, "tcp"),
            Evidence(4419, START_S + 1.224, "Finished, client to server", 0.023, 231, "tcp"),
        ),
        display_filter="tls.handshake.type == 1 && ip.dst == 10.20.4.17",
        example_filter="tcp.stream == 231 && tls.handshake",
        next_step="Ask the owner of shop-api to switch session tickets on and the client's owner to keep connections.",
        numbers=(Number("full handshakes", 571, ""), Number("mean handshake", 22.4, "ms")),
    ),
    Finding(
        kind="receiver_not_reading",
        category=Category.RECEIVER_NOT_READING,
        severity=Severity.MEDIUM,
        confidence=Confidence.MEDIUM,
        title="10.8.3.52 stops reading: receive window full 41 times",
        explanation=("10.8.3.52 left its receive buffer full while static.corp.example had more to send.",),
        seconds=6.2,
        flow_count=2,
        flows=(FlowRef("tcp", 88, "10.8.3.52:51611", STATIC),),
        evidence=(
            Evidence(20117, START_S + 3.118, "Window 0, client to server", None, 88, "tcp"),
            Evidence(20204, START_S + 3.402, "Window 65,535, client to server", 0.284, 88, "tcp"),
        ),
        display_filter="tcp.analysis.zero_window && ip.src == 10.8.3.52",
        example_filter="tcp.stream == 88",
        next_step="Ask whoever runs the download on 10.8.3.52 what it does with the data: its disk or its CPU is busy.",
        numbers=(Number("zero windows", 41, ""), Number("longest", 0.9, "s")),
    ),
    Finding(
        kind="packet_loss",
        category=Category.LOSS_RECOVERY,
        severity=Severity.LOW,
        confidence=Confidence.HIGH,
        title="0.9 % loss towards 203.0.113.24",
        explanation=("Nine in a thousand full segments had to be sent again; the holes are behind the capture point.",),
        seconds=5.0,
        flow_count=3,
        flows=(FlowRef("tcp", 519, "10.8.3.71:40877", FAR), FlowRef("tcp", 523, "10.8.3.71:40881", FAR)),
        evidence=(Evidence(901120, START_S + 161.2, "Retransmission, client to server", None, 519, "tcp"),),
        display_filter="tcp.analysis.retransmission && ip.addr == 203.0.113.24",
        example_filter="tcp.stream == 519 && tcp.analysis.retransmission",
        next_step="Ask the network team for the drop counters on the line towards 203.0.113.24.",
        numbers=(Number("loss", 0.9, "%"),),
    ),
    Finding(
        kind="dns_search_suffix",
        category=Category.DNS_LOOKUP,
        severity=Severity.LOW,
        confidence=Confidence.HIGH,
        title="Search suffix doubles DNS look-ups: 14 NXDOMAIN answers",
        explanation=("Names are first asked with the suffix corp.example, which does not exist, and then without.",),
        seconds=0.3,
        flow_count=1,
        flows=(FlowRef("udp", 12, "10.8.3.52:53112", "10.1.0.53:53"),),
        evidence=(Evidence(118, START_S + 0.4, "NXDOMAIN for cdn.example.corp.example", None, 12, "udp"),),
        display_filter="dns.flags.rcode == 3 && ip.addr == 10.1.0.53",
        example_filter=None,
        next_step="End the names in the client's configuration with a dot, or shorten its search list.",
        numbers=(Number("NXDOMAIN answers", 14, ""),),
    ),
    Finding(
        kind="capture_quality",
        category=None,
        severity=Severity.INFO,
        confidence=Confidence.HIGH,
        title="3 gaps where the capture missed packets; timing near them is not used",
        explanation=("Bytes were acknowledged that the capture never shows.",),
        seconds=None,
        flow_count=3,
        flows=(FlowRef("tcp", 88, "10.8.3.52:51611", STATIC),),
        evidence=(Evidence(330871, START_S + 48.7, "ACK of unseen bytes, client to server", None, 88, "tcp"),),
        display_filter="tcp.analysis.ack_lost_segment",
        example_filter="tcp.stream == 88",
        next_step="Capture again with a larger buffer (dumpcap -B 64) or a snap length of 128 bytes.",
    ),
)


def _flow(stream: int, client: str, server: str, diagnosis: str | None, waiting: dict[Category, float]) -> FlowRow:
    waited = sum(seconds for category, seconds in waiting.items() if category.is_waiting)
    return FlowRow(
        protocol="tcp",
        stream=stream,
        client=client,
        server=server,
        app="TLS",
        diagnosis=diagnosis,
        start_s=stream * 0.42,
        duration_s=round(sum(waiting.values()), 6),
        bytes_to_client=440_000 + stream * 1_130,
        bytes_to_server=52_000 + stream * 31,
        frames=912 + stream,
        rtt_ms=12.1 if waited else 0.6,
        exchanges=3 + stream % 7,
        response_p95_s=8.41 if diagnosis == "slow_server" else 0.04,
        retransmitted=0.0094 if diagnosis == "packet_loss" else 0.0,
        waiting_s=waited,
        waiting=waiting,
        activity=tuple((stream * step * 7919) % 4096 for step in range(30)),
    )


FLOWS = (
    _flow(217, "10.8.3.52:51834", SHOP, "slow_server", {Category.SERVER_THINKING: 61.2, Category.CLIENT_THINKING: 7.7}),
    _flow(231, "10.8.3.52:51862", SHOP, "slow_server", {Category.SERVER_THINKING: 58.9, Category.TLS_HANDSHAKE: 0.02}),
    _flow(198, "10.8.3.71:40218", SHOP, "slow_server", {Category.SERVER_THINKING: 44.1, Category.IDLE: 17.3}),
    _flow(88, "10.8.3.52:51611", STATIC, "receiver_not_reading", {Category.RECEIVER_NOT_READING: 4.9}),
    _flow(519, "10.8.3.71:40877", FAR, "packet_loss", {Category.LOSS_RECOVERY: 3.1, Category.RESPONSE_TRANSFER: 27.9}),
    replace(
        _flow(44, "10.8.3.52:51570", "db-ro-2.corp.example:5432", None, {Category.CLIENT_THINKING: 252.0}),
        app="PostgreSQL",
        rtt_ms=None,
        response_p95_s=None,
        retransmitted=None,
        activity=(),
    ),
)


def _series() -> Series:
    slow = range(94, 178)
    return Series(
        start_s=START_S,
        step_s=1.0,
        throughput_to_client_bps=tuple(38e6 + (step * 7919) % 40e6 for step in range(STEPS)),
        throughput_to_server_bps=tuple(1e6 + (step * 104729) % 2e6 for step in range(STEPS)),
        rtt_ms=tuple(None if step % 41 == 0 else 12.0 + (step % 7) / 10 for step in range(STEPS)),
        rtt_max_ms=tuple(None if step % 41 == 0 else 13.5 + (step % 11) / 5 for step in range(STEPS)),
        response_s=tuple(1.9 if step in slow else 0.29 for step in range(STEPS)),
        response_max_s=tuple(8.4 if step in slow else None if step % 17 == 0 else 0.61 for step in range(STEPS)),
        retransmissions=tuple(step % 29 // 27 for step in range(STEPS)),
        connections=tuple(7 + step % 5 for step in range(STEPS)),
    )


def report() -> Report:
    """A slow server among smaller troubles: every section is filled."""
    return Report(
        schema_version=SCHEMA_VERSION,
        tool_version="0.1.0",
        rules_version=RULES_VERSION,
        capture=CaptureSummary(
            name="checkout-slow-2026-11-18.pcapng",
            bytes=1_240_118_204,
            format="pcapng",
            link_types=("EN10MB",),
            frames=1_482_913,
            wire_bytes=1_192_001_337,
            start_s=START_S,
            duration_s=252.113,
            hosts=47,
            tcp_flows=1842,
            udp_flows=331,
            vantage="near the client",
            snap_length=262_144,
            cut_frames=0,
            interface_drops=12,
            undecoded={"ARP": 212, "IPv4 protocol 47": 3},
        ),
        verdict=Verdict(
            cause=Cause.SERVER_THINKING,
            party=Party.SERVER,
            scope="server 10.20.4.17:8443",
            confidence=Confidence.HIGH,
            severity=Severity.HIGH,
            headline="The server is slow",
            sentence=(
                "83 % of all waiting is shop-api.corp.example thinking before it answers (342.5 of 412.6 s, "
                "612 requests)."
            ),
            detail="Requests reach it in one 12 ms round trip and answers transfer quickly once they start.",
            next_step="Ask the owner of shop-api for its logs between 14:03:45 and 14:05:09.",
            ruled_out=(
                RuledOut("Not the network path", "RTT 12.4 ms, steady; 0.06 % retransmitted"),
                RuledOut("Not DNS", "318 look-ups, median 3.1 ms"),
                RuledOut("Not bandwidth", "Peak 78 Mbit/s; no queueing seen"),
            ),
            share=0.83,
        ),
        waiting=WAITING,
        findings=FINDINGS,
        not_computed=(NotComputed("slow_dns", "the table of look-ups could not be read back from disk"),),
        quality=(
            QualityNote(
                "The capturing machine dropped 12 frames",
                "losses near these moments: a frame may be missing here and have reached its receiver",
                Severity.LOW,
            ),
        ),
        flows=FLOWS,
        series=_series(),
        analysis_s=21.4,
    )


def healthy() -> Report:
    """Nothing wrong: no findings, next to no waiting."""
    full = report()
    return replace(
        full,
        capture=replace(full.capture, name="after-fix-checkout.pcapng", interface_drops=0, undecoded={}),
        verdict=Verdict(
            cause=Cause.NONE,
            party=Party.NOBODY,
            scope="all",
            confidence=Confidence.HIGH,
            severity=Severity.INFO,
            headline="No problem found",
            sentence="Nobody waited long: half of the 1 511 requests were answered within 0.29 s.",
            detail="",
            next_step="If people still complain, capture while they wait, close to where they sit.",
        ),
        waiting=WaitingAccount(
            shares=(WaitShare(Category.PATH_DELAY, 0.8, 0.8, 0.8, 0.9),),
            wall_seconds=0.8,
            connection_seconds=0.9,
            exchanges=1511,
            connections=64,
            lookups=0,
        ),
        findings=(),
        not_computed=(),
        quality=(),
    )


REASON = "The file ends inside a record, after 1 of its bytes: it was cut."


def damaged() -> Report:
    """A file that ends in the middle of a record and is judged with care."""
    full = report()
    return replace(
        full,
        capture=replace(
            full.capture,
            name="customer-88231.cap",
            damage=f"{REASON} (after frame 3,120)",
            cut_frames=118,
            exact_until_frame=2_900,
            overflows={"live flows": 4},
        ),
        verdict=replace(
            full.verdict,
            confidence=Confidence.LOW,
            severity=Severity.MEDIUM,
            headline="The server is probably slow",
        ),
        quality=(
            QualityNote(
                f"The file is damaged or cut short after frame 3,120: {REASON}",
                "everything after that frame: it was not analysed",
                Severity.HIGH,
            ),
            QualityNote(
                "118 frames (4%) were captured shorter than they were (snap length 96 bytes)",
                "what the missing bytes held: names, status codes, handshakes; times and sizes are whole",
                Severity.MEDIUM,
            ),
        ),
    )


def empty() -> Report:
    """A capture without a single frame: everything that can be absent is absent."""
    full = report()
    return replace(
        full,
        capture=CaptureSummary(
            name="nothing.pcap",
            bytes=24,
            format="pcap",
            link_types=(),
            frames=0,
            wire_bytes=0,
            start_s=None,
            duration_s=None,
            hosts=0,
            tcp_flows=0,
            udp_flows=0,
            vantage=None,
            snap_length=None,
            cut_frames=0,
            interface_drops=None,
        ),
        verdict=Verdict(
            cause=Cause.INSUFFICIENT_DATA,
            party=Party.CAPTURE,
            scope="all",
            confidence=Confidence.HIGH,
            severity=Severity.INFO,
            headline="Not enough data",
            sentence="The capture holds no packets.",
            detail="",
            next_step="Capture again while the problem happens.",
        ),
        waiting=WaitingAccount((), 0.0, 0.0, 0, 0, 0),
        findings=(),
        not_computed=(),
        quality=(),
        flows=(),
        series=None,
    )


HOSTILE = "\x1b[31mred\x1b]0;title\x07 \u202egpj.exe\u2066 \x00nul \x9b2J \udcff <script>x()</script> [bold]x[/bold]"


def hostile() -> Report:
    """Text from packets that tries to colour, reorder, mark up and escape."""
    full = report()
    finding = replace(
        full.findings[0],
        title=f"{HOSTILE} takes 1.9 s to answer",
        explanation=(HOSTILE,),
        flows=(FlowRef("tcp", 1, "10.8.3.52:1", HOSTILE),),
        display_filter=f'dns.qry.name == "{HOSTILE}"',
        next_step=f"Ask {HOSTILE}.",
    )
    return replace(
        full,
        capture=replace(full.capture, name=HOSTILE),
        verdict=replace(full.verdict, sentence=f"{HOSTILE} is slow.", scope=HOSTILE),
        findings=(finding,),
        flows=(replace(full.flows[0], server=HOSTILE),),
    )
