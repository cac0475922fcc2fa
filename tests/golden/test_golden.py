"""The golden captures are what their manifest says, where TShark can tell, and are made again byte for byte."""

import subprocess
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from pcap_analyzer.analysis.model import Category
from tests.golden.conversation import simulate
from tests.golden.golden import Golden
from tests.golden.manifest import GOLDENS
from tests.golden.plan import Conversation, S
from tests.needs import need
from tests.packets import Tcp

FLAGS = (
    "retransmission",
    "fast_retransmission",
    "spurious_retransmission",
    "out_of_order",
    "lost_segment",
    "ack_lost_segment",
    "duplicate_ack",
    "zero_window",
    "zero_window_probe",
    "zero_window_probe_ack",
    "keep_alive",
    "keep_alive_ack",
    "window_update",
    "window_full",
    "reused_ports",
)
STATUS = ("ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "_ws.malformed")
CHECKED = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
BAD_CHECKSUM = "0"
#: What TShark 4.0 says of a resent segment when it reassembles HTTP; the segments are the same.
HARMLESS = "[Reassembly error, protocol TCP: New fragment overlaps old data (retransmission?)],_ws.malformed"


def label(golden: Golden) -> str:
    return f"{golden.detector}/{golden.name}"


@cache
def tshark_is_4_0() -> bool:
    done = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=False, timeout=60)
    return " 4.0." in done.stdout.partition("\n")[0]


def tshark_rows(golden: Golden) -> list[list[str]]:
    need("tshark")
    need("TShark 4.0, whose words the manifest uses", found=tshark_is_4_0())
    names = [*STATUS, *(f"tcp.analysis.{flag}" for flag in FLAGS)]
    wanted = [part for name in names for part in ("-e", name)]
    command = ["tshark", "-r", str(golden.path), *CHECKED, "-T", "fields", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return [line.split("\t") for line in done.stdout.splitlines()]


def payload_end_ns(plan: Conversation) -> int:
    """When the last payload passed the capture point."""
    return max(s.time_ns for s in simulate(plan) if isinstance(s.packet.body, Tcp) and s.packet.body.payload)


@pytest.mark.parametrize("golden", GOLDENS, ids=label)
def test_made_again_byte_for_byte(golden: Golden) -> None:
    assert golden.path.read_bytes() == golden.encode()


@pytest.mark.parametrize("golden", GOLDENS, ids=label)
def test_tshark_states_what_was_meant_and_nothing_else(golden: Golden) -> None:
    rows = tshark_rows(golden)
    assert [row[:4] for row in rows if BAD_CHECKSUM in row[:3] or row[3] not in ("", HARMLESS)] == []
    stated = Counter(flag for row in rows for flag, value in zip(FLAGS, row[4:], strict=True) if value)
    assert set(stated) == golden.flags, stated


@pytest.mark.parametrize(
    "golden", [golden for golden in GOLDENS if golden.category is Category.LOSS_RECOVERY], ids=label
)
def test_loss_costs_what_the_conversations_without_it_would_have_saved(golden: Golden) -> None:
    ends = [(payload_end_ns(plan), payload_end_ns(replace(plan, faults=()))) for plan in golden.conversations]
    assert golden.seconds == pytest.approx(sum(with_ns - without_ns for with_ns, without_ns in ends) / S, abs=0.002)


def test_every_capture_of_the_folder_is_in_the_manifest() -> None:
    folder = GOLDENS[0].path.parent.parent
    assert {golden.path for golden in GOLDENS} == set(folder.glob("*/*.pcapng"))


def test_captures_stay_small() -> None:
    sizes = {label(golden): golden.path.stat().st_size for golden in GOLDENS}
    assert max(sizes.values()) < 60_000
    assert sum(sizes.values()) < 2_000_000
