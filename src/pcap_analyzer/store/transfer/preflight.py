"""What of a source another database would not take, all at once, and the source with the repairs that were named."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Table

from pcap_analyzer.errors import Conflict
from pcap_analyzer.store.models import PasswordResetToken, Task, User
from pcap_analyzer.store.transfer.cells import SECRETS, Fix, Flaw, Raw, RowReader, kept, shown
from pcap_analyzer.store.transfer.copying import Item, OnRows, tables
from pcap_analyzer.store.transfer.sources import Stored
from pcap_analyzer.store.transfer.values import Key, Row, Value, canonical_json, key_place

FILE_COLUMNS = ("capture_key", "report_key", "report_html_path", "report_json_path")
REPORTED_EVERY = 5_000
KEPT_OF_A_KIND = 10_000  # problems of a column and a repair; more are counted


@dataclass(frozen=True)
class Problem:
    """One thing that the target would refuse or take for another."""

    table: str
    key: str
    column: str
    said: str
    fix: Fix | None  # None: only a person can repair it, in the source


@dataclass(frozen=True)
class Preflight:
    """What the source holds, and what is wrong with it."""

    rows: Mapping[str, int]
    files: Mapping[str, int]  # columns of tasks that name files -> how many are named
    problems: tuple[Problem, ...]  # of each kind the first ones
    counts: Mapping[Fix | None, int]  # repair -> how many values and rows it is for, those that are not kept too
    fixes: frozenset[Fix]

    @property
    def unsolved(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.fix is None or problem.fix not in self.fixes)

    @property
    def unsolved_count(self) -> int:
        return sum(count for fix, count in self.counts.items() if fix is None or fix not in self.fixes)

    @property
    def fixed(self) -> Mapping[str, int]:
        """Repair -> how many values and rows it is for."""
        return {str(fix): count for fix, count in self.counts.items() if fix in self.fixes}


class _Problems:
    """Counts all, and keeps so many that memory suffices for any source."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.counts: Counter[Fix | None] = Counter()
        self._of_kind: Counter[tuple[str, str, Fix | None]] = Counter()

    def add(self, problem: Problem) -> None:
        kind = (problem.table, problem.column, problem.fix)
        self.counts[problem.fix] += 1
        self._of_kind[kind] += 1
        if self._of_kind[kind] <= KEPT_OF_A_KIND:
            self.kept.append(problem)


@dataclass(frozen=True)
class Judged:
    """A row as it would be copied, and every flaw that it has."""

    item: Item
    flaws: tuple[Flaw, ...]
    key: Raw  # as it is stored


class CheckedSource:
    """The rows of a database with the repairs that were named; a `transfer.Source`."""

    def __init__(self, stored: Stored, fixes: frozenset[Fix]) -> None:
        self._stored = stored
        self.fixes = fixes
        named = json.dumps([stored.state(), sorted(fixes)])
        self._fingerprint = hashlib.sha256(named.encode()).hexdigest()
        self._readers = {table.name: RowReader(table) for table in tables()}
        self._dangling: dict[str, Mapping[int, frozenset[Raw]]] = {}

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def last_number(self, table: Table) -> int | None:
        return self._stored.last_number(table)

    def items(self, table: Table, after: Key | None) -> Iterator[Item]:
        """Raises Conflict for a flaw whose repair was not named."""
        for judged in self.judged(table, after):
            for flaw in judged.flaws:
                if flaw.fix is None or flaw.fix not in self.fixes:
                    named = f"--fix {flaw.fix} as for the copy" if flaw.fix else "a repair of the source"
                    raise Conflict(f"{table.name} {judged.item.key}: {flaw.column} {flaw.said}. It takes {named}.")
            yield judged.item

    def judged(self, table: Table, after: Key | None) -> Iterator[Judged]:
        """The rows whose keys come after `after`, whatever flaws they have."""
        reader = self._readers[table.name]
        dangling = self._dangling_of(table)
        place = key_place(table)
        checks_moments = table.name == PasswordResetToken.__tablename__
        for raw in self._stored.raw_rows(table, after, put_right=Fix.UUIDS in self.fixes):
            row, flaws = reader.read(raw)
            if checks_moments:
                row, flaws = _with_expiry(table, row, flaws)
            if flaws or dangling:
                yield _judge(table, raw, row, [*flaws, *_orphaned(table, raw, row, dangling)])
            else:
                key = row[place]
                assert isinstance(key, str | int)
                yield Judged(Item(key, row), (), key)

    def _dangling_of(self, table: Table) -> Mapping[int, frozenset[Raw]]:
        """Place of a reference -> what it says of rows that are not there; {} where all is well."""
        if table.name not in self._dangling:
            put_right = Fix.UUIDS in self.fixes
            found = {
                place: self._stored.dangling(table, column, put_right=put_right)
                for place, column in enumerate(table.columns)
                if column.foreign_keys
            }
            self._dangling[table.name] = {place: values for place, values in found.items() if values}
        return self._dangling[table.name]


def _orphaned(table: Table, raw: tuple[Raw, ...], row: Row, dangling: Mapping[int, frozenset[Raw]]) -> Iterator[Flaw]:
    columns = list(table.columns)
    for place, gone in dangling.items():
        if row[place] is not None and (row[place] in gone or raw[place] in gone):
            (reference,) = columns[place].foreign_keys
            said = f"refers to a row of {reference.column.table.name} that is not there: {shown(raw[place])}"
            yield Flaw(columns[place].name, said, Fix.ORPHANS, None, raw[place], loses=True)


def _judge(table: Table, raw: tuple[Raw, ...], row: Row, flaws: list[Flaw]) -> Judged:
    """Empty the references that lead nowhere; a row that must have one has no place in its table."""
    columns = list(table.columns)
    place = key_place(table)
    emptied = {flaw.column for flaw in flaws if flaw.fix is Fix.ORPHANS}
    values = tuple(None if column.name in emptied else value for column, value in zip(columns, row, strict=True))
    homeless = any(
        value is None and column.foreign_keys and not column.nullable
        for column, value in zip(columns, values, strict=True)
    )
    key = row[place]
    named = key if isinstance(key, str | int) else shown(raw[place])
    whole, parts = (_whole(columns, raw),), tuple(_part(named, flaw) for flaw in flaws if flaw.loses)
    asides = whole if homeless else parts
    return Judged(Item(named, None if homeless else values, asides), tuple(flaws), raw[place])


def _whole(columns: list[Column[object]], raw: tuple[Raw, ...]) -> str:
    return canonical_json({column.name: kept(value) for column, value in zip(columns, raw, strict=True)})


def _part(key: Value, flaw: Flaw) -> str:
    """What a repair takes away: enough to put it back by hand."""
    return canonical_json({"key": key, "column": flaw.column, "value": kept(flaw.original)})


def _with_expiry(table: Table, row: Row, flaws: list[Flaw]) -> tuple[Row, list[Flaw]]:
    """A link that ends before it begins is refused by the table; it has ended in any case."""
    names = [column.name for column in table.columns]
    expires, created = row[names.index("expires_at")], row[names.index("created_at")]
    if not (isinstance(expires, datetime) and isinstance(created, datetime)) or expires > created:
        return row, flaws
    ended = created + timedelta(microseconds=1)
    said = f"is not after created_at: {expires.isoformat()}"
    flaw = Flaw("expires_at", said, Fix.DATES, ended, expires.isoformat(), loses=True)
    return tuple(ended if name == "expires_at" else value for name, value in zip(names, row, strict=True)), [
        *flaws,
        flaw,
    ]


def examine(source: CheckedSource, *, on_rows: OnRows | None = None) -> Preflight:
    """Read every row once and list all that is wrong, of each kind the first `KEPT_OF_A_KIND`."""
    problems = _Problems()
    rows: dict[str, int] = {}
    files: Counter[str] = Counter(dict.fromkeys(FILE_COLUMNS, 0))
    for table in tables():
        uniques = _Uniques(table)
        count = 0
        for judged in source.judged(table, None):
            count += 1
            for each in judged.flaws:
                problems.add(Problem(table.name, shown(judged.key), each.column, each.said, each.fix))
            if judged.item.row is not None:
                for twice in uniques.seen(judged):
                    problems.add(twice)
            if table.name == Task.__tablename__:
                files.update(_files_of(table, judged))
            if on_rows is not None and count % REPORTED_EVERY == 0:
                on_rows(table.name, count)
        rows[table.name] = count
    return Preflight(rows, files, tuple(problems.kept), dict(problems.counts), source.fixes)


def _files_of(table: Table, judged: Judged) -> list[str]:
    row = judged.item.row or ()
    return [
        column.name
        for column, value in zip(table.columns, row, strict=False)
        if column.name in FILE_COLUMNS and value is not None
    ]


class _Uniques:
    """Values that occur once on the target: of the key, of unique indexes, and by case of what people log in with."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._last_key: Value = None
        places = {column.name: place for place, column in enumerate(table.columns)}
        self._places = {
            column.name: places[column.name] for index in table.indexes if index.unique for column in index.columns
        }
        self._values: dict[str, set[Value]] = {name: set() for name in self._places}
        self._names: dict[str, dict[str, str]] = {name: {} for name in self._places}
        self._of_people = table.name == User.__tablename__

    def seen(self, judged: Judged) -> Iterator[Problem]:
        row = judged.item.row or ()
        key = judged.item.key
        if key == self._last_key:
            yield Problem(self._table.name, str(key), self._table.primary_key.columns.keys()[0], "occurs twice", None)
        self._last_key = key
        for name, place in self._places.items():
            value = row[place]
            if value in self._values[name]:
                said = "occurs twice" if name in SECRETS else f"occurs twice: {shown(value)}"
                yield Problem(self._table.name, str(key), name, said, None)
            elif self._of_people and isinstance(value, str):
                other = self._names[name].setdefault(value.lower(), value)
                if other != value:
                    yield Problem(
                        self._table.name, str(key), name, f"{value} differs from {other} by case alone", Fix.CASE
                    )
            if value is not None:
                self._values[name].add(value)
