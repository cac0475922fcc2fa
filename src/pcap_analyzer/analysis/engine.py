"""The conductor: a capture in, a report out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pcap_analyzer
from pcap_analyzer.analysis import quality, registry, summary, verdict, wording
from pcap_analyzer.analysis.agreement import agree
from pcap_analyzer.analysis.context import Context, build
from pcap_analyzer.analysis.detector import Detector
from pcap_analyzer.analysis.model import RULES_VERSION, SCHEMA_VERSION, Finding, NotComputed, Report
from pcap_analyzer.capture.reader import Limits, Progress, read
from pcap_analyzer.capture.tables import Tables
from pcap_analyzer.errors import AppError

FINDINGS = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What to compute: the detectors with ids in `only` (all, if empty), less those in `skip`."""

    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)


def analyze(
    source: Path,
    options: Options = Options(),
    progress: Callable[[Progress], None] | None = None,
    *,
    name: str | None = None,
) -> Report:
    """Read a capture and say why it is slow.

    `progress` hears "read" with bytes, then "measure", "diagnose" and "done", and may raise errors.Cancelled. Raises
    errors.CaptureError for what is no capture, errors.UsageError for detectors that do not exist.
    """
    began = time.monotonic()
    chosen = registry.choose(options.only, options.skip)
    tables = read(source, limits=options.limits, progress=progress)
    report = diagnose(tables, chosen, name or source.name, _stages(tables, progress))
    return _with_duration(report, time.monotonic() - began)


def diagnose(tables: Tables, chosen: tuple[Detector, ...], name: str, stage: Callable[[str], None]) -> Report:
    """The report of a capture that has been read; `analysis_s` is left at 0."""
    stage("measure")
    context = build(tables)
    stage("diagnose")
    findings, failed = _run(context, chosen)
    decision = verdict.decide(context)
    said, findings = agree(decision, wording.verdict(context, decision), findings)
    report = Report(
        schema_version=SCHEMA_VERSION,
        tool_version=pcap_analyzer.__version__,
        rules_version=RULES_VERSION,
        capture=summary.capture_summary(context, name),
        verdict=said,
        waiting=summary.waiting_account(context),
        findings=findings,
        not_computed=failed,
        quality=tuple(fault.note for fault in quality.faults(context)),
        flows=summary.flow_rows(context, findings),
        series=summary.series(tables),
        analysis_s=0.0,
    )
    stage("done")
    return report


def _run(context: Context, chosen: tuple[Detector, ...]) -> tuple[tuple[Finding, ...], tuple[NotComputed, ...]]:
    findings: list[Finding] = []
    failed: list[NotComputed] = []
    for detector in chosen:
        try:
            findings += list(detector.find(context, detector.settings()))
        except AppError:
            raise
        # One detector that fails takes no other finding away; the report says that it was not computed.
        except Exception as error:  # noqa: BLE001
            logger.warning("detector %s failed: %r", detector.id, error)
            failed.append(
                NotComputed(detector.id, f"The detector stopped with an error: {type(error).__name__}: {error}")
            )
    findings.sort(key=lambda one: (-(one.seconds or 0.0), -one.severity.rank, one.kind, one.title))
    return tuple(findings[:FINDINGS]), tuple(failed)


def _stages(tables: Tables, progress: Callable[[Progress], None] | None) -> Callable[[str], None]:
    def tell(stage: str) -> None:
        if progress is not None:
            facts = tables.capture
            progress(
                Progress(stage=stage, bytes_done=facts.file_bytes, bytes_total=facts.file_bytes, frames=facts.frames)
            )

    return tell


def _with_duration(report: Report, seconds: float) -> Report:
    return replace(report, analysis_s=round(seconds, 3))
