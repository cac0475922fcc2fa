"""What a command line of `analyze` asks for, checked before anything is read."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pcap_analyzer.analysis.model import Severity
from pcap_analyzer.cli import ids, outputs
from pcap_analyzer.errors import UsageError

STANDARD = Path("-")  # stdin as a capture, stdout as a target


class Given(TypedDict):
    """The options as click names them."""

    captures: tuple[Path, ...]
    json: Path | None
    html: Path | None
    output: Path | None
    only: tuple[str, ...]
    skip: tuple[str, ...]
    fail_on: str | None
    strict: bool
    quiet: bool


@dataclass(frozen=True)
class Wishes:
    """A command line that makes sense."""

    captures: tuple[Path, ...]
    json: Path | None
    html: Path | None
    folder: Path | None
    only: frozenset[str]
    skip: frozenset[str]
    fail_on: Severity | None
    strict: bool
    quiet: bool

    @classmethod
    def of(cls, given: Given) -> Wishes:
        """Raises UsageError for what contradicts itself, StorageUnavailable for targets without a place."""
        only, skip = ids.check_choice(given["only"], given["skip"])
        wishes = cls(
            captures=given["captures"],
            json=given["json"],
            html=given["html"],
            folder=given["output"],
            only=only,
            skip=skip,
            fail_on=Severity(given["fail_on"]) if given["fail_on"] else None,
            strict=given["strict"],
            quiet=given["quiet"],
        )
        wishes._check_counts()
        wishes._check_targets()
        return wishes

    @property
    def several(self) -> bool:
        return len(self.captures) > 1

    @property
    def shows_text(self) -> bool:
        return not self.quiet and self.json != STANDARD

    def targets(self, capture: Path) -> tuple[Path | None, Path | None]:
        """Where the JSON and the HTML of `capture` go besides --json and --html; None: nowhere."""
        if self.folder is None:
            return None, None
        name = "stdin" if capture == STANDARD else capture.name
        return self.folder / f"{name}.json", self.folder / f"{name}.html"

    def _check_counts(self) -> None:
        if self.html == STANDARD:
            raise UsageError("--html needs the name of a file; only --json writes to standard output.")
        if self.several and (self.html is not None or self.json not in (None, STANDARD)):
            raise UsageError("--json FILE and --html FILE hold one report each; use -o DIR for several captures.")
        if self.captures.count(STANDARD) > 1:
            raise UsageError("Standard input can be read once only.")

    def _check_targets(self) -> None:
        named = [target for target in (self.json, self.html) if target is not None and target != STANDARD]
        for target in named:
            outputs.check_place_of(target)
        beside = [target for capture in self.captures for target in self.targets(capture) if target is not None]
        written = named + beside
        for path, times in Counter(map(os.path.realpath, written)).items():
            if times > 1:
                raise UsageError(f"{path} would be written {times} times.")
        for target in written:
            if any(_same_file(target, capture) for capture in self.captures):
                raise UsageError(f"{target} is a capture; a report must not replace it.")


def _same_file(target: Path, capture: Path) -> bool:
    try:
        return target.samefile(capture)
    except OSError:
        return False
