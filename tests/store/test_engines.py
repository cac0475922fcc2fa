"""Which journal SQLite gets."""

import pytest

from pcap_analyzer.store.engines import wal_is_sound


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
    ],
)
def test_a_write_ahead_log_is_used_where_sqlite_is_repaired(version: tuple[int, ...], sound: bool) -> None:
    assert wal_is_sound(version) is sound
