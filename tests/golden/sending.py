"""The sending half of a TCP end: segments, congestion window, loss recovery, timers.

Slow start and congestion avoidance (RFC 5681), SACK-based recovery (RFC 6675) or NewReno (RFC 6582), the
retransmission timer (RFC 6298 with Linux's minimum), the persist timer (RFC 9293, 3.8.6.1). No tail loss probe.
Sequence numbers are integers that never wrap; they are reduced to 32 bits where a packet is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.golden.clock import Clock, Timer
from tests.golden.plan import MS, Host, S

DUPLICATE_THRESHOLD = 3
INITIAL_RTO_NS = 1 * S
MAXIMUM_RTO_NS = 120 * S


@dataclass
class Sent:
    """A segment that is not acknowledged yet."""

    start: int
    payload: bytes
    flags: str  # S, F, P
    sent_ns: int = 0
    copies: int = 0
    sacked: bool = False
    lost: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.payload) + ("S" in self.flags) + ("F" in self.flags)


class Sending:
    """What one end has to send and what became of it; `emit` puts a segment on the wire."""

    def __init__(self, clock: Clock, host: Host, isn: int, emit: Callable[[Sent], None]) -> None:
        self._clock = clock
        self._host = host
        self._emit = emit
        self.isn = isn
        self.una = self.next = isn
        self.right_edge = isn
        self.segment_bytes = host.mss
        self.sack = host.sack
        self.outstanding: list[Sent] = []
        self._pending = bytearray()
        self._write_ends: set[int] = set()
        self._fin_wanted = False
        self._cwnd = 0
        self._ssthresh = 1 << 30
        self._recovery_point: int | None = None
        self._duplicates = 0
        self._srtt_ns: int | None = None
        self._rttvar_ns = 0
        self._rto_ns = INITIAL_RTO_NS
        self._retransmission = Timer(clock, self._on_timeout)
        self._persist = Timer(clock, self._on_persist)
        self._persist_ns = 0
        self.probe: Callable[[], None] = lambda: None

    # --- asked for by the end ------------------------------------------------------------------

    def start(self) -> None:
        """Send the SYN or SYN-ACK."""
        self._transmit_new(b"", "S")

    def establish(self, segment_bytes: int, *, sack: bool) -> None:
        """The handshake is done: what both ends agreed on holds from now on."""
        self.segment_bytes = segment_bytes
        self.sack = sack
        self._cwnd = self._host.initial_window_segments * segment_bytes

    def write(self, data: bytes) -> None:
        self._pending += data
        self._write_ends.add(self.next + len(self._pending))
        self.push()

    def finish(self) -> None:
        self._fin_wanted = True
        self.push()

    def stop(self) -> None:
        self._retransmission.stop()
        self._persist.stop()
        self.outstanding.clear()
        self._pending.clear()
        self._fin_wanted = False

    @property
    def idle(self) -> bool:
        return not self.outstanding and not self._pending

    def unsent_byte(self) -> bytes:
        """The next byte, for a probe of a closed window."""
        return bytes(self._pending[:1])

    # --- acknowledgements ----------------------------------------------------------------------

    def acknowledged(self, ack: int, right_edge: int, sacks: Sequence[tuple[int, int]], *, pure: bool) -> None:
        """Take in an ACK; `pure` carries no payload and so can be a duplicate."""
        window_moved = right_edge != self.right_edge
        self.right_edge = max(self.right_edge, right_edge)
        for sent in self.outstanding:
            sent.sacked |= any(left <= sent.start and sent.end <= right for left, right in sacks)
        if ack > self.una:
            self._advance(ack)
        elif pure and ack == self.una and self.outstanding and not window_moved:
            self._duplicates += 1
        self._find_losses()
        self.push()

    def _advance(self, ack: int) -> None:
        newly = ack - self.una
        covered = [sent for sent in self.outstanding if sent.end <= ack]
        self.outstanding = [sent for sent in self.outstanding if sent.end > ack]
        self.una = ack
        self._duplicates = 0
        if all(sent.copies == 0 for sent in covered):
            self._sample(self._clock.now_ns - covered[-1].sent_ns)
        self._rto_ns = self._computed_rto_ns()
        if self._recovery_point is not None:
            self._advance_in_recovery(ack)
        elif self._cwnd < self._ssthresh:
            self._cwnd += newly
        else:
            self._cwnd += self.segment_bytes * self.segment_bytes // self._cwnd
        self._retransmission.stop()
        if self.outstanding:
            self._retransmission.set(self._rto_ns)

    def _advance_in_recovery(self, ack: int) -> None:
        assert self._recovery_point is not None
        if ack >= self._recovery_point:
            self._recovery_point = None
            self._cwnd = max(self._ssthresh, self.segment_bytes)
        elif not self.sack and self.outstanding:
            self.outstanding[0].lost = True  # a partial ACK names the next hole
        elif self._cwnd < self._ssthresh:
            self._cwnd += self.segment_bytes  # slow start after a timeout

    def _find_losses(self) -> None:
        found = False
        if not self.sack:
            candidates = self.outstanding[:1] if self._duplicates == DUPLICATE_THRESHOLD else []
        else:
            candidates = [
                sent
                for index, sent in enumerate(self.outstanding)
                if sum(later.sacked for later in self.outstanding[index + 1 :]) >= DUPLICATE_THRESHOLD
            ]
        for sent in candidates:
            if not sent.sacked and not sent.lost and sent.copies == 0:
                sent.lost = found = True
        if found and self._recovery_point is None:
            self._recovery_point = self.next
            self._ssthresh = max((self.next - self.una) // 2, 2 * self.segment_bytes)
            self._cwnd = self._ssthresh
            self._transmit_again(next(sent for sent in self.outstanding if sent.lost))  # whatever the window says

    # --- sending -------------------------------------------------------------------------------

    def _pipe(self) -> int:
        return sum(sent.end - sent.start for sent in self.outstanding if not sent.sacked and not sent.lost)

    def push(self) -> None:
        """Send what the windows allow: lost segments first, then new ones."""
        for sent in self.outstanding:
            if sent.lost and (self._pipe() == 0 or self._pipe() + len(sent.payload) <= self._cwnd):
                self._transmit_again(sent)
        while self._pending:
            length = min(self.segment_bytes, len(self._pending))
            if self._pipe() + length > self._cwnd:
                return
            if self.next + length > self.right_edge:
                self._wait_for_window()
                return
            self._send_pending(length)
        if self._fin_wanted:
            self._fin_wanted = False
            self._transmit_new(b"", "F")

    def _send_pending(self, length: int) -> None:
        payload = bytes(self._pending[:length])
        del self._pending[:length]
        end = self.next + length
        self._transmit_new(payload, "P" if end in self._write_ends else "")

    def _transmit_new(self, payload: bytes, flags: str) -> None:
        self._persist.stop()
        self._persist_ns = 0
        sent = Sent(self.next, payload, flags, self._clock.now_ns)
        self.next = sent.end
        self.outstanding.append(sent)
        if not self._retransmission.running:
            self._retransmission.set(self._rto_ns)
        self._emit(sent)

    def _transmit_again(self, sent: Sent) -> None:
        sent.lost = False
        sent.copies += 1
        sent.sent_ns = self._clock.now_ns
        self._retransmission.set(self._rto_ns)
        self._emit(sent)

    # --- timers --------------------------------------------------------------------------------

    def _sample(self, rtt_ns: int) -> None:
        if self._srtt_ns is None:
            self._srtt_ns, self._rttvar_ns = rtt_ns, rtt_ns // 2
            return
        self._rttvar_ns = (3 * self._rttvar_ns + abs(self._srtt_ns - rtt_ns)) // 4
        self._srtt_ns = (7 * self._srtt_ns + rtt_ns) // 8

    def _computed_rto_ns(self) -> int:
        if self._srtt_ns is None:
            return INITIAL_RTO_NS
        return self._srtt_ns + max(4 * self._rttvar_ns, self._host.minimum_rto_ns)

    def _on_timeout(self) -> None:
        if not self.outstanding:
            return
        if "S" in self.outstanding[0].flags and self.outstanding[0].copies >= self._host.syn_retries:
            self.stop()
            return
        self._ssthresh = max((self.next - self.una) // 2, 2 * self.segment_bytes)
        self._cwnd = self.segment_bytes
        self._recovery_point = self.next
        self._rto_ns = min(2 * self._rto_ns, MAXIMUM_RTO_NS)
        for sent in self.outstanding:
            sent.lost = not sent.sacked
        self.push()

    def _wait_for_window(self) -> None:
        if not self.outstanding and not self._persist.running:
            self._persist_ns = min(2 * self._persist_ns, MAXIMUM_RTO_NS) or max(self._computed_rto_ns(), 200 * MS)
            self._persist.set(self._persist_ns)

    def _on_persist(self) -> None:
        room = self.right_edge - self.next
        if room > 0:
            self._send_pending(min(room, len(self._pending)))
            return
        self.probe()
        self._wait_for_window()
