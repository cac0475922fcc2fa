"""What a detector is made of; registry.py finds them, engine.py runs them, `pcap-analyzer explain` prints them.

A detector is one module of detectors/: a docstring (what, method, source, known false alarms), its finding kinds, a
frozen `Settings` dataclass, one pure function `(context, settings) -> Iterator[Finding]` and one line `DETECTOR = ...`.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from inspect import getdoc
from typing import Any

from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.model import Finding, FindingKind

Find = Callable[[Context, Any], Iterator[Finding]]  # Any: each detector has settings of its own class

#: The last word of a setting's name is its unit.
UNITS = ("ms", "s", "percent", "count", "bytes", "ratio")


@dataclass(frozen=True)
class Setting:
    """A threshold as people read it."""

    name: str
    default: float | int
    what: str
    source: str


@dataclass(frozen=True)
class Detector:
    """One detector: `find` yields its findings, worst first or in any order."""

    id: str
    kinds: tuple[FindingKind, ...]
    tables: tuple[str, ...]  # names of capture.tables that it reads
    settings: type[Any]  # Any: as above
    find: Find

    @property
    def explanation(self) -> str:
        """The module's docstring: what it detects, method, source, known false alarms."""
        return getdoc(sys.modules[self.find.__module__]) or ""

    def documented_settings(self) -> tuple[Setting, ...]:
        """Every setting with its default, meaning and source."""
        defaults = self.settings()
        return tuple(
            Setting(one.name, getattr(defaults, one.name), one.metadata.get("what", ""), one.metadata.get("source", ""))
            for one in fields(self.settings)
        )


def setting(default: float, what: str, source: str) -> float:
    """A field of a detector's `Settings`: what it means, and who says so (standard, paper, or "judgement")."""
    made: float = field(default=default, metadata={"what": what, "source": source})
    return made
