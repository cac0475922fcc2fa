"""`pcap-analyzer explain`: what a detector looks for, how, by which thresholds, and who says so."""

from __future__ import annotations

import re

import click

from pcap_analyzer.analysis import registry
from pcap_analyzer.analysis.detector import Detector, Setting
from pcap_analyzer.analysis.model import FindingKind
from pcap_analyzer.cli import guide, ids, outputs
from pcap_analyzer.report import words
from pcap_analyzer.report.format import measure
from pcap_analyzer.report.layout import MARGIN, Look, Page, Span

STRONG, QUIET = "bold", "dim"

#: The parts that every detector's docstring has after its summary.
LABELS = ("Method", "Source", "False alarms")
LABEL_CELLS = 15
_SECTIONS = re.compile(rf"\n\s*\n|\n(?=(?:{'|'.join(LABELS)}):)")

_UNITS = {"percent": "%", "count": "", "ratio": ""}


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.argument("detector", required=False)
def explain(detector: str | None) -> None:
    """Say what a DETECTOR looks for, how it measures, its settings and what its findings advise.

    DETECTOR is the id of a detector, or of a kind of finding as reports print it: the kind stands first then.
    Without one, all detectors are listed with the kinds that they report.

    \b
      pcap-analyzer explain
      pcap-analyzer explain slow_server
      pcap-analyzer explain server_stall
    """
    detectors = registry.load()
    chosen = None if detector is None else _chosen(detector, detectors)
    page = Page(Look.of(outputs.standard_output()))
    if detector is None or chosen is None:
        _list(page, detectors)
    else:
        if detector != chosen.id:
            _lead(page, detector, chosen)
        _explain(page, chosen)
    outputs.write_standard_output(page.text())


def _chosen(wanted: str, detectors: tuple[Detector, ...]) -> Detector:
    found = ids.reporters(detectors).get(wanted)
    if found is None:
        raise ids.unknown(wanted, detectors)
    return found


def _list(page: Page, detectors: tuple[Detector, ...]) -> None:
    column = max((len(detector.id) for detector in detectors), default=0) + 3
    for detector in detectors:
        page.blank()
        summary = detector.explanation.partition("\n")[0]
        page.hanging((Span(f"{detector.id:<{column}}", STRONG),), summary)
        kinds = ", ".join(kind.id for kind in detector.kinds)
        page.hanging((Span(f"{'':<{column}}reports ", QUIET),), kinds, QUIET)
    page.blank()
    page.prose("pcap-analyzer explain ID tells more about one; --only and --skip take the ids on the left.", QUIET)


def _lead(page: Page, wanted: str, detector: Detector) -> None:
    """The kind that was asked for, before everything else that its detector has to say."""
    for kind in detector.kinds:
        if kind.id == wanted:
            page.blank()
            _kind(page, kind)
    page.blank()
    page.prose(f"It is reported by {detector.id} (--only {detector.id}, --skip {detector.id}):")


def _kind(page: Page, kind: FindingKind) -> None:
    waiting = "no waiting" if kind.category is None else words.CATEGORIES[kind.category]
    page.row((Span(kind.title, STRONG), Span(kind.id, QUIET), Span(waiting, QUIET)), Span(" · ", QUIET))
    page.prose(kind.advice, indent=MARGIN + 2)


def _explain(page: Page, detector: Detector) -> None:
    page.blank()
    page.line(Span(detector.id, STRONG))
    page.blank()
    for section in _SECTIONS.split(detector.explanation):
        _section(page, section.strip("\n"))
        page.blank()
    page.line(Span("Findings", STRONG))
    for kind in detector.kinds:
        page.blank()
        _kind(page, kind)
    settings = detector.documented_settings()
    if settings:
        page.blank()
        page.line(Span("Settings", STRONG))
    for setting in settings:
        page.blank()
        page.line(Span(setting.name, STRONG), Span(f"  {_default(setting)}"))
        page.prose(setting.what[:1].upper() + setting.what[1:], indent=MARGIN + 2)
        page.prose(f"Source: {setting.source}", QUIET, indent=MARGIN + 2)


def _section(page: Page, section: str) -> None:
    """Flowing text is fitted to the window beside its label; lists and tables keep their lines."""
    lines = section.splitlines()
    if any(line.startswith((" ", "*", "-", "|")) for line in lines):
        for line in lines:
            page.line(Span(line))
        return
    text = " ".join(lines)
    label, colon, rest = text.partition(":")
    if colon and label in LABELS:
        page.hanging((Span(f"{label + colon:<{LABEL_CELLS}}", STRONG),), rest.strip())
    else:
        page.prose(text)


def _default(setting: Setting) -> str:
    unit = setting.name.rpartition("_")[2]
    return measure(setting.default, _UNITS.get(unit, unit))
