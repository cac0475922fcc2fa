"""`explain` tells what a detector does, from the detector itself."""

from __future__ import annotations

import pytest

from pcap_analyzer.analysis import registry
from pcap_analyzer.analysis.detector import Detector
from tests.cli.command import pcap_analyzer

DETECTORS = registry.load()


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_without_a_name_every_detector_has_its_line() -> None:
    run = pcap_analyzer("explain")

    assert (run.returncode, run.stderr) == (0, "")
    assert all(detector.id in run.stdout for detector in DETECTORS)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_docstring_advice_and_settings_are_told(detector: Detector) -> None:
    told = squeezed(pcap_analyzer("explain", detector.id).stdout)

    assert squeezed(detector.explanation) in told
    assert all(squeezed(kind.advice) in told for kind in detector.kinds)
    for setting in detector.documented_settings():
        assert setting.name in told
        assert squeezed(setting.source) in told


def test_the_list_names_the_kinds_that_findings_print() -> None:
    told = squeezed(pcap_analyzer("explain").stdout)

    assert all(squeezed(f"reports {', '.join(kind.id for kind in one.kinds)}") in told for one in DETECTORS)


def test_a_kind_of_finding_stands_before_the_detector_that_reports_it() -> None:
    detector = DETECTORS[0]
    kind = detector.kinds[-1]

    told = squeezed(pcap_analyzer("explain", kind.id).stdout)

    assert told.startswith(f"{kind.title} · {kind.id}")
    assert told.index(squeezed(kind.advice)) < told.index(f"It is reported by {detector.id}")
    assert told.endswith(squeezed(pcap_analyzer("explain", detector.id).stdout))


def test_an_unknown_name_is_a_usage_error_with_the_nearest_one() -> None:
    run = pcap_analyzer("explain", DETECTORS[0].id + "x")

    assert (run.returncode, run.stdout) == (2, "")
    assert f"Did you mean {DETECTORS[0].id}?" in run.stderr


def test_colour_is_for_terminals() -> None:
    assert "\x1b" not in pcap_analyzer("explain", DETECTORS[0].id, TERM="xterm-256color").stdout
