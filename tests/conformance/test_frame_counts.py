"""Frame and stream numbers of real captures are TShark's."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pcap_analyzer.capture.reader import read
from pcap_analyzer.capture.tables import TABLES
from pcap_analyzer.errors import AppError
from tests.conformance.corpus import CAPTURES, captures, need_captures
from tests.needs import need

#: A whole shared capture is read in far less; the bound catches a hang on any machine.
BOUND_S = 10.0

#: Damaged files in which TShark tries other record layouts before it gives up, and so counts otherwise.
OTHER_LAYOUT = {
    "OISF+suricata-verify/tests/bug-6875-01/fuzz.pcap",
    "seladb+PcapPlusPlus/Tests/Fuzzers/RegressionTests/regression_samples/crash-exception-cast-constructed-record",
}


@dataclass(frozen=True)
class Seen:
    """What TShark says of a file: frames, and whether it read the whole of it."""

    frames: int
    whole: bool


def tshark_sees(path: Path, home: Path) -> Seen:
    run = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.number"],
        capture_output=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"},
        check=False,
    )
    return Seen(len(run.stdout.splitlines()), run.returncode == 0)


def named(path: Path) -> str:
    return str(path.relative_to(CAPTURES))


def test_every_shared_capture_is_read_without_a_traceback_and_in_bounded_time() -> None:
    need_captures()
    slow, refused = [], []
    for path in captures():
        start = time.monotonic()
        try:
            tables = read(path)
        except AppError as error:
            refused.append(f"{named(path)}: {error}")
            continue
        if time.monotonic() - start > BOUND_S:
            slow.append(named(path))
        assert sum(tables.capture.undecoded.values()) <= tables.capture.frames
        assert {name: getattr(tables, name).dtype for name in TABLES} == TABLES
    assert slow == []
    assert refused == [
        "the-tcpdump-group+libpcap/tests/pcap-invalid-version-1.pcap: "
        "This pcap is of version 1.4, which nobody has defined."
    ]


@pytest.fixture(scope="module")
def tshark(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Seen]:
    """What TShark sees in each shared capture."""
    need("tshark")
    need_captures()
    home = tmp_path_factory.mktemp("home")
    return {path: tshark_sees(path, home) for path in captures()}


def test_frame_counts_are_tsharks_on_every_file_that_it_reads_whole(tshark: dict[Path, Seen]) -> None:
    differing = {}
    for path, seen in tshark.items():
        if seen.whole and read(path).capture.frames != seen.frames:
            differing[named(path)] = (read(path).capture.frames, seen.frames)
    assert differing == {}


def test_frames_before_the_damage_are_tsharks_on_damaged_files(tshark: dict[Path, Seen]) -> None:
    differing = {}
    for path, seen in tshark.items():
        # Without a frame TShark did not begin: an unknown link type or version, which is no damage.
        if seen.whole or seen.frames == 0 or named(path) in OTHER_LAYOUT:
            continue
        facts = read(path).capture
        if facts.frames != seen.frames or facts.damage is None:
            differing[named(path)] = (facts.frames, seen.frames, facts.damage)
    assert differing == {}


@pytest.mark.parametrize("path", captures()[::7], ids=named)
def test_results_do_not_depend_on_the_random_seed_of_the_run(path: Path) -> None:
    first, second = read(path), read(path)
    assert first.capture == second.capture
    for name in TABLES:
        assert np.array_equal(getattr(first, name).rows(), getattr(second, name).rows())
