"""Stored values as the columns of the schema mean them, what is wrong with those that are not, and their repair.

SQLite stores anything anywhere: a column's type is a wish there and a rule on PostgreSQL.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Table

from pcap_analyzer.store.models import Role, TaskStatus
from pcap_analyzer.store.transfer.values import Row, Value, canonical_json, key_of
from pcap_analyzer.store.types import EnumText, SafeJson, SafeText, UtcDateTime, UuidText, safe_json, safe_text

#: As a driver returns it. Bytes are a blob; text that is not UTF-8 holds lone surrogates (PEP 383).
Raw = str | bytes | int | float | bool | datetime | None


class Fix(StrEnum):
    """Repairs, each used only when it is named. What one takes away is kept as JSON in adopted_orphans."""

    ORPHANS = "orphans"
    NUL = "nul"
    OVERLONG = "overlong"
    NUMBERS = "numbers"
    BOOLEANS = "booleans"
    DATES = "dates"
    JSON = "json"
    UUIDS = "uuids"
    WORDS = "words"
    CASE = "case"

    @property
    def meaning(self) -> str:
        return MEANINGS[self]


MEANINGS = {
    Fix.ORPHANS: "References to rows that are gone become empty; where they must not, the row goes to adopted_orphans.",
    Fix.NUL: "NUL and bytes that are no UTF-8 are escaped visibly, as \\x00.",
    Fix.OVERLONG: "Text that is longer than its column is cut.",
    Fix.NUMBERS: "Numbers in words are read; what does not fit becomes empty, or 0 where it must not be empty.",
    Fix.BOOLEANS: "true, yes, on, t, y and their opposites are read; anything else is false.",
    Fix.DATES: "Seconds since 1970 and a written UTC are read; what is no moment becomes empty, or the earliest moment "
    "of its row where it must not be empty.",
    Fix.JSON: "NaN and infinity become null; what is no JSON becomes empty, or {} where it must not be empty.",
    Fix.UUIDS: "Upper case, braces and missing dashes are put right, in references too.",
    Fix.WORDS: "An unknown status becomes failed, an unknown role user.",
    Fix.CASE: "People whose names or e-mails differ by case alone are copied as they are.",
}
SECRETS = frozenset({"hashed_password", "totp_secret", "backup_codes", "token_hash"})
SHOWN_CHARACTERS = 60
FALLBACK_WORDS = {TaskStatus: TaskStatus.FAILED.value, Role: Role.USER.value}
TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "f", "no", "n", "off", ""})
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBER_OF_SECONDS = re.compile(r"\d{9,10}(?:\.\d+)?")
INT_LIMIT, BIGINT_LIMIT = 2**31, 2**63
NO_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a value."""

    column: str
    said: str  # what is wrong, and the value where it is no secret
    fix: Fix | None  # None: only a person can repair it, in the source
    mended: Value = None
    original: Raw = None
    loses: bool = False  # the repair takes something away, so that the original is put aside


class _Wrong(Exception):
    """Raised by the reader of a column."""

    def __init__(self, fix: Fix | None, said: str, mended: Value = None, *, loses: bool = True) -> None:
        super().__init__(said)
        self.fix = fix
        self.said = said
        self.mended = mended
        self.loses = loses


Reader = Callable[[Raw], Value]


class RowReader:
    """Reads the rows of one table."""

    def __init__(self, table: Table) -> None:
        self._columns = list(table.columns)
        self._key = key_of(table)
        self._readers = [_reader(column) for column in self._columns]
        self._must = [not column.nullable for column in self._columns]

    def read(self, raw: tuple[Raw, ...]) -> tuple[Row, list[Flaw]]:
        """The row with every flaw mended as far as that is possible, and the flaws."""
        try:
            row = tuple(None if value is None else read(value) for value, read in zip(raw, self._readers, strict=True))
        except _Wrong:
            return self._read_slowly(raw)
        if any(must and value is None for must, value in zip(self._must, row, strict=True)):
            return self._read_slowly(raw)
        return row, []

    def _read_slowly(self, raw: tuple[Raw, ...]) -> tuple[Row, list[Flaw]]:
        values: list[Value] = []
        flaws: list[Flaw] = []
        for column, stored, read in zip(self._columns, raw, self._readers, strict=True):
            value: Value = None
            flaw = None
            if stored is None and not column.nullable:
                flaw = Flaw(column.name, "is empty and must not be", None)
            elif stored is not None:
                try:
                    value = read(stored)
                except _Wrong as wrong:
                    flaw = _flaw(column, stored, wrong, is_key=column is self._key)
                    value = flaw.mended
            values.append(value)
            flaws += [] if flaw is None else [flaw]
        return self._with_moments(values), flaws

    def _with_moments(self, values: list[Value]) -> Row:
        """A moment that must be there and cannot be read becomes the earliest of its row."""
        known = [value for value in values if isinstance(value, datetime)]
        return tuple(
            min(known, default=NO_MOMENT)
            if value is None and isinstance(column.type, UtcDateTime) and not column.nullable
            else value
            for column, value in zip(self._columns, values, strict=True)
        )


def _flaw(column: Column[object], stored: Raw, wrong: _Wrong, *, is_key: bool) -> Flaw:
    said = wrong.said if column.name in SECRETS else f"{wrong.said}: {shown(stored)}"
    lossless_key = not is_key or not wrong.loses
    return Flaw(column.name, said, wrong.fix if lossless_key else None, wrong.mended, stored, wrong.loses)


def shown(stored: Raw) -> str:
    """A value as people may read it in a line."""
    text = f"{stored!r}" if isinstance(stored, bytes) else visible(str(stored))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def visible(text: str) -> str:
    """Text without NUL, and with bytes that are no UTF-8 as `\\x80`."""
    try:
        octets = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return safe_text(text)
    return octets.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def kept(stored: Raw) -> Value:
    """A value as JSON keeps it."""
    if isinstance(stored, bytes):
        return visible(stored.decode("utf-8", "surrogateescape"))
    if isinstance(stored, str):
        return visible(stored)
    if isinstance(stored, datetime) or (isinstance(stored, float) and not math.isfinite(stored)):
        return str(stored)
    return stored


def _reader(column: Column[object]) -> Reader:
    kind = column.type
    read: Reader
    match kind:
        case UuidText():
            read = _uuid
        case EnumText():
            read = _words(frozenset(word.value for word in kind.words), FALLBACK_WORDS[kind.words])
        case UtcDateTime():
            read = _moment
        case SafeJson():
            read = _json(None if column.nullable else "{}")
        case Boolean():
            read = _boolean
        case Integer():
            limit = BIGINT_LIMIT if isinstance(kind, BigInteger) else INT_LIMIT
            read = _integer(limit, None if column.nullable else 0)
        case Float():
            read = _float
        case SafeText() | String():
            read = _text(kind.length)
        case _:
            raise TypeError(f"{column} has a type that cannot be copied: {kind!r}")
    return read


def _text(length: int | None) -> Reader:
    def read(stored: Raw) -> Value:
        if not isinstance(stored, str):
            as_text = visible(stored.decode("utf-8", "surrogateescape")) if isinstance(stored, bytes) else str(stored)
            raise _Wrong(Fix.NUL, "is no text", as_text[:length], loses=False)
        if "\0" in stored or not (stored.isascii() or _is_utf8(stored)):
            escaped = visible(stored)
            loses = length is not None and len(escaped) > length
            raise _Wrong(Fix.NUL, "holds NUL or bytes that are no UTF-8", escaped[:length], loses=loses)
        if length is not None and len(stored) > length:
            raise _Wrong(Fix.OVERLONG, f"is longer than {length} characters", stored[:length])
        return stored

    return read


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _uuid(stored: Raw) -> Value:
    if isinstance(stored, str) and UUID.fullmatch(stored):
        return stored
    if (put_right := put_right_uuid(stored)) is None:
        raise _Wrong(Fix.UUIDS, "is no UUID")
    raise _Wrong(Fix.UUIDS, "is a UUID in another form", put_right, loses=False)


def put_right_uuid(stored: Raw) -> str | None:
    """A UUID in our one form; None for what is none."""
    try:
        return str(uuid.UUID(stored if isinstance(stored, str) else ""))
    except ValueError:
        return None


def _words(words: frozenset[str], fallback: str) -> Reader:
    def read(stored: Raw) -> Value:
        if isinstance(stored, str) and stored in words:
            return stored
        raise _Wrong(Fix.WORDS, f"is none of {', '.join(sorted(words))}", fallback)

    return read


def _boolean(stored: Raw) -> Value:
    if stored is True or stored is False or (isinstance(stored, int) and stored in (0, 1)):
        return bool(stored)
    word = str(stored).strip().lower()
    raise _Wrong(Fix.BOOLEANS, "is neither 0 nor 1", word in TRUE, loses=word not in TRUE | FALSE)


def _integer(limit: int, otherwise: int | None) -> Reader:
    def read(stored: Raw) -> Value:
        if isinstance(stored, int) and -limit <= stored < limit:
            return stored
        if isinstance(stored, int):
            raise _Wrong(Fix.NUMBERS, f"is beyond {limit.bit_length()} bits", otherwise)
        number = _number(stored)
        fits = number is not None and number.is_integer() and -limit <= number < limit
        said = (
            "is beyond 64 bits" if isinstance(stored, float) and abs(stored) >= BIGINT_LIMIT else "is no whole number"
        )
        raise _Wrong(Fix.NUMBERS, said, int(number) if fits and number is not None else otherwise, loses=not fits)

    return read


def _float(stored: Raw) -> Value:
    if isinstance(stored, int | float) and math.isfinite(stored):
        return float(stored)
    number = _number(stored)
    fits = number is not None and math.isfinite(number)
    raise _Wrong(Fix.NUMBERS, "is no finite number", number if fits else None, loses=not fits)


def _number(stored: Raw) -> float | None:
    try:
        return float(stored) if isinstance(stored, str | int | float) else None
    except (ValueError, OverflowError):
        return None


def _moment(stored: Raw) -> Value:
    try:
        moment = stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    guessed = _guessed_moment(str(stored).strip())
    raise _Wrong(Fix.DATES, "is no moment", guessed, loses=guessed is None)


def _guessed_moment(text: str) -> datetime | None:
    try:
        if NUMBER_OF_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        return datetime.fromisoformat(text.removesuffix("UTC").removesuffix("GMT").rstrip()).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _json(otherwise: str | None) -> Reader:
    def read(stored: Raw) -> Value:
        if not isinstance(stored, str):
            raise _Wrong(Fix.JSON, "is no JSON", otherwise)
        try:
            content = json.loads(stored)
            written = canonical_json(content)
        except (ValueError, RecursionError):
            mended = _mended_json(stored)
            raise _Wrong(Fix.JSON, "is no JSON", otherwise if mended is None else mended) from None
        if "\\u0000" in written or "\\ud" in written:
            safe = canonical_json(safe_json(content))
            if safe != written:
                raise _Wrong(Fix.NUL, "holds NUL or half a character", safe, loses=False)
        return written

    return read


def _mended_json(stored: str) -> str | None:
    """Python's own reader takes NaN and infinity for numbers, which JSON does not know."""
    try:
        return canonical_json(safe_json(json.loads(visible(stored))))
    except (ValueError, RecursionError):
        return None
