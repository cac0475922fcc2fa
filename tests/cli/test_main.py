"""The command as a whole: help that teaches, imports that are needed, failures that are told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pcap_analyzer import __version__
from tests.cli.command import COMMAND, HEALTHY, LIMIT_S, environment, pcap_analyzer, shell

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
    told = run.stdout.partition("Exit codes:")[2].partition("\n\n")[0]
    assert [int(line.split()[0]) for line in told.strip().splitlines()] == [0, 1, 2, 3, 4, 5, 70, 130, 141]
    assert all(command in run.stdout for command in ("analyze", "explain", "serve"))


def test_each_command_has_its_help() -> None:
    for command in ("analyze", "explain", "serve"):
        run = pcap_analyzer(command, "--help")
        assert run.returncode == 0
        assert f"pcap-analyzer {command}" in run.stdout


def test_the_version_is_the_packages() -> None:
    assert pcap_analyzer("--version").stdout == f"pcap-analyzer {__version__}\n"


@pytest.mark.parametrize("question", [["--help"], ["--version"], ["analyze", "--help"], ["serve", "-h"]])
def test_an_answer_that_cannot_be_written_is_told(question: list[str]) -> None:
    run = shell('"$@" > /dev/full', *question)

    assert run.returncode == 5
    assert run.stderr == "pcap-analyzer: Standard output cannot be written: the disk is full.\n"


def test_an_answer_nobody_reads_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        run = subprocess.run([*COMMAND, "--help"], stdout=pipe, stderr=subprocess.PIPE, env=environment(), check=False)

    assert (run.returncode, run.stderr) == (141, b"")


def test_the_readme_lists_the_exit_codes_of_the_help() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = readme.partition("## Exit codes")[2].partition("\n## ")[0].splitlines()

    assert [row.split("|")[1].strip() for row in rows if row.startswith("|")][2:] == (
        ["0", "1", "2", "3", "4", "5", "70", "130", "141"]
    )


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

    assert (run.returncode, run.stdout) == (70, "")
    assert "ZeroDivisionError: a fault of ours" in run.stderr
    assert ("Traceback" in run.stderr) is bool(arguments or more)


def test_shell_completion_knows_the_commands() -> None:
    run = pcap_analyzer(_PCAP_ANALYZER_COMPLETE="bash_complete", COMP_WORDS="pcap-analyzer a", COMP_CWORD="1")

    assert "analyze" in run.stdout
