"""Help texts that stay copyable in narrow windows, written like every other result."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

import click

from pcap_analyzer.cli import outputs

SETTINGS: dict[str, object] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

#: What follows a command in an example stands behind so many spaces.
_NOTE = re.compile(r" {3,}(?=\S)")
_COMMAND = re.compile(r"(pcap-analyzer|eval) ")
_KEPT = "\b"  # click: the lines of this paragraph are not to be joined


class Formatter(click.HelpFormatter):
    """Lines of a paragraph that click keeps apart are fitted one by one, without breaking a word."""

    def write_text(self, text: str) -> None:
        room = max(self.width - self.current_indent, 11)
        super().write_text("\n\n".join(_fitted(paragraph, room) for paragraph in re.split(r"\n[ ]*\n", text)))


def _fitted(paragraph: str, room: int) -> str:
    first, *lines = paragraph.split("\n")
    if first.strip() != _KEPT:
        return paragraph
    return "\n".join([first, *(part for line in lines for part in _fitted_line(line, room))])


def _fitted_line(line: str, room: int) -> Iterator[str]:
    """The line itself where it fits; else what is a command goes on after a backslash, and its note stands below."""
    if len(line) <= room:
        yield line
        return
    indent = len(line) - len(line.lstrip())
    said, *notes = _NOTE.split(line.strip(), maxsplit=1)
    is_command = _COMMAND.match(said) is not None
    yield from _broken(said, room - (2 if is_command else 0), indent, " \\" if is_command else "")
    for note in notes:
        yield from _broken(note, room, indent + 4)


def _broken(text: str, room: int, indent: int, unfinished: str = "") -> Iterator[str]:
    lines = textwrap.wrap(
        text,
        room,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (line + unfinished for line in lines[:-1])
    yield from lines[-1:]


class Context(click.Context):
    formatter_class = Formatter


class Command(click.Command):
    """A command whose help is a result: a full disk behind it is told, a reader who left is not."""

    context_class = Context

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _told(super().get_help_option(ctx))


class Group(click.Group):
    """As `Command`."""

    context_class = Context

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _told(super().get_help_option(ctx))


def _told(option: click.Option | None) -> click.Option | None:
    if option is not None:
        option.callback = _tell_help
    return option


def _tell_help(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    tell_and_end(ctx, [ctx.get_help()], wanted=wanted)


def tell_and_end(ctx: click.Context, lines: Iterable[str], *, wanted: bool) -> None:
    """Print the lines and end the program, if an option that is only a question was given.

    Raises StorageFull and StorageUnavailable.
    """
    if wanted and not ctx.resilient_parsing:
        outputs.write_standard_output("".join(line + "\n" for line in lines))
        ctx.exit()
