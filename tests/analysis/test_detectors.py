"""What every detector owes to people, and that a bad one is caught."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from pcap_analyzer.analysis import registry
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.model import Finding, FindingKind
from pcap_analyzer.errors import UsageError
from tests.golden.golden import FOLDER

FIRST_RELEASE = {
    "slow_server",
    "packet_loss",
    "slow_connect",
    "resets",
    "receiver_not_reading",
    "slow_dns",
    "capture_quality",
}
every_module = pytest.mark.parametrize(
    "module", registry.modules(), ids=lambda module: module.__name__.rpartition(".")[2]
)


def golden_faults(detector: str, folder: Path) -> list[str]:
    """The captures that a detector lacks to show that it fires and that it is silent."""
    return [
        f"{detector}: no {kind}-*.pcapng"
        for kind in ("fires", "silent")
        if not list((folder / detector).glob(f"{kind}-*.pcapng"))
    ]


@every_module
def test_every_detector_explains_itself(module: ModuleType) -> None:
    assert registry.faults(module) == []


@every_module
def test_every_detector_has_a_capture_where_it_fires_and_one_where_it_is_silent(module: ModuleType) -> None:
    assert golden_faults(module.DETECTOR.id, FOLDER) == []


def test_ids_of_detectors_and_of_finding_kinds_are_unique() -> None:
    kinds = [kind.id for detector in registry.load() for kind in detector.kinds]
    assert len(kinds) == len(set(kinds))
    assert {detector.id for detector in registry.load()} >= FIRST_RELEASE


def test_unknown_ids_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no detector 'slow_servers'.*slow_server"):
        registry.choose(frozenset({"slow_servers"}), frozenset())


def test_only_and_skip_choose() -> None:
    chosen = registry.choose(frozenset({"resets", "slow_dns"}), frozenset({"slow_dns"}))
    assert [detector.id for detector in chosen] == ["resets"]


# --- deliberately bad detectors -----------------------------------------------------------------

KIND = FindingKind("made_up", "Made up", None, "Ask nobody.")
GOOD_TEXT = "Something.\n\nMethod: none.\nSource: none.\nFalse alarms: all."


@dataclass(frozen=True)
class GoodSettings:
    wait_ms: float = setting(1, "what it means", "judgement")


def quiet(context: Context, settings: object) -> Iterator[Finding]:
    return iter(())


Change = Callable[[ModuleType], None]


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with a good detector, which a test then spoils."""
    module = ModuleType("pcap_analyzer.analysis.detectors.made_up", GOOD_TEXT)

    def find(context: Context, settings: object) -> Iterator[Finding]:
        return quiet(context, settings)

    find.__module__ = module.__name__
    module.DETECTOR = Detector("made_up", (KIND,), ("flows",), GoodSettings, find)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def replaced(module: ModuleType, **changes: object) -> None:
    """Give the module's detector other values."""
    old: Detector = module.DETECTOR
    values = {name: getattr(old, name) for name in ("id", "kinds", "tables", "settings", "find")} | changes
    module.DETECTOR = Detector(**values)  # type: ignore[attr-defined]


def test_a_good_detector_has_no_faults(made_up: ModuleType) -> None:
    assert registry.faults(made_up) == []


def test_a_module_without_a_detector_is_caught() -> None:
    assert registry.faults(ModuleType("detectors.empty")) == ["detectors.empty has no DETECTOR"]


@pytest.mark.parametrize("part", ["Method:", "Source:", "False alarms:"])
def test_a_docstring_without_one_of_its_parts_is_caught(made_up: ModuleType, part: str) -> None:
    made_up.__doc__ = GOOD_TEXT.replace(part, "")
    assert registry.faults(made_up) == [f"made_up: its docstring has no {part}"]


def test_an_id_that_is_not_the_files_name_is_caught(made_up: ModuleType) -> None:
    replaced(made_up, id="else")
    assert registry.faults(made_up) == ["else: its id is not its file's name"]


def test_a_setting_without_unit_is_caught(made_up: ModuleType) -> None:
    @dataclass(frozen=True)
    class Settings:
        wait: float = setting(1, "what it means", "judgement")

    replaced(made_up, settings=Settings)
    assert "does not end in a unit" in registry.faults(made_up)[0]


def test_a_setting_without_source_is_caught(made_up: ModuleType) -> None:
    @dataclass(frozen=True)
    class Settings:
        wait_ms: float = setting(1, "what it means", "")

    replaced(made_up, settings=Settings)
    assert registry.faults(made_up) == ["made_up: wait_ms lacks its meaning or its source"]


def test_settings_that_can_be_changed_are_caught(made_up: ModuleType) -> None:
    @dataclass
    class Settings:
        wait_ms: float = setting(1, "what it means", "judgement")

    replaced(made_up, settings=Settings)
    assert registry.faults(made_up) == ["made_up: its Settings are no frozen dataclass"]


def test_a_finding_kind_without_advice_is_caught(made_up: ModuleType) -> None:
    replaced(made_up, kinds=(FindingKind("made_up", "Made up", None, ""),))
    assert registry.faults(made_up) == ["made_up: made_up lacks title or advice"]


def test_a_table_that_does_not_exist_is_caught(made_up: ModuleType) -> None:
    replaced(made_up, tables=("packets",))
    assert registry.faults(made_up) == ["made_up: there is no table 'packets'"]


def test_missing_captures_are_caught(tmp_path: Path) -> None:
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up" / "fires-once.pcapng").touch()
    assert golden_faults("made_up", tmp_path) == ["made_up: no silent-*.pcapng"]
