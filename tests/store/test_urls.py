"""One place reads the URL of a database, and never shows its password."""

from pathlib import Path

import pytest

from pcap_analyzer.errors import UsageError
from pcap_analyzer.store.urls import PostgresUrl, SqliteUrl, SslMode, parse_url, parse_urls


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("", "/folder/pcap_analyzer.db"),
        ("sqlite:////abs/x.db", "/abs/x.db"),
        ("sqlite+aiosqlite:////abs/x.db", "/abs/x.db"),
    ],
)
def test_a_url_names_a_file(given: str, path: str) -> None:
    assert parse_url(given, data_dir=Path("/folder")) == SqliteUrl(Path(path))


def test_a_relative_url_is_relative_to_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert parse_url("sqlite:///data/x.db", data_dir=Path("unused")) == SqliteUrl(tmp_path / "data" / "x.db")


POSTGRES = [
    ("postgres://u:secret@h/db", "u", "secret", "h", 5432),
    ("postgresql://u:secret@h:6000/db", "u", "secret", "h", 6000),
    ("postgresql+asyncpg://u:secret@h/db", "u", "secret", "h", 5432),
    ("postgresql+psycopg2://u:secret@h/db", "u", "secret", "h", 5432),
    ("postgresql://u:50%25%40%3A%2Fx@h/db", "u", "50%@:/x", "h", 5432),
    ("postgresql://u:p@ss:w%rd@h/db", "u", "p@ss:w%rd", "h", 5432),
    ("postgresql://u@[::1]:7/db", "u", None, "::1", 7),
    ("postgresql:///db?host=/run/postgresql", None, None, "/run/postgresql", 5432),
]


@pytest.mark.parametrize(("given", "user", "password", "host", "port"), POSTGRES)
def test_a_url_names_a_server(given: str, user: str | None, password: str | None, host: str, port: int) -> None:
    url = parse_url(given, data_dir=Path("unused"))

    assert url == PostgresUrl(host, port, "db", user, password)
    assert isinstance(url, PostgresUrl)
    assert url.engine_url().drivername == "postgresql+asyncpg"
    assert url.engine_url().password == password
    assert "secret" not in f"{url!r} {url.shown}"


def test_sslmode_of_the_url_comes_before_the_setting() -> None:
    by_url, by_setting = (
        parse_url(given, data_dir=Path("unused"), ssl_mode="require")
        for given in ("postgresql://h/db?sslmode=verify-full", "postgresql://h/db")
    )

    assert isinstance(by_url, PostgresUrl)
    assert isinstance(by_setting, PostgresUrl)
    assert (by_url.ssl_mode, by_setting.ssl_mode) == (SslMode.VERIFY_FULL, SslMode.REQUIRE)
    assert by_url.warning is None
    assert "verify-full" in str(by_setting.warning)


def test_a_connection_that_stays_on_the_machine_needs_no_encryption() -> None:
    local = parse_url("postgresql://127.0.0.1/db", data_dir=Path("unused"))

    assert isinstance(local, PostgresUrl)
    assert local.warning is None


@pytest.mark.parametrize(
    "given",
    [
        "mysql://u:secret@h/db",
        "sqlite://",
        "sqlite:///:memory:",
        "::secret::",
        "postgresql://u:secret@h",
        "postgresql://u:sec#ret@h/db",
        "postgresql://u:secret@h:port/db",
        "postgresql://u:[secret@h/db",
        "postgresql://u:secret@h/db?sslmode=maybe",
        "postgresql://u:secret@h/db?passfile=x",
        "postgresql://u:k?secret=@h/db",
        "secret://x",
    ],
)
def test_other_urls_are_refused_without_their_password(given: str) -> None:
    with pytest.raises(UsageError, match="DATABASE_URL") as refused:
        parse_url(given, data_dir=Path("unused"))

    assert "secret" not in str(refused.value)


def test_a_replica_of_sqlite_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="PostgreSQL alone"):
        parse_urls("sqlite:///x.db", "", "postgresql://h/db", data_dir=Path("unused"))
