"""A report as HTML: the environment of all templates, and the one-file page that opens with the network off.

`templates/body.html` is the only rendering of a Report; the service's page of a task includes it too. Text from
packets is data: every expression is escaped, and characters that would be invisible are shown (`visible`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.errors import AppError
from pcap_analyzer.report import figures, words
from pcap_analyzer.report import format as text

#: Control characters, marks that turn the direction of the text after them (UAX #9), and lone surrogates.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ACRONYMS = {"dns", "tls", "tcp", "udp", "syn", "icmp", "mtu", "rtt", "http", "ack", "rst"}
#: Verdicts about the capture itself: how much it costs anybody cannot be told.
_FILTERS = (
    text.count,
    text.seconds,
    text.milliseconds,
    text.duration,
    text.data_size,
    text.byte_rate,
    text.bit_rate,
    text.percent,
    text.clock,
    text.date,
    text.measure,
)


def environment(loader: BaseLoader | None = None) -> Environment:
    """Templates of the report, after those that `loader` finds; escaping always on, unknown names are errors."""
    own = PackageLoader("pcap_analyzer.report")
    made = Environment(
        loader=own if loader is None else ChoiceLoader([loader, own]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    made.filters.update({function.__name__: function for function in _FILTERS})
    made.filters["kind_title"] = kind_title
    made.globals.update(words=words, figures=figures, plural=text.plural)
    return made


def render(report: Report) -> str:
    """One HTML file with style, script and data inside; its own policy admits nothing but those two by their hash.

    Raises AppError where the front end was not built.
    """
    style, script = (_built(name) for name in ("report.css", "report.js"))
    return (
        environment()
        .get_template("standalone.html")
        .render(
            report=report,
            style=Markup(style),  # noqa: S704 - our own bundle
            script=Markup(script),  # noqa: S704
            style_hash=_policy_hash(style),
            script_hash=_policy_hash(script),
        )
    )


def visible(value: object) -> object:
    """Show what could not be seen or sent: control characters as their pictures, everything else as U+FFFD."""
    if isinstance(value, str) and not isinstance(value, Markup) and _INVISIBLE.search(value):
        return _INVISIBLE.sub(_picture, value)
    return value


def kind_title(kind: str) -> str:
    """The id of a kind of finding as words: `slow_dns` is `Slow DNS`."""
    named = [word.upper() if word in _ACRONYMS else word for word in kind.split("_")]
    return " ".join([named[0][:1].upper() + named[0][1:], *named[1:]])


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def _built(name: str) -> str:
    try:
        return (resources.files("pcap_analyzer.report") / "static" / name).read_text("utf-8")
    except FileNotFoundError as error:
        raise AppError(f"The page needs {name}, which is not built: run `make setup` in the checkout.") from error


def _policy_hash(source: str) -> str:
    """A source expression of Content Security Policy level 3 for exactly this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
