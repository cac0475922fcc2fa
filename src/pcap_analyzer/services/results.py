"""What an analysis leaves behind: the report as an object, and what the task's row says of it."""

from __future__ import annotations

import logging
from datetime import datetime

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.errors import NotFound, ResultUnreadable
from pcap_analyzer.report import figures, schema
from pcap_analyzer.services.tasks import result_key
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.models import Task
from pcap_analyzer.store.tasks import Completion

log = logging.getLogger(__name__)


def report_key(task_id: str) -> str:
    return f"{result_key(task_id)}/report.json"


def keep(storage: Storage, task_id: str, text: bytes) -> str:
    """Store a report that was validated; a second run of the same task replaces it. Blocks on the disk."""
    key = report_key(task_id)
    storage.put(key, text)
    return key


def text_of(storage: Storage, task: Task) -> bytes:
    """The stored report, byte for byte, checked. Raises what `load` does. Blocks on the disk."""
    return _read(storage, task)[0]


def load(storage: Storage, task: Task) -> Report:
    """The stored report. Blocks on the disk.

    Raises NotFound when the analysis has made none, ResultUnreadable when it is gone or was changed.
    """
    return _read(storage, task)[1]


def _read(storage: Storage, task: Task) -> tuple[bytes, Report]:
    if task.report_key is None:
        raise NotFound("This analysis has no report.")
    try:
        text = storage.get(task.report_key)
        return text, schema.load(text)
    except (NotFound, ValueError) as error:
        log.error("the report of task %s cannot be read: %s", task.task_id, error)
        kept = task.capture_key is not None
        raise ResultUnreadable(
            "The report of this analysis is missing or was changed since. "
            + ("Its capture is kept and can be analysed again." if kept else "Upload the capture again.")
        ) from error


def completion_of(report: Report, key: str, now: datetime) -> Completion:
    """The columns that lists show, so that none has to open a report."""
    parts = figures.parts_of_waiting(report.waiting)
    return Completion(
        analyzed_at=now,
        report_key=key,
        total_packets=report.capture.frames,
        capture_duration_s=report.capture.duration_s,
        verdict_cause=report.verdict.cause.value,
        verdict_severity=report.verdict.severity.value,
        verdict_headline=report.verdict.headline,
        verdict_sentence=report.verdict.sentence,
        waiting_shares=tuple((category, round(share, 6)) for category, share in figures.bar_of(parts)),
    )
