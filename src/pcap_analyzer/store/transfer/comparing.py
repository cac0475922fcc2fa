"""Whether a copy is the same as its source: counts and SHA-256 by chunk and table, down to the key that differs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import Connection, Table

from pcap_analyzer.store.transfer.copying import ORPHANS, Item, OnRows, Source, kept_aside, tables
from pcap_analyzer.store.transfer.values import Key, Row, canonical, key_place, stored_rows

CHUNK_ROWS = 10_000


@dataclass(frozen=True)
class Difference:
    """A row that is not the same on both sides."""

    table: str
    key: Key
    what: str  # which columns, or on which side the row is missing


@dataclass(frozen=True)
class Chunk:
    """Neighbouring rows, hashed in their canonical form."""

    last_key: Key | None  # None: the end of the table
    rows_source: int
    rows_target: int
    sha256_source: str
    sha256_target: str


@dataclass(frozen=True)
class TableComparison:
    """A table on both sides."""

    table: str
    rows_source: int  # those that have a place in the table
    rows_target: int
    put_aside: int  # what is in adopted_orphans of the target instead
    sha256_source: str
    sha256_target: str
    chunks: tuple[Chunk, ...]
    differences: tuple[Difference, ...]


def differences(compared: tuple[TableComparison, ...]) -> tuple[Difference, ...]:
    """All of them; () where both sides are equal."""
    return tuple(each for table in compared for each in table.differences)


def compare(source: Source, target: Connection, *, on_rows: OnRows | None = None) -> tuple[TableComparison, ...]:
    """Every table of both sides, row by row, what was put aside too. Nothing is written."""
    compared = []
    asides: Iterator[Row] = iter(())
    for table in tables():
        comparison = _Comparison(source, target, table, asides)
        compared.append(comparison.made(on_rows))
        if table is ORPHANS:
            asides = stored_rows(target, ORPHANS, comparison.last_key)
    left = tuple(Difference(ORPHANS.name, _key(ORPHANS, row), "is not in the source") for row in asides)
    target.rollback()
    compared[0] = replace(compared[0], differences=(*compared[0].differences, *left))
    return tuple(compared)


class _Side:
    """What one side of a table comes to."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.rows = 0

    def add(self, rows: dict[Key, bytes]) -> str:
        """The SHA-256 of a chunk."""
        chunk = b"".join(line + b"\n" for line in rows.values())
        self.sha256.update(chunk)
        self.rows += len(rows)
        return hashlib.sha256(chunk).hexdigest()


class _Comparison:
    """One table, chunk by chunk: the source says where a chunk ends, the last one has no end."""

    def __init__(self, source: Source, target: Connection, table: Table, asides: Iterator[Row]) -> None:
        self._source = source
        self._target = target
        self._table = table
        self._asides = asides
        self._ours, self._theirs = _Side(), _Side()
        self._chunks: list[Chunk] = []
        self._differences: list[Difference] = []
        self._put_aside = 0
        self.last_key: Key | None = None

    def made(self, on_rows: OnRows | None) -> TableComparison:
        items = self._source.items(self._table, None)
        open_end = True
        while open_end:
            batch = list(islice(items, CHUNK_ROWS))
            open_end = len(batch) == CHUNK_ROWS
            self._compare_asides(batch)
            self._compare_chunk(batch, None if not open_end else batch[-1].key)
            if on_rows is not None:
                on_rows(self._table.name, self._ours.rows)
        return TableComparison(
            table=self._table.name,
            rows_source=self._ours.rows,
            rows_target=self._theirs.rows,
            put_aside=self._put_aside,
            sha256_source=self._ours.sha256.hexdigest(),
            sha256_target=self._theirs.sha256.hexdigest(),
            chunks=tuple(self._chunks),
            differences=tuple(self._differences),
        )

    def _compare_chunk(self, batch: list[Item], end: Key | None) -> None:
        after = self.last_key
        self.last_key = batch[-1].key if batch else after
        if self._table is ORPHANS:
            end = self.last_key  # what comes after was put aside of other tables
        ours = {item.key: item.row for item in batch if item.row is not None}
        if self._table is ORPHANS and end is None:
            theirs = {}
        else:
            theirs = {_key(self._table, row): row for row in stored_rows(self._target, self._table, after, end)}
        our_lines = {key: canonical(row) for key, row in ours.items()}
        their_lines = {key: canonical(row) for key, row in theirs.items()}
        digests = self._ours.add(our_lines), self._theirs.add(their_lines)
        self._chunks.append(Chunk(end, len(ours), len(theirs), *digests))
        if digests[0] != digests[1]:
            self._name_differences(ours, theirs)

    def _name_differences(self, ours: dict[Key, Row], theirs: dict[Key, Row]) -> None:
        names = [column.name for column in self._table.columns]
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            our, their = ours.get(key), theirs.get(key)
            if our is None or their is None:
                what = "is not in the target" if their is None else "is not in the source"
            elif canonical(our) != canonical(their):
                pairs = zip(names, our, their, strict=True)
                what = f"differs in {', '.join(name for name, a, b in pairs if canonical((a,)) != canonical((b,)))}"
            else:
                continue
            self._differences.append(Difference(self._table.name, key, what))

    def _compare_asides(self, batch: list[Item]) -> None:
        names = [column.name for column in ORPHANS.columns]
        of, content = names.index("table_name"), names.index("row_json")
        for item in batch:
            for aside in item.asides:
                self._put_aside += 1
                kept = next(self._asides, None)
                if kept is None or (kept[of], kept[content]) != (self._table.name, kept_aside(aside)):
                    what = f"does not hold what was put aside of {self._table.name} {item.key}"
                    self._differences.append(Difference(ORPHANS.name, 0 if kept is None else _key(ORPHANS, kept), what))


def _key(table: Table, row: Row) -> Key:
    key = row[key_place(table)]
    assert isinstance(key, str | int)
    return key
