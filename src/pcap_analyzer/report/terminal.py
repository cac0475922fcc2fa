"""A report for a terminal: the verdict in one sentence, where the waiting went, the findings with their proof."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len

from pcap_analyzer.analysis.model import (
    CaptureSummary,
    Category,
    Cause,
    Confidence,
    Finding,
    Report,
    Severity,
    WaitingAccount,
)
from pcap_analyzer.report import format as text
from pcap_analyzer.report import words
from pcap_analyzer.report.figures import PartOfWaiting, bounds, overlap, parts_of_waiting
from pcap_analyzer.report.layout import MARGIN, Page, Span, cells_of_shares

SHOWN_FINDINGS = 10
SHOWN_FRAMES = 6

STRONG, QUIET, LOUD = "bold", "dim", "bold #d08a1e"

_DOT = Span(" · ", QUIET)

_SEVERITY_STYLES: Mapping[Severity, str] = {
    Severity.HIGH: "#e5484d",
    Severity.MEDIUM: "#d08a1e",
    Severity.LOW: "#4a8fe0",
    Severity.INFO: "dim",
}
_SEVERITY_SIGNS: Mapping[Severity, tuple[str, str]] = {  # with Unicode, in ASCII
    Severity.HIGH: ("▲", "!"),
    Severity.MEDIUM: ("◆", "+"),
    Severity.LOW: ("●", "-"),
    Severity.INFO: ("○", "."),
}
#: One fixed colour for each category, near the pages' tokens, readable on dark and on light.
_CATEGORY_COLOURS: Mapping[Category, str] = {
    Category.SERVER_THINKING: "#e8702f",
    Category.SERVER_STALL: "#c24b22",
    Category.RESPONSE_TRANSFER: "#4a8fe0",
    Category.REQUEST_TRANSFER: "#79aee8",
    Category.TLS_HANDSHAKE: "#9673de",
    Category.TCP_CONNECT: "#1fa39b",
    Category.RECEIVER_NOT_READING: "#c29a1a",
    Category.WINDOW_LIMITED: "#d8bd62",
    Category.LOSS_RECOVERY: "#d6538d",
    Category.ACK_DELAY: "#b98ac0",
    Category.PATH_DELAY: "#5fae6e",
    Category.DNS_LOOKUP: "#8a93a3",
    Category.UNKNOWN: "#6b6f78",
}
#: Where there is no colour the parts of the bar differ by their glyph, the largest part first.
_GLYPHS = "█▓▒░▚╱┼·"
_ASCII_GLYPHS = "#=+:-~o."


def write_report(report: Report, page: Page) -> None:
    """Everything that a person needs at first, fitted to the page."""
    page.blank()
    _verdict(page, report)
    _warnings(page, report)
    _waiting(page, report.waiting)
    _ruled_out(page, report)
    _findings(page, report)
    _not_computed(page, report)
    _imprint(page, report)


def write_heading(name: str, page: Page) -> None:
    """What stands above the text of each capture where there are several."""
    page.blank()
    page.line(Span(_sign(page, "━━ ", "== "), QUIET), Span(text.printable(name), STRONG), indent=0)


def _verdict(page: Page, report: Report) -> None:
    verdict = report.verdict
    healthy = verdict.cause is Cause.NONE
    style = "#2f9e5c" if healthy else _SEVERITY_STYLES[verdict.severity]
    sign = _sign(page, "✓", "ok") if healthy else _severity_sign(page, verdict.severity)
    certainty = f"confidence: {words.CONFIDENCES[verdict.confidence]}"
    impact = certainty if healthy else f"{words.verdict_impact(verdict)} · {certainty}"
    page.spread(
        (Span(sign + " ", style), Span(text.printable(verdict.headline), f"bold {style}")),
        Span(impact, LOUD if verdict.confidence is Confidence.LOW else QUIET),
    )
    page.blank()
    page.prose(verdict.sentence, STRONG)
    page.prose(verdict.detail)
    if verdict.next_step:
        page.blank()
        page.hanging((Span("Next   ", "bold cyan"),), verdict.next_step)
    page.blank()
    page.row((Span(part, QUIET) for part in _capture_facts(report.capture)), _DOT)


def _capture_facts(capture: CaptureSummary) -> list[str]:
    parts = [
        text.printable(capture.name),
        text.data_size(capture.bytes),
        text.plural(capture.frames, "frame"),
        f"{text.duration(capture.duration_s)} from {text.date(capture.start_s)}",
        text.plural(capture.hosts, "host"),
    ]
    if capture.start_s is None or capture.duration_s is None:
        del parts[3]
    if capture.vantage is not None:
        parts.append(f"captured {capture.vantage}")
    return parts


def _warnings(page: Page, report: Report) -> None:
    """Damage first and loud; then what the capture's quality voids."""
    capture, notes = report.capture, report.quality
    told = " ".join(note.what for note in notes)
    reason = None if capture.damage is None else capture.damage.partition(". ")[0].rstrip(".")
    page.blank()
    if capture.damage is not None and (not reason or reason not in told):
        page.hanging((_warning(page, "DAMAGED FILE"),), capture.damage, LOUD)
    if capture.exact_until_frame is not None and not any(limit in told for limit in capture.overflows):
        limits = ", ".join(f"{limit} ({text.count(times)} times)" for limit, times in capture.overflows.items())
        sentence = f"Counts are exact up to frame {capture.exact_until_frame} only. Limits reached: {limits or '—'}"
        page.hanging((_warning(page, "NOT EXACT"),), sentence, LOUD)
    for note in notes:
        damaged = reason is not None and reason in note.what
        sign = Span(_severity_sign(page, note.severity) + " ", _SEVERITY_STYLES[note.severity])
        head = _warning(page, "DAMAGED FILE") if damaged else sign
        page.hanging((head,), note.what, LOUD if note.severity.rank >= Severity.MEDIUM.rank else "")
        if note.voids:
            page.hanging((Span("  voids  ", QUIET),), note.voids, QUIET)


def _warning(page: Page, title: str) -> Span:
    return Span(f"{_severity_sign(page, Severity.HIGH)} {title}  ", "bold #e5484d")


def _waiting(page: Page, account: WaitingAccount) -> None:
    waited = parts_of_waiting(account)
    page.blank()
    unit = (
        text.plural(account.exchanges, "request"),
        text.plural(account.connections, "connection"),
        text.plural(account.lookups, "look-up") if account.lookups else "",
    )
    basis = Span(", ".join(part for part in unit if part), QUIET)
    if not waited:
        page.spread((Span("Nobody waited in this capture", STRONG),), basis)
        return
    page.spread((Span(f"Where {text.seconds(account.wall_seconds)} of waiting went", STRONG),), basis)
    _bar(page, waited)
    page.blank()
    _legend(page, waited)
    apart = [
        f"{words.CATEGORIES[share.category].lower()} {text.seconds(share.seconds)}"
        for share in account.shares
        if not share.category.is_waiting and share.seconds > 0
    ]
    if apart:
        page.hanging((Span("  Not waiting: ", QUIET),), ", ".join(apart), QUIET)


def _bar(page: Page, parts: tuple[PartOfWaiting, ...]) -> None:
    cells = cells_of_shares(tuple(part.share for part in parts), page.width)
    page.line(*(Span(_glyph(page, rank) * width, _colour(parts[rank])) for rank, width in enumerate(cells)))
    if overlap(parts):
        page.prose(f"Causes overlap in time, so together they exceed {text.percent(1)}.", QUIET)


def _legend(page: Page, parts: tuple[PartOfWaiting, ...]) -> None:
    """One line a category: seconds by the wall clock, part of all waiting, and the bounds, all beside or all below."""
    labels = [words.CATEGORIES[part.wait.category] for part in parts]
    amounts = [text.seconds(part.wait.seconds) for part in parts]
    percents = [text.percent(part.share) for part in parts]
    ranges = [bounds(part.wait) or "" for part in parts]
    columns = (labels, amounts, percents, ranges)
    label_cells, amount_cells, percent_cells, range_cells = (max(map(cell_len, column)) for column in columns)
    beside = 2 + label_cells + 3 + amount_cells + 3 + percent_cells + 3 + range_cells <= page.width
    for rank, part in enumerate(parts):
        page.line(
            Span(_swatch(page, rank), _colour(part)),
            Span(f" {labels[rank]:<{label_cells}}   "),
            Span(f"{amounts[rank]:>{amount_cells}}", STRONG),
            Span(f"   {percents[rank]:>{percent_cells}}"),
            Span(f"   {ranges[rank]}" if beside else "", QUIET),
        )
        if ranges[rank] and not beside:
            page.line(Span(ranges[rank], QUIET), indent=MARGIN + 4)
    if range_cells:
        page.line(Span("  Range: what the capture leaves open", QUIET))


def _ruled_out(page: Page, report: Report) -> None:
    ruled_out = report.verdict.ruled_out
    if not ruled_out:
        return
    page.blank()
    column = max(cell_len(text.printable(item.what)) for item in ruled_out)
    for item in ruled_out:
        what = text.printable(item.what)
        fill = " " * (column - cell_len(what) + 3)
        page.hanging((Span(_sign(page, "✓", "-") + " ", "#2f9e5c"), Span(what + fill)), item.why, QUIET)


def _findings(page: Page, report: Report) -> None:
    page.blank()
    if not report.findings:
        page.line(Span("No findings", STRONG))
        return
    page.spread((Span("Findings", STRONG),), Span("by the waiting they caused", QUIET))
    for rank, finding in enumerate(report.findings[:SHOWN_FINDINGS], start=1):
        page.blank()
        _finding(page, rank, finding)
    hidden = len(report.findings) - SHOWN_FINDINGS
    if hidden > 0:
        page.blank()
        page.line(Span(f"and {text.plural(hidden, 'more finding')}, all of them in --json and --html", QUIET))


def _finding(page: Page, rank: int, finding: Finding) -> None:
    style = _SEVERITY_STYLES[finding.severity]
    cost = "" if finding.seconds is None else text.seconds(finding.seconds)
    sign = _severity_sign(page, finding.severity)
    page.hanging((Span(f"{rank:>2}  ", QUIET), Span(f"{sign} ", style)), finding.title, STRONG, tail=Span(cost, STRONG))
    indent = MARGIN + 6
    page.row((Span(words.SEVERITIES[finding.severity], style), *_facts(finding)), _DOT, indent=indent)
    page.prose(finding.next_step, indent=indent)
    page.filter_expression(finding.display_filter, "cyan", indent=indent)


def _facts(finding: Finding) -> list[Span]:
    flows = [text.plural(finding.flow_count, "flow")] if finding.flow_count else []
    facts = [finding.kind, *flows, _frames(finding)]
    if finding.confidence is not Confidence.HIGH:
        facts.append(f"confidence: {words.CONFIDENCES[finding.confidence]}")
    return [Span(text.printable(fact), QUIET) for fact in facts]


def _frames(finding: Finding) -> str:
    frames = [str(item.frame) for item in finding.evidence]
    listed = ", ".join(frames[:SHOWN_FRAMES]) + (", …" if len(frames) > SHOWN_FRAMES else "")
    return f"{'frame' if len(frames) == 1 else 'frames'} {listed}"


def _not_computed(page: Page, report: Report) -> None:
    if not report.not_computed:
        return
    page.blank()
    page.line(Span("Not computed", LOUD), Span(" and therefore not judged:", QUIET))
    for item in report.not_computed:
        page.hanging((Span(f"{text.printable(item.detector)}  "),), item.reason, QUIET)


def _imprint(page: Page, report: Report) -> None:
    page.blank()
    page.line(Span(f"Analysed in {text.seconds(report.analysis_s)}, rules {report.rules_version}", QUIET))


def _sign(page: Page, sign: str, ascii_sign: str) -> str:
    return sign if page.look.unicode else ascii_sign


def _severity_sign(page: Page, severity: Severity) -> str:
    return _sign(page, *_SEVERITY_SIGNS[severity])


def _colour(part: PartOfWaiting) -> str:
    return _CATEGORY_COLOURS[part.wait.category]


def _glyph(page: Page, rank: int) -> str:
    if page.look.colours and page.look.unicode:
        return "█"
    glyphs = _GLYPHS if page.look.unicode else _ASCII_GLYPHS
    return glyphs[min(rank, len(glyphs) - 1)]


def _swatch(page: Page, rank: int) -> str:
    return "■" if page.look.colours and page.look.unicode else _glyph(page, rank)
