"""What earlier releases stored in SQLite, in today's form."""

from datetime import UTC, datetime

import pytest

from pcap_analyzer.store.adoption.values import (
    LOST,
    NOTHING,
    Raw,
    Reading,
    boolean,
    document,
    identifier,
    integer,
    moment,
    real,
    text,
)

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        b"2024-01-02T12:00:00", b"2024-01-02 12:00", b"2024-01-02T12:00:00.000000", b"2024-01-02T12:00:00Z",
        b"2024-01-02T13:00:00+01:00", b"2024-01-02 13:00:00 +0100", b" 2024-01-02 12:00:00 UTC ", 1704196800,
        1704196800000, 1704196800.0, b"20240102T120000",
    ],
)  # fmt: skip
def test_moments_of_every_form_are_in_utc(written: Raw) -> None:
    assert moment(written) == Reading(NOON)


def test_a_date_alone_is_its_midnight() -> None:
    assert [moment(written).value for written in (b"2024-01-02", 20240102)] == [datetime(2024, 1, 2, tzinfo=UTC)] * 2


@pytest.mark.parametrize(
    "written", [b"yesterday", b"2024-02-31", b"0001-01-01T00:00:00+10:00", 7, -1.5, float("inf"), b"\xff"]
)
def test_what_is_no_moment_is_said_to_be_lost(written: Raw) -> None:
    assert moment(written) == LOST


def test_nothing_is_nothing() -> None:
    assert [moment(b""), moment(None), boolean(None), real(None), document(None)] == [NOTHING] * 5


@pytest.mark.parametrize(
    ("written", "value"),
    [(0, False), (1, True), (b"0", False), (b"1", True), (b"TRUE", True), (b"false", False), (b"maybe", None)],
)
def test_booleans_in_every_form(written: Raw, value: bool | None) -> None:
    assert boolean(written) == Reading(value, whole=value is not None)


@pytest.mark.parametrize(
    ("written", "value"),
    [(2**40, 2**40), (b"12", 12), (b"12.0", 12), (3.0, 3), (b"many", None), (1e300, None), (2.5, None), (2**62, 2**62)],
)
def test_whole_numbers_in_every_form(written: Raw, value: int | None) -> None:
    assert integer(written, 64) == Reading(value, whole=value is not None)


def test_a_number_that_its_column_cannot_hold_is_lost() -> None:
    assert integer(2**31, 32) == LOST
    assert real(float("nan")) == LOST


def test_ids_get_one_form_and_what_is_none_gets_always_the_same() -> None:
    plain = "0000000a-0000-4abc-8000-00000000000b"
    forms = (
        plain.encode(),
        plain.upper().encode(),
        plain.replace("-", "").encode(),
        bytes.fromhex(plain.replace("-", "")),
    )

    assert [identifier(form) for form in forms] == [Reading(plain)] * 4
    assert identifier(b"number 7") == identifier(b"number 7")
    assert not identifier(b"number 7").whole


def test_text_is_escaped_visibly_and_cut_where_its_column_ends() -> None:
    assert text(b"a\x00\xffb", 255) == Reading("a\\x00\\xffb")
    assert text(b"abc", 2) == Reading("ab", whole=False)


def test_json_is_canonical_or_lost() -> None:
    assert document(b'{"b": 1.0, "a": [NaN]}') == Reading('{"a":[null],"b":1}')
    assert document(b"{") == LOST
