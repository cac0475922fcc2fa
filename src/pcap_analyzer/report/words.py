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

#: A verdict of these speaks of the capture alone: its severity is none of the traffic's.
_IMPACT_UNKNOWN = frozenset(
    {
        Cause.INSUFFICIENT_DATA,
        Cause.CAPTURE_INCOMPLETE,
        Cause.ONE_SIDED_CAPTURE,
        Cause.CAPTURE_DUPLICATES,
        Cause.TRUNCATED_FILE,
    }
)

#: Stages of an analysis, in order; `analysis.engine` reports their keys as its progress.
STAGES: dict[str, str] = {"read": "Read", "measure": "Measure", "diagnose": "Diagnose", "done": "Done"}


def impact(severity: Severity) -> str:
    """What a severity is called above a verdict."""
    return "Note" if severity is Severity.INFO else f"{SEVERITIES[severity]} impact"


def impact_unknown(cause: str | None, party: str | None = None) -> bool:
    """Whether the capture is what lacks, so that nobody can know the impact."""
    return cause in _IMPACT_UNKNOWN or party == Party.CAPTURE


def verdict_impact(verdict: Verdict) -> str:
    """The impact that stands above a verdict."""
    return "Impact unknown" if impact_unknown(verdict.cause, verdict.party) else impact(verdict.severity)
