"""What the analysis process says is checked before it is believed."""

import pytest

from pcap_analyzer.jobs.messages import (
    MAX_REPORT_BYTES,
    Failure,
    MalformedError,
    Message,
    Progress,
    ReportFollows,
    decode,
    encode,
)


@pytest.mark.parametrize(
    "message",
    [Progress("read", 1, 2, 3), Progress("diagnose", 1, None, 3), Failure("Tëxt \udcff\n"), ReportFollows(0)],
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
