"""Lines for a terminal: wrapping, columns and the marks that survive without colour or Unicode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

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


@dataclass(frozen=True)
class Span:
    """A piece of a line in one style."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Page:
    """Where lines go: a console, the cells of a line between the margins, and whether it shows more than ASCII."""

    console: Console
    width: int = field(init=False)
    unicode: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", min(max(self.console.width, NARROWEST), WIDEST) - 2 * MARGIN)
        object.__setattr__(self, "unicode", self.console.encoding.lower().startswith("utf"))

    @property
    def coloured(self) -> bool:
        return self.console.color_system is not None and not self.console.no_color

    def line(self, *spans: Span, indent: int = MARGIN) -> None:
        """One line exactly as given: never wrapped and never cut, so that what is longer stays copyable."""
        text = Text(" " * indent)
        for span in spans:
            text.append(self._shown(span.text), span.style or None)
        text.rstrip()
        self.console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)

    def blank(self) -> None:
        self.line()

    def prose(self, text: str, style: str = "", *, indent: int = MARGIN) -> None:
        """A paragraph."""
        for line in wrapped(printable(text), self.width + MARGIN - indent):
            self.line(Span(line, style), indent=indent)

    def spread(self, left: Iterable[Span], right: Span) -> None:
        """Two ends of one line, or of two where they do not fit."""
        spans = list(left)
        used = sum(cell_len(span.text) for span in spans)
        gap = self.width - used - cell_len(right.text)
        if gap >= 2:
            self.line(*spans, Span(" " * gap), right)
        else:
            self.line(*spans)
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
        lines = wrapped(printable(text), room) or [""]
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
        edge = self.console.width
        if self.console.is_terminal and indent + cell_len(shown) > edge:
            lines = wrapped(shown, edge - indent, words=_FILTER_WORDS.findall(shown))
            filled = [line + " " * (edge - indent - cell_len(line)) for line in lines[:-1]]
            shown = (" " * indent).join([*filled, lines[-1]])
        self.line(Span(shown, style), indent=indent)

    def _shown(self, text: str) -> str:
        text = text.replace(NARROW, " ")
        if self.unicode:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


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
