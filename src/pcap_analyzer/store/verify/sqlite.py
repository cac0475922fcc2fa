"""What SQLite says of its own file."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from pcap_analyzer.store.verify.check import Check, failure, some, well

RESTORE = "stop the service and restore a backup (`pcap-analyzer db restore FILE`)"


def checks(connection: Connection, *, deep: bool) -> Iterator[Check]:
    """Pages, rows and references; `deep` also compares every index with its table."""
    pragma = "integrity_check" if deep else "quick_check"
    found = [str(line) for line in connection.exec_driver_sql(f"PRAGMA {pragma}").scalars()]
    if found == ["ok"]:
        yield well("integrity", f"SQLite finds nothing wrong ({pragma}).")
    else:
        yield failure("integrity", f"The file is damaged ({some(found)}): {RESTORE}.")
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        rows = [f"row {row[1]} of {row[0]} names a row of {row[2]} that is gone" for row in orphans]
        yield failure("foreign keys", f"{some(rows)}: delete these rows, or restore a backup.")
    else:
        yield well("foreign keys", "Every row has its parent.")
    mode = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()).upper()
    if mode in ("WAL", "TRUNCATE"):
        yield well("journal", f"{mode}; `pcap-analyzer db info` says why.")
    else:
        yield failure("journal", f"The journal is {mode}, with which a crash can lose data: restart the service.")
