"""`serve` explains its settings, and what keeps it from starting."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcap_analyzer.settings import Settings
from tests.cli.command import pcap_analyzer
from tests.web.service_process import serve_once, service


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_help_tells_every_setting_with_its_meaning_and_default() -> None:
    told = squeezed(pcap_analyzer("serve", "--help").stdout)

    for name, field in Settings.model_fields.items():
        assert f"{name.upper()} {field.description}" in told
    for default in ("127.0.0.1", "8000", "data", "false", "auto", "20000000000, 20 GB", "3600"):
        assert f"[default: {default}]" in told
    assert ".env" in told


def test_each_way_out_of_clear_text_has_its_line(tmp_path: Path) -> None:
    refused = serve_once("--host", "0.0.0.0", folder=tmp_path)

    first, *ways_out = refused.stderr.splitlines()
    assert first.endswith("Ways out:")
    assert [line.split(":")[0].strip() for line in ways_out] == [
        "For a team",
        "For yourself",
        "Among people you trust",
    ]
    assert all(len(line) <= 100 for line in ways_out)


@pytest.mark.parametrize("host", ["nosuch.invalid", "", "a" * 70])
def test_a_host_that_does_not_exist_is_said_not_to_exist(tmp_path: Path, host: str) -> None:
    refused = serve_once("--host", host, folder=tmp_path)

    assert refused.returncode == 2
    assert f"There is no address for the host {host!r}" in refused.stderr
    assert "clear text" not in refused.stderr


def test_a_second_service_on_the_same_folder_and_port_hears_of_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        port = running.url.rpartition(":")[2]
        second = serve_once("--data-dir", str(data), "--port", port, folder=tmp_path)

    assert second.returncode == 2
    assert "Another service already runs on the data folder" in second.stderr
    assert len(second.stderr.splitlines()) == 1
