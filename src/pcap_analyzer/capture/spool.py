"""Tables under construction: chunks stay in memory up to a threshold, then go to a temporary file.

A table is read back chunk by chunk, so that memory does not follow the capture.
"""

import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from pcap_analyzer.errors import StorageFull

Rows = npt.NDArray[np.void]


class Spool(Sequence[Rows]):
    """Chunks of one dtype. All but the last have `chunk_rows` rows, so that a row's number gives its place."""

    def __init__(self, dtype: np.dtype[np.void], chunk_rows: int, memory_bytes: int) -> None:
        self._dtype = dtype
        self._chunk_rows = chunk_rows
        self._memory_bytes = memory_bytes
        self._kept: list[Rows] = []
        self._lengths: list[int] = []
        self._file: Any = None  # tempfile gives a private class

    def append(self, chunk: Rows) -> None:
        chunk_bytes = self._chunk_rows * self._dtype.itemsize
        if self._file is None and (len(self._lengths) + 1) * chunk_bytes > self._memory_bytes:
            self._spill()
        self._lengths.append(len(chunk))
        if self._file is None:
            self._kept.append(chunk)
        else:
            self._write(chunk)

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="pcap-analyzer-", buffering=0)  # noqa: SIM115
        # The file lives as long as the table.
        weakref.finalize(self, self._file.close)
        for chunk in self._kept:
            self._write(chunk)
        self._kept = []

    def _write(self, chunk: Rows) -> None:
        """Append at the end of the file; raises StorageFull when the disk has no room for it."""
        data = chunk.view(np.uint8).data
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise StorageFull(f"There is no room for the tables of this analysis: {error.strerror}.") from error

    def patch(self, row: int, offset: int, value: bytes) -> None:
        """Write `value` at byte `offset` of row number `row`."""
        chunk, place = divmod(row, self._chunk_rows)
        if self._file is not None:
            os.pwrite(self._file.fileno(), value, row * self._dtype.itemsize + offset)
            return
        start = place * self._dtype.itemsize + offset
        self._kept[chunk].view(np.uint8)[start : start + len(value)] = np.frombuffer(value, np.uint8)

    @property
    def row_count(self) -> int:
        return sum(self._lengths)

    def __len__(self) -> int:
        return len(self._lengths)

    @overload
    def __getitem__(self, index: int) -> Rows: ...

    @overload
    def __getitem__(self, index: slice) -> list[Rows]: ...

    def __getitem__(self, index: int | slice) -> Rows | list[Rows]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if self._file is None:
            return self._kept[index]
        size = self._dtype.itemsize
        place = range(len(self))[index]
        start = place * self._chunk_rows * size
        return np.frombuffer(os.pread(self._file.fileno(), self._lengths[place] * size, start), self._dtype)

    def __iter__(self) -> Iterator[Rows]:
        return (self[i] for i in range(len(self)))

    def without(self, column: str, unwanted: int) -> "Spool":
        """A copy without the rows whose `column` is `unwanted`."""
        copy = Spool(self._dtype, self._chunk_rows, self._memory_bytes)
        rest = np.empty(0, self._dtype)
        for chunk in self:
            rest = np.concatenate([rest, chunk[chunk[column] != unwanted]])
            while len(rest) >= self._chunk_rows:
                copy.append(rest[: self._chunk_rows].copy())
                rest = rest[self._chunk_rows :]
        if len(rest):
            copy.append(rest)
        return copy

    def sorted_by(self, column: str) -> "Spool":
        """These rows in ascending order of a unique column; itself where they are in order already."""
        keys = np.concatenate([chunk[column] for chunk in self]) if self._lengths else np.empty(0, np.uint64)
        if not len(keys) or bool(np.all(keys[:-1] < keys[1:])):
            return self
        order = np.argsort(keys, kind="stable")
        rows = self._all()
        copy = Spool(self._dtype, self._chunk_rows, self._memory_bytes)
        for start in range(0, len(order), self._chunk_rows):
            copy.append(np.ascontiguousarray(rows[order[start : start + self._chunk_rows]]))
        return copy

    def _all(self) -> Rows:
        if self._file is None:
            return np.concatenate(self._kept)
        return np.memmap(self._file, self._dtype, mode="r", shape=(self.row_count,))
