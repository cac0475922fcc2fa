"""Lines for a terminal: wrapping, columns and the marks that survive without colour or Unicode."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len

from pcap_analyzer.report.format import NARROW, printable

MARGIN = 2
NARROWEST = 60
WIDEST = 100  # longer lines are hard to read, however wide the window

#: What stands for the signs of `report.format` and of this package where a terminal knows ASCII only.
_ASCII = str.maketrans(
    {"—": "-", "–": "-", "·": "|", "µ": "u", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "’": "'", "“": '"', "”": '"'}
)

#: A word of a display filter; spaces inside quotes belong to it.
_FILTER_WORDS = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^ ])+')

_MEASURE = re.compile(r"(\d) (s|ms|µs|ns|min|h|days|%|B|[kMGT]B|[kMG]?bit/s|bytes|times)\b")


@dataclass(frozen=True)
class Span:
    """A piece of a line in one style."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Look:
    """What a stream can show. Without colour only Rich's table of character widths is imported."""

    columns: int = 80
    unicode: bool = True
    terminal: bool = False
    colours: str | None = None  # Rich's names: "standard", "256", "truecolor"; None: no styles at all

    @classmethod
    def of(cls, stream: TextIO) -> Look:
        """Honours NO_COLOR, FORCE_COLOR, TERM, COLORTERM and COLUMNS; a pipe or a file gets plain text."""
        unicode = (stream.encoding or "ascii").lower().startswith("utf")
        if not (stream.isatty() or os.environ.get("FORCE_COLOR")):
            return cls(shutil.get_terminal_size().columns, unicode)
        from rich.console import Console  # noqa: PLC0415  # heavy, and of use at a terminal only

        console = Console(file=stream)
        colours = None if console.no_color else console.color_system
        return cls(console.width, unicode, console.is_terminal, colours)


class Page:
    """Lines, gathered one after another, and at last one text."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.width = min(max(look.columns, NARROWEST), WIDEST) - 2 * MARGIN  # between the margins
        self._lines: list[tuple[Span, ...]] = []

    def text(self) -> str:
        """All lines, each with its newline and without spaces at its end."""
        paint = _painter(self.look.colours)
        return "".join(paint(line) + "\n" for line in self._lines)

    def line(self, *spans: Span, indent: int = MARGIN) -> None:
        """One line exactly as given: never wrapped and never cut, so that what is longer stays copyable."""
        shown = (Span(" " * indent), *(Span(self._shown(span.text), span.style) for span in spans))
        self._lines.append(_without_trailing_spaces(shown))

    def blank(self) -> None:
        """One empty line, however often it is asked for."""
        if not self._lines or self._lines[-1]:
            self._lines.append(())

    def prose(self, text: str, style: str = "", *, indent: int = MARGIN) -> None:
        """A paragraph."""
        for line in wrapped(flowing(text), self.width + MARGIN - indent):
            self.line(Span(line, style), indent=indent)

    def spread(self, left: Iterable[Span], right: Span) -> None:
        """Two ends of one line, or of two where they do not fit."""
        spans = list(left)
        used = sum(cell_len(span.text) for span in spans)
        gap = self.width - used - cell_len(right.text)
        if gap >= 2:
            self.line(*spans, Span(" " * gap), right)
        else:
            self.hanging(spans[:-1], spans[-1].text, spans[-1].style)
            self.line(right)

    def row(self, parts: Iterable[Span], separator: Span, *, indent: int = MARGIN) -> None:
        """Short facts beside one another, each kept whole; a line neither begins nor ends with the separator."""
        line: list[Span] = []
        used = indent
        for part in parts:
            cells = cell_len(separator.text) + cell_len(part.text)
            if line and used + cells > self.width + MARGIN:
                self.line(*line, indent=indent)
                line, used = [], indent
            line += [separator, part] if line else [part]
            used += cells
        self.line(*line, indent=indent)

    def hanging(self, head: Iterable[Span], text: str, style: str = "", *, tail: Span | None = None) -> None:
        """A paragraph whose lines stand beside its head; the first line ends with `tail`, set right."""
        spans = list(head)
        hang = sum(cell_len(span.text) for span in spans)
        room = self.width - hang - (cell_len(tail.text) + 2 if tail else 0)
        lines = wrapped(flowing(text), room) or [""]
        fill = Span(" " * max(0, room - cell_len(lines[0]) + 2)) if tail else Span("")
        self.line(*spans, Span(lines[0], style), fill, tail or Span(""))
        for line in lines[1:]:
            self.line(Span(line, style), indent=MARGIN + hang)

    def filter_expression(self, expression: str, style: str, *, indent: int) -> None:
        """A display filter as one line, which is what a person copies.

        On a terminal that is narrower the line is filled with spaces, which a filter ignores, so that the terminal
        breaks it between words; what is copied stays one line.
        """
        shown = printable(expression)
        edge = self.look.columns
        if self.look.terminal and indent + cell_len(shown) > edge:
            lines = wrapped(shown, edge - indent, words=_FILTER_WORDS.findall(shown))
            filled = [line + " " * (edge - indent - cell_len(line)) for line in lines[:-1]]
            shown = (" " * indent).join([*filled, lines[-1]])
        self.line(Span(shown, style), indent=indent)

    def _shown(self, text: str) -> str:
        text = text.replace(NARROW, " ")
        if self.look.unicode:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def _without_trailing_spaces(line: tuple[Span, ...]) -> tuple[Span, ...]:
    spans = list(line)
    while spans:
        last = spans.pop()
        kept = last.text.rstrip(" ")
        if kept:
            return (*spans, Span(kept, last.style))
    return ()


def _painter(colours: str | None) -> Callable[[tuple[Span, ...]], str]:
    """How a line becomes text: with the escapes of `colours`, or plain."""
    if colours is None:
        return lambda line: "".join(span.text for span in line)
    from rich.color import ColorSystem  # noqa: PLC0415
    from rich.style import Style  # noqa: PLC0415

    systems = {"256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR}
    system = systems.get(colours, ColorSystem.STANDARD)
    return lambda line: "".join(Style.parse(span.style).render(span.text, color_system=system) for span in line)


def flowing(text: str) -> str:
    """Text of a report as prose: printable, and no line breaks between a number and its unit."""
    return _MEASURE.sub(rf"\1{NARROW}\2", printable(text))


def wrapped(text: str, width: int, *, words: Sequence[str] | None = None) -> list[str]:
    """Lines of at most `width` cells, broken at plain spaces only, or between `words`; a longer word stays whole."""
    return list(_wrapped(text.split(" ") if words is None else words, width))


def _wrapped(words: Sequence[str], width: int) -> Iterator[str]:
    line, used = "", 0
    for word in words:
        if not word:
            continue
        cells = cell_len(word)
        if line and used + 1 + cells > width:
            yield line
            line, used = word, cells
        else:
            line, used = (f"{line} {word}", used + 1 + cells) if line else (word, cells)
    if line:
        yield line


def cells_of_shares(amounts: tuple[float, ...], width: int) -> tuple[int, ...]:
    """How `width` cells are shared out by largest remainders; what is not zero gets a cell while there are enough."""
    total = sum(amounts)
    if total <= 0:
        return (0,) * len(amounts)
    least = [1 if amount > 0 else 0 for amount in amounts]
    if sum(least) > width:
        least = [1 if amount > 0 and index < width else 0 for index, amount in enumerate(amounts)]
    free = width - sum(least)
    exact = [max(0.0, amount / total * width - floor) for amount, floor in zip(amounts, least, strict=True)]
    wanted = sum(exact) or 1.0
    scaled = [value / wanted * free for value in exact]
    cells = [floor + int(value) for floor, value in zip(least, scaled, strict=True)]
    by_remainder = sorted(range(len(cells)), key=lambda index: int(scaled[index]) - scaled[index])
    for index in by_remainder[: width - sum(cells)]:
        cells[index] += 1
    return tuple(cells)
