"""Requests at a steady rate, whatever the answers take, and what became of each: people do not wait for one another.

Several addresses are tried as a proxy does it: who refuses the connection has not seen the request, and the next one
gets it, and so it does where a connection breaks that only reads.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

ANSWER_WITHIN_S = 90.0
UPLOADS_EVERY = 25
READS = ("/", "/api/v1/tasks", "/api/v1/users/me", "/api/v1/tasks?q=one", "/waiting")
UPLOAD = "/api/v1/tasks?filename=one.pcap"


@dataclass
class Log:
    """What was answered: 0 stands for no answer at all."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)  # ids of uploads that were acknowledged
    wrong: list[str] = field(default_factory=list)  # 500s and losses, in words
    refused: Counter[str] = field(default_factory=Counter)  # what answers of 503 say
    took_s: list[float] = field(default_factory=list)

    def note(self, what: str, answer: httpx.Response | httpx.TransportError) -> None:
        status = answer.status_code if isinstance(answer, httpx.Response) else 0
        self.statuses[status] += 1
        if status == 503 and isinstance(answer, httpx.Response):
            self.refused[answer.text[:300]] += 1
        if isinstance(answer, httpx.TransportError):
            self.wrong.append(f"{what}: {answer!r}")
        elif status >= 500 and status != 503:
            self.wrong.append(f"{what}: {status} {answer.text[:200]}")

    @property
    def failures(self) -> int:
        """Answers of 5xx, and none at all."""
        return sum(count for status, count in self.statuses.items() if status >= 500 or status == 0)


@dataclass(frozen=True)
class Load:
    """One person who reads, and uploads with every 25th request: analyses are not what is tried."""

    urls: Sequence[str]  # whoever changes it meanwhile takes processes out of the balance, or puts them back
    token: str
    capture: bytes
    per_s: float

    async def during(self, over: asyncio.Event) -> Log:
        """Send until `over`, then wait for the answers that are due."""
        log, began, number = Log(), time.monotonic(), 0
        limits = httpx.Limits(max_connections=500, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN_S, limits=limits) as client, asyncio.TaskGroup() as group:
            while not over.is_set():
                group.create_task(self._send(client, number, log))
                number += 1
                await asyncio.sleep(max(0.0, began + number / self.per_s - time.monotonic()))
        return log

    async def _send(self, client: httpx.AsyncClient, number: int, log: Log) -> None:
        uploads = number % UPLOADS_EVERY == 5
        method, path = ("POST", UPLOAD) if uploads else ("GET", READS[number % len(READS)])
        answer: httpx.Response | httpx.TransportError = httpx.ConnectError("nobody was asked")
        urls, began = tuple(self.urls), time.monotonic()
        for turn in range(len(urls)):
            answer = await self._ask(client, urls[(number + turn) % len(urls)], method, path)
            if not isinstance(answer, httpx.ConnectError if uploads else httpx.NetworkError):
                break
        log.took_s.append(time.monotonic() - began)
        log.note(f"{method} {path}", answer)
        if uploads and isinstance(answer, httpx.Response) and answer.status_code == 201:
            log.accepted.append(answer.json()["id"])

    async def _ask(
        self, client: httpx.AsyncClient, url: str, method: str, path: str
    ) -> httpx.Response | httpx.TransportError:
        headers = {"Origin": url, "Cookie": f"__Host-session={self.token}"}
        try:
            return await client.request(
                method, url + path, headers=headers, content=self.capture if method == "POST" else None
            )
        except httpx.TransportError as error:
            return error
