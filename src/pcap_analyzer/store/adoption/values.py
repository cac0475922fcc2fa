"""Values as earlier releases stored them in SQLite, which takes anything anywhere, in today's form."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String

from pcap_analyzer.store.transfer.values import Value, canonical_json
from pcap_analyzer.store.types import EnumText, SafeJson, SafeText, UtcDateTime, UuidText, safe_json, safe_text

#: What SQLite gives when texts are read as bytes: they need not be UTF-8.
Raw = int | float | bytes | None

#: Ids of rows whose own was no UUID are derived from it, so that references still lead there.
NAMESPACE = uuid.UUID("6f0c5a57-6f1e-5d0e-9a53-0f6b1c0f6a0d")
TRUE = frozenset(("1", "1.0", "true", "t", "yes", "y", "on"))
FALSE = frozenset(("0", "0.0", "false", "f", "no", "n", "off", ""))
SPACED_OFFSET = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")
#: Unix times of 2001 to 2100, in seconds; a thousand times as much is in milliseconds.
SECONDS = range(10**9, 4_102_444_800)


class Reading(NamedTuple):
    """A value in today's form."""

    value: Value
    whole: bool = True  # it says all that was stored


NOTHING = Reading(None)
LOST = Reading(None, whole=False)


def plain(raw: Raw) -> str:
    """Stored text with what is no UTF-8, and NUL, escaped visibly."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else str(raw)
    return safe_text(text)


def original(raw: Raw) -> str | int | float | None:
    """The stored value for JSON."""
    if isinstance(raw, bytes) or (isinstance(raw, float) and not math.isfinite(raw)):
        return plain(raw)
    return raw


def text(raw: Raw, length: int | None) -> Reading:
    if raw is None:
        return NOTHING
    whole = plain(raw)
    return Reading(whole[:length], whole=length is None or len(whole) <= length)


def moment(raw: Raw) -> Reading:
    """A moment in UTC, for which a naive one is taken; numbers are Unix times or days written without dashes."""
    if raw is None:
        return NOTHING
    written = plain(raw).strip()
    try:
        if isinstance(raw, int | float) and int(raw) in SECONDS:
            return Reading(datetime.fromtimestamp(raw, UTC))
        if isinstance(raw, int | float) and int(raw) // 1000 in SECONDS:
            return Reading(datetime.fromtimestamp(raw / 1000, UTC))
        found = datetime.fromisoformat(SPACED_OFFSET.sub("", written.removesuffix(" UTC")))
        return Reading(found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC))
    except (ValueError, OverflowError):
        return LOST if written else NOTHING


def boolean(raw: Raw) -> Reading:
    if raw is None:
        return NOTHING
    word = plain(raw).strip().lower()
    return Reading(word in TRUE) if word in TRUE or word in FALSE else LOST


def integer(raw: Raw, bits: int) -> Reading:
    if raw is None:
        return NOTHING
    try:
        number = raw if isinstance(raw, int) else _integer_in(plain(raw).strip())
    except (ValueError, OverflowError):
        return LOST
    return Reading(number) if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1) else LOST


def _integer_in(written: str) -> int:
    try:
        return int(written)
    except ValueError:
        number = float(written)
        if not number.is_integer():
            raise
        return int(number)


def real(raw: Raw) -> Reading:
    if raw is None:
        return NOTHING
    try:
        number = float(raw) if isinstance(raw, int | float) else float(plain(raw).strip())
    except ValueError:
        return LOST
    return Reading(number) if math.isfinite(number) else LOST


def identifier(raw: Raw) -> Reading:
    """A UUID in lower case with dashes; another one is made of what is none, always the same of the same."""
    if raw is None:
        return NOTHING
    written = plain(raw).strip()
    try:
        return Reading(str(uuid.UUID(written)))
    except ValueError:
        pass
    if isinstance(raw, bytes) and len(raw) == 16:
        return Reading(str(uuid.UUID(bytes=raw)))
    return Reading(str(uuid.uuid5(NAMESPACE, written)), whole=False)


def document(raw: Raw) -> Reading:
    """JSON in its canonical form."""
    if raw is None:
        return NOTHING
    try:
        return Reading(canonical_json(safe_json(json.loads(plain(raw)))))
    except ValueError:
        return LOST


def reader_of(column: Column[Any]) -> Callable[[Raw], Reading]:  # Any: a column of whatever type
    """What reads the values of a column."""
    kind = column.type
    if isinstance(kind, EnumText):
        words = {word.value: word.value for word in kind.words}
        return lambda raw: NOTHING if raw is None else Reading(found := words.get(_word(raw)), whole=found is not None)
    if isinstance(kind, BigInteger):
        return lambda raw: integer(raw, 64)
    if isinstance(kind, Integer):
        return lambda raw: integer(raw, 32)
    if isinstance(kind, SafeText | String):
        length = kind.length
        return lambda raw: text(raw, length)
    simple: dict[type[Any], Callable[[Raw], Reading]] = {  # Any: the types of SQLAlchemy
        UtcDateTime: moment, UuidText: identifier, SafeJson: document, Boolean: boolean, Float: real,
    }  # fmt: skip
    return simple[type(kind)]


def _word(raw: Raw) -> str:
    return plain(raw).strip().lower()
