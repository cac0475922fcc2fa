"""`pcap-analyzer db verify`, from a shell."""

import json
from pathlib import Path

from tests.cli.command import pcap_analyzer
from tests.head_database import at_head


def test_exit_codes_tell_well_from_warning_and_failure(tmp_path: Path) -> None:
    at_head(tmp_path / "pcap_analyzer.db")
    well = pcap_analyzer("db", "verify", DATA_DIR=str(tmp_path))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "captures~x.unconfirmed").touch()
    warned = pcap_analyzer("db", "verify", "--json", DATA_DIR=str(tmp_path))
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures" / "y").touch()
    failed = pcap_analyzer("db", "verify", "--deep", DATA_DIR=str(tmp_path))

    assert (well.returncode, warned.returncode, failed.returncode) == (0, 1, 2)
    assert "All is well." in well.stdout
    told = json.loads(warned.stdout)
    assert told["status"] == "warning"
    assert {check["name"] for check in told["checks"] if check["status"] == "warning"} == {"uploads"}
    assert "FAILED    files without a row: No analysis names captures/y" in failed.stdout
