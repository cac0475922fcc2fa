"""Whoever types the id of a finding is told the detector; a choice that means nothing is refused."""

from __future__ import annotations

import pytest

from pcap_analyzer.analysis import registry
from pcap_analyzer.cli.ids import check_choice
from pcap_analyzer.errors import UsageError

ALL = tuple(detector.id for detector in registry.load())


def test_ids_are_gathered_from_all_options() -> None:
    assert check_choice(("resets, slow_dns,", "slow_server"), ("resets",)) == (
        frozenset({"resets", "slow_dns", "slow_server"}),
        frozenset({"resets"}),
    )


def test_nothing_given_is_nothing_restricted() -> None:
    assert check_choice((), ()) == (frozenset(), frozenset())


def test_a_kind_that_has_its_detectors_name_is_the_detector() -> None:
    assert check_choice(("slow_server",), ()) == (frozenset({"slow_server"}), frozenset())


@pytest.mark.parametrize("option", ["--only", "--skip"])
def test_the_id_of_a_kind_is_answered_with_its_detector(option: str) -> None:
    only, skip = (("server_stall",), ()) if option == "--only" else ((), ("server_stall",))

    with pytest.raises(UsageError, match=f"server_stall is reported by slow_server: {option} slow_server"):
        check_choice(only, skip)


@pytest.mark.parametrize(
    ("only", "skip", "sentence"),
    [
        (("",), (), "--only names no detector"),
        ((), (" , ",), "--skip names no detector"),
        (("resets", ""), (), "--only names no detector"),
        (("resets",), ("resets",), "--only and --skip together leave no detector to run"),
        ((), (",".join(ALL),), "--skip leaves no detector to run"),
        (("slow_servr",), (), "Did you mean slow_server?"),
        (("xxxxxxxx",), (), "`pcap-analyzer explain` lists them"),
    ],
)
def test_a_choice_without_sense_is_a_usage_error(only: tuple[str, ...], skip: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_choice(only, skip)

    assert sentence in str(refused.value)
