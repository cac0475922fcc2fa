"""All golden captures."""

from tests.golden.golden import Golden
from tests.golden.scenes import (
    capture_quality,
    packet_loss,
    receiver_not_reading,
    resets,
    slow_connect,
    slow_dns,
    slow_server,
)

GOLDENS: tuple[Golden, ...] = (
    *slow_server.GOLDENS,
    *packet_loss.GOLDENS,
    *slow_connect.GOLDENS,
    *resets.GOLDENS,
    *receiver_not_reading.GOLDENS,
    *slow_dns.GOLDENS,
    *capture_quality.GOLDENS,
)
