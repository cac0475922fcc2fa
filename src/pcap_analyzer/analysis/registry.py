"""Finds every detector: each module of detectors/ has one, and nobody edits a list."""

import importlib
import pkgutil
from dataclasses import is_dataclass
from types import ModuleType

from pcap_analyzer.analysis import detectors
from pcap_analyzer.analysis.detector import UNITS, Detector
from pcap_analyzer.capture.tables import TABLES
from pcap_analyzer.errors import UsageError


def load() -> tuple[Detector, ...]:
    """All detectors, by id."""
    return tuple(sorted((module.DETECTOR for module in modules()), key=lambda detector: detector.id))


def modules() -> list[ModuleType]:
    """The modules of detectors/."""
    package = detectors.__name__
    return [importlib.import_module(f"{package}.{found.name}") for found in pkgutil.iter_modules(detectors.__path__)]


def choose(only: frozenset[str], skip: frozenset[str]) -> tuple[Detector, ...]:
    """The detectors with the ids in `only` (all, if it is empty) less those in `skip`; UsageError for unknown ids."""
    known = load()
    ids = {detector.id for detector in known}
    for wrong in sorted((only | skip) - ids):
        raise UsageError(f"There is no detector {wrong!r}; the detectors are {', '.join(sorted(ids))}.")
    return tuple(one for one in known if (not only or one.id in only) and one.id not in skip)


def faults(module: ModuleType) -> list[str]:
    """What keeps a module from being a detector that people can understand, in sentences; empty for a good one."""
    found = getattr(module, "DETECTOR", None)
    if not isinstance(found, Detector):
        return [f"{module.__name__} has no DETECTOR"]
    wrong = []
    if found.id != module.__name__.rpartition(".")[2]:
        wrong.append(f"{found.id}: its id is not its file's name")
    explanation = found.explanation
    wrong += [
        f"{found.id}: its docstring has no {part}"
        for part in ("Method:", "Source:", "False alarms:")
        if part not in explanation
    ]
    if not found.kinds:
        wrong.append(f"{found.id}: it has no finding kinds")
    wrong += [
        f"{found.id}: {kind.id} lacks title or advice" for kind in found.kinds if not (kind.title and kind.advice)
    ]
    wrong += [f"{found.id}: there is no table {name!r}" for name in found.tables if name not in TABLES]
    return wrong + _setting_faults(found)


def _setting_faults(found: Detector) -> list[str]:
    if not is_dataclass(found.settings) or not found.settings.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return [f"{found.id}: its Settings are no frozen dataclass"]
    wrong = []
    for one in found.documented_settings():
        if one.name.rpartition("_")[2] not in UNITS:
            wrong.append(f"{found.id}: {one.name} does not end in a unit ({', '.join(UNITS)})")
        if not (one.what and one.source):
            wrong.append(f"{found.id}: {one.name} lacks its meaning or its source")
    return wrong
