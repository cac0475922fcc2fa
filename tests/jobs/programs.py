"""Programs that a dispatcher can be given in place of the analysis."""

import sys


def acting(mode: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.jobs.analysis_process", mode)
