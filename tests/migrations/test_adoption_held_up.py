"""Adoptions that others get in the way of, or that are killed: nothing is lost, and the old file stays."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pcap_analyzer.errors import DatabaseUnavailable, StorageFull, UnknownSchema
from pcap_analyzer.store import upgrade
from pcap_analyzer.store.adoption import adopting, file
from tests.migrations import legacy
from tests.migrations.legacy import Age, build_own
from tests.migrations.test_adoption import digest, upgrading


async def test_an_older_file_that_stayed_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "old.db.before-adoption").write_text("of another time")
    url = build_own(tmp_path / "old.db", Age.MIDDLE)

    done = await upgrade.upgrade(url)

    assert done.adopted is not None
    assert done.adopted.kept.name == "old.db.before-adoption-2"
    assert (tmp_path / "old.db.before-adoption").read_text() == "of another time"


async def test_without_room_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = build_own(tmp_path / "old.db", Age.MIDDLE)
    before = digest(url.path)
    monkeypatch.setattr(adopting, "EMPTY_BYTES", 2**60)

    with pytest.raises(StorageFull, match="are free"):
        await upgrade.upgrade(url)

    assert digest(url.path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.db", "old.db.upgrade-lock"]


def without_second_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


async def test_a_file_system_without_second_names_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = build_own(tmp_path / "old.db", Age.MIDDLE)
    before = digest(url.path)
    without_second_names(monkeypatch)

    done = await upgrade.upgrade(url)

    assert done.adopted is not None
    assert digest(done.adopted.kept) == before
    assert stat.S_IMODE(done.adopted.kept.stat().st_mode) == 0o600


WRITES = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0).execute("DELETE FROM progress_snapshots").connection.commit()
"""


async def test_nobody_gets_in_between_the_copy_of_the_old_file_and_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = build_own(tmp_path / "old.db", Age.MIDDLE)
    without_second_names(monkeypatch)
    complaints: list[str] = []

    def write_as_another_process(unfinished: Path, kept: Path) -> Path:
        writer = [sys.executable, "-c", WRITES, str(url.path)]
        complaints.append(subprocess.run(writer, capture_output=True, text=True, check=False, timeout=60).stderr)
        return unfinished.replace(kept)

    monkeypatch.setattr(Path, "rename", write_as_another_process)

    await upgrade.upgrade(url)

    # Before the copy gets its name, and before the new file gets its own.
    assert [complaint.splitlines()[-1:] for complaint in complaints] == [
        ["sqlite3.OperationalError: database is locked"]
    ] * 2


async def test_a_file_that_somebody_writes_to_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = build_own(tmp_path / "old.db", Age.MIDDLE)
    before = digest(url.path)
    monkeypatch.setattr(file, "BUSY_TIMEOUT_S", 0.01)

    with closing(sqlite3.connect(url.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="cannot be taken over"):
            await upgrade.upgrade(url)

    assert digest(url.path) == before


KILLED_IN_A_TRANSACTION = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")  # changed pages go to the file before the commit
database.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
database.execute("BEGIN IMMEDIATE")
rows = [(str(number), "x", "pending", "2024-01-01") for number in range(3000)]
database.executemany("INSERT INTO tasks (task_id, filename, status, uploaded_at) VALUES (?, ?, ?, ?)", rows)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
async def test_what_a_killed_writer_left_half_done_is_rolled_back_first(tmp_path: Path, journal: str) -> None:
    url = build_own(tmp_path / "old.db", Age.LATER)
    before = legacy.counts(url.path)
    subprocess.run([sys.executable, "-c", KILLED_IN_A_TRANSACTION, str(url.path), journal], check=False)
    assert any(path.stat().st_size for path in tmp_path.glob("old.db-*"))

    done = await upgrade.upgrade(url)

    assert done.adopted is not None
    assert done.adopted.rows == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "old.db",
        "old.db.before-adoption",
        "old.db.upgrade-lock",
    ]


async def test_an_unknown_file_of_a_killed_writer_is_not_even_rolled_back(tmp_path: Path) -> None:
    url = build_own(tmp_path / "old.db", Age.LATER, "CREATE TABLE recipes (title TEXT)")
    subprocess.run([sys.executable, "-c", KILLED_IN_A_TRANSACTION, str(url.path), "DELETE"], check=False)
    before = {path.name: digest(path) for path in tmp_path.iterdir()}

    with pytest.raises(UnknownSchema, match="recipes"):
        await upgrade.upgrade(url)

    assert {path.name: digest(path) for path in tmp_path.iterdir()} == before


def kill_points(kills: int, longest_s: float) -> Iterator[float]:
    return (longest_s * (number + 0.5) / kills for number in range(kills))


def more_snapshots(path: Path, count: int) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < {count + 99}) "
            "INSERT INTO progress_snapshots (id, task_id, phase, progress_percent, packets_processed, timestamp) "
            f"SELECT i, '{legacy.DONE}', 'tcp', i % 100, i * 1000, '2024-02-01T00:00:00' FROM n"
        )


def begun(process: subprocess.Popen[str], path: Path) -> float:
    """When the process has the lock, on the monotonic clock: what comes before is Python, which starts."""
    lock, deadline = path.with_name(f"{path.name}.upgrade-lock"), time.monotonic() + 60
    while not lock.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return time.monotonic()


def survive_kills(folder: Path, kills: int, rows: int) -> int:
    """Kill adoptions at moments spread over the time that one takes; the number of those that were really killed."""
    made = build_own(folder / "made.db", Age.LATER).path
    more_snapshots(made, rows)
    path, old, before = folder / "data" / "pcap_analyzer.db", digest(made), legacy.counts(made)
    path.parent.mkdir()
    path.write_bytes(made.read_bytes())
    process = upgrading(path.parent)
    began = begun(process, path)
    process.communicate(timeout=120)
    took = time.monotonic() - began
    killed = 0
    for moment_s in kill_points(kills, took):
        for left in path.parent.iterdir():
            left.unlink()
        path.write_bytes(made.read_bytes())
        process = upgrading(path.parent)
        begun(process, path)
        time.sleep(moment_s)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        assert path.exists()
        again = upgrading(path.parent)
        again.communicate(timeout=120)
        assert again.returncode == 0
        after, orphans = legacy.counts(path), legacy.ORPHANS
        assert {name: after[name] + orphans.get(name, 0) for name in before} == before
        assert [digest(kept) for kept in path.parent.glob("*.before-adoption*")] == [old]
        assert not list(path.parent.glob("*adopting*"))
    return killed


def test_adoptions_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    assert survive_kills(tmp_path, 2, 1_000) > 0
