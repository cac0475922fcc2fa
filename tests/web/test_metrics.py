"""Figures for Prometheus: for who has the token, or on a port of their own."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pcap_analyzer.settings import Settings
from pcap_analyzer.web.metrics import Metrics, served_apart
from tests.daemons import free_port
from tests.web.house import House, open_house

TOKEN = "a token of this test"


def figures(text: str) -> dict[str, float]:
    """Samples by name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("given", [None, "Bearer ", "Bearer another", TOKEN, f"bearer {TOKEN}"])
async def test_without_the_token_there_is_no_such_page(tmp_path: Path, given: str | None) -> None:
    async with open_house(tmp_path, metrics_token=TOKEN) as house, house.client() as client:
        answer = await client.get("/metrics", headers={} if given is None else {"Authorization": given})

    assert answer.status_code == 404


async def test_where_no_token_is_set_nobody_gets_the_figures(house: House) -> None:
    async with house.client() as client:
        answer = await client.get("/metrics", headers={"Authorization": "Bearer "})

    assert answer.status_code == 404


async def test_requests_are_counted_by_route_and_status(tmp_path: Path) -> None:
    async with open_house(tmp_path, metrics_token=TOKEN) as house, house.client() as client:
        for path in ("/login", "/tasks/one", "/nowhere"):
            await client.get(path)
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    seen = figures(answer.text)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for route, status in (("/login", "200"), ("/tasks/{task_id}", "401"), ("other", "404")):
        labels = [("method", "GET"), ("route", route), ("status", status)]
        assert seen[f"pcap_http_request_seconds_count{labels}"] == 1
    assert seen["pcap_database_wait_seconds_count[]"] > 0


async def test_invented_methods_and_addresses_make_one_series(house: House) -> None:
    async with house.client() as client:
        for number in range(5):
            await client.request(f"INVENTED{number}", f"/login{number}")
            await client.request(f"INVENTED{number}", "/login")
            await client.get(f"/static/{number}.js")
    seen = figures(house.runtime.metrics.text().decode())

    counted = {series: value for series, value in seen.items() if series.startswith("pcap_http_request_seconds_count")}
    labels = [[("method", "OTHER"), ("route", "other"), ("status", "404")]]
    labels += [[("method", "OTHER"), ("route", "/login"), ("status", "405")]]
    labels += [[("method", "GET"), ("route", "other"), ("status", "404")]]
    assert counted == {f"pcap_http_request_seconds_count{series}": 5 for series in labels}


async def test_without_a_replica_no_lag_is_shown(house: House) -> None:
    assert b"replica_lag" not in house.runtime.metrics.text()


async def test_a_mistake_is_counted_as_500(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def mistaken(*_given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pcap_analyzer.services.tasks.overview", mistaken)
    async with open_house(tmp_path) as house, house.client(await house.admin()) as client:
        await client.get("/")
        seen = figures(house.runtime.metrics.text().decode())

    labels = [("method", "GET"), ("route", "/"), ("status", "500")]
    assert seen[f"pcap_http_request_seconds_count{labels}"] == 1


@pytest.mark.parametrize("foundation", ["postgresql"], indirect=True)
async def test_the_pool_is_shown_as_it_is(house: House) -> None:
    async with house.runtime.database.reading():
        seen = figures(house.runtime.metrics.text().decode())

    assert seen["pcap_database_pool_size[]"] == 10
    assert seen["pcap_database_pool_in_use[]"] >= 1


def test_a_port_of_their_own_needs_no_token() -> None:
    port, metrics = free_port(), Metrics()
    metrics.retried("40001")
    with served_apart(metrics, Settings(metrics_port=port)):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text

    assert figures(text)["pcap_database_retries_total[('reason', '40001')]"] == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")


def test_a_port_that_another_process_has_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(metrics_port=free_port())
    with served_apart(Metrics(), settings), served_apart(Metrics(), settings):
        pass

    assert "metrics are not served on 127.0.0.1" in caplog.text
