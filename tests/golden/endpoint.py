"""One end of a TCP connection: handshake, close, and the headers of every segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.golden.clock import Clock, Timer
from tests.golden.plan import CLIENT, MS, Host, OnSyn
from tests.golden.receiving import Receiving
from tests.golden.sending import Sending, Sent
from tests.packets import (
    Tcp,
    mss_option,
    padded_options,
    sack_option,
    sack_permitted_option,
    timestamps_option,
    window_scale_option,
)

TIMESTAMPS_BYTES = 12


@dataclass(frozen=True)
class Segment:
    """A segment on its way: the header with sequence numbers that do not wrap, and what the options say."""

    sender: int
    seq: int
    ack: int
    flags: str
    window: int
    payload: bytes = b""
    timestamps: tuple[int, int] | None = None
    sacks: tuple[tuple[int, int], ...] = ()
    syn: Host | None = None  # the sender's settings, as a SYN announces them

    @property
    def length(self) -> int:
        """Sequence numbers that it takes."""
        return len(self.payload) + ("S" in self.flags) + ("F" in self.flags)

    def header(self, source_port: int, destination_port: int) -> Tcp:
        """The segment as it is written into a packet."""
        options = []
        if self.syn is not None:
            options.append(mss_option(self.syn.mss))
            options += [sack_permitted_option()] if self.syn.sack else []
            options += [window_scale_option(self.syn.window_scale)] if self.syn.window_scale is not None else []
        options += [timestamps_option(*self.timestamps)] if self.timestamps is not None else []
        options += [sack_option(self.sacks)] if self.sacks else []
        return Tcp(
            source_port,
            destination_port,
            self.seq,
            self.ack,
            self.flags,
            self.window,
            padded_options(*options),
            self.payload,
        )


class Endpoint:
    """`transmit` takes every segment; `have_read` is told when the application was given bytes or the connection."""

    def __init__(
        self, clock: Clock, index: int, host: Host, random: Random, transmit: Callable[[Segment], None]
    ) -> None:
        self._clock = clock
        self.index = index
        self.host = host
        self._transmit = transmit
        self.have_read: Callable[[], None] = lambda: None
        self.sending = Sending(clock, host, random.getrandbits(32), self._emit)
        self.sending.probe = self._probe
        self.receiving = Receiving(clock, host, self._acknowledge, self._tell_application)
        self.established = False
        self.dead = False
        self.reset_sent = False
        self._peer_scale = 0
        self._timestamps = host.timestamps
        self._timestamp_base = random.getrandbits(31)
        self._echo = 0
        self._syn_seen = False
        self._last_ack = 0
        self._keep_alive = Timer(clock, self._send_keep_alive)

    # --- asked for by the application ----------------------------------------------------------

    def connect(self) -> None:
        self.sending.start()

    def write(self, data: bytes) -> None:
        if not self.dead:
            self.sending.write(data)

    def close(self) -> None:
        if not self.dead:
            self.sending.finish()

    def reset(self) -> None:
        """Give up the connection with RST."""
        if self.dead:
            return
        self._send(self.sending.next, "RA", ack=self.receiving.next)
        self.reset_sent = True
        self._die()

    def abandon(self) -> None:
        """The system told the application that there is no connection: nothing more is sent."""
        self._die()

    def _tell_application(self) -> None:
        self.have_read()

    def _die(self) -> None:
        self.dead = True
        self.sending.stop()
        self.receiving.stop()
        self._keep_alive.stop()

    # --- segments out --------------------------------------------------------------------------

    def _emit(self, sent: Sent) -> None:
        is_first_syn = "S" in sent.flags and not self._syn_seen
        flags = sent.flags + ("" if is_first_syn else "A")
        self._send(sent.start, flags, ack=0 if is_first_syn else self.receiving.next, payload=sent.payload)

    def _acknowledge(self) -> None:
        self._send(self.sending.next, "A", ack=self.receiving.next)

    def _probe(self) -> None:
        probe = self.sending.unsent_byte()[: self.host.probe_bytes]
        self._send(self.sending.una - (0 if probe else 1), "A", ack=self.receiving.next, payload=probe)

    def _send_keep_alive(self) -> None:
        if self.established and self.sending.idle:
            self._send(self.sending.next - 1, "A", ack=self.receiving.next)

    def _send(self, seq: int, flags: str, *, ack: int, payload: bytes = b"") -> None:
        syn = "S" in flags
        if syn:
            window = min(self.host.receive_buffer_bytes, 65535)
            self.receiving.right_edge = self.receiving.next + window
        elif "R" in flags:
            window = 0
        else:
            window = self.receiving.header_window()
        self._last_ack = ack
        stamp = (self._timestamp_base + self._clock.now_ns // MS, self._echo) if self._timestamps else None
        blocks = tuple(self.receiving.islands[:3]) if self.sending.sack else ()
        self._transmit(
            Segment(
                self.index,
                seq,
                ack,
                flags,
                window,
                payload,
                timestamps=None if "R" in flags else stamp,
                sacks=blocks,
                syn=self.host if syn else None,
            )
        )
        if self.host.keep_alive_ns is not None and "R" not in flags:
            self._keep_alive.set(self.host.keep_alive_ns)

    # --- segments in ---------------------------------------------------------------------------

    def receive(self, segment: Segment) -> None:
        if self.dead:
            if self.reset_sent and "R" not in segment.flags:
                self._transmit(Segment(self.index, segment.ack, 0, "R", 0))
            return
        if "R" in segment.flags:
            self._die()
            return
        if segment.timestamps is not None and segment.seq <= self._last_ack:
            self._echo = segment.timestamps[0]
        if segment.syn is not None:
            self._receive_syn(segment, segment.syn)
            return
        if not self._syn_seen:
            return
        right_edge = segment.ack + (segment.window << self._peer_scale)
        pure = not segment.length and segment.seq == self.receiving.next
        was_established = self.established
        self.established = True
        self.sending.acknowledged(segment.ack, right_edge, segment.sacks, pure=pure)
        if segment.length or segment.seq < self.receiving.next:
            self.receiving.segment(segment.seq, len(segment.payload), fin="F" in segment.flags)
        if not was_established:
            self.have_read()

    def _receive_syn(self, segment: Segment, peer: Host) -> None:
        if self._syn_seen:  # a copy: the answer was lost or is late
            self._answer_copied_syn()
            return
        if self.index != CLIENT and self.host.on_syn is not OnSyn.ACCEPT:
            self._refuse(segment)
            return
        self._syn_seen = True
        self._agree(segment, peer)
        if self.index == CLIENT:
            self.established = True
            self.sending.acknowledged(segment.ack, segment.ack + segment.window, (), pure=False)
            self._acknowledge()
            self.have_read()
        else:
            self._clock.after(self.host.accept_after_ns, self.sending.start)

    def _answer_copied_syn(self) -> None:
        if self.index == CLIENT:
            self._acknowledge()
        else:
            # Linux answers a copied SYN with the SYN-ACK at once.
            for sent in self.sending.outstanding:
                self._emit(sent)

    def _refuse(self, segment: Segment) -> None:
        if self.host.on_syn is OnSyn.REFUSE:
            self._transmit(Segment(self.index, 0, segment.seq + 1, "RA", 0))

    def _agree(self, segment: Segment, peer: Host) -> None:
        self.receiving.begin(segment.seq)
        self._timestamps = self.host.timestamps and peer.timestamps
        self._echo = segment.timestamps[0] if segment.timestamps is not None else 0
        if self.host.window_scale is not None and peer.window_scale is not None:
            self.receiving.scale = self.host.window_scale
            self._peer_scale = peer.window_scale
        room = min(self.host.mss, peer.mss) - (TIMESTAMPS_BYTES if self._timestamps else 0)
        self.receiving.segment_bytes = room
        self.sending.establish(room, sack=self.host.sack and peer.sack)
        if self.index != CLIENT:
            self.sending.right_edge = self.sending.isn + 1 + segment.window
