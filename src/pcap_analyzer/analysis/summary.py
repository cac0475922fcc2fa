"""The parts of a report that are not judged: the capture as it was found, totals, flows, timelines."""

from collections.abc import Sequence

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Rows, address_keys, group, integers
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.intervals import WAITING_CODES, Code
from pcap_analyzer.analysis.model import (
    CaptureSummary,
    Category,
    Finding,
    FlowRow,
    Series,
    Severity,
    WaitingAccount,
    WaitShare,
)
from pcap_analyzer.analysis.paths import TCP, UDP, sent_again
from pcap_analyzer.capture.tables import C2S, S2C, App, Tables

FLOW_ROWS = 200
SERIES_STEPS = 1200
NEAR = 0.2  # a leg that is under a fifth of the round trip: the capture point is beside that end


def capture_summary(context: Context, name: str) -> CaptureSummary:
    """The file, its frames and where it was taken."""
    facts, flows = context.tables.capture, context.flows
    times = facts.first_ns is not None and facts.last_ns is not None
    return CaptureSummary(
        name=name,
        bytes=facts.file_bytes,
        format=facts.format if facts.compression is None else f"{facts.format}, {facts.compression}",
        link_types=facts.link_types,
        frames=facts.frames,
        wire_bytes=facts.wire_bytes,
        start_s=facts.first_ns / 1e9 if facts.first_ns is not None else None,
        duration_s=((facts.last_ns or 0) - (facts.first_ns or 0)) / 1e9 if times else None,
        hosts=_hosts(flows),
        tcp_flows=int((flows["protocol"] == TCP).sum()),
        udp_flows=int((flows["protocol"] == UDP).sum()),
        vantage=vantage(context),
        snap_length=facts.snap_length,
        cut_frames=facts.cut_frames,
        interface_drops=facts.interface_drops,
        undecoded=dict(facts.undecoded),
        overflows=dict(facts.overflows),
        damage=f"{facts.damage.reason} (after frame {facts.damage.frame:,})" if facts.damage else None,
        exact_until_frame=facts.exact_until_frame,
    )


def _hosts(flows: Rows) -> int:
    both = np.concatenate((flows["client_ip"], flows["server_ip"]))
    return len(group(*address_keys(both))[0])


def vantage(context: Context) -> str | None:
    """Where the capture point was, from the legs of connections of which both were measured; None: cannot be told."""
    legs = context.flows["leg_min_ns"].astype(np.int64)
    legs = legs[(legs >= 0).all(axis=1) & (legs.sum(axis=1) > 0)]
    if len(legs) == 0:
        return None
    share = float(np.median(legs[:, C2S] / legs.sum(axis=1)))
    if share <= NEAR:
        return "near the client"
    return "near the server" if share >= 1 - NEAR else "in between"


def waiting_account(context: Context) -> WaitingAccount:
    """Seconds of every category that occurs, those that are waiting first."""
    account = context.account
    shares = []
    for code in Code:
        chosen = account.intervals.of(code)
        if len(chosen):
            wall = chosen.wall_ns() / 1e9
            low, high = min(chosen.low_wall_ns() / 1e9, wall), max(chosen.high_wall_ns() / 1e9, wall)
            shares.append(WaitShare(code.category, _s(wall), _s(low), _s(high), _s(chosen.total_s())))
    shares.sort(key=lambda share: (not share.category.is_waiting, -share.seconds))
    return WaitingAccount(
        shares=tuple(shares),
        wall_seconds=_s(context.waited_s),
        connection_seconds=_s(account.intervals.waiting().total_s()),
        exchanges=int((~account.gaps.closing).sum()),
        connections=int((context.flows["protocol"] == TCP).sum()),
        lookups=len(account.lookups),
    )


def _s(seconds: float) -> float:
    return round(seconds, 6)


def flow_rows(context: Context, findings: Sequence[Finding]) -> tuple[FlowRow, ...]:
    """The flows that waited longest, at most `FLOW_ROWS`, TCP before UDP."""
    waiting = context.account.flow_ns[:, :WAITING_CODES].sum(axis=1)
    tcp = context.flows["protocol"] == TCP
    order = np.lexsort((-integers(context.flows, "last_ns") + integers(context.flows, "first_ns"), -waiting, ~tcp))
    p95 = _response_p95(context, order[:FLOW_ROWS])
    return tuple(_flow_row(context, int(row), p95.get(int(row)), findings) for row in order[:FLOW_ROWS])


def _response_p95(context: Context, rows: Ints) -> dict[int, float]:
    """Request to first response byte, 95th percentile of each of the given flows, in seconds."""
    account = context.account
    answered = (account.exchanges["response_first_ns"] >= 0) & (account.exchanges["request_last_ns"] >= 0)
    took = (account.exchanges["response_first_ns"] - account.exchanges["request_last_ns"])[answered] / 1e9
    row = account.exchange_row[answered]
    begin, end = np.searchsorted(row, rows), np.searchsorted(row, rows, side="right")
    return {int(one): float(np.percentile(took[a:b], 95)) for one, a, b in zip(rows, begin, end, strict=True) if b > a}


def _flow_row(context: Context, row: int, p95: float | None, findings: Sequence[Finding]) -> FlowRow:
    flow, names = context.flows[row], context.names
    tcp = flow["protocol"] == TCP
    waiting = {
        code.category: _s(int(context.account.flow_ns[row, code]) / 1e9)
        for code in Code
        if context.account.flow_ns[row, code]
    }
    payload_frames = int(flow["payload_frames"].sum())
    legs = flow["leg_min_ns"]
    protocol = "tcp" if tcp else "udp"
    named = [one for one in findings if _names(one, protocol, int(flow["stream"]))]
    return FlowRow(
        protocol=protocol,
        stream=int(flow["stream"]),
        client=names.client(row),
        server=names.server(row),
        app=App(int(flow["app"])).name.lower(),
        diagnosis=_diagnosis(waiting, names.server(row), named, findings),
        start_s=_s((int(flow["first_ns"]) - context.start_ns) / 1e9),
        duration_s=_s((int(flow["last_ns"]) - int(flow["first_ns"])) / 1e9),
        bytes_to_client=int(flow["wire_bytes"][S2C]),
        bytes_to_server=int(flow["wire_bytes"][C2S]),
        frames=int(flow["frames"].sum()),
        rtt_ms=round(int(legs.sum()) / 1e6, 3) if tcp and (legs >= 0).all() else None,
        exchanges=int(flow["exchanges"]),
        response_p95_s=_s(p95) if p95 is not None else None,
        retransmitted=round(sent_again(flow) / payload_frames, 6) if tcp and payload_frames else None,
        waiting_s=_s(sum(seconds for category, seconds in waiting.items() if category.is_waiting)) if tcp else None,
        waiting=waiting,
        activity=(),
    )


def _names(finding: Finding, protocol: str, stream: int) -> bool:
    return any(flow.protocol == protocol and flow.stream == stream for flow in finding.flows)


def _diagnosis(
    waiting: dict[Category, float], server: str, named: Sequence[Finding], findings: Sequence[Finding]
) -> str | None:
    """The finding that cost this flow most: one that names it, else its service's in the category that it waited in."""
    ranked = sorted(waiting, key=lambda category: -waiting[category])
    same = [one for one in findings if one.flows and one.flows[0].server == server and one.flow_count > len(one.flows)]
    for category in ranked:
        for one in (*named, *same):
            if one.category is category:
                return one.kind
    # Failures may cost no waiting and still be what ails a flow.
    return next((one.kind for one in named if one.severity.rank >= Severity.MEDIUM.rank), None)


def series(tables: Tables) -> Series | None:
    """The timelines at one value a step, at most `SERIES_STEPS`; None for a capture without a frame."""
    rows = tables.series.rows()
    first, last = tables.capture.first_ns, tables.capture.last_ns
    if len(rows) == 0 or first is None or last is None:
        return None
    seconds = np.maximum((rows["time_ns"] - first) // 1_000_000_000, 0)
    every = int(seconds.max()) + 1
    width = -(-every // SERIES_STEPS)
    step, steps = seconds // width, -(-every // width)
    sums = {name: _sum_by_step(rows, name, step, steps) for name in ("retransmissions", "connections")}
    payload = [np.bincount(step, rows["payload_bytes"][:, side].astype(np.float64), steps) for side in (S2C, C2S)]
    return Series(
        start_s=first / 1e9,
        step_s=float(width),
        throughput_to_client_bps=tuple((payload[0] * 8 / width).tolist()),
        throughput_to_server_bps=tuple((payload[1] * 8 / width).tolist()),
        rtt_ms=_mean(rows, ("leg_sum_ns", "leg_samples"), step, steps, 1e6),
        rtt_max_ms=_largest(rows, "leg_max_ns", step, steps, 1e6),
        response_s=_mean(rows, ("response_sum_ns", "exchanges"), step, steps, 1e9),
        response_max_s=_largest(rows, "response_max_ns", step, steps, 1e9),
        retransmissions=tuple(int(value) for value in sums["retransmissions"]),
        connections=tuple(int(value) for value in sums["connections"]),
    )


def _sum_by_step(rows: Rows, name: str, step: Ints, steps: int) -> list[float]:
    values: list[float] = np.bincount(step, rows[name].astype(np.float64), steps).tolist()
    return values


def _mean(rows: Rows, names: tuple[str, str], step: Ints, steps: int, unit: float) -> tuple[float | None, ...]:
    total, samples = (_sum_by_step(rows, name, step, steps) for name in names)
    return tuple(round(a / n / unit, 6) if n else None for a, n in zip(total, samples, strict=True))


def _largest(rows: Rows, name: str, step: Ints, steps: int, unit: float) -> tuple[float | None, ...]:
    largest = np.full(steps, -1, np.int64)
    np.maximum.at(largest, step, integers(rows, name))
    return tuple(round(value / unit, 6) if value >= 0 else None for value in largest.tolist())
