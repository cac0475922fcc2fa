"""Real processes that work, refuse, crash, babble and hang."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcap_analyzer.jobs import supervisor
from pcap_analyzer.jobs.messages import Progress
from pcap_analyzer.jobs.supervisor import PROGRAM, Failed, Finished, Outcome, Run
from tests.jobs.programs import acting
from tests.packets import Frame, write_pcap
from tests.report import sample
from tests.waiting import PATIENCE_S, until


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "one.pcap"
    write_pcap(path, [Frame(1_700_000_000_000_000_000, b"\0" * 60)])
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


async def run(mode: str, capture: int, time_limit_s: float = 60.0) -> tuple[Outcome, list[Progress]]:
    heard: list[Progress] = []
    outcome = await Run("one.pcap", time_limit_s, acting(mode)).outcome(capture, heard.append)
    return outcome, heard


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def until_gone(pid: int) -> None:
    async def gone() -> bool:
        return not is_alive(pid)

    await until(gone)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_report_comes_back_checked_and_byte_for_byte(capture: int) -> None:
    outcome, heard = await run("works", capture)

    assert isinstance(outcome, Finished)
    assert outcome.report == sample.report()
    assert [progress.frames for progress in heard] == [3]


async def test_the_real_analysis_answers_with_a_report_of_the_capture(capture: int) -> None:
    outcome = await Run("nämé \udcff.pcap", 60.0, PROGRAM).outcome(capture, lambda _progress: None)

    assert isinstance(outcome, Finished)
    assert outcome.report.capture.frames == 1


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("refuses", "This looks like text"),
        ("crashes", "crashed (SIGABRT)"),
        ("crashes SIGXCPU", "longer than the limit of 60 s"),
        ("exits", "ended without a report (exit code 7)"),
        ("writes babble", "something that is no report"),
        ("writes a-flood", "something that is no report"),
        ("writes a-lie", "something that is no report"),
        ("writes a-boast", "something that is no report"),
        ("stops-short", "ended without a report"),
    ],
)
async def test_whatever_goes_wrong_is_a_sentence(capture: int, mode: str, says: str) -> None:
    outcome, _ = await run(mode, capture)

    assert isinstance(outcome, Failed)
    assert says in outcome.sentence


async def test_what_the_process_complained_of_is_logged(capture: int, caplog: pytest.LogCaptureFixture) -> None:
    await run("exits", capture)

    assert "ended with 7: \ufffd[1mwhat went wrong" in caplog.text


async def test_a_process_that_is_killed_from_outside_is_said_so(capture: int) -> None:
    run_ = Run("one.pcap", 60.0, acting("slow"))

    def kill_from_outside(_progress: Progress) -> None:
        for child in children_of(os.getpid()):
            os.kill(child, signal.SIGKILL)

    outcome = await run_.outcome(capture, kill_from_outside)

    assert isinstance(outcome, Failed)
    assert "signal 9" in outcome.sentence


async def test_an_analysis_over_its_time_is_ended(capture: int) -> None:
    outcome, _ = await run("slow", capture, time_limit_s=1.0)

    assert isinstance(outcome, Failed)
    assert "longer than the limit of 1 s" in outcome.sentence
    assert children_of(os.getpid()) == []


async def test_killing_a_run_ends_what_its_process_started(capture: int) -> None:
    run_ = Run("one.pcap", 60.0, acting("with-a-child"))
    family: list[int] = []

    def note_and_kill(_progress: Progress) -> None:
        (process,) = children_of(os.getpid())
        family.extend([process, *children_of(process)])
        run_.kill()

    await run_.outcome(capture, note_and_kill)

    assert len(family) == 2
    for process in family:
        await until_gone(process)


async def test_what_a_process_leaves_behind_ends_with_it(capture: int) -> None:
    run_ = Run("one.pcap", 2 * PATIENCE_S, acting("leaves-a-child at home"))
    heard: list[Progress] = []

    async with asyncio.timeout(PATIENCE_S):
        outcome = await run_.outcome(capture, heard.append)

    assert isinstance(outcome, Failed)
    assert "exit code 0" in outcome.sentence
    await until_gone(heard[0].frames)


async def test_what_left_the_session_of_its_process_is_not_waited_for(
    capture: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LAST_WORDS_S", 0.1)
    before = open_descriptors()

    outcome, heard = await run("leaves-a-child", capture)
    away = heard[0].frames
    still_there = is_alive(away)
    os.kill(away, signal.SIGKILL)

    assert isinstance(outcome, Failed)
    assert still_there
    await asyncio.sleep(0)  # pipes close in the next round of the loop
    assert open_descriptors() == before


async def test_a_run_that_was_killed_before_it_began_does_not_run(capture: int) -> None:
    run_ = Run("one.pcap", 60.0, acting("slow"))
    run_.kill()

    assert isinstance(await run_.outcome(capture, lambda _progress: None), Failed)


async def test_no_descriptor_is_left_open(capture: int) -> None:
    await run("works", capture)
    before = open_descriptors()

    await run("works", capture)
    await run("crashes", capture)

    assert open_descriptors() == before
