"""Measures cat, tcptrace, tshark and pcap-analyzer in turn on the same captures: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

from rich.console import Console

from benchmarks.captures import Plan, made, plans
from benchmarks.programs import PROGRAMS, Cost, Program, installed, run, typical
from benchmarks.results import Measured, Result, machine, markdown, show

CACHE = Path(".cache/benchmarks")
RESULTS = Path(__file__).with_name("RESULTS.md")
UNITS = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
RUN_LIMIT_S = 120.0
BUDGET_S = 90.0  # a program that took so long on one capture is not run again on it


def size(text: str) -> int:
    """Bytes of "400MB"."""
    found = re.fullmatch(r"(\d+)(KB|MB|GB)", text)
    if not found:
        raise argparse.ArgumentTypeError("a size is a number and KB, MB or GB: 400MB")
    return int(found[1]) * UNITS[found[2]]


def measure(plan: Plan, programs: tuple[Program, ...], rounds: int, start_ups: dict[str, Cost]) -> Measured:
    """All programs on one capture, one after another in every round."""
    capture = made(plan, CACHE)
    costs: dict[str, list[Cost]] = {program.name: [] for program in programs}
    notes: dict[str, str] = {}
    for _ in range(rounds):
        for program in programs:
            if program.name in notes or sum(cost.wall_s for cost in costs[program.name]) > BUDGET_S:
                continue
            outcome = run(program, capture, RUN_LIMIT_S)
            if isinstance(outcome, str):
                notes[program.name] = outcome
            else:
                costs[program.name].append(outcome)
    results = tuple(
        Result(
            program,
            typical(costs[program.name]) if program.name not in notes else None,
            start_ups.get(program.name),
            len(costs[program.name]),
            notes.get(program.name, ""),
        )
        for program in programs
    )
    return Measured(plan.name, plan.what, capture.stat().st_size, results)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 MB and three rounds; RESULTS.md is not written")
    parser.add_argument("--size", type=size, default=size("400MB"), help="of the full-size capture (400MB)")
    return parser.parse_args()


def main() -> None:
    wishes = arguments()
    console = Console(width=None if sys.stdout.isatty() else 110)
    programs = installed()
    rounds, size_bytes = (3, min(wishes.size, size("40MB"))) if wishes.quick else (5, wishes.size)
    missing = ", ".join(program.name for program in PROGRAMS if program not in programs)
    loads = [os.getloadavg()[0]]
    everything: list[Measured] = []
    start_ups: dict[str, Cost] = {}
    for plan in plans(size_bytes):
        measured = measure(plan, programs, rounds, start_ups)
        if not start_ups:
            start_ups = {result.program.name: result.cost for result in measured.results if result.cost}
        show(console, measured)
        everything.append(measured)
        loads.append(os.getloadavg()[0])
    notes = [
        f"Machine: {machine()}",
        f"Programs: {', '.join(f'{program.name} {program.version()}' for program in programs)}",
        *([f"Not installed, left out: {missing}"] if missing else []),
        f"Load average before and after each capture: {', '.join(f'{load:.2f}' for load in loads)}",
        f"Median of {rounds} rounds, the programs in turn; a program over {BUDGET_S:.0f} s on a capture runs fewer.",
        '"Beyond start-up": CPU less that on the one-packet capture; "x cat" compares those, "tshark / it" whole CPU.',
        "Peak memory below about 10 MB cannot be measured.",
        f"Date: {time.strftime('%Y-%m-%d', time.gmtime())}",
    ]
    for note in notes:
        console.print(note, soft_wrap=True)
    if not wishes.quick:
        RESULTS.write_text(markdown(everything, notes))


if __name__ == "__main__":
    main()
