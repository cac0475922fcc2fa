"""Where the bytes of a capture come from: a file or a pipe, plain or gzip, into a buffer that is given.

Nothing is ever mapped: truncated files, pipes and compressed files take the same way, and memory does not follow
the file.
"""

import os
import stat
import zlib
from pathlib import Path
from typing import Protocol

from pcap_analyzer.capture.formats import GZIP
from pcap_analyzer.errors import LimitExceeded, UnreadableCapture

#: The ratio of a decompressor is judged only after this much output: small files may be all alike.
_RATIO_AFTER_BYTES = 64 << 20
_INPUT_BYTES = 256 << 10


class Source(Protocol):
    """Bytes of a capture, after decompression."""

    @property
    def compression(self) -> str | None:
        """The compression's name."""
        ...

    @property
    def fault(self) -> str | None:
        """Why the bytes ended, where they did not end well."""
        ...

    def readinto(self, view: memoryview) -> int:
        """Fill the start of `view` and return how many bytes, 0 at the end."""
        ...


class File:
    """An open file or pipe with the number of bytes read so far."""

    compression: str | None = None
    fault: str | None = None

    def __init__(self, path: Path) -> None:
        """Raises UnreadableCapture where the path cannot be opened for reading."""
        self._name = path.name
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise UnreadableCapture(f"There is no file {path.name!r}.") from None
        except PermissionError:
            raise UnreadableCapture(f"The file {path.name!r} may not be read: permission denied.") from None
        except (OSError, ValueError) as error:
            raise UnreadableCapture(f"The file {path.name!r} cannot be opened: {_reason(error)}.") from error
        status = os.fstat(self._descriptor)
        if stat.S_ISDIR(status.st_mode):
            self.close()
            raise UnreadableCapture(f"{path.name!r} is a folder, not a file.")
        self.total: int | None = status.st_size if stat.S_ISREG(status.st_mode) else None
        self.done = 0

    def readinto(self, view: memoryview) -> int:
        """As `Source.readinto`; raises UnreadableCapture when the disk or the network below fails."""
        try:
            count = os.readv(self._descriptor, [view])
        except OSError as error:
            raise UnreadableCapture(f"The file {self._name!r} cannot be read any further: {_reason(error)}.") from error
        self.done += count
        return count

    def close(self) -> None:
        os.close(self._descriptor)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class Prefixed:
    """A source whose first bytes have been read already."""

    def __init__(self, first: bytes, rest: Source) -> None:
        self._first = first
        self._rest = rest
        self.compression = rest.compression

    @property
    def fault(self) -> str | None:
        return self._rest.fault

    def readinto(self, view: memoryview) -> int:
        if not self._first:
            return self._rest.readinto(view)
        count = min(len(self._first), len(view))
        view[:count] = self._first[:count]
        self._first = self._first[count:]
        return count


class Gzip:
    """RFC 1952, with any number of members; what follows the last one is ignored as padding."""

    compression: str | None = "gzip"

    def __init__(self, inner: Source, *, output_limit: int, ratio_limit: float) -> None:
        self._inner = inner
        self._buffer = memoryview(bytearray(_INPUT_BYTES))
        self._input = b""
        self._member = zlib.decompressobj(wbits=31)
        self._output_limit = output_limit
        self._ratio_limit = ratio_limit
        self._read = 0
        self._written = 0
        self._ended = False
        self.fault: str | None = None

    def readinto(self, view: memoryview) -> int:
        """As `Source.readinto`; raises LimitExceeded over the stated output or ratio."""
        while not self._ended:
            if not self._input and not self._refill():
                break
            output = self._inflate(len(view))
            if output:
                self._account(len(output))
                view[: len(output)] = output
                return len(output)
        return 0

    def _inflate(self, room: int) -> bytes:
        """At most `room` bytes; at a fault, what comes out before it."""
        before = self._member.copy()
        try:
            output = self._member.decompress(self._input, room)
        except zlib.error as error:
            self.fault = f"The gzip data is damaged ({error})."
            self._ended = True
            return self._salvage(before, room)
        self._input = self._member.unconsumed_tail
        if self._member.eof:
            self._next_member()
        return output

    def _salvage(self, member: "zlib._Decompress", room: int) -> bytes:
        """zlib keeps back all output of a call that fails: go again, byte by byte, up to the fault."""
        output = bytearray()
        for place in range(len(self._input)):
            try:
                output += member.decompress(self._input[place : place + 1], room - len(output))
            except zlib.error:
                break
            if len(output) >= room:
                break
        return bytes(output)

    def _refill(self) -> bool:
        count = self._inner.readinto(self._buffer)
        if count == 0:
            self._ended = True
            self.fault = "The gzip data ends before its end mark: the file was cut."
            return False
        self._read += count
        self._input = bytes(self._buffer[:count])
        return True

    def _next_member(self) -> None:
        rest = self._member.unused_data
        if len(rest) < len(GZIP):
            count = self._inner.readinto(self._buffer)
            self._read += count
            rest += bytes(self._buffer[:count])
        if rest[: len(GZIP)] == GZIP:
            self._member = zlib.decompressobj(wbits=31)
            self._input = rest
        else:
            self._ended = True

    def _account(self, count: int) -> None:
        self._written += count
        if self._written > self._output_limit:
            raise LimitExceeded(f"The capture is longer than {self._output_limit} bytes after decompression.")
        if self._written > _RATIO_AFTER_BYTES and self._written > self._ratio_limit * self._read:
            raise LimitExceeded(
                f"The capture grows more than {self._ratio_limit:g} times in decompression: it may be a bomb."
            )
