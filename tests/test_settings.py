"""Settings come from the environment and from .env; what was given on the command line wins."""

from pathlib import Path

import pytest

from pcap_analyzer import settings
from pcap_analyzer.errors import UsageError


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def test_nothing_set_is_a_service_on_this_machine_alone() -> None:
    loaded = settings.load()

    assert (loaded.listen_host, loaded.listen_port, loaded.data_dir, loaded.database_url) == (
        "127.0.0.1",
        8000,
        Path("data"),
        "",
    )


def test_the_environment_of_an_older_deployment_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DATA_DIR", "/srv/x"), ("SECRET_KEY", "k" * 32), ("REPORT_TTL_HOURS", "24")):
        monkeypatch.setenv(name, value)

    assert settings.load().data_dir == Path("/srv/x")


def test_a_file_is_read_the_environment_wins_over_it_and_the_command_line_over_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("DATA_DIR=from-file\nMAX_UPLOAD_BYTES=1000\nLISTEN_PORT=1\nOTHER=ignored\n")
    monkeypatch.setenv("DATA_DIR", "from-environment")
    monkeypatch.setenv("LISTEN_PORT", "2")

    loaded = settings.load(listen_port=3, listen_host=None)

    assert (loaded.max_upload_bytes, loaded.data_dir, loaded.listen_port) == (1000, Path("from-environment"), 3)
    assert loaded.listen_host == "127.0.0.1"


def test_the_host_that_shells_set_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "workstation.example")
    monkeypatch.setenv("PORT", "1")

    assert (settings.load().listen_host, settings.load().listen_port) == ("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_UPLOAD_BYTES", "plenty"),
        ("MAX_UPLOAD_BYTES", "0"),
        ("LISTEN_PORT", "70000"),
        ("PUBLIC_URL", "captures.example"),
        ("SQLITE_WAL", "maybe"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(UsageError, match=f"{name} is set to '{value}'"):
        settings.load()


def test_a_public_url_needs_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://captures.example/")

    assert settings.load().public_url == "https://captures.example"
