"""The check that every revision can be gone up, down and up again with rows in every table."""

from collections.abc import Sequence

from pcap_analyzer.store import upgrade
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.urls import DatabaseUrl
from tests.migrations import seeds


async def climb(url: DatabaseUrl, revisions: Sequence[str]) -> None:
    """Raises AssertionError where a step loses or changes what was there before; the first is a landing alone."""
    lower = None
    for revision in revisions:
        await upgrade.apply(url, revision)
        await seeds.sow(url, revision)
        if lower is not None:
            before = await _held(url, lower)
            await upgrade.downgrade(url, lower, allow_data_loss=True)
            assert await _held(url, lower) == before, f"going down from {revision} changes what was there"
            await upgrade.apply(url, revision)
            assert await _held(url, lower) == before, f"going up to {revision} changes what was there"
            await seeds.sow(url, revision)
        assert await on_connection(url, "test", seeds.faults) == []
        lower = revision


async def _held(url: DatabaseUrl, revision: str) -> dict[str, list[tuple[str, ...]]]:
    return await on_connection(url, "test", lambda connection: seeds.held(connection, revision))
