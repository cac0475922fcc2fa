"""Runs a plan: two TCP ends, the path between them with its capture point, and the script of the applications.

`simulate(plan)` returns what passed the capture point, in order. Everything follows from the plan and its seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from tests.golden.clock import Clock
from tests.golden.endpoint import Endpoint, Segment
from tests.golden.plan import CLIENT, SERVER, US, Conversation, Fault, Message, Step
from tests.packets import CLIENT_MAC, SERVER_MAC, Frame, Ipv4, Ipv6, Tcp, Transport, ethernet, icmp_error

APPLICATION_ANSWERS_FIN_NS = 120 * US
HEADER_BYTES = 66  # link, network and transport headers of a segment: what serialisation on the wire adds


@dataclass(frozen=True)
class Seen:
    """A packet at the capture point; `sender` is the side of the capture point that it came from."""

    time_ns: int
    sender: int
    packet: Ipv4 | Ipv6

    def frame(self) -> Frame:
        macs = (CLIENT_MAC, SERVER_MAC) if self.sender == CLIENT else (SERVER_MAC, CLIENT_MAC)
        return Frame(self.time_ns, ethernet(self.packet, source=macs[0], destination=macs[1]))


def simulate(plan: Conversation) -> list[Seen]:
    """What passes the capture point in the conversation, ordered by time."""
    return _Run(plan).seen()


def merged(parts: Iterable[Sequence[Seen]]) -> list[Seen]:
    """Conversations on one wire, ordered by time."""
    return sorted((seen for part in parts for seen in part), key=lambda seen: seen.time_ns)


class _Network:
    """The path: carries segments past the capture point and does to them what the plan's faults say."""

    def __init__(self, plan: Conversation, clock: Clock, random: Random) -> None:
        self._plan = plan
        self._clock = clock
        self._random = random
        self._hosts = (plan.client, plan.server)
        self._delays = (plan.path.client_ns, plan.path.server_ns)
        self._free_ns = [0, 0]  # when the sender's line is free again
        self._arrived_ns = [0, 0]  # packets of one sender do not overtake each other
        self._identifications = [random.randrange(1, 60_000), random.randrange(1, 60_000)]
        self._copies = [0] * len(plan.faults)
        self.ends: list[Endpoint] = []
        self.seen: list[Seen] = []

    def transmit(self, segment: Segment) -> None:
        sender = segment.sender
        host = self._hosts[sender]
        wire_ns = 8 * (len(segment.payload) + HEADER_BYTES) * 1_000_000_000 // host.rate_bps
        departure = max(self._clock.now_ns, self._free_ns[sender]) + wire_ns
        self._free_ns[sender] = departure
        packet = self._packet(sender, segment.header(host.port, self._hosts[1 - sender].port))
        fault = self._fault(segment)
        if fault is not None and fault.lost_before_capture:
            return
        passing = departure + self._delays[sender] + self._random.randrange(self._plan.path.jitter_ns + 1)
        passing = max(passing, self._arrived_ns[sender] + wire_ns)
        if fault is not None and fault.late_ns:
            passing += fault.late_ns
        else:
            self._arrived_ns[sender] = passing
        lost = fault is not None and fault.lost_after_capture
        self._clock.at(passing, lambda: self._pass(segment, packet, lost=lost))

    def _packet(self, sender: int, body: Tcp) -> Ipv4 | Ipv6:
        identification = self._identifications[sender]
        self._identifications[sender] = identification % 65535 + 1
        return self._enveloped(sender, body, identification)

    def _enveloped(self, sender: int, body: Transport, identification: int) -> Ipv4 | Ipv6:
        source, destination = self._hosts[sender], self._hosts[1 - sender].address
        if ":" in source.address:
            return Ipv6(source.address, destination, body, hop_limit=source.ttl)
        return Ipv4(source.address, destination, body, ttl=source.ttl, identification=identification)

    def _fault(self, segment: Segment) -> Fault | None:
        found = None
        start = segment.seq - self.ends[segment.sender].sending.isn - 1
        for index, fault in enumerate(self._plan.faults):
            if fault.sender == segment.sender and start <= fault.byte < start + segment.length:
                if self._copies[index] in fault.copies:
                    found = fault
                self._copies[index] += 1
        return found

    def _pass(self, segment: Segment, packet: Ipv4 | Ipv6, *, lost: bool) -> None:
        self.seen.append(Seen(self._clock.now_ns, segment.sender, packet))
        if lost:
            return
        if self._plan.unreachable is not None and segment.sender == CLIENT:
            self._clock.after(self._plan.unreachable.after_ns, lambda: self._refuse_by_icmp(packet))
            return
        receiver = self.ends[1 - segment.sender]
        self._clock.after(self._delays[receiver.index], lambda: receiver.receive(segment))

    def _refuse_by_icmp(self, packet: Ipv4 | Ipv6) -> None:
        assert self._plan.unreachable is not None
        unreachable = self._plan.unreachable
        error = icmp_error(3, unreachable.code, packet, quoted_bytes=unreachable.quoted_bytes)
        quoting = Ipv4(unreachable.router, packet.source, error, ttl=254, dont_fragment=False)
        self.seen.append(Seen(self._clock.now_ns, SERVER, quoting))
        self._clock.after(self._delays[CLIENT], self.ends[CLIENT].abandon)


class _Script:
    """What one application says: its steps, each begun once everything said to it before was read."""

    def __init__(self, plan: Conversation, clock: Clock, end: Endpoint) -> None:
        self._clock = clock
        self._end = end
        self._closing = False
        self._busy = False
        self._steps: list[tuple[int, Step]] = []
        heard = 0
        for step in plan.steps:
            if step.sender == end.index:
                self._steps.append((heard, step))
            elif isinstance(step, Message):
                heard += len(step.data)

    def proceed(self) -> None:
        """Begin the next step if its turn has come."""
        if self._end.receiving.fin_received and not self._closing:
            self._closing = True
            self._clock.after(APPLICATION_ANSWERS_FIN_NS, self._end.close)
        if self._busy or not self._steps or not self._end.established:
            return
        if self._end.receiving.read_bytes < self._steps[0][0]:
            return
        self._busy = True
        _, step = self._steps.pop(0)
        self._clock.after(step.think_ns, lambda: self._take(step))

    def _take(self, step: Step) -> None:
        if isinstance(step, Message):
            stalls = sorted(step.stalls)
            self._write(step.data, 0, stalls)
        elif step.reset:
            self._end.reset()
        else:
            self._closing = True
            self._end.close()

    def _write(self, data: bytes, start: int, stalls: list[tuple[int, int]]) -> None:
        if not stalls:
            self._end.write(data[start:])
            self._busy = False
            self.proceed()
            return
        offset, stall_ns = stalls[0]
        if offset > start:
            self._end.write(data[start:offset])
        self._clock.after(stall_ns, lambda: self._write(data, offset, stalls[1:]))


class _Run:
    def __init__(self, plan: Conversation) -> None:
        random = Random(plan.seed)
        self._clock = Clock(plan.start_ns)
        self._until_ns = plan.start_ns + plan.lasts_ns
        self._network = _Network(plan, self._clock, random)
        for index, host in enumerate((plan.client, plan.server)):
            end = Endpoint(self._clock, index, host, random, self._network.transmit)
            end.have_read = _Script(plan, self._clock, end).proceed
            self._network.ends.append(end)

    def seen(self) -> list[Seen]:
        self._network.ends[CLIENT].connect()
        self._clock.run(self._until_ns)
        return self._network.seen
