"""What is known later of an adoption."""

from functools import partial
from pathlib import Path

from pcap_analyzer.store import upgrade
from pcap_analyzer.store.adoption.history import last_adoption
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.urls import SqliteUrl
from tests.migrations.legacy import Age, build_own


async def test_an_adopted_database_says_from_what_until_the_old_file_is_gone(tmp_path: Path) -> None:
    url = build_own(tmp_path / "old.db", Age.LATER)
    done = await upgrade.upgrade(url)
    assert done.adopted is not None

    there = await on_connection(url, "test", partial(last_adoption, path=url.path))
    done.adopted.kept.unlink()
    gone = await on_connection(url, "test", partial(last_adoption, path=url.path))

    assert there is not None
    assert (there.rows, there.old_file, there.clear_secrets) == (15, str(done.adopted.kept), 1)
    assert gone is not None
    assert gone.old_file is None


async def test_a_database_that_was_new_was_never_adopted(url: SqliteUrl) -> None:
    assert await on_connection(url, "test", partial(last_adoption, path=url.path)) is None
