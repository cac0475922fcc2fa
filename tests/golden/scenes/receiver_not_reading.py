"""Applications that do not empty their receive buffer, and a small window that is always open."""

from dataclasses import replace

from pcap_analyzer.analysis.model import Category, Cause, Party
from tests.golden.cast import AT_CLIENT, AT_SERVER, BETWEEN, BROWSER, SHOP_SERVER, pages, talk
from tests.golden.golden import Golden
from tests.golden.plan import MS, NetworkPath, Reading, S

QUICK = [15 * MS]
BODY = 22_000
LAZY = replace(BROWSER, receive_buffer_bytes=8 * 1448, window_scale=2, reading=Reading(4_344, 2 * S))
SLUGGISH = replace(
    BROWSER, receive_buffer_bytes=4 * 1448, window_scale=0, reading=Reading(chunk_bytes=1448, every_ns=150 * MS)
)
ONE_BYTE_PROBES = replace(SHOP_SERVER, probe_bytes=1)
SMALL = replace(BROWSER, receive_buffer_bytes=4 * 1448, window_scale=0, quick_acks=1_000)

GOLDENS = (
    Golden(
        "receiver_not_reading",
        "fires-zero-window-at-server",
        "Captured on the server: the client's application stops reading for 2 s in each of two downloads; "
        "the server probes with old empty segments, as Linux does.",
        cause=Cause.RECEIVER_NOT_READING,
        party=Party.CLIENT,
        category=Category.RECEIVER_NOT_READING,
        seconds=4.0,
        flags=frozenset({"zero_window", "window_full", "window_update", "keep_alive"}),
        conversations=tuple(talk(n, pages(QUICK, body_bytes=BODY), AT_SERVER, at_s=5 * n, client=LAZY) for n in (0, 1)),
    ),
    Golden(
        "receiver_not_reading",
        "fires-zero-window-at-client",
        "The same, captured on the client; the server probes with one new byte.",
        cause=Cause.RECEIVER_NOT_READING,
        party=Party.CLIENT,
        category=Category.RECEIVER_NOT_READING,
        seconds=4.0,
        flags=frozenset({"zero_window", "window_full", "window_update", "zero_window_probe", "zero_window_probe_ack"}),
        conversations=tuple(
            talk(n, pages(QUICK, body_bytes=BODY), AT_CLIENT, at_s=5 * n, client=LAZY, server=ONE_BYTE_PROBES)
            for n in (0, 1)
        ),
    ),
    Golden(
        "receiver_not_reading",
        "fires-sluggish-reader",
        "Captured on the way: the client's application reads one segment every 150 ms.",
        cause=Cause.RECEIVER_NOT_READING,
        party=Party.CLIENT,
        category=Category.RECEIVER_NOT_READING,
        flags=frozenset({"zero_window", "window_full", "window_update", "keep_alive", "keep_alive_ack"}),
        conversations=(
            talk(0, pages(QUICK, body_bytes=BODY), BETWEEN, at_s=0, client=SLUGGISH),
            talk(1, pages(QUICK, body_bytes=BODY), BETWEEN, at_s=4, client=SLUGGISH),
        ),
    ),
    Golden(
        "receiver_not_reading",
        "silent-small-window",
        "A window of four segments, never smaller, on a round trip of 160 ms: it limits, but the client reads.",
        cause=Cause.WINDOW_LIMITED,
        category=Category.WINDOW_LIMITED,
        flags=frozenset({"window_full"}),
        conversations=tuple(
            talk(n, pages(QUICK, body_bytes=BODY), NetworkPath(40 * MS, 40 * MS), at_s=4 * n, client=SMALL)
            for n in (0, 1)
        ),
    ),
)
