"""A copy that is killed inside its n-th batch, before the commit; arguments: FROM TO MODE N."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from pcap_analyzer.store.transfer import copying
from pcap_analyzer.store.transfer.job import Mode, Order, carry_out
from pcap_analyzer.store.urls import parse_url

WITHIN_S = 60


def killed_in_batch(source: str, target: str, mode: Mode, batch: int) -> int:
    """The exit code of the process: -9 where it came so far."""
    command = [sys.executable, "-m", "tests.store.transfer.process", source, target, mode.value, str(batch)]
    return subprocess.run(command, check=False, timeout=WITHIN_S, cwd=Path(__file__).parents[3]).returncode


def main(source: str, target: str, mode: str, batch: str) -> None:
    put_aside = copying._put_aside
    left = int(batch)

    def dying(*arguments: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        put_aside(*arguments)  # type: ignore[arg-type]

    copying._put_aside = dying  # type: ignore[assignment]
    here = Path.cwd()
    order = Order(parse_url(source, data_dir=here), parse_url(target, data_dir=here), Mode(mode))
    asyncio.run(carry_out(order))


if __name__ == "__main__":
    main(*sys.argv[1:])
