"""Settings come from the environment and from .env; what was given on the command line wins."""

import re
import textwrap
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pcap_analyzer import settings
from pcap_analyzer.errors import UsageError

ROOT = Path(__file__).parents[1]


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


def example_of(name: str, field: FieldInfo) -> str:
    """The block of .env.example about a setting: its description, and the value that holds when nothing is set."""
    default = "" if field.default is PydanticUndefined or field.default is None else field.default
    value = str(default).lower() if isinstance(default, bool) else str(default)
    help_lines = textwrap.wrap(field.description or "", 98, break_on_hyphens=False)
    return "\n".join([*(f"# {line}" for line in help_lines), f"#{name.upper()}={value}"])


def test_the_example_file_names_every_setting_with_its_help() -> None:
    blocks = (ROOT / ".env.example").read_text().rstrip("\n").split("\n\n")
    described = {example_of(name, field) for name, field in settings.Settings.model_fields.items()}

    assert {block for block in blocks if re.search(r"^#?[A-Z_]+=", block, re.MULTILINE)} == described


def test_the_example_file_changes_nothing_as_it_is_and_each_line_of_it_may_be_used(folder: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    defaults = settings.load()

    (folder / ".env").write_text(text)
    untouched = settings.load()
    given = [line[1:] for line in text.splitlines() if re.match(r"#[A-Z_]+=", line)]
    (folder / ".env").write_text("\n".join(given))

    assert untouched == defaults
    assert settings.load() == defaults


def test_an_old_number_of_hours_is_understood_and_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().report_ttl_hours is None
    monkeypatch.setenv("REPORT_TTL_HOURS", "24")
    assert settings.load().report_ttl_hours == 24.0
    monkeypatch.setenv("REPORT_TTL_HOURS", "0")
    with pytest.raises(UsageError, match="REPORT_TTL_HOURS is set to '0'"):
        settings.load()


def test_what_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    everything_empty = settings.load()
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper())

    assert everything_empty == settings.load()
