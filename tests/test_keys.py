"""Secrets are sealed with keys of SECRET_KEY or of a file, and codes are hashed however they are typed."""

import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pcap_analyzer.errors import KeyUnusable
from pcap_analyzer.keys import Keys, is_code_hash, is_sealed, open_keys

LONG = "k" * 32


def test_what_is_sealed_is_unreadable_and_opens_with_the_same_key() -> None:
    sealed = open_keys(LONG, Path("/nowhere")).seal("JBSWY3DPEHPK3PXP \udcff ü")

    assert is_sealed(sealed)
    assert "JBSWY3DP" not in sealed
    assert open_keys(LONG, Path("/nowhere")).open_sealed(sealed) == "JBSWY3DPEHPK3PXP \udcff ü"


def test_sealing_twice_tells_nobody_that_two_secrets_are_equal() -> None:
    keys = Keys(b"x")

    assert keys.seal("same") != keys.seal("same")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sealed: sealed[:-6] + ("AAAA" if sealed[-6:-2] != "AAAA" else "BBBB") + sealed[-2:],
        lambda sealed: sealed[:-4],
        lambda sealed: sealed[:-3],
        lambda sealed: sealed.replace("v1", "v2"),
        lambda _: "JBSWY3DPEHPK3PXP",
        lambda _: Keys(b"another").seal("text"),
    ],
)
def test_what_was_changed_or_sealed_by_another_key_is_refused(spoil: Callable[[str], str]) -> None:
    keys = Keys(b"x")

    with pytest.raises(KeyUnusable, match="another key, or was changed"):
        keys.open_sealed(spoil(keys.seal("text")))


@pytest.mark.parametrize("text", ["", "JBSWY3DPEHPK3PXP", "sealed:v1:", "sealed:v1:short", "code:v1:" + "0" * 64])
def test_clear_text_does_not_pass_for_sealed(text: str) -> None:
    assert not is_sealed(text)


def test_a_code_counts_however_it_is_typed() -> None:
    keys = Keys(b"x")

    hashed = {keys.recovery_code_hash(code) for code in ("abcd-1234", "ABCD1234", " abcd 1234 ", "AbCd–1234")}

    assert len(hashed) == 1
    assert is_code_hash(hashed.pop())
    assert keys.recovery_code_hash("abcd-1235") != keys.recovery_code_hash("abcd-1234")
    assert Keys(b"y").recovery_code_hash("abcd-1234") != keys.recovery_code_hash("abcd-1234")


def test_a_short_key_is_taken_and_warned_about(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING):
        sealed = open_keys("short", tmp_path).seal("text")

    assert open_keys("short", tmp_path).open_sealed(sealed) == "text"
    assert "SECRET_KEY has 5 characters" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_long_key_is_not_warned_about(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    open_keys(LONG, tmp_path)

    assert caplog.text == ""


def test_without_a_key_a_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    sealed = open_keys("", tmp_path).seal("text")
    made = (tmp_path / "secret.key").read_bytes()

    assert open_keys("", tmp_path).open_sealed(sealed) == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert ((tmp_path / "secret.key").stat().st_mode & 0o777, len(made.strip())) == (0o600, 43)  # 32 bytes in base 64


def test_what_the_file_says_may_be_given_as_secret_key_elsewhere(tmp_path: Path) -> None:
    sealed = open_keys("", tmp_path).seal("text")

    assert open_keys((tmp_path / "secret.key").read_text().strip(), Path("/nowhere")).open_sealed(sealed) == "text"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "secret.key").write_bytes(b"x" * 32)
    (tmp_path / "secret.key").chmod(mode)

    with pytest.raises(KeyUnusable, match="chmod 600"):
        open_keys("", tmp_path)


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_an_empty_file_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    (tmp_path / "secret.key").chmod(0o600)

    with pytest.raises(KeyUnusable, match="is empty"):
        open_keys("", tmp_path)
    assert (tmp_path / "secret.key").read_bytes() == content


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match=r"absent/secret\.key cannot be read or made: No such file"):
        open_keys("", tmp_path / "absent")


def _seal(folder: str) -> str:
    return open_keys("", Path(folder)).seal(str(os.getpid()))


def test_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        sealed = pool.map(_seal, [str(tmp_path)] * 8, chunksize=1)

    keys = open_keys("", tmp_path)
    assert all(keys.open_sealed(text).isdigit() for text in sealed)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
