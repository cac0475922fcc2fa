"""The compiled kernel. This module is its only door.

Ownership: a `Kernel` owns all its memory and frees it when it goes. Row buffers leave it as `Block`s, which own
their bytes from then on. `Kernel.feed` reads the caller's buffer during the call and keeps nothing of it.

What may raise: the constructor, `open_pcap`, `open_snoop`, `feed` and `finish` raise MemoryError; `feed` and
`take_chunks` raise ValueError for arguments out of range. Nothing that a capture contains raises: it is counted, or
it is a `fault`.

The kernel needs no NumPy. One `Kernel` belongs to one thread at a time; `feed` and `finish` release the GIL.
"""

from pcap_analyzer.capture.kernel.engine import Block, Kernel, row_sizes

__all__ = ["Block", "Kernel", "row_sizes"]
