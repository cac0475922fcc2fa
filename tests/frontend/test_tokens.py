"""The tokens of the style sheet: every category has its colour, and what carries meaning can be told apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pcap_analyzer.analysis.model import Category

TOKENS = (Path(__file__).parents[2] / "frontend" / "src" / "styles" / "tokens.css").read_text("utf-8")
COLOURS = {name: (light, dark) for name, light, dark in re.findall(r"(--[\w-]+): light-dark\((#\w+), (#\w+)\)", TOKENS)}
CATEGORIES = {
    name: (light, dark) for name, light, dark in re.findall(r"\.(\w+) { --c: light-dark\((#\w+), (#\w+)\)", TOKENS)
}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_a_colour_that_stands_out_from_the_page(category: Category, theme: int) -> None:
    assert contrast(CATEGORIES[category.value][theme], COLOURS["--surface"][theme]) >= 3


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["--text", "--text-2", "--text-3", "--accent", "--bad", "--warn", "--low", "--ok"])
@pytest.mark.parametrize("ground", ["--bg", "--surface", "--surface-2"])
def test_text_can_be_read_on_every_ground(text: str, ground: str, theme: int) -> None:
    assert contrast(COLOURS[text][theme], COLOURS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("tone", ["bad", "warn", "low", "ok", "accent"])
def test_a_word_can_be_read_on_the_soft_ground_of_its_tone(tone: str, theme: int) -> None:
    assert contrast(COLOURS[f"--{tone}"][theme], COLOURS[f"--{tone}-soft"][theme]) >= 4.5
