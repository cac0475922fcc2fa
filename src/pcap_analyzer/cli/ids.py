"""The ids that people type: of detectors, and of the kinds of finding that reports print."""

from __future__ import annotations

import difflib

from pcap_analyzer.analysis import registry
from pcap_analyzer.analysis.detector import Detector
from pcap_analyzer.errors import UsageError


def reporters(detectors: tuple[Detector, ...]) -> dict[str, Detector]:
    """The detector behind every id, be it of a detector or of a kind; where one id is both, the detector has it."""
    of_kinds = {kind.id: detector for detector in detectors for kind in detector.kinds}
    return of_kinds | {detector.id: detector for detector in detectors}


def unknown(wanted: str, detectors: tuple[Detector, ...]) -> UsageError:
    """The sentence for an id that nothing has, with the nearest one that something has."""
    near = difflib.get_close_matches(wanted, reporters(detectors), n=1)
    hint = f"Did you mean {near[0]}?" if near else "`pcap-analyzer explain` lists them."
    return UsageError(f"There is no detector {wanted!r}. {hint}")


def check_choice(only: tuple[str, ...], skip: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The ids of --only and of --skip, each option given any number of times with any number of ids.

    Raises UsageError for an option without an id, an id that no detector has, and a choice that leaves none to run.
    """
    if not only and not skip:
        return frozenset(), frozenset()
    detectors = registry.load()
    wanted, unwanted = _ids("--only", only, detectors), _ids("--skip", skip, detectors)
    every = frozenset(detector.id for detector in detectors)
    if not (wanted or every) - unwanted:
        given = "--only and --skip together leave" if only else "--skip leaves"
        raise UsageError(f"{given} no detector to run.")
    return wanted, unwanted


def _ids(option: str, values: tuple[str, ...], detectors: tuple[Detector, ...]) -> frozenset[str]:
    known = reporters(detectors)
    found: set[str] = set()
    for value in values:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if not names:
            raise UsageError(f"{option} names no detector; `pcap-analyzer explain` lists them.")
        for name in names:
            if name not in known:
                raise unknown(name, detectors)
            reporter = known[name].id
            if reporter != name:
                raise UsageError(f"{name} is reported by {reporter}: {option} {reporter}")
        found.update(names)
    return frozenset(found)
