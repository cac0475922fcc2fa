"""Step 5 of the decision table: the largest counted waiting, how sure that is, and who is to blame for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis import queueing
from pcap_analyzer.analysis.columns import Ints, integers
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.intervals import Code, Intervals
from pcap_analyzer.analysis.model import Cause, Confidence, Party
from pcap_analyzer.analysis.paths import MS, S
from pcap_analyzer.analysis.phases import connect_end_ns
from pcap_analyzer.capture.tables import C2S, S2C, EventKind, Role

CHATTY_EXCHANGES, CHATTY_ROUND_TRIP_NS = 20, 100 * MS
ONE_SIDE = 0.7  # so many losses on one side of the capture point name that side
MANY_EXCHANGES, LONG_S = 10, 3.0
LATE_ROUND_TRIPS = 3  # a connect takes one
OTHERS_WAITING = 3  # small exchanges that pay for a queue


@dataclass(frozen=True)
class Blame:
    cause: Cause
    party: Party


@dataclass(frozen=True)
class Ranking:
    """Counted waiting of every category by wall clock, in seconds, with its bounds."""

    seconds: dict[Code, float]
    low: dict[Code, float]
    high: dict[Code, float]
    total: float

    @property
    def top(self) -> Code:
        return max(self.seconds, key=lambda code: self.seconds[code])

    @property
    def unchanged(self) -> bool:
        """Whether the top stays the top at both ends of the bounds."""
        others = [code for code in self.seconds if code is not self.top]
        return all(self.low[self.top] >= self.seconds[one] for one in others) and all(
            self.high[self.top] >= self.high[one] for one in others
        )

    def confidence(self, context: Context, top: Intervals) -> Confidence:
        """High, medium or low, as the specification's last rule says."""
        seconds = self.seconds[self.top]
        following = max((value for code, value in self.seconds.items() if code is not self.top), default=0.0)
        unknown = self.seconds.get(Code.UNKNOWN, 0.0)
        much = len(context.account.exchanges) >= MANY_EXCHANGES or seconds >= LONG_S
        clear = seconds >= 0.5 * self.total and seconds >= 2 * following and unknown <= 0.1 * self.total
        if self.unchanged and clear and much and _roles_known(context, top):
            return Confidence.HIGH
        if (
            self.unchanged
            and seconds >= 0.35 * self.total
            and seconds >= 1.3 * following
            and unknown <= 0.25 * self.total
        ):
            return Confidence.MEDIUM
        return Confidence.LOW


def rank(context: Context, alike: tuple[Code, ...] = ()) -> Ranking:
    """The counted waiting of a capture; categories that are `alike` stand together under the first of them."""
    account = context.account
    ranking = Ranking({}, {}, {}, account.counted_wall_ns() / 1e9)
    for codes in (alike, *((code,) for code in Code if code not in alike)):
        part = account.counted_of(codes)
        if len(part):
            ranking.seconds[codes[0]] = part.wall_ns() / 1e9
            ranking.low[codes[0]], ranking.high[codes[0]] = part.low_wall_ns() / 1e9, part.high_wall_ns() / 1e9
    return ranking


def alike(context: Context, top: Code, blamed: Blame, ranking: Ranking) -> tuple[Code, ...]:
    """The top and what has the same cause: a far server costs connects and answers alike."""
    if blamed.cause is not Cause.NETWORK_DELAY or blamed.party is Party.UNKNOWN:
        return (top,)
    others = [code for code in (Code.PATH_DELAY, Code.TCP_CONNECT) if code in ranking.seconds and code is not top]
    same = (code for code in others if who(context, code, context.account.counted_of([code])) == blamed)
    return (top, *same)


def _roles_known(context: Context, top: Intervals) -> bool:
    rows = np.unique(top.flow[top.flow >= 0])
    known = (context.flows["role"][rows] != Role.GUESSED) & context.account.paths.both_scales[rows]
    return bool(known.all())


def who(context: Context, top: Code, intervals: Intervals) -> Blame:
    """Cause and party of the largest counted waiting."""
    fixed = {
        Code.SERVER_THINKING: Blame(Cause.SERVER_THINKING, Party.SERVER),
        Code.SERVER_STALL: Blame(Cause.SERVER_STALL, Party.SERVER),
        Code.UNKNOWN: Blame(Cause.INSUFFICIENT_DATA, Party.UNKNOWN),
        Code.RECEIVER_NOT_READING: Blame(Cause.RECEIVER_NOT_READING, _receiver(intervals)),
        Code.WINDOW_LIMITED: Blame(Cause.WINDOW_LIMITED, _receiver(intervals)),
        Code.ACK_DELAY: Blame(Cause.DELAYED_ACK, _receiver(intervals)),
    }
    judged: dict[Code, Callable[[Context, Intervals], Blame]] = {
        Code.LOSS_RECOVERY: _loss,
        Code.TCP_CONNECT: _connect,
        Code.PATH_DELAY: _path,
        Code.DNS_LOOKUP: _lookups,
        Code.TLS_HANDSHAKE: _handshake,
    }
    return fixed[top] if top in fixed else judged.get(top, _transfer)(context, intervals)


def _transfer(context: Context, _: Intervals) -> Blame:
    """A queue of one's own costs the download nothing: only others that wait behind it make it a fault."""
    others = queueing.small_exchanges_behind_a_queue(context)
    bloated = others >= OTHERS_WAITING and queueing.bloated(context)
    return Blame(Cause.BUFFERBLOAT if bloated else Cause.BANDWIDTH_LIMIT, Party.NETWORK)


def _receiver(intervals: Intervals) -> Party:
    """Who reads: the other side of the sender that was held up for most of the time."""
    length = intervals.length_ns
    to_client = int(length[intervals.side != C2S].sum())
    return Party.CLIENT if to_client * 2 >= int(length.sum()) else Party.SERVER


def _loss(context: Context, intervals: Intervals) -> Blame:
    if _blackout(context, intervals):
        return Blame(Cause.BLACKOUT, Party.NETWORK)
    if queueing.losses_behind_a_queue(context):
        return Blame(Cause.BUFFERBLOAT if queueing.bloated(context) else Cause.BANDWIDTH_LIMIT, Party.NETWORK)
    return Blame(Cause.NETWORK_LOSS, loss_side(context, np.unique(intervals.flow)))


def loss_side(context: Context, rows: Ints) -> Party:
    """A hole seen at the capture point was lost before it; a copy of what passed it was lost behind it."""
    before = context.events_of(rows, EventKind.GAP_FILLED)
    behind = context.events_of(rows, EventKind.RETRANSMISSION)
    to_client = int((before["direction"] == C2S).sum()) + int((behind["direction"] == S2C).sum())
    to_server = int((before["direction"] == S2C).sum()) + int((behind["direction"] == C2S).sum())
    every = to_client + to_server
    if every and to_client >= ONE_SIDE * every:
        return Party.NETWORK_CLIENT_SIDE
    if every and to_server >= ONE_SIDE * every:
        return Party.NETWORK_SERVER_SIDE
    return Party.NETWORK


def _blackout(context: Context, intervals: Intervals) -> bool:
    """Whether at least two host pairs recover from losses for at least 1 s at the same time."""
    long = intervals.where(intervals.length_ns >= S)
    if len(long) < 2:
        return False
    flows = context.flows[long.flow]
    pairs = np.unique(np.concatenate((flows["client_ip"], flows["server_ip"]), axis=1), axis=0, return_inverse=True)[1]
    order = np.argsort(long.start_ns, kind="stable")
    latest: dict[int, int] = {}
    for start, end, pair in zip(
        long.start_ns[order].tolist(), long.end_ns[order].tolist(), pairs[order].tolist(), strict=True
    ):
        # Two intervals share at least 1 s where they still touch once their ends are drawn in by 1 s.
        if start + S <= end and any(until >= start for other, until in latest.items() if other != pair):
            return True
        latest[pair] = max(latest.get(pair, 0), end - S)
    return False


def _connect(context: Context, _: Intervals) -> Blame:
    flows = context.flows
    dialled = (flows["syn_ns"] >= 0) | (flows["synack_ns"] >= 0)
    begin = np.where(flows["syn_ns"] >= 0, flows["syn_ns"], flows["synack_ns"])
    lasting = connect_end_ns(flows, context.tables) - begin
    lasted = lasting[dialled]
    up = flows["established_ns"][dialled] >= 0
    retried = np.maximum(
        integers(flows, "syn_last_ns") - integers(flows, "syn_ns"),
        np.minimum(integers(flows, "synack_last_ns"), begin + lasting) - integers(flows, "synack_ns"),
    )[dialled]
    if lasted[~up].sum() > 0.5 * lasted.sum():
        return Blame(Cause.INSUFFICIENT_DATA, Party.UNKNOWN)
    if retried[up].sum() < 0.5 * lasted.sum():
        # Packets go there and back in far less than a connect takes: something at the far end answers late.
        round_trip = context.account.paths.round_trip_ns[dialled]
        late = float(np.median(lasted[up])) >= LATE_ROUND_TRIPS * float(np.median(round_trip[up]))
        # The half that lasted tells which end: the SYN-ACK came late, or the client's ACK of it did.
        answer = float(np.median((integers(flows, "synack_ns") - begin)[dialled][up]))
        if late and answer * 2 < float(np.median(lasted[up])):
            return Blame(Cause.NETWORK_DELAY, Party.CLIENT)
        return Blame(Cause.NETWORK_DELAY, Party.UNKNOWN if late else slow_side(context))
    beyond = int((flows["syn_count"][dialled] > 1).sum())
    towards = int((flows["synack_count"][dialled] > 1).sum())
    party = (
        Party.NETWORK_SERVER_SIDE
        if beyond > 2 * towards
        else Party.NETWORK_CLIENT_SIDE
        if towards > 2 * beyond
        else Party.NETWORK
    )
    return Blame(Cause.SYN_LOSS, party)


def _path(context: Context, _: Intervals) -> Blame:
    if queueing.bloated(context):
        return Blame(Cause.BUFFERBLOAT, Party.NETWORK)
    account = context.account
    round_trip = account.paths.round_trip_ns[account.exchange_row]
    length = integers(account.exchanges, "response_last_ns") - account.gaps.first_copy_ns
    network = length + np.maximum(account.paths.client_leg_ns[account.exchange_row], 0) - account.gaps.thinking_ns
    quick = (account.exchanges["response_first_ns"] >= 0) & (round_trip > 0) & (network <= 2 * round_trip)
    known = account.paths.round_trip_ns[account.paths.round_trip_ns > 0]
    smallest = int(known.min()) if len(known) else 0
    if int(quick.sum()) >= CHATTY_EXCHANGES and smallest < CHATTY_ROUND_TRIP_NS:
        return Blame(Cause.CHATTY_APPLICATION, Party.CLIENT)
    return Blame(Cause.NETWORK_DELAY, slow_side(context))


def slow_side(context: Context) -> Party:
    """The side of the capture point with at least `ONE_SIDE` of the round trips of slow paths."""
    legs = context.flows["leg_min_ns"].astype(np.int64)
    legs = legs[(legs >= 0).all(axis=1) & (legs.sum(axis=1) >= CHATTY_ROUND_TRIP_NS)]
    both = int(legs.sum())
    if both and int(legs[:, S2C].sum()) >= ONE_SIDE * both:
        return Party.NETWORK_SERVER_SIDE
    if both and int(legs[:, C2S].sum()) >= ONE_SIDE * both:
        return Party.NETWORK_CLIENT_SIDE
    return Party.NETWORK


def _lookups(context: Context, _: Intervals) -> Blame:
    lookups = context.account.intervals.of(Code.DNS_LOOKUP)
    length = lookups.length_ns
    failed = int(length[context.failures.lookup_failed].sum())
    return Blame(Cause.DNS_FAILURE if failed * 2 >= int(length.sum()) else Cause.DNS_SLOW, Party.RESOLVER)


def _handshake(context: Context, intervals: Intervals) -> Blame:
    """The larger share of handshakes: the server up to its ServerHello, the rest less a round trip the client's."""
    rows = intervals.flow
    flows, paths = context.flows[rows], context.account.paths
    server_leg = np.maximum(paths.server_leg_ns[rows], 0)
    hello = flows["tls_server_hello_ns"] - flows["tls_start_ns"]
    server = np.where(
        flows["tls_server_hello_ns"] >= 0,
        np.maximum(0, hello - server_leg),
        np.maximum(0, intervals.length_ns - server_leg),
    )
    after = np.where(flows["tls_server_hello_ns"] >= 0, intervals.length_ns - hello, 0)
    client = np.maximum(0, after - paths.round_trip_ns[rows])
    network = intervals.length_ns - server - client
    shares = [int(server.sum()), int(client.sum()), int(network.sum())]
    return (
        Blame(Cause.TLS_SLOW, Party.SERVER),
        Blame(Cause.NONE, Party.CLIENT),
        Blame(Cause.NETWORK_DELAY, Party.NETWORK),
    )[int(np.argmax(shares))]
