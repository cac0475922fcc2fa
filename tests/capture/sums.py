"""The kernel's flow rows in the shape of `reference.totals`."""

from collections import defaultdict

from pcap_analyzer.capture.tables import Tables
from tests.capture.reference import Totals


def kernel_totals(tables: Tables) -> dict[tuple[int, frozenset[tuple[bytes, int]]], Totals]:
    """Sums for each conversation, over all connections between the same endpoints."""
    found: dict[tuple[int, frozenset[tuple[bytes, int]]], Totals] = defaultdict(Totals)
    for row in tables.flows.rows():
        size = 4 if row["ip_version"] == 4 else 16
        ends = (
            (row["client_ip"][:size].tobytes(), int(row["client_port"])),
            (row["server_ip"][:size].tobytes(), int(row["server_port"])),
        )
        sums = found[int(row["protocol"]), frozenset(ends)]
        for direction, end in enumerate(ends):
            if not row["frames"][direction]:
                continue
            sums.frames[end] += int(row["frames"][direction])
            sums.wire_bytes[end] += int(row["wire_bytes"][direction])
            sums.payload_bytes[end] += int(row["payload_bytes"][direction])
    return dict(found)
