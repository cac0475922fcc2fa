"""The figures as tables: for the terminal by Rich, for the repository as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.programs import CAT, OURS, TSHARK, Cost, Program

HEADINGS = ("program", "wall s", "CPU s", "beyond start-up", "x cat", "tshark / it", "MB/s", "peak MB", "rounds")


@dataclass(frozen=True)
class Result:
    """One program on one capture; `note` says why there is no cost."""

    program: Program
    cost: Cost | None
    start_up: Cost | None
    rounds: int
    note: str = ""

    @property
    def beyond_s(self) -> float | None:
        """CPU seconds without those of starting; None where either is unknown."""
        if self.cost is None or self.start_up is None:
            return None
        return max(self.cost.cpu_s - self.start_up.cpu_s, 0.0)


@dataclass(frozen=True)
class Measured:
    """One capture with the results of all programs."""

    name: str
    what: str
    bytes: int
    results: tuple[Result, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """A row a program, under `HEADINGS`."""
        return [self._row(result) for result in self.results]

    def _row(self, result: Result) -> tuple[str, ...]:
        if result.cost is None:
            return (result.program.name, result.note, *("" for _ in HEADINGS[2:]))
        cat, tshark = self._of(CAT), self._of(TSHARK)
        return (
            result.program.name,
            f"{result.cost.wall_s:.3f}",
            f"{result.cost.cpu_s:.3f}",
            _number(result.beyond_s, 3),
            _number(_ratio(result.beyond_s, cat.beyond_s if cat else None), 2),
            _number(_ratio(tshark.cost.cpu_s if tshark and tshark.cost else None, result.cost.cpu_s), 1),
            f"{self.bytes / 1e6 / result.cost.wall_s:,.0f}",
            f"{result.cost.peak_bytes / 1e6:.0f}",
            str(result.rounds),
        )

    def _of(self, program: Program) -> Result | None:
        return next((result for result in self.results if result.program is program), None)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def machine() -> str:
    """Processor, memory, kernel and Python, in one line; nothing that names the machine."""
    memory_kib = int(_line("/proc/meminfo", "MemTotal").split()[0])
    model = _line("/proc/cpuinfo", "model name") or platform.machine()
    system = f"Linux {'.'.join(platform.release().split('.')[:2])}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {memory_kib / 2**20:.0f} GiB memory, {system}"


def _line(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""


def show(console: Console, measured: Measured) -> None:
    """Print one capture's table."""
    table = Table(title=f"{measured.name}: {measured.what}, {measured.bytes / 1e6:,.1f} MB", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == HEADINGS[0] else "right")
    for row in measured.rows():
        table.add_row(*row, style="bold" if row[0] == OURS.name else None)
    console.print(table)


def markdown(everything: Sequence[Measured], notes: Sequence[str]) -> str:
    """The whole result as a page."""
    parts = ["# What an analysis costs", "", "Written by `python -m benchmarks`; do not edit.", ""]
    parts += [f"- {note}" for note in notes]
    for measured in everything:
        parts += ["", f"## {measured.name}", "", f"{measured.what}; {measured.bytes / 1e6:,.1f} MB", ""]
        parts += ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
        parts += ["| " + " | ".join(row) + " |" for row in measured.rows()]
    return "\n".join(parts) + "\n"
