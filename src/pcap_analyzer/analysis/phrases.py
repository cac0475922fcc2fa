"""What a verdict says, cause by cause: plain words for whoever is woken at three in the morning.

Fields in braces: {server} {host} {client} {resolver} name who; {seconds} {total} {share} are the waiting of the cause,
all waiting, and the part of it; {same} of {attempts} count failures; {round_trip} {trip} {side} describe the
path.
A sentence begins with its subject, so that "Probably, " can stand before it.
"""

from dataclasses import dataclass

from pcap_analyzer.analysis.model import Cause


@dataclass(frozen=True)
class Phrase:
    headline: str
    sentence: str
    detail: str
    next_step: str


_OF_WAITING = "{share} of all waiting ({seconds} of {total})"

#: Of NETWORK_DELAY where a connect takes far longer than packets need for the way.
LATE_CONNECTS = Phrase(
    "Connections come up slowly",
    "Waiting for connections to {server} to come up cost " + _OF_WAITING + "{trip}.",
    "The way is short and no packet had to be sent again: what answers the connection attempts does so late.",
    "Ask whoever runs {host}, and the firewalls and load balancers before it, how busy they are with new connections.",
)

LATE_CLIENTS = Phrase(
    "Clients finish their connections late",
    LATE_CONNECTS.sentence,
    "The server's part of each handshake came at once; the client's last packet of it did not, although the way is "
    "short and nothing had to be sent again.",
    "Ask whoever runs {client}, and the network on its side, what holds its packets up when it connects.",
)

PHRASES: dict[Cause, Phrase] = {
    Cause.NONE: Phrase(
        "Nothing is slow here",
        "Nobody in this capture waited noticeably: {most} {p95} beyond the plain network round trip.",
        "Connections came up, servers answered at once and no data had to be sent again for long.",
        "If people do complain, capture again while it is slow, as near to them as you can.",
    ),
    Cause.INSUFFICIENT_DATA: Phrase(
        "Too little to tell",
        "{little}",
        "A judgement needs connections from their start on, in both directions, and some requests.",
        "Capture again, from before the first connection until after the slow moment, with both directions in it.",
    ),
    Cause.SERVER_THINKING: Phrase(
        "The server is slow",
        "{share} of all waiting is {server} thinking before answering ({seconds} of {total}; {units}).",
        "Requests reached it and nothing was on the way{round_trip}; the time was spent inside the server or in "
        "something that it waits for.",
        "Ask whoever runs {server} what happened there in that time: logs, databases, the services behind.",
    ),
    Cause.SERVER_STALL: Phrase(
        "The server pauses in the middle of its answers",
        "{share} of all waiting is {server} pausing in the middle of answers ({seconds} of {total}).",
        "The client had room for more, everything sent had arrived, and yet nothing came{round_trip}: the server "
        "had nothing ready to send.",
        "Ask whoever runs {server} what produces these answers: a slow query, a stream that is built on the way, a "
        "disk.",
    ),
    Cause.SERVER_NOT_ACCEPTING: Phrase(
        "The server does not accept connections in time",
        "{same} of {attempts} connections from {client} to {server} came up, but the server kept repeating its side "
        "of the greeting: its program does not pick them up.",
        "The machine answers, the application is behind: its queue of new connections is full.",
        "Ask whoever runs {server} for its load and its accept queue (listen backlog).",
    ),
    Cause.NO_RESPONSE: Phrase(
        "Requests get no answer",
        "{same} of {attempts} connections from {client} to {server} ended with a request that was never answered.",
        "{unanswered}{kept}",
        "{ask}",
    ),
    Cause.RECEIVER_NOT_READING: Phrase(
        "The receiver does not read what it is sent",
        "{share} of all waiting is {reader} not taking the data sent ({seconds} of {total}); a receive buffer was full "
        "and the sender had to stop.",
        "Neither the network nor the sender was the limit while that lasted.",
        "Ask whoever runs {reader} why its program reads so slowly: a busy processor, a slow disk, a paused program.",
    ),
    Cause.WINDOW_LIMITED: Phrase(
        "The receive window is too small for this distance",
        "{share} of all waiting is the sender held up by {reader} ({seconds} of {total}), which allows too little data "
        "on the way{trip}.",
        "The window was open, but smaller than what fits on the path.",
        "Ask whoever runs {reader} to enlarge its receive buffers, or to allow window scaling if a device removes it.",
    ),
    Cause.NETWORK_LOSS: Phrase(
        "The network loses packets",
        "Packets lost {side} cost " + _OF_WAITING + ".",
        "{retransmitted} of the data packets had to be sent again.{worst}",
        "Ask whoever runs the network {side} for errors and drops on the links between {client_host} and {host}.",
    ),
    Cause.NETWORK_DELAY: Phrase(
        "The network path is slow",
        "The way to {server} and back cost " + _OF_WAITING + "{trip}.",
        "Every question and answer pays that distance once; loss is not the reason.",
        "Ask whoever runs the network why this path is so long: another site, a VPN, a satellite link; or bring the "
        "server nearer.",
    ),
    Cause.CHATTY_APPLICATION: Phrase(
        "The application asks too many questions one after the other",
        "{share} of all waiting is the application on {client} asking one question after the other ({seconds} of "
        "{total}){trip}.",
        "Each single one is answered at once; their number makes it slow ({exchanges} requests).",
        "Ask the developers of the application to ask for more at once, or in parallel.",
    ),
    Cause.REORDERING: Phrase(
        "The network changes the order of packets",
        "Packets that overtook each other cost " + _OF_WAITING + ".",
        "They were taken for lost and sent again.",
        "Ask whoever runs the network for links used in turn, packet by packet.",
    ),
    Cause.BANDWIDTH_LIMIT: Phrase(
        "The line is full",
        "The transfer of data itself took " + _OF_WAITING + ".",
        "Sender and receiver were ready; packets came as fast as the path lets them.",
        "Ask whoever runs the network for the rate of this line, and what else uses it; or send less.",
    ),
    Cause.BUFFERBLOAT: Phrase(
        "A full queue on the line makes everything wait",
        "A queue on the path cost " + _OF_WAITING + ": round trips grow with the amount of data on the way{trip}.",
        "A transfer fills a large buffer in front of a slow line, and everything else waits behind it.",
        "Ask whoever runs the router before the slow line to manage its queue (fq_codel, CAKE, smaller buffers).",
    ),
    Cause.BLACKOUT: Phrase(
        "The network was gone for a while",
        "Several connections went silent at the same time, which cost " + _OF_WAITING + ".",
        "Different pairs of hosts lost everything together: a link or a device was down.",
        "Ask whoever runs the network what happened at these moments.",
    ),
    Cause.CONNECT_REFUSED: Phrase(
        "The server refuses connections",
        "{server} refused {same} of {attempts} connections from {client}: nothing listens on that port.",
        "The machine itself answers, at once, with a reset.{kept}",
        "Ask whoever runs {host} whether the service runs and listens on port {port}, and whether a firewall there "
        "rejects it.",
    ),
    Cause.CONNECT_FILTERED: Phrase(
        "Connection attempts get no answer",
        "{same} of {attempts} connection attempts from {client} to {server} got no answer at all, while other "
        "servers answered.",
        "A firewall that drops silently looks like this, and so does a host that is down.{kept}",
        "Ask whoever runs {host} whether it is up, and whoever runs the firewalls between whether port {port} is open.",
    ),
    Cause.UNREACHABLE: Phrase(
        "The server cannot be reached",
        "A router on the way answered {same} of {attempts} attempts to connect to {server} with an error: unreachable.",
        "The attempts came from {client}.{kept}",
        "Ask whoever runs the network for the route to {host}.",
    ),
    Cause.SYN_LOSS: Phrase(
        "Connections come up late because their first packets are lost",
        "Lost first packets of connections cost "
        + _OF_WAITING
        + ": the attempt is only repeated after a second or more.",
        "The connections did come up in the end; packets were lost {side}.",
        "Ask whoever runs the network {side}, and {host}, for drops: a full queue of a firewall or of the server.",
    ),
    Cause.RESET: Phrase(
        "Connections are cut off",
        "{who_resets} cut off {same} of {attempts} connections from {client} to {server} before the answer was "
        "complete.",
        "They were closed by a reset, not by the normal goodbye.{kept}",
        "{ask}",
    ),
    Cause.IDLE_TIMEOUT: Phrase(
        "Something on the way forgets idle connections",
        "Connections to {server} no longer worked after a pause, which cost " + _OF_WAITING + ".",
        "A firewall or a load balancer had dropped them silently.",
        "Ask whoever runs the firewalls for the idle timeout; let the application send keep-alives more often.",
    ),
    Cause.DNS_SLOW: Phrase(
        "Name look-ups are slow",
        "The resolver {resolver} took " + _OF_WAITING + " for {lookups} look-ups.",
        "What comes after a look-up can only begin when it is answered.",
        "Ask whoever runs the resolver {resolver} for its load and its upstream servers.",
    ),
    Cause.DNS_FAILURE: Phrase(
        "Name look-ups fail",
        "{dns_failure}",
        "{dns_detail}",
        "{dns_ask}",
    ),
    Cause.TLS_SLOW: Phrase(
        "Setting up encryption is slow on the server",
        "{share} of all waiting is {server} setting up encryption ({seconds} of {total}).",
        "Most of it was the server's own work, not the distance.",
        "Ask whoever runs {server} for its processor load and its certificates' checks (OCSP, hardware modules).",
    ),
    Cause.TLS_FAILURE: Phrase(
        "Encrypted connections cannot be set up",
        "{same} of {attempts} connections from {client} to {server} failed while setting up encryption.",
        "{tls_detail}{kept}",
        "Ask whoever runs {host} and {client} which certificate and which TLS versions they expect of each other.",
    ),
    Cause.MTU_BLACK_HOLE: Phrase(
        "Large packets disappear",
        "Large packets to {server} never arrive while small ones do, which cost " + _OF_WAITING + ".",
        "A link on the way takes smaller packets only, and says so to nobody.",
        "Ask whoever runs the network for the MTU of the path and for filtered ICMP messages.",
    ),
    Cause.DELAYED_ACK: Phrase(
        "Acknowledgements held back make the sender wait",
        "{share} of all waiting is {reader} holding back acknowledgements ({seconds} of {total}) that the sender "
        "waits for.",
        "Small packets, sent only when the one before is acknowledged (Nagle), meet an acknowledgement that waits "
        "for more.",
        "Ask the developers of the sending application to write whole messages at once, or to set TCP_NODELAY.",
    ),
    Cause.APP_ERRORS: Phrase(
        "The server answers with errors",
        "{server} answered the requests of {same} of {attempts} connections from {client} with server errors (5xx).",
        "The network delivered the requests and the answers; the application failed.{kept}",
        "Ask whoever runs {server} for its error log at these times.",
    ),
    Cause.MEDIA_QUALITY: Phrase(
        "Voice or video suffers on the way",
        "The media stream to {server} was disturbed.",
        "Packets came late or not at all.",
        "Ask whoever runs the network for priority of media packets.",
    ),
    Cause.CAPTURE_INCOMPLETE: Phrase(
        "The capture is incomplete",
        "Too many packets are missing from this capture to judge it{unknown_part}.",
        "They crossed the wire, because they were acknowledged, but {missed}.",
        "{again}",
    ),
    Cause.ONE_SIDED_CAPTURE: Phrase(
        "Only one direction was captured",
        "Most of the traffic in this capture was recorded in one direction only, so nobody can say who waited for "
        "whom.",
        "Packets and answers take different ways, or the capture filter or the mirror port passes one direction.",
        "Capture again where both directions pass, and mirror both directions of the port.",
    ),
    Cause.CAPTURE_DUPLICATES: Phrase(
        "Many packets were captured more than once",
        "Nothing is slow here, but {duplicates} of {frames} packets are in this capture more than once.",
        "Mirroring a port in both directions, or a whole VLAN, does that. The copies were taken out before measuring.",
        "Mirror one direction a port, or remove the duplicates with editcap -d.",
    ),
    Cause.TRUNCATED_FILE: Phrase(
        "The file is cut short or damaged",
        "The capture file breaks off; {before}.",
        "{damage}",
        "Copy the file again, or let the capturing program end properly before you take its file.",
    ),
    Cause.PORT_SCAN: Phrase(
        "Somebody scans for open ports",
        "{client_host} tried {targets} different addresses and ports without sending any data.",
        "This is more than half of all attempts to connect in this capture.",
        "Ask whoever is responsible for {client_host} whether this scan is wanted.",
    ),
    Cause.FLOOD: Phrase(
        "A flood of connection attempts",
        "{server} received {same} attempts to connect that were never finished.",
        "This is more than half of all attempts to connect in this capture.",
        "Ask whoever runs the firewall before {server} to limit half-open connections (SYN cookies).",
    ),
}
