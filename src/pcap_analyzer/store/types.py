"""Column types that mean the same on SQLite and PostgreSQL."""

import json
import math
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, String, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.types import TypeDecorator, TypeEngine

# Any in signatures below: SQLAlchemy passes whatever the driver returned.

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""A numeric key: SQLite numbers rows by itself for INTEGER alone."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment: timestamptz, on SQLite `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`, so that text order is time order."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(32))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return utc_text(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """The one text form of a moment on SQLite; a naive one is taken for UTC, as older deployments wrote it."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds")


UUID_FORM = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class UuidText(TypeDecorator[str]):
    """A UUID as 36 lower-case characters in Python and on SQLite, as `uuid` on PostgreSQL.

    What is none, from an address that somebody typed, equals no row on either.
    """

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(UUID(as_uuid=False))
        return dialect.type_descriptor(String(36))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql" or UUID_FORM.fullmatch(value):
            return value
        return None


class SafeText(TypeDecorator[str]):
    """Text that may come from packets: NUL and lone surrogates are escaped visibly, cut at `length` characters."""

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # The descriptor of asyncpg makes VARCHAR of every text, which would be a difference from the column's TEXT.
        return Text() if self.length is None else dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else safe_text(value)[: self.length]


def safe_text(value: str) -> str:
    """`value` without NUL and lone surrogates, which PostgreSQL refuses and SQLite would take."""
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class SafeJson(TypeDecorator[Any]):
    """JSON that may hold text from packets; not-a-number and infinity become null, as JSON knows neither."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        return None if value is None else safe_json(value)


def safe_json(value: Any) -> Any:
    """`value` with every text made safe and every number finite or None; raises TypeError for what JSON cannot say."""
    if isinstance(value, dict):
        return {safe_text(str(key)): safe_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [safe_json(item) for item in value]
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    json.dumps(value)
    return value


E_ = TypeVar("E_", bound=StrEnum)


class EnumText(TypeDecorator[E_]):
    """A StrEnum as text of at most 20 characters; the table's CHECK names the same words."""

    impl = String(20)
    cache_ok = True

    def __init__(self, words: type[E_]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: E_ | str | None, _dialect: Dialect) -> str | None:
        return None if value is None else self.words(value).value

    def process_result_value(self, value: Any, _dialect: Dialect) -> E_ | None:
        return None if value is None else self.words(value)


def words_check(column: str, words: type[StrEnum]) -> str:
    """The condition of a CHECK that admits the words of an enum."""
    return f"{column} IN ({', '.join(repr(word.value) for word in words)})"
