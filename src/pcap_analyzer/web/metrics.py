"""Figures for Prometheus, one set per process: connections, queries, repeated transactions, requests, the queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pcap_analyzer.settings import Settings
from pcap_analyzer.store.session import Database

WAITS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 10)
QUERIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30)
REQUESTS_S = (0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
log = logging.getLogger(__name__)


class Metrics:
    """Observes the database (store/observing.py) and the requests of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        kept = self.registry
        self._waits = Histogram(
            "pcap_database_wait_seconds", "Waits for a connection of the pool", buckets=WAITS_S, registry=kept
        )
        self._queries = Histogram(
            "pcap_database_query_seconds", "Queries by name", ("query",), buckets=QUERIES_S, registry=kept
        )
        self._retries = Counter("pcap_database_retries", "Transactions that were run again", ("reason",), registry=kept)
        self._tasks = Gauge("pcap_tasks", "Analyses that wait or run", ("status",), registry=kept)
        self._leads = Gauge("pcap_dispatcher_leads", "1 where analyses are run by this process", registry=kept)
        self._requests = Histogram(
            "pcap_http_request_seconds",
            "Requests by route",
            ("method", "route", "status"),
            buckets=REQUESTS_S,
            registry=kept,
        )

    def queried(self, name: str, seconds: float) -> None:
        self._queries.labels(name).observe(seconds)

    def waited(self, seconds: float) -> None:
        self._waits.observe(seconds)

    def retried(self, why: str) -> None:
        self._retries.labels(why).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).observe(seconds)

    def queued(self, status: str, count: int) -> None:
        """So many tasks have that status."""
        self._tasks.labels(status).set(count)

    def leading(self, leads: bool) -> None:
        self._leads.set(leads)

    def watch(self, database: Database) -> None:
        """Ask the pool and the replica whenever somebody asks us; where there is none, there is no figure of it."""
        pool, replica, kept = database.pool(), database.replica, self.registry
        if pool is not None:
            Gauge("pcap_database_pool_size", "Connections that the pool keeps at most", registry=kept).set(pool.size)
            in_use = Gauge("pcap_database_pool_in_use", "Connections that are in use", registry=kept)
            in_use.set_function(lambda: float(now.in_use) if (now := database.pool()) else 0.0)
        if replica is not None:
            lag = Gauge(
                "pcap_database_replica_lag_seconds", "How far the replica is behind; -1: not known", registry=kept
            )
            lag.set_function(lambda: -1.0 if (lag_s := replica.lag_s) is None else lag_s)

    def text(self) -> bytes:
        """Everything in Prometheus' own format, which is `CONTENT_TYPE`."""
        return generate_latest(self.registry)


@contextmanager
def served_apart(metrics: Metrics, settings: Settings) -> Iterator[None]:
    """Answer on METRICS_PORT, where it is set, until the block ends."""
    if settings.metrics_port is None:
        yield
        return
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, metrics.registry)
    except OSError as error:
        # Of several processes on one machine the first gets the port; the others serve all the same.
        log.warning("metrics are not served on %s:%d: %s", settings.metrics_host, settings.metrics_port, error.strerror)
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Measured:
    """Tells the metrics of every answer; a request that ends without one counts as 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in METHODS else "OTHER"  # a sender may invent any
            self._metrics.answered(method, route, status, time.perf_counter() - began)
