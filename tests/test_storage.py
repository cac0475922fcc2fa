"""Objects are written whole or not at all, and what the system refuses becomes a sentence."""

import errno
import os
import time
from pathlib import Path

import pytest

from pcap_analyzer.errors import AppError, NotFound, StorageFull, StorageUnavailable
from pcap_analyzer.storage import Storage, storage_errors


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path / "data")
    storage.prepare()
    return storage


def files(storage: Storage) -> list[str]:
    return sorted(str(path.relative_to(storage.folder)) for path in storage.folder.rglob("*") if path.is_file())


def test_an_object_comes_back_and_goes(storage: Storage) -> None:
    storage.put("results/one/report.json", b"{}")
    descriptor = storage.open("results/one/report.json")
    os.close(descriptor)

    assert storage.get("results/one/report.json") == b"{}"
    storage.delete("results/one")
    assert files(storage) == []
    storage.delete("results/one")


def test_a_part_is_nothing_until_it_is_kept(storage: Storage) -> None:
    part = storage.new_part()
    part.write(b"abc")
    with pytest.raises(NotFound):
        storage.get("captures/one")

    storage.keep(part, "captures/one")
    part.discard()

    assert files(storage) == ["captures/one"]
    assert storage.get("captures/one") == b"abc"


def test_a_discarded_part_leaves_nothing(storage: Storage) -> None:
    part = storage.new_part()
    part.write(b"abc")

    part.discard()
    part.discard()

    assert files(storage) == []


def test_parts_of_an_earlier_service_are_swept_and_nothing_else(storage: Storage) -> None:
    storage.put("captures/one", b"abc")
    storage.new_part()._file.close()

    storage.sweep_parts()

    assert files(storage) == ["captures/one"]


def test_what_another_service_may_still_receive_stays(storage: Storage) -> None:
    old, new = storage.new_part(), storage.new_part()
    for name in ("old", "new"):
        storage.keep_unconfirmed(storage.new_part(), f"captures/{name}")
    long_ago = time.time() - 90_000
    for path in (old.path, storage.folder / "parts" / "captures~old.unconfirmed"):
        os.utime(path, (long_ago, long_ago))

    storage.sweep_parts(untouched_s=86_400)

    assert (old.path.exists(), new.path.exists()) == (False, True)
    assert storage.unconfirmed(untouched_s=86_400) == ("captures/old",)
    for part in (old, new):
        part.discard()


def test_a_note_outlives_the_sweep_until_the_object_is_confirmed(storage: Storage) -> None:
    part = storage.new_part()
    part.write(b"abc")
    storage.keep_unconfirmed(part, "captures/one")

    storage.sweep_parts()
    noted = storage.unconfirmed()
    storage.confirm("captures/one")

    assert noted == ("captures/one",)
    assert storage.unconfirmed() == ()
    assert files(storage) == ["captures/one"]


def test_a_folder_that_is_gone_is_no_missing_object(storage: Storage) -> None:
    part = storage.new_part()
    (storage.folder / "parts").rename(storage.folder / "elsewhere")

    for write in (
        storage.new_part,
        lambda: storage.put("captures/one", b"abc"),
        lambda: storage.keep(part, "captures/one"),
        storage.sweep_parts,
    ):
        with pytest.raises(StorageUnavailable, match="No such file or directory"):
            write()
    for read in (storage.get, storage.open, storage.path):
        with pytest.raises(NotFound):
            read("captures/one")


@pytest.mark.parametrize(
    "key", ["../secret", "/etc/passwd", "captures/../../x", "", "captures//x", "captures/.", "a b", "a\0b"]
)
def test_a_key_never_leaves_the_folder(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        storage.get(key)


def test_a_file_where_the_folder_should_be_is_said_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("I am a file")

    with pytest.raises(StorageUnavailable, match=r"cannot be written.*--data-dir"):
        Storage(tmp_path / "data").prepare()


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EROFS, StorageUnavailable),
        (errno.EIO, StorageUnavailable),
        (errno.ENOENT, StorageUnavailable),
    ],
)
def test_what_the_system_refuses_becomes_a_sentence(number: int, kind: type[AppError]) -> None:
    with pytest.raises(kind), storage_errors():
        raise OSError(number, os.strerror(number))
