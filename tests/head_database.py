"""A database at head, made once a run and copied: the chain itself is tested in tests/migrations."""

import asyncio
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pcap_analyzer.store import upgrade
from pcap_analyzer.store.urls import SqliteUrl


@functools.cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        url = SqliteUrl(Path(folder) / "head.db")
        with ThreadPoolExecutor(max_workers=1) as elsewhere:  # whoever asks may be in an event loop already
            elsewhere.submit(asyncio.run, upgrade.apply(url, "head")).result()
        return url.path.read_bytes()


def at_head(path: Path) -> SqliteUrl:
    """A new, empty database at head, in a file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_made())
    return SqliteUrl(path)
