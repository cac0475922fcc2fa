"""The words for what the model enumerates: one place, so that terminal, pages and files say the same."""

from __future__ import annotations

from pcap_analyzer.analysis.model import Category, Cause, Confidence, Party, Severity, Verdict

CATEGORIES: dict[Category, str] = {
    Category.DNS_LOOKUP: "DNS lookup",
    Category.TCP_CONNECT: "TCP connect",
    Category.TLS_HANDSHAKE: "TLS handshake",
    Category.SERVER_THINKING: "Server thinking",
    Category.SERVER_STALL: "Server stalling",
    Category.REQUEST_TRANSFER: "Request transfer",
    Category.RESPONSE_TRANSFER: "Response transfer",
    Category.LOSS_RECOVERY: "Loss recovery",
    Category.RECEIVER_NOT_READING: "Receiver not reading",
    Category.WINDOW_LIMITED: "Window too small",
    Category.ACK_DELAY: "Delayed ACK",
    Category.PATH_DELAY: "Path delay",
    Category.UNKNOWN: "Unknown",
    Category.CLIENT_THINKING: "Client thinking",
    Category.IDLE: "Idle",
}

#: What a category of waiting is, for people who do not know the word.
CATEGORY_EXPLANATIONS: dict[Category, str] = {
    Category.DNS_LOOKUP: "Looking up a name, until the answer came",
    Category.TCP_CONNECT: "Opening a connection, until both sides agreed",
    Category.TLS_HANDSHAKE: "Agreeing on encryption, until the first request could be sent",
    Category.SERVER_THINKING: "The request had arrived and the server had not begun to answer",
    Category.SERVER_STALL: "The server paused in the middle of an answer, with nothing on the network to stop it",
    Category.REQUEST_TRANSFER: "The request was on its way, without pauses",
    Category.RESPONSE_TRANSFER: "The answer was on its way, without pauses",
    Category.LOSS_RECOVERY: "A packet was lost and had to be sent again",
    Category.RECEIVER_NOT_READING: "The receiver did not take what had arrived, so the sender had to stop",
    Category.WINDOW_LIMITED: "The receiver's window was too small for this path",
    Category.ACK_DELAY: "The receiver held back its acknowledgement and the sender waited for it",
    Category.PATH_DELAY: "Packets were travelling: the length of the path",
    Category.UNKNOWN: "The capture does not show the reason",
    Category.CLIENT_THINKING: "The client had its answer and asked nothing: not waiting",
    Category.IDLE: "Nothing was asked and nothing expected: not waiting",
}

SEVERITIES: dict[Severity, str] = {
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.INFO: "Info",
}

CONFIDENCES: dict[Confidence, str] = {
    Confidence.HIGH: "high",
    Confidence.MEDIUM: "medium",
    Confidence.LOW: "low",
}

PARTIES: dict[Party, str] = {
    Party.CLIENT: "the client",
    Party.SERVER: "the server",
    Party.NETWORK_CLIENT_SIDE: "the network on the client's side",
    Party.NETWORK_SERVER_SIDE: "the network on the server's side",
    Party.NETWORK: "the network",
    Party.RESOLVER: "the DNS resolver",
    Party.CAPTURE: "the capture",
    Party.NOBODY: "nobody",
    Party.UNKNOWN: "unknown",
}

#: What a cause is called in lists; a report's verdict has its own headline.
CAUSES: dict[Cause, str] = {
    Cause.NONE: "No problem found",
    Cause.INSUFFICIENT_DATA: "Not enough data",
    Cause.SERVER_THINKING: "The server is slow",
    Cause.SERVER_STALL: "The server stalls",
    Cause.SERVER_NOT_ACCEPTING: "The server does not accept connections",
    Cause.NO_RESPONSE: "Requests stay unanswered",
    Cause.RECEIVER_NOT_READING: "The receiver is the limit",
    Cause.WINDOW_LIMITED: "The receive window is too small",
    Cause.NETWORK_LOSS: "The network is losing packets",
    Cause.NETWORK_DELAY: "The network path is long",
    Cause.CHATTY_APPLICATION: "The application asks too often",
    Cause.REORDERING: "The network reorders packets",
    Cause.BANDWIDTH_LIMIT: "The line is full",
    Cause.BUFFERBLOAT: "A queue in the network is too long",
    Cause.BLACKOUT: "The network was interrupted",
    Cause.CONNECT_REFUSED: "Connections are refused",
    Cause.CONNECT_FILTERED: "Connections are filtered",
    Cause.UNREACHABLE: "The destination is unreachable",
    Cause.SYN_LOSS: "Connection attempts are lost",
    Cause.RESET: "Connections are reset",
    Cause.IDLE_TIMEOUT: "Idle connections are cut",
    Cause.DNS_SLOW: "DNS is slow",
    Cause.DNS_FAILURE: "DNS fails",
    Cause.TLS_SLOW: "TLS handshakes are slow",
    Cause.TLS_FAILURE: "TLS handshakes fail",
    Cause.MTU_BLACK_HOLE: "Large packets disappear",
    Cause.DELAYED_ACK: "Acknowledgements are held back",
    Cause.APP_ERRORS: "The application answers with errors",
    Cause.MEDIA_QUALITY: "Voice or video is impaired",
    Cause.CAPTURE_INCOMPLETE: "The capture missed packets",
    Cause.ONE_SIDED_CAPTURE: "The capture shows one direction only",
    Cause.CAPTURE_DUPLICATES: "The capture holds packets twice",
    Cause.TRUNCATED_FILE: "The file is cut",
    Cause.PORT_SCAN: "A host is scanning ports",
    Cause.FLOOD: "A service is flooded",
}

#: Stages of an analysis, in order; `analysis.engine` reports their keys as its progress.
STAGES: dict[str, str] = {"read": "Read", "measure": "Measure", "diagnose": "Diagnose", "done": "Done"}


def impact(severity: Severity) -> str:
    """What a severity is called above a verdict."""
    return "Note" if severity is Severity.INFO else f"{SEVERITIES[severity]} impact"


def verdict_impact(verdict: Verdict) -> str:
    """The impact that stands above a verdict; where the capture is what lacks, nobody can know it."""
    if verdict.cause is Cause.INSUFFICIENT_DATA or verdict.party is Party.CAPTURE:
        return "Impact unknown"
    return impact(verdict.severity)
