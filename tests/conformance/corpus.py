"""The shared captures beside the checkout: read, never copied."""

from pathlib import Path

import pytest

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"


def captures() -> list[Path]:
    """Every capture there, none where the folder is missing."""
    return sorted(path for path in CAPTURES.rglob("*") if path.is_file() and path.name != "README.md")


def need_captures() -> None:
    if not captures():
        pytest.skip("needs the shared captures beside the checkout, which are not there")
