"""Opens a capture and turns it into tables: the one way in for everybody above."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcap_analyzer.capture.faults import OVERFLOW_KINDS, UNDECODED_KINDS, damage_sentence, ethertype_name
from pcap_analyzer.capture.formats import (
    ENOUGH_BYTES,
    GZIP,
    PCAP_HEADER_BYTES,
    SNOOP_HEADER_BYTES,
    Pcap,
    Pcapng,
    Snoop,
    link_name,
    recognise,
)
from pcap_analyzer.capture.kernel import Kernel
from pcap_analyzer.capture.sources import File, Gzip, Prefixed, Source
from pcap_analyzer.capture.spool import Spool
from pcap_analyzer.capture.tables import TABLES, CaptureFacts, Damage, Table, Tables

_BUFFER_BYTES = 1 << 20
_PROGRESS_INTERVAL_S = 0.1
_FLOWS_A_SLICE = 16_384


@dataclass(frozen=True)
class Limits:
    """What one analysis may use; each is enforced, and each that is hit is counted in the facts or raised."""

    live_flows: int = 1_000_000
    live_flow_bytes: int = 1 << 30  # what flows with payload own together
    unacknowledged_segments: int = 16_384  # a direction of a flow
    open_gaps: int = 256  # a direction of a flow
    table_memory_bytes: int = 64 << 20  # a table beyond it goes to a temporary file
    decompressed_bytes: int = 1 << 40
    decompression_ratio: float = 1_000.0


@dataclass(frozen=True)
class Progress:
    """How far an analysis has come; `bytes_total` is None for a pipe."""

    stage: str
    bytes_done: int
    bytes_total: int | None
    frames: int


def read(source: Path, *, limits: Limits = Limits(), progress: Callable[[Progress], None] | None = None) -> Tables:
    """All tables of the capture at `source`, which may be a pipe.

    Raises NotACapture, UnreadableCapture and LimitExceeded. A cut or damaged file is no error: its facts say where
    it ends. `progress` is called between batches, at most ten times a second and once at the end; what it raises
    (errors.Cancelled) ends the reading.
    """
    file = File(source)
    try:
        return _Reading(file, limits, progress).run()
    finally:
        file.close()


class _Reading:
    """One pass over one capture."""

    def __init__(self, file: File, limits: Limits, progress: Callable[[Progress], None] | None) -> None:
        self._file = file
        self._limits = limits
        self._progress = progress
        self._next_progress = time.monotonic() + _PROGRESS_INTERVAL_S
        self._kernel = Kernel(
            limits.live_flows, limits.live_flow_bytes, limits.unacknowledged_segments, limits.open_gaps
        )
        self._spools = [
            Spool(dtype, self._kernel.chunk_rows(index), limits.table_memory_bytes)
            for index, dtype in enumerate(TABLES.values())
        ]
        self._stream_bytes = 0
        self._damage: Damage | None = None

    def run(self) -> Tables:
        source, first = self._open()
        form = recognise(first)
        skip = self._start(form)
        self._stream_bytes = skip
        self._feed(Prefixed(first[skip:], source))
        while self._kernel.finish(_FLOWS_A_SLICE):
            self._collect(everything=False)
        self._collect(everything=True)
        self._report(last=True)
        return self._tables(type(form).__name__.lower(), source.compression)

    def _start(self, form: Pcap | Pcapng | Snoop) -> int:
        """Tell the kernel how records look; the bytes of the file header, which it does not want."""
        if isinstance(form, Pcapng):
            self._kernel.open_pcapng()
            return 0
        if isinstance(form, Snoop):
            self._kernel.open_snoop(form.link_type)
            return SNOOP_HEADER_BYTES
        self._kernel.open_pcap(
            form.big_endian,
            form.nanoseconds,
            form.link_type,
            form.snap_length,
            patched=form.patched,
            minor=form.minor,
        )
        return PCAP_HEADER_BYTES

    def _open(self) -> tuple[Source, bytes]:
        """The bytes' source and the first of them, decompressed."""
        first = _first_bytes(self._file)
        if first[: len(GZIP)] != GZIP:
            return self._file, first
        source = Gzip(
            Prefixed(first, self._file),
            output_limit=self._limits.decompressed_bytes,
            ratio_limit=self._limits.decompression_ratio,
        )
        return source, _first_bytes(source)

    def _feed(self, source: Source) -> None:
        """Read to the end of the file or to its damage. Invariant: `buffer[:held]` starts with a record."""
        buffer = bytearray(_BUFFER_BYTES)
        view = memoryview(buffer)
        held = 0
        while count := source.readinto(view[held:]):
            held += count
            used = self._kernel.feed(buffer, held)
            self._stream_bytes += used
            view[: held - used] = view[used:held]
            held -= used
            self._collect(everything=False)
            self._report(last=False)
            code, value = self._kernel.fault
            if code:
                self._damage = Damage(damage_sentence(code, value), self._kernel.frames, self._stream_bytes)
                return
            if self._kernel.needed > len(buffer):
                grown = bytearray(self._kernel.needed)
                grown[:held] = view[:held]
                buffer, view = grown, memoryview(grown)
        self._end(source, held)

    def _end(self, source: Source, held: int) -> None:
        """The file has ended: inside a record that is damage, and so is a compression that did not end."""
        reason = source.fault
        if reason is None and (held or self._kernel.pending_skip):
            reason = f"The file ends inside a record, after {held} of its bytes: it was cut."
        if reason is not None:
            self._damage = Damage(reason, self._kernel.frames, self._stream_bytes)

    def _report(self, *, last: bool) -> None:
        if self._progress is None:
            return
        now = time.monotonic()
        if now >= self._next_progress or last:
            self._next_progress = now + _PROGRESS_INTERVAL_S
            self._progress(Progress("read", self._file.done, self._file.total, self._kernel.frames))

    def _collect(self, *, everything: bool) -> None:
        for index, (spool, dtype) in enumerate(zip(self._spools, TABLES.values(), strict=True)):
            for block in self._kernel.take_chunks(index, everything):
                spool.append(np.frombuffer(memoryview(block), dtype))
        for table, row, offset, size, value in self._kernel.take_late():
            self._spools[table].patch(row, offset, value.to_bytes(8, "little", signed=True)[:size])

    def _tables(self, form: str, compression: str | None) -> Tables:
        spools = dict(zip(TABLES, self._spools, strict=True))
        spools["flows"] = spools["flows"].sorted_by("flow")
        if self._kernel.totals()["withdrawn"]:
            spools["events"] = spools["events"].without("kind", 0)
        return Tables(
            capture=self._facts(form, compression),
            **{name: Table(TABLES[name], spool, spool.row_count) for name, spool in spools.items()},
        )

    def _facts(self, form: str, compression: str | None) -> CaptureFacts:
        totals = self._kernel.totals()
        return CaptureFacts(
            format=form,
            compression=compression,
            byte_order="big" if totals["big"] else "little",
            link_types=tuple(link_name(link) for link in self._kernel.links()),
            snap_length=totals["snap"] or None,
            file_bytes=self._file.done,
            stream_bytes=self._stream_bytes,
            frames=totals["frames"],
            wire_bytes=totals["wire_bytes"],
            first_ns=totals["first_ns"] if totals["timed"] else None,
            last_ns=totals["last_ns"] if totals["timed"] else None,
            cut_frames=totals["cut_frames"],
            interface_drops=totals["drops"] if totals["drops"] >= 0 else None,
            clock_steps=totals["clock_steps"],
            duplicate_frames=totals["duplicate_frames"],
            tcp_frames=totals["tcp_frames"],
            udp_frames=totals["udp_frames"],
            undecoded=self._undecoded(),
            overflows={
                kind: count for kind, count in zip(OVERFLOW_KINDS, self._kernel.overflows(), strict=True) if count
            },
            exact_until_frame=totals["exact_until"] or None,
            damage=self._damage,
        )

    def _undecoded(self) -> dict[str, int]:
        kernel = self._kernel
        counts = {f"link type {link_name(link)}": count for link, count in kernel.skipped_links().items()}
        counts |= {ethertype_name(kind): count for kind, count in kernel.skipped_ethertypes().items()}
        counts |= {f"IP protocol {number}": count for number, count in kernel.skipped_protocols().items()}
        counts |= {kind: count for kind, count in zip(UNDECODED_KINDS, kernel.skipped(), strict=True) if kind and count}
        return counts


def _first_bytes(source: Source) -> bytes:
    first = b""
    buffer = memoryview(bytearray(ENOUGH_BYTES))
    while len(first) < ENOUGH_BYTES and (count := source.readinto(buffer[: ENOUGH_BYTES - len(first)])):
        first += bytes(buffer[:count])
    return first
