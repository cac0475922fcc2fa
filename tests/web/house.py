"""The application in this process, on a real database and folder, and the people who use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import Identity, Registration
from pcap_analyzer.services.passwords import Passwords
from pcap_analyzer.settings import Settings
from pcap_analyzer.web.app import create_app
from pcap_analyzer.web.deps import RequestDatabase
from pcap_analyzer.web.runtime import Runtime, open_runtime
from tests.head_database import at_head

ORIGIN = "https://captures.example"
PASSWORD = "correct horse battery staple"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class House:
    """One service, and ways to speak to it as somebody."""

    runtime: Runtime
    app: FastAPI

    def client(self, token: str | None = None, accept: str = "*/*") -> httpx.AsyncClient:
        """A browser of somebody: it says where its requests come from, and follows no redirect."""
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url=ORIGIN,
            headers={"Origin": ORIGIN, "Accept": accept},
        )
        if token is not None:
            client.cookies.set("__Host-session", token)
        return client

    def data(self) -> RequestDatabase:
        """The database as a request of nobody uses it."""
        return RequestDatabase(self.runtime.database, None)

    async def admin(self) -> str:
        """The token of an administrator, made by the setup link."""
        path = self.runtime.setup_link_path
        assert path is not None
        async with self.client() as client:
            form = {"username": "root", "email": "root@corp.example", "password": PASSWORD}
            answer = await client.post(path, data=form)
            assert answer.status_code == 303, answer.text
            return answer.cookies["__Host-session"]

    async def person(self, name: str, *, by: str | None, decision: str = "approve") -> str:
        """The token of somebody who registered; `by` is the administrator who decided, None: nobody did."""
        now = datetime.now(UTC)
        form = Registration(name, f"{name}@corp.example", PASSWORD, "To help.")
        hashed = await self.runtime.passwords.hash(PASSWORD)
        admin = None if by is None else await self._identity(by)
        async with self.runtime.database.transaction() as session:
            user_id = await accounts.register(session, form, hashed, now)
            assert user_id is not None
            if admin is not None and decision == "approve":
                await accounts.approve_user(session, admin, user_id, now)
            elif admin is not None:
                await accounts.reject_user(session, admin, user_id, "Ask your lead.", now)
            return await accounts.complete_login(session, user_id, now)

    async def _identity(self, token: str) -> Identity:
        async with self.runtime.database.reading() as session:
            found = await accounts.identify(session, token, datetime.now(UTC))
        assert found is not None
        return found[0]

    def files(self) -> list[str]:
        """What lies in the folders of captures, parts and results."""
        folder = self.runtime.storage.folder
        return sorted(
            str(path.relative_to(folder))
            for name in ("captures", "parts", "results")
            for path in (folder / name).rglob("*")
            if path.is_file()
        )


@asynccontextmanager
async def open_house(data_dir: Path, **changed: object) -> AsyncIterator[House]:
    """A service on a new SQLite database, or on the PostgreSQL at head that `database_url` names."""
    settings = Settings(data_dir=data_dir, public_url=ORIGIN, free_space_reserve_bytes=0, **changed)  # type: ignore[arg-type]
    if not settings.database_url:
        at_head(data_dir / "pcap_analyzer.db")
    async with open_runtime(settings) as runtime:
        cheaper = replace(runtime, passwords=Passwords(CHEAP))
        yield House(cheaper, create_app(settings, cheaper))
