"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pcap_analyzer.cli import outputs
from pcap_analyzer.errors import StorageFull, StorageUnavailable


def test_a_file_is_written_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "käse.json"

    outputs.write_whole(target, "größe\n")

    assert target.read_bytes() == "größe\n".encode()
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_has_the_rights_that_the_person_chose(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        outputs.write_whole(tmp_path / "a", "x")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    outputs.write_whole(tmp_path / "link", "new")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_in_place() -> None:
    outputs.write_whole(Path("/dev/null"), "x")

    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_named() -> None:
    with pytest.raises(StorageFull, match="/dev/full"):
        outputs.write_whole(Path("/dev/full"), "x")


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        outputs.write_whole(target, "\ud800")

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        outputs.write_whole(tmp_path, "x")


def test_a_broken_pipe_stays_what_it_is() -> None:
    with pytest.raises(BrokenPipeError), outputs.told_in_a_sentence("stdout"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
