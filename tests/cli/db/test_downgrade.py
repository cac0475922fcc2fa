"""`db downgrade` goes one revision back, and asks before it loses anything."""

from pathlib import Path

from pcap_analyzer.store import chain, upgrade
from pcap_analyzer.store.urls import SqliteUrl
from tests.cli.command import pcap_analyzer
from tests.head_database import at_head
from tests.migrations import old, seeds


def test_without_a_revision_it_goes_to_the_previous_one(tmp_path: Path) -> None:
    at_head(tmp_path / "pcap_analyzer.db")

    done = pcap_analyzer("db", "downgrade", DATA_DIR=str(tmp_path))

    assert done.returncode == 0
    assert done.stdout.startswith(f"Went back from revision {chain.head()} to revision {chain.revisions()[-2]}.\n")
    assert "The database as it was before: " in done.stdout


async def test_what_would_be_lost_is_told_and_kept_until_that_is_allowed(tmp_path: Path) -> None:
    url = at_head(tmp_path / "pcap_analyzer.db")
    await seeds.sow(url, chain.head())

    refused = pcap_analyzer("db", "downgrade", old.CHAIN[-1], DATA_DIR=str(tmp_path))
    standing = (await upgrade.probe(url)).revision
    allowed = pcap_analyzer("db", "downgrade", old.CHAIN[-1], "--allow-data-loss", DATA_DIR=str(tmp_path))

    assert refused.returncode == 2
    assert "audit_log (1 row)" in refused.stderr
    assert standing == chain.head()
    assert allowed.returncode == 0, allowed.stderr
    assert (await upgrade.probe(url)).revision == old.CHAIN[-1]


def test_a_database_that_is_none_yet_has_nothing_to_go_back_from(tmp_path: Path) -> None:
    refused = pcap_analyzer("db", "downgrade", DATA_DIR=str(tmp_path))

    assert refused.returncode == 2
    assert "no revision to go back from" in refused.stderr
    assert not SqliteUrl(tmp_path / "pcap_analyzer.db").path.exists()
