"""A progress bar on stderr, for people at a terminal and files that take a while."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from pcap_analyzer.capture.reader import Progress
from pcap_analyzer.report.format import count, printable
from pcap_analyzer.report.words import STAGES

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

SHOWN_AFTER_S = 0.5
_BAR = ("bar.complete", "bar.finished", "bar.pulse")
_CALM = ("progress.data.speed", "progress.remaining")


def wanted(*, quiet: bool) -> bool:
    """Only a person at a terminal sees a bar; a pipe or a file gets none."""
    return not quiet and sys.stderr is not None and sys.stderr.isatty()


class ProgressBar:
    """Called with each step of the engine; appears after half a second and is gone when the context ends.

    Rich is imported when the bar appears: a capture that is read at once pays nothing for it.
    """

    def __init__(self, name: str) -> None:
        self._name = printable(name)
        self._shown_from = time.monotonic() + SHOWN_AFTER_S
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, step: Progress) -> None:
        if time.monotonic() < self._shown_from:
            return
        if self._bar is None or self._task is None:
            self._bar = _bar()
            self._task = self._bar.add_task(self._name, total=step.bytes_total, frames="", stage="")
            self._bar.start()
        reading = step.stage == "read"
        self._bar.update(
            self._task,
            completed=step.bytes_done if reading else step.bytes_total,
            total=step.bytes_total,
            frames=count(step.frames),
            stage=STAGES.get(step.stage, step.stage).lower(),
        )
        self._bar.refresh()


def _bar() -> RichProgress:
    """Drawn only when the engine reports, so that no thread of its own wakes beside the analysis."""
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.theme import Theme  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=30),
        progress.TextColumn("{task.percentage:>3.0f} %"),
        progress.TextColumn("{task.fields[stage]} · {task.fields[frames]} frames ·", style="dim"),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(compact=True),
        console=Console(stderr=True, theme=Theme(dict.fromkeys(_CALM, "dim") | dict.fromkeys(_BAR, "#4a8fe0"))),
        auto_refresh=False,
        transient=True,
    )
