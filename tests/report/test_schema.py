"""The published schema: current, true of what is written, and the reader as strict as it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.report.json import dump
from pcap_analyzer.report.schema import json_schema, load, write
from tests.report import sample

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_the_published_schema_is_current(tmp_path: Path) -> None:
    write(tmp_path / "schema.json")

    assert PUBLISHED.read_text() == (tmp_path / "schema.json").read_text(), "run `make schema`"


@pytest.mark.parametrize("make", [sample.report, sample.healthy, sample.damaged, sample.empty, sample.hostile])
def test_written_reports_are_valid(make: Callable[[], Report]) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())

    validator.check_schema(validator.schema)
    validator.validate(json.loads(dump(make())))


def test_units_are_told_in_the_descriptions() -> None:
    properties = json_schema()["$defs"]["Evidence"]["properties"]  # type: ignore[index,call-overload]

    assert properties["time_s"]["description"] == "seconds since the epoch"  # type: ignore[index,call-overload]


def broken(change: str) -> str:
    text = dump(sample.healthy())
    before, after = change.split(" -> ")
    assert before in text
    return text.replace(before, after, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a report"),
        ("[]", "not a report"),
        (broken('"frames":1482913 -> "frames":"1482913"'), r"capture\.frames"),
        (broken('"frames":1482913 -> "frames":1482913.5'), r"capture\.frames"),
        (broken('"frames":1482913 -> "frames":1482913,"more":1'), r"capture\.more"),
        (broken('"hosts":47, -> '), r"capture\.hosts"),
        (broken('"analysis_s":21.4 -> "analysis_s":NaN'), "analysis_s"),
        (broken('"analysis_s":21.4 -> "analysis_s":1e999'), "analysis_s"),
        (broken('"cause":"none" -> "cause":"gremlins"'), r"verdict\.cause"),
        (broken('"schema_version":1 -> "schema_version":2'), "schema version 2"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        load(text)

    assert "\n" not in str(refused.value)


def test_a_refusal_quotes_nothing_of_the_content() -> None:
    with pytest.raises(ValueError, match="not a report") as refused:
        load(broken('"frames":1482913 -> "frames":"a secret"'))

    assert "secret" not in str(refused.value)
