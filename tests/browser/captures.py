"""Captures made for the browser tests."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

FRAMES_A_MEMBER = 60_000
_HEADERS = bytes.fromhex("02000000000102000000000208004500002e0001000040110000c0000201c6336402d4310035001a0000")


def long_capture(path: Path, *, members: int) -> Path:
    """A capture whose analysis takes long enough to be seen: one UDP frame, again and again, in many gzip members."""
    frame = _HEADERS.ljust(60, b"\0")
    records = b"".join(
        struct.pack("<IIII", 1_700_000_000 + number // 1_000, number % 1_000 * 1_000, 60, 60) + frame
        for number in range(FRAMES_A_MEMBER)
    )
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    path.write_bytes(gzip.compress(header) + gzip.compress(records) * members)
    return path
