"""Upgrades that are started many at a time, that are killed, that fail: on both databases."""

import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.store import chain, upgrade
from pcap_analyzer.store.connections import on_connection, tool_connection
from pcap_analyzer.store.migrations.drift import differences
from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl
from tests.migrations import more_revisions, old, programs, seeds


def applied(said: str) -> list[str]:
    """The revisions that somebody said to have applied."""
    return sorted(line.split("up to ")[1].split()[0] for line in said.splitlines() if " up to " in line)


async def is_sound(url: DatabaseUrl) -> None:
    assert (await upgrade.probe(url)).revision == chain.head()
    assert await on_connection(url, "test", differences) == []
    assert await on_connection(url, "test", seeds.faults) == []


async def test_processes_that_upgrade_an_empty_database_at_once_apply_each_revision_once(url: DatabaseUrl) -> None:
    codes, said = programs.race(url, 4)

    assert codes == [0] * 4, said
    assert applied(said) == sorted(chain.revisions())
    await is_sound(url)


async def test_processes_that_upgrade_a_database_one_release_behind_apply_each_revision_once(url: DatabaseUrl) -> None:
    await upgrade.apply(url, old.CHAIN[-1])
    await seeds.sow(url, old.CHAIN[-1])
    await seeds.snapshots(url, 5_000)

    codes, said = programs.race(url, 4)

    assert codes == [0] * 4, said
    assert applied(said) == sorted(chain.revisions()[5:])
    await is_sound(url)


async def test_an_upgrade_that_is_killed_at_any_moment_is_finished_by_the_next_one(
    url: DatabaseUrl, tmp_path: Path
) -> None:
    await upgrade.apply(url, old.CHAIN[-1])
    await seeds.sow(url, old.CHAIN[-1])
    await seeds.snapshots(url, 20_000)
    before = await on_connection(url, "test", lambda connection: seeds.held(connection, old.CHAIN[-1]))

    process = programs.start(url, programs.UPGRADE)
    time.sleep(random.uniform(0.5, 1.5))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    await upgrade.downgrade(url, old.CHAIN[-1], allow_data_loss=True)  # as it may have come to its end
    process = programs.start(url, programs.UPGRADE)
    assert process.stdout is not None
    process.stdout.readline()  # of the first revision, before it is committed
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, said = programs.run(url, programs.UPGRADE)
    sound, found = programs.verify(url, tmp_path)

    assert process.returncode == -signal.SIGKILL
    assert code == 0, said
    assert sound, found
    assert await on_connection(url, "test", lambda connection: seeds.held(connection, old.CHAIN[-1])) == before
    await is_sound(url)


async def test_an_exception_in_a_revision_changes_nothing_and_is_no_success(url: DatabaseUrl, tmp_path: Path) -> None:
    more = tmp_path / "more"
    await upgrade.apply(url, "head")
    await seeds.sow(url, chain.head())
    before = await on_connection(url, "test", lambda connection: seeds.held(connection, chain.head()))
    more_revisions.write(
        more, 0, 'op.execute("DELETE FROM tasks")\n    op.drop_table("outbox")\n    raise OSError("no")'
    )

    code, said = programs.run(url, ("-m", "tests.migrations.more_revisions", str(more), "db", "upgrade"))

    assert code != 0
    assert "no" in said
    assert await on_connection(url, "test", lambda connection: seeds.held(connection, chain.head())) == before
    await is_sound(url)


async def test_the_service_refuses_to_start_on_a_postgresql_that_is_behind(postgres_url: PostgresUrl) -> None:
    await upgrade.apply(postgres_url, old.CHAIN[-1])

    with pytest.raises(DatabaseUnavailable) as refused:
        await upgrade.check_at_start(postgres_url)

    assert all(word in str(refused.value) for word in (old.CHAIN[-1], chain.head(), "pcap-analyzer db upgrade"))


async def test_the_service_starts_on_the_schema_of_the_next_release(
    postgres_url: PostgresUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    newer = more_revisions.write(tmp_path / "more", 0, "pass")
    with monkeypatch.context() as patch:
        more_revisions.add_to(patch, tmp_path / "more")
        await upgrade.upgrade(postgres_url)

    await upgrade.check_at_start(postgres_url)

    assert newer in caplog.text


@pytest.mark.parametrize("revision", [chain.head(), "ffffffffffff"])
async def test_the_service_refuses_a_schema_that_lacks_what_it_needs(postgres_url: PostgresUrl, revision: str) -> None:
    await upgrade.apply(postgres_url, "head")
    async with tool_connection(postgres_url, "test") as connection:
        await connection.execute(text("DROP TABLE outbox"))
        await connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
        await connection.commit()

    with pytest.raises(DatabaseUnavailable, match=f"{revision}.* lacks outbox: .*Restore a backup"):
        await upgrade.check_at_start(postgres_url)
