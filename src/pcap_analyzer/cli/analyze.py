"""`pcap-analyzer analyze`: captures in, reasons out, as text, JSON and HTML."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Unpack

import click

from pcap_analyzer.analysis.engine import Options
from pcap_analyzer.analysis.engine import analyze as analyze_capture
from pcap_analyzer.analysis.model import Report
from pcap_analyzer.capture.formats import GZIP
from pcap_analyzer.cli import failures, guide, outputs, progress
from pcap_analyzer.cli.wishes import STANDARD, Given, Wishes
from pcap_analyzer.errors import NotACapture
from pcap_analyzer.report import json as report_json

FILE = click.Path(path_type=Path)
IDS = "ID,..."


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.argument("captures", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option("--json", metavar="FILE", type=FILE, help="Write the report as JSON. - is stdout, then without the text.")
@click.option("--html", metavar="FILE", type=FILE, help="Write the report as one HTML file that opens offline.")
@click.option("-o", "--output", metavar="DIR", type=FILE, help="Write NAME.json and NAME.html for each capture.")
@click.option("--only", metavar=IDS, multiple=True, help="Run these detectors only; `explain` lists them.")
@click.option("--skip", metavar=IDS, multiple=True, help="Run all detectors but these.")
@click.option("--fail-on", type=click.Choice(["low", "medium", "high"]), help="Exit with 1 at findings so severe.")
@click.option("--strict", is_flag=True, help="Exit with 4 if a capture is cut or damaged. It is analysed all the same.")
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="No text, no progress. Errors and damage are still told on stderr.",
)
@click.pass_obj
def analyze(debug: bool, /, **given: Unpack[Given]) -> int:  # click passes what main made
    """Read captures (pcap, pcapng, also gzipped; - is stdin) and say why they are slow.

    \b
      pcap-analyzer analyze slow.pcapng
      pcap-analyzer analyze slow.pcapng --html slow.html
      pcap-analyzer analyze slow.pcapng --json - | jq -r .verdict.sentence
      pcap-analyzer analyze *.pcapng -o reports --fail-on high --quiet

    Several captures are analysed in turn, and one that cannot be read does not stop the others. With --json - each
    is one line of JSON; --json FILE and --html FILE take a single capture, -o DIR any number.

    The exit code is the worst of all captures: 70 the program failed, else 5 a result could not be written, else 3 a
    capture could not be read, else 4 one is damaged (with --strict), else 1 there are findings (with --fail-on), else
    0. A wrong command line is 2 and nothing is analysed.

    What next: the display filter below each finding shows its packets in Wireshark; `pcap-analyzer explain ID` says
    how it was measured and by which thresholds.
    """
    wishes = Wishes.of(given)
    if wishes.shows_text or wishes.json == STANDARD:
        outputs.standard_output()
    if wishes.folder is not None:
        outputs.make_folder(wishes.folder)
    codes: list[int] = []
    for capture in wishes.captures:
        code = failures.guarded(partial(_one, capture, wishes), debug=debug, subject=_name(capture))
        if code == failures.INTERRUPTED:
            return code
        codes.append(code)
    return failures.worst(codes)


def _one(capture: Path, wishes: Wishes) -> int:
    """Analyse one capture and write whatever was asked for; the exit code that it alone would give."""
    report = _analysed(capture, wishes)
    written = _write_files(report, capture, wishes)
    if wishes.json == STANDARD:
        _print_json(report, wishes)
    elif wishes.shows_text:
        _print_text(report, wishes)
    if not wishes.quiet:
        for target in written:
            failures.tell(f"Wrote {target}")
    if report.capture.damage is not None:
        if not wishes.shows_text:
            failures.say(f"{_name(capture)} is damaged and was analysed as far as it goes: {report.capture.damage}")
        if wishes.strict:
            return failures.DAMAGED
    failing = wishes.fail_on is not None and any(
        finding.severity.rank >= wishes.fail_on.rank for finding in report.findings
    )
    return failures.FINDINGS if failing else failures.DONE


def _analysed(capture: Path, wishes: Wishes) -> Report:
    options = Options(only=wishes.only, skip=wishes.skip)
    source, name = (Path("/dev/stdin"), _name(capture)) if capture == STANDARD else (capture, capture.name)
    try:
        if not progress.wanted(quiet=wishes.quiet):
            return analyze_capture(source, options, name=name)
        with progress.ProgressBar(name) as bar:
            return analyze_capture(source, options, bar, name=name)
    except NotACapture as error:
        if not _is_gzip(source):
            raise
        raise NotACapture(f"In this gzip file: {error}") from error


def _is_gzip(source: Path) -> bool:
    """Whether the first bytes that were judged came out of a compressed file; a pipe's cannot be read again."""
    if not source.is_file():
        return False
    with source.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def _write_files(report: Report, capture: Path, wishes: Wishes) -> list[Path]:
    """The files that were written."""
    beside_json, beside_html = wishes.targets(capture)
    jsons = [target for target in (wishes.json, beside_json) if target is not None and target != STANDARD]
    for target in jsons:
        outputs.write_whole(target, report_json.dump(report, indent=2) + "\n")
    pages = [target for target in (wishes.html, beside_html) if target is not None]
    for target in pages:
        from pcap_analyzer.report import html  # noqa: PLC0415  # Jinja2 is for those who want HTML

        outputs.write_whole(target, html.render(report))
    return jsons + pages


def _print_json(report: Report, wishes: Wishes) -> None:
    """Indented for one capture; for several a line each, so that a reader can split them."""
    outputs.write_standard_output(report_json.dump(report, indent=None if wishes.several else 2) + "\n")


def _print_text(report: Report, wishes: Wishes) -> None:
    from pcap_analyzer.report import terminal  # noqa: PLC0415  # for those who want text
    from pcap_analyzer.report.layout import Look, Page  # noqa: PLC0415

    page = Page(Look.of(outputs.standard_output()))
    if wishes.several:
        terminal.write_heading(report.capture.name, page)
    terminal.write_report(report, page)
    outputs.write_standard_output(page.text())


def _name(capture: Path) -> str:
    return "standard input" if capture == STANDARD else str(capture)
