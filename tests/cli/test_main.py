"""The command as a whole: help that teaches, imports that are needed, failures that are told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pcap_analyzer import __version__
from tests.cli.command import HEALTHY, LIMIT_S, environment, pcap_analyzer

#: Import-heavy packages that have no business on the way from a file to its text.
UNWANTED = ("sqlalchemy", "fastapi", "starlette", "pydantic", "polars", "asyncio", "jinja2", "uvicorn", "rich.console")

COUNT_MODULES = """
import sys
from pcap_analyzer.cli.main import run
code = run(sys.argv[1:])
print(code, *sys.modules, file=sys.stderr)
"""


def modules_after(*arguments: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", COUNT_MODULES, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        timeout=LIMIT_S,
        check=True,
    )
    code, *modules = run.stderr.split()
    assert code == "0", run.stderr
    return set(modules)


def test_analyze_imports_nothing_heavy() -> None:
    assert not modules_after("analyze", str(HEALTHY)).intersection(UNWANTED)


@pytest.mark.parametrize("arguments", [["--quiet"], ["--json", "-"]])
def test_without_text_rich_is_not_imported(arguments: list[str]) -> None:
    assert "rich" not in modules_after("analyze", str(HEALTHY), *arguments)


def test_help_imports_no_command() -> None:
    modules = modules_after("--help")

    assert "numpy" not in modules
    assert "pcap_analyzer.cli.analyze" not in modules


def test_help_shows_examples_commands_and_exit_codes() -> None:
    run = pcap_analyzer("--help")

    assert run.returncode == 0
    assert "pcap-analyzer analyze slow.pcapng" in run.stdout
    assert "Exit codes" in run.stdout
    assert all(command in run.stdout for command in ("analyze", "explain", "serve"))


def test_each_command_has_its_help() -> None:
    for command in ("analyze", "explain", "serve"):
        run = pcap_analyzer(command, "--help")
        assert run.returncode == 0
        assert f"pcap-analyzer {command}" in run.stdout


def test_the_version_is_the_packages() -> None:
    assert pcap_analyzer("--version").stdout == f"pcap-analyzer {__version__}\n"


def test_an_unknown_command_is_a_usage_error() -> None:
    run = pcap_analyzer("analyse", HEALTHY)

    assert run.returncode == 2
    assert "analyse" in run.stderr


FAIL = """
import sys
from pcap_analyzer.cli import analyze, main
def fail(*arguments, **options):
    raise ZeroDivisionError("a fault of ours")
analyze.analyze_capture = fail
sys.exit(main.run(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("arguments", "more"), [([], {}), (["--debug"], {}), ([], {"PCAP_ANALYZER_DEBUG": "1"})]
)  # fmt: skip
def test_a_fault_of_the_program_is_a_sentence_and_a_traceback_for_who_wants_it(
    arguments: list[str], more: dict[str, str]
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FAIL, *arguments, "analyze", str(HEALTHY)],
        capture_output=True,
        encoding="utf-8",
        env=environment(**more),
        timeout=LIMIT_S,
        check=False,
    )

    assert (run.returncode, run.stdout) == (1, "")
    assert "ZeroDivisionError: a fault of ours" in run.stderr
    assert ("Traceback" in run.stderr) is bool(arguments or more)


def test_shell_completion_knows_the_commands() -> None:
    run = pcap_analyzer(_PCAP_ANALYZER_COMPLETE="bash_complete", COMP_WORDS="pcap-analyzer a", COMP_CWORD="1")

    assert "analyze" in run.stdout
