"""A report as JSON (RFC 8259): its fields one to one, in ASCII, the form that `report.schema` reads back."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import TypeAlias, Union

from pcap_analyzer.analysis.model import Report

Plain: TypeAlias = Union[bool, int, float, str, list["Plain"], dict[str, "Plain"], None]  # noqa: UP007  # forward references take no |


def dump(report: Report, *, indent: int | None = None) -> str:
    """The report on one line, or indented; without a newline at the end.

    Text from packets may hold any code point. NUL and lone surrogates, on which many readers choke, are written
    visibly as backslash escapes; everything outside ASCII is escaped, so that no terminal acts on it.
    Raises ValueError for a number that is not finite: JSON has none, and a report must not either.
    """
    separators = (",", ":") if indent is None else None
    return json.dumps(_plain(report), indent=indent, separators=separators, allow_nan=False)


def _plain(value: object) -> Plain:
    if isinstance(value, str):
        return _readable(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_readable(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"a report holds no {type(value).__name__}")


def _readable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return str(text)
    return "".join(
        char.encode("unicode_escape").decode("ascii") if char == "\0" or "\ud800" <= char <= "\udfff" else char
        for char in text
    )
