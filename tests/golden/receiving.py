"""The receiving half of a TCP end: reassembly, the advertised window, acknowledgements, the reading application."""

from __future__ import annotations

from collections.abc import Callable

from tests.golden.clock import Clock, Timer
from tests.golden.plan import Host

FULL_SEGMENTS_PER_ACK = 2  # RFC 1122, 4.2.3.2


class Receiving:
    """What arrived and what of it the application has read.

    `acknowledge` sends a pure ACK now; `have_read` tells the application that it read more.
    """

    def __init__(
        self, clock: Clock, host: Host, acknowledge: Callable[[], None], have_read: Callable[[], None]
    ) -> None:
        self._host = host
        self._acknowledge = acknowledge
        self._have_read = have_read
        self._clock = clock
        self.start = self.next = 0
        self.right_edge = 0
        self.scale = 0
        self.segment_bytes = host.mss
        self.islands: list[tuple[int, int]] = []  # received above a hole, the latest change first
        self.read_bytes = 0
        self.fin_received = False
        self._fin_at: int | None = None
        self._quick_acks = host.quick_acks
        self._unacknowledged = 0
        self._delayed = Timer(clock, acknowledge)
        self._reading = Timer(clock, self._read)
        self._stopped = False

    def begin(self, isn: int) -> None:
        """The peer's SYN arrived."""
        self.start = self.next = isn + 1

    def stop(self) -> None:
        self._delayed.stop()
        self._reading.stop()

    # --- what the header says ------------------------------------------------------------------

    def header_window(self) -> int:
        """The window field as it goes into a segment now; remembers the right edge that it grants."""
        unread = self._payload_end() - self.start - self.read_bytes
        free = max(self._host.receive_buffer_bytes - unread, 0)
        granted = max(self.right_edge - self.next, 0)
        if free < min(self._host.receive_buffer_bytes // 2, self.segment_bytes):
            free = 0
        unit = 1 << self.scale
        window = free // unit if free > granted else -(-granted // unit)  # a window is never taken back (RFC 9293)
        window = min(window, 65535)
        self.right_edge = max(self.right_edge, self.next + window * unit)
        self._unacknowledged = 0
        self._delayed.stop()
        return window

    def _payload_end(self) -> int:
        return self.next - (1 if self.fin_received else 0)

    # --- segments ------------------------------------------------------------------------------

    def segment(self, seq: int, length: int, *, fin: bool) -> None:
        """Take in a segment that carries payload or a FIN, or that is old and asks for an answer."""
        end = seq + length
        if fin:
            self._fin_at = end
        if end + fin <= self.next or (length and seq >= self.right_edge):
            self._acknowledge()
            return
        if seq > self.next:
            if length:
                self._add_island(seq, end)
            self._acknowledge()
            return
        had_hole = bool(self.islands)
        self._fill(end)
        if self._fin_at == self.next:
            self.next += 1
            self.fin_received = True
        self._unacknowledged += length + fin
        self._start_reading()
        if self._unacknowledged:  # else a window update or the answer has carried the acknowledgement
            self._answer(at_once=had_hole or self.fin_received)

    def _add_island(self, start: int, end: int) -> None:
        touching = [island for island in self.islands if island[0] <= end and start <= island[1]]
        self.islands = [island for island in self.islands if island not in touching]
        merged = min([start, *(left for left, _ in touching)]), max([end, *(right for _, right in touching)])
        self.islands.insert(0, merged)

    def _fill(self, end: int) -> None:
        self.next = max(self.next, end)
        for left, right in sorted(self.islands):
            if left <= self.next:
                self.next = max(self.next, right)
        self.islands = [island for island in self.islands if island[1] > self.next]

    def _answer(self, *, at_once: bool) -> None:
        if at_once or self._quick_acks > 0 or self._unacknowledged >= FULL_SEGMENTS_PER_ACK * self.segment_bytes:
            self._quick_acks -= 1
            self._acknowledge()
        elif not self._delayed.running:
            self._delayed.set(self._host.delayed_ack_ns)

    # --- the application -----------------------------------------------------------------------

    def _start_reading(self) -> None:
        if not self._reading.running and self._payload_end() - self.start > self.read_bytes:
            self._read()
        elif self.fin_received:
            self._have_read()

    def _read(self) -> None:
        plan = self._host.reading
        available = self._payload_end() - self.start - self.read_bytes
        amount = min(available, plan.chunk_bytes) if plan.every_ns else available
        if plan.stop_after_bytes is not None and not self._stopped:
            amount = min(amount, plan.stop_after_bytes - self.read_bytes)
            self._stopped = self.read_bytes + amount == plan.stop_after_bytes
            if self._stopped:
                self._reading.set(plan.stop_ns)
        if amount:
            self.read_bytes += amount
            self._tell_window()
            self._have_read()
        if amount and plan.every_ns and not self._reading.running:
            self._reading.set(plan.every_ns)

    def _tell_window(self) -> None:
        """Send a window update where the window grew by two segments or half the buffer (RFC 1122, 4.2.3.3)."""
        buffer = self._host.receive_buffer_bytes
        free = buffer - (self._payload_end() - self.start - self.read_bytes)
        granted = self.right_edge - self.next
        if granted < buffer // 2 and free - granted >= min(buffer // 2, FULL_SEGMENTS_PER_ACK * self.segment_bytes):
            self._acknowledge()
