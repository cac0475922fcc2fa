"""Types mean the same whatever was put in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import sqlite

from pcap_analyzer.store.models import TaskStatus
from pcap_analyzer.store.types import EnumText, SafeText, UtcDateTime, safe_json, safe_text, utc_text

DIALECT = sqlite.dialect()


def test_a_moment_has_one_text_form_whatever_its_zone() -> None:
    east = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert UtcDateTime().process_bind_param(east, DIALECT) == "2026-02-28T23:30:00.000000+00:00"


def test_a_moment_without_zone_is_refused_on_the_way_in_and_utc_on_the_way_out() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 1), DIALECT)

    assert UtcDateTime().process_result_value("2026-03-01 00:00:00", DIALECT) == datetime(2026, 3, 1, tzinfo=UTC)


def test_text_order_of_moments_is_their_order() -> None:
    moments = [
        datetime(2026, 3, 1, tzinfo=UTC) + timedelta(microseconds=step) for step in (0, 1, 10, 999_999, 1_000_000)
    ]

    assert sorted(map(utc_text, moments)) == [utc_text(moment) for moment in moments]


def test_text_from_packets_is_stored_without_nul_and_lone_surrogates() -> None:
    assert safe_text("a\0b\udc80c") == "a\\x00b\\udc80c"


def test_text_is_cut_at_the_column_s_width() -> None:
    assert SafeText(3).process_bind_param("abcdef", DIALECT) == "abc"


def test_json_keeps_its_shape_and_loses_what_json_cannot_say() -> None:
    assert safe_json({"a\0": [1, float("nan"), (True, None, "\udcff")]}) == {
        "a\\x00": [1, None, [True, None, "\\udcff"]]
    }
    with pytest.raises(TypeError):
        safe_json({"when": datetime(2026, 3, 1, tzinfo=UTC)})


def test_a_word_outside_an_enum_is_refused() -> None:
    with pytest.raises(ValueError, match="paused"):
        EnumText(TaskStatus).process_bind_param("paused", DIALECT)
