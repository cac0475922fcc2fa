"""Every setting of the service, read from the environment and from `.env`; only entry points import this."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pcap_analyzer.errors import UsageError
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.urls import DatabaseUrls, parse_urls


class Settings(BaseSettings):
    """Names are those of the environment, lower-cased. It is not `host` and `port`, because shells set HOST."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(Path("data"), description="Folder of the database, the captures and the reports.")
    database_url: str = Field(
        "",
        repr=False,
        description="sqlite:///file.db or postgresql://user:password@host/name; "
        "where it is not set, pcap_analyzer.db in DATA_DIR.",
    )
    database_direct_url: str = Field(
        "",
        repr=False,
        description="The same PostgreSQL as its owner and past any pooler, for upgrades and locks; "
        "where it is not set, DATABASE_URL.",
    )
    database_replica_url: str = Field(
        "", repr=False, description="A streaming replica that may answer lists and reports a few seconds late."
    )
    database_ssl_mode: Literal["", "disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "", description="How PostgreSQL is reached where a URL has no sslmode; where it is not set, prefer."
    )
    database_pool_size: int = Field(10, ge=1, description="Connections to PostgreSQL that a process keeps open.")
    database_max_overflow: int = Field(5, ge=0, description="Connections beyond those, for as long as they are needed.")
    database_pgbouncer: bool = Field(
        False, description="DATABASE_URL leads to PgBouncer in transaction mode, which keeps the pool."
    )
    secret_key: str = Field(
        "",
        repr=False,
        description="Long and random: what encrypts secrets in the database; "
        "where it is not set, secret.key in DATA_DIR, made at the first start.",
    )
    sqlite_wal: Literal["auto", "force"] = Field(
        "auto",
        description="auto or force; force: write-ahead log even where this SQLite is known to damage such databases.",
    )
    listen_host: str = Field("127.0.0.1", description="Address to listen on.")
    listen_port: int = Field(8000, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    public_url: str = Field("", description="How people reach the service through a proxy: https://captures.example")
    insecure_http: bool = Field(
        False, description="Serve other hosts without TLS: passwords and captures travel in clear text."
    )
    max_upload_bytes: int = Field(20 * 10**9, gt=0, description="Largest capture that is accepted, in bytes.")
    free_space_reserve_bytes: int = Field(
        256 * 2**20, ge=0, description="Uploads stop before less than this is free on the disk, in bytes."
    )
    concurrent_analyses: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        ge=1,
        description="Analyses at the same time; where it is not set, one for every two processors.",
    )
    metrics_token: str = Field(
        "", repr=False, description="Who sends it (Authorization: Bearer …) gets /metrics; where it is not set, nobody."
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65_535, description="A port of its own for /metrics, without a token; not set: none."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of METRICS_PORT.")
    analysis_time_limit_s: float = Field(
        3600.0, gt=0, description="An analysis that takes longer is ended, in seconds."
    )

    report_ttl_hours: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Analyses are deleted with their captures this many hours after they were made; "
        "where it is not set, they are kept.",
    )

    @field_validator("public_url")
    @classmethod
    def _public_url_is_a_base(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// (or http://)")
        return value

    def database_urls(self) -> DatabaseUrls:
        """The databases that these settings name; raises UsageError."""
        return parse_urls(
            self.database_url,
            self.database_direct_url,
            self.database_replica_url,
            data_dir=self.data_dir,
            ssl_mode=self.database_ssl_mode,
        )

    def engine_options(self) -> EngineOptions:
        return EngineOptions(
            pool_size=self.database_pool_size,
            max_overflow=self.database_max_overflow,
            pgbouncer=self.database_pgbouncer,
            wal=self.sqlite_wal,
        )


def load(**given: object) -> Settings:
    """Settings of the environment, with those overridden that are `given` and not None.

    Raises UsageError, naming the setting and what is wrong with it.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "A setting"
        raise UsageError(f"{name} is set to {first['input']!r}: {first['msg']}.") from error
