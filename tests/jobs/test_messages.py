"""What the analysis process says is checked before it is believed."""

from dataclasses import replace
from itertools import cycle, islice

import pytest

from pcap_analyzer.analysis import engine, summary
from pcap_analyzer.jobs.messages import (
    MAX_COMPLAINT_CHARACTERS,
    MAX_REPORT_BYTES,
    MAX_SENTENCE_CHARACTERS,
    Failure,
    MalformedError,
    Message,
    Progress,
    ReportFollows,
    decode,
    encode,
    last_words,
    one_line,
)
from pcap_analyzer.report import json as report_json
from tests.report import sample


@pytest.mark.parametrize(
    "message",
    [Progress("read", 1, 2, 3), Progress("diagnose", 1, None, 3), Failure("Tëxt"), ReportFollows(0)],
)
def test_a_message_survives_the_pipe(message: Message) -> None:
    line = encode(message)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 16_000,
        b"null",
        b'{"stage": "read"}',
        b'{"stage": "sing", "bytes_done": 1, "bytes_total": 2, "frames": 3}',
        b'{"stage": "read", "bytes_done": -1, "bytes_total": 2, "frames": 3}',
        b'{"stage": "read", "bytes_done": true, "bytes_total": 2, "frames": 3}',
        b'{"stage": "read", "bytes_done": 1e400, "bytes_total": 2, "frames": 3}',
        b'{"stage": ["read"], "bytes_done": 1, "bytes_total": 2, "frames": 3}',
        b'{"failure": 5}',
        b'{"failure": "x", "more": 1}',
        b'{"report_bytes": %d}' % (MAX_REPORT_BYTES + 1),
        b'{"report_bytes": 1.5}',
        b"\xff\xfe",
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(line)


def test_a_sentence_is_one_printable_line_of_bounded_length() -> None:
    sentence = "a\r\nb\t\x1b[31m \0\udcff " + "c" * 10_000

    said = decode(encode(Failure(sentence)))

    assert isinstance(said, Failure)
    assert said.failure.startswith("a b \ufffd[31m \ufffd\ufffd ccc")
    assert len(said.failure) == MAX_SENTENCE_CHARACTERS
    assert said.failure.isprintable()


def test_the_last_words_are_the_end_of_what_was_written_in_one_line() -> None:
    assert last_words(b"Traceback:\n  a\nValueError: \x1b[0m\xff no\n") == "Traceback: a ValueError: \ufffd[0m\ufffd no"
    long = last_words(b"x" * 4000 + b"the reason")
    assert (long[0], long[-10:], len(long)) == ("…", "the reason", MAX_COMPLAINT_CHARACTERS)
    assert len(one_line("x" * 4000)) == MAX_COMPLAINT_CHARACTERS


def test_a_report_with_as_many_flows_and_findings_as_there_can_be_is_below_the_limit() -> None:
    report = sample.report()
    full = replace(
        report,
        flows=tuple(islice(cycle(report.flows), summary.FLOW_ROWS)),
        findings=tuple(islice(cycle(report.findings), engine.FINDINGS)),
    )

    assert len(report_json.dump(full)) < MAX_REPORT_BYTES // 4
