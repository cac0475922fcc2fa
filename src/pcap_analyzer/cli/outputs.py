"""Where results go: files that appear whole or not at all, and standard output."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pcap_analyzer.errors import StorageFull, StorageUnavailable

PIPE_CLOSED = 128 + signal.SIGPIPE


def write_whole(target: Path, content: str) -> None:
    """Write UTF-8 beside the target and rename: a reader sees the old file or the new one, never a part.

    What is no regular file (a device, a pipe) is written in place. Raises StorageFull and StorageUnavailable.
    """
    data = content.encode()
    real = Path(os.path.realpath(target))
    with told_in_a_sentence(str(target)):
        if real.exists() and not real.is_file():
            real.write_bytes(data)
            return
        part = real.with_name(f".{real.name}.{os.getpid()}.part")
        made = part.open("xb")  # never through a link that somebody else left under this name
        try:
            with made:
                made.write(data)
            part.replace(real)
        finally:
            part.unlink(missing_ok=True)


def check_place_of(target: Path) -> None:
    """Fail before the analysis rather than after it. Raises StorageUnavailable."""
    if target.is_dir():
        raise StorageUnavailable(f"{target} cannot be written: it is a folder. -o {target} writes into it.")
    folder = target.parent
    if not folder.is_dir():
        raise StorageUnavailable(f"{target} cannot be written: there is no folder {folder}.")


def make_folder(folder: Path) -> None:
    """The folder with its parents. Raises StorageFull and StorageUnavailable."""
    with told_in_a_sentence(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)


def standard_output() -> TextIO:
    """Raises StorageUnavailable where the caller of the program closed it."""
    if sys.stdout is None:
        raise StorageUnavailable("Standard output is closed; the result has nowhere to go.")
    return sys.stdout


def write_standard_output(text: str) -> None:
    """Print `text` as it is and make sure that it left.

    Raises StorageFull and StorageUnavailable. Where the reader of a pipe went away the program ends, without a word,
    as one that SIGPIPE ends.
    """
    out = standard_output()
    try:
        with told_in_a_sentence("Standard output"):
            out.write(text)
            out.flush()
    except BrokenPipeError:
        _forget_standard_output()
        raise SystemExit(PIPE_CLOSED) from None
    except (StorageFull, StorageUnavailable):
        _forget_standard_output()
        raise


def _forget_standard_output() -> None:
    """Python flushes once more at exit and would complain again: let it flush into nothing."""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123  # a device, not a path of ours
        os.dup2(nothing.fileno(), sys.stdout.fileno())


@contextmanager
def told_in_a_sentence(target: str) -> Iterator[None]:
    """Failures to write `target` become StorageFull or StorageUnavailable; a broken pipe stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"{target} cannot be written: the disk is full.") from error
        raise StorageUnavailable(f"{target} cannot be written: {error.strerror or error}.") from error
