"""The conductor: stages, choices, failures of single detectors, names."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pcap_analyzer.analysis import detectors, registry
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector
from pcap_analyzer.analysis.engine import Options, analyze, diagnose
from pcap_analyzer.analysis.model import Finding, FindingKind
from pcap_analyzer.capture.reader import Progress
from pcap_analyzer.errors import Cancelled, UnreadableCapture, UsageError
from tests.analysis.rows import exchange, flow, tables
from tests.golden.golden import FOLDER

CAPTURE = FOLDER / "slow_server" / "fires-http-at-client.pcapng"


def test_progress_passes_through_all_stages_in_order() -> None:
    heard: list[Progress] = []
    analyze(CAPTURE, progress=heard.append)
    assert list(dict.fromkeys(one.stage for one in heard)) == ["read", "measure", "diagnose", "done"]
    assert heard[-1].bytes_done == CAPTURE.stat().st_size


@pytest.mark.parametrize("stage", ["measure", "diagnose", "done"])
def test_progress_can_cancel_at_every_stage(stage: str) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == stage:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        analyze(CAPTURE, progress=stop)


def test_only_the_chosen_detectors_run() -> None:
    assert analyze(CAPTURE, Options(only=frozenset({"slow_dns"}))).findings == ()
    assert analyze(CAPTURE, Options(skip=frozenset({"slow_server"}))).findings == ()


def test_unknown_detectors_are_refused_before_the_file_is_opened() -> None:
    with pytest.raises(UsageError):
        analyze(Path("nowhere.pcap"), Options(only=frozenset({"nothing"})))


def test_a_missing_file_is_unreadable() -> None:
    with pytest.raises(UnreadableCapture):
        analyze(Path("nowhere.pcap"))


def test_the_report_bears_the_name_that_it_is_given() -> None:
    assert analyze(CAPTURE).capture.name == CAPTURE.name
    assert analyze(CAPTURE, name="checkout.pcapng").capture.name == "checkout.pcapng"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Detector:
    module = ModuleType(f"{detectors.__name__}.broken", "Broken.")

    def find(context: Context, settings: object) -> Iterator[Finding]:
        raise ZeroDivisionError("nothing to divide by")

    find.__module__ = module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Detector("broken", (FindingKind("broken", "Broken", None, "Mend it."),), (), object, find)


def test_a_detector_that_fails_is_named_and_takes_no_other_finding_away(broken: Detector) -> None:
    made = diagnose(tables(flow(), exchange(think_s=2.0)), (broken, *registry.load()), "a.pcap", lambda stage: None)
    assert [(one.detector, one.reason) for one in made.not_computed] == [
        ("broken", "The detector stopped with an error: ZeroDivisionError: nothing to divide by")
    ]
    assert [finding.kind for finding in made.findings] == ["slow_server"]


def test_the_same_capture_gets_the_same_report() -> None:
    first, second = analyze(CAPTURE), analyze(CAPTURE)
    assert first.verdict == second.verdict
    assert first.findings == second.findings
    assert first.flows == second.flows
