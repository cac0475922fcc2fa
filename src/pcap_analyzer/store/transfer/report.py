"""The report of a copy, for a file: everything, where people are shown the first lines."""

from __future__ import annotations

import json
from dataclasses import asdict

from pcap_analyzer.store.transfer.comparing import TableComparison
from pcap_analyzer.store.transfer.job import Outcome
from pcap_analyzer.store.transfer.preflight import Preflight

FILES_STAY = (
    "Captures and reports are files in DATA_DIR and were not copied: keep DATA_DIR where it is, or copy the folder too."
)


def report(outcome: Outcome) -> str:
    """JSON, without passwords."""
    order = outcome.order
    content = {
        "source": order.source.shown,
        "target": order.target.shown,
        "mode": order.mode.value,
        "fixes": sorted(order.fixes),
        "revision": outcome.revision,
        "began_at": outcome.began_at.isoformat(),
        "ended_at": outcome.ended_at.isoformat(),
        "result": _result(outcome),
        "files": FILES_STAY,
        "preflight": None if outcome.preflight is None else _preflight(outcome.preflight),
        "compared": None if outcome.compared is None else [_compared(table) for table in outcome.compared],
    }
    return json.dumps(content, indent=2) + "\n"


def _result(outcome: Outcome) -> str:
    if outcome.is_good:
        return "nothing hinders a copy" if outcome.compared is None else "equal"
    return "refused" if outcome.compared is None else "different"


def _preflight(preflight: Preflight) -> dict[str, object]:
    return {
        "rows": dict(preflight.rows),
        "files_named_by_tasks": dict(preflight.files),
        "fixed": dict(preflight.fixed),
        "unsolved": preflight.unsolved_count,
        "not_listed": sum(preflight.counts.values()) - len(preflight.problems),
        "problems": [asdict(problem) for problem in preflight.problems],
    }


def _compared(table: TableComparison) -> dict[str, object]:
    return {"equal": not table.differences, **asdict(table)}
