"""How far a copy is, for a person at a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from pcap_analyzer.cli.progress import SHOWN_AFTER_S, wanted
from pcap_analyzer.report.format import count
from pcap_analyzer.store.transfer.job import Step

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class CopyProgress:
    """Called with each step; appears after half a second and is gone when the context ends."""

    def __init__(self, *, quiet: bool) -> None:
        self._wanted = wanted(quiet=quiet)
        self._shown_from = time.monotonic() + SHOWN_AFTER_S
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> CopyProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, step: Step) -> None:
        if not self._wanted or time.monotonic() < self._shown_from:
            return
        if self._bar is None or self._task is None:
            self._bar = _bar()
            self._task = self._bar.add_task("", total=None, rows="")
            self._bar.start()
        of = "" if step.rows_total is None else f" of {count(step.rows_total)}"
        self._bar.update(
            self._task,
            description=f"{step.doing} {step.table}",
            completed=step.rows,
            total=step.rows_total,
            rows=f"{count(step.rows)}{of} rows",
        )
        self._bar.refresh()


def _bar() -> Progress:
    """Drawn only when something was done, so that no thread of its own wakes beside the copy."""
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=30),
        progress.TextColumn("{task.fields[rows]}", style="dim"),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
    )
