"""A golden capture: what was put in, what must come out, and its bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pcap_analyzer.analysis.model import Category, Cause, Party
from tests.golden.conversation import Seen, merged, simulate
from tests.golden.plan import Conversation
from tests.packets import Frame, Interface, pcapng_blocks

FOLDER = Path(__file__).parent


def pcapng(frames: Sequence[Frame], interface: Interface = Interface()) -> bytes:  # noqa: B008 - it is frozen
    """The bytes of a capture file with one interface."""
    return b"".join(pcapng_blocks(frames, "little", [interface]))


def whole(seen: Sequence[Seen]) -> bytes:
    """A capture without any fault of its own."""
    return pcapng([one.frame() for one in seen])


@dataclass(frozen=True)
class Golden:
    """What was put into one capture.

    `cause` and `party` are what the verdict should be, `seconds` the waiting of `category` that was put in (wall
    clock; within the tolerances of the diagnosis). For loss they are the difference to the same conversations
    without faults. None: nothing is claimed. `flags` are the names of all `tcp.analysis` facts that TShark 4.0
    states about the capture, those that mark a healthy flow left out.
    """

    detector: str
    name: str
    story: str
    cause: Cause | None = None
    party: Party | None = None
    category: Category | None = None
    seconds: float | None = None
    flags: frozenset[str] = frozenset()
    conversations: tuple[Conversation, ...] = ()
    datagrams: tuple[Seen, ...] = ()
    finish: Callable[[Sequence[Seen]], bytes] = whole

    @property
    def fires(self) -> bool:
        """Whether the detector must report something."""
        return self.name.startswith("fires-")

    @property
    def path(self) -> Path:
        return FOLDER / self.detector / f"{self.name}.pcapng"

    def seen(self) -> list[Seen]:
        """What passed the capture point."""
        return merged([*(simulate(plan) for plan in self.conversations), self.datagrams])

    def encode(self) -> bytes:
        """The file, byte for byte the same each time."""
        return self.finish(self.seen())
