"""The published form of a report: JSON Schema (2020-12) made from the model, and a reader that holds files to it.

`python -m pcap_analyzer.report.schema FILE` writes the schema; docs/report.schema.json is that file.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from pathlib import Path

from pydantic import ConfigDict, RootModel, ValidationError

from pcap_analyzer.analysis import model
from pcap_analyzer.report.json import Plain

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Document(RootModel[model.Report]):
    """Strict: no type is converted, no number is infinite; dataclasses inside inherit it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


def load(text: str | bytes) -> model.Report:
    """The report that `report.json.dump` wrote.

    Raises ValueError, in one line without any of the content, for anything else: missing, unknown or wrongly typed
    fields, numbers that are not finite, another schema version.
    """
    try:
        report = _Document.model_validate_json(text, extra="forbid").root
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ValueError(f"not a report: {place}: {first['msg']}") from None
    if report.schema_version != model.SCHEMA_VERSION:
        raise ValueError(
            f"the report has schema version {report.schema_version}; this program reads {model.SCHEMA_VERSION}"
        )
    return report


def json_schema() -> dict[str, Plain]:
    """What a written report looks like: every field is present, no other is; descriptions are the model's own."""
    schema = _Document.model_json_schema(mode="serialization")
    report = schema["$defs"].pop("Report")
    comments = _field_comments()
    for name, definition in [("Report", report), *schema["$defs"].items()]:
        if "properties" not in definition:
            continue
        definition["additionalProperties"] = False
        for field, described in definition["properties"].items():
            described.pop("title", None)
            if comment := comments.get((name, field)):
                described["description"] = comment
    report["properties"]["schema_version"]["const"] = model.SCHEMA_VERSION
    return {"$schema": DIALECT, **report, "$defs": schema["$defs"]}


def _field_comments() -> dict[tuple[str, str], str]:
    """(class, field) -> the comment behind the field in the model's source: the only place where units are told."""
    source = inspect.getsource(model)
    lines = source.splitlines()
    comments = {}
    for item in ast.parse(source).body:
        if not isinstance(item, ast.ClassDef):
            continue
        for field in item.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                behind = re.search(r"  # (.+)$", lines[(field.end_lineno or field.lineno) - 1])
                if behind:
                    comments[item.name, field.target.id] = behind.group(1)
    return comments


def write(target: Path) -> None:
    """Write the schema, indented, with a newline at the end. Raises OSError."""
    target.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pcap_analyzer.report.schema FILE")
    write(Path(sys.argv[1]))
