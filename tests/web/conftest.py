"""A service for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.packets import Frame, write_pcap
from tests.web.house import House, open_house


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env is found there
    for name in ("DATA_DIR", "DATABASE_URL", "PUBLIC_URL", "INSECURE_HTTP", "MAX_UPLOAD_BYTES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
def capture(tmp_path: Path) -> bytes:
    """A small pcap of frames that hold nothing."""
    path = tmp_path / "made.pcap"
    write_pcap(path, [Frame(1_700_000_000_000_000_000 + number, b"\0" * 60) for number in range(20)])
    return path.read_bytes()
