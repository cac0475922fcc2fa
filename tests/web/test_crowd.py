"""A crowd uses the service while its PostgreSQL restarts, is upgraded, or lies behind PgBouncer."""

from pathlib import Path

from tests.needs import need
from tests.postgres import Server
from tests.web import crowd
from tests.web.crowd import Crowd


async def test_a_crash_of_the_server_costs_a_while_and_nothing_that_was_accepted(
    tmp_path: Path, capture: bytes
) -> None:
    need("postgresql")

    seen = await crowd.restart_under_load(tmp_path, Crowd(capture, per_s=20, before_s=1.5, after_s=1.5))

    assert seen.log.wrong == []
    assert seen.missing == []
    assert seen.log.accepted
    assert seen.took_s < 30


async def test_an_upgrade_and_a_restart_of_each_process_go_unnoticed(
    cluster: Server, tmp_path: Path, capture: bytes
) -> None:
    seen = await crowd.roll_over(tmp_path, cluster, Crowd(capture, per_s=20, before_s=1, after_s=1), processes=2)

    assert seen.log.wrong == []
    assert seen.log.failures == 0
    assert seen.missing == []
    assert seen.log.accepted


async def test_four_processes_share_a_small_pgbouncer(cluster: Server, tmp_path: Path, capture: bytes) -> None:
    need("pgbouncer")

    seen = await crowd.through_pgbouncer(tmp_path, cluster, Crowd(capture, per_s=20, before_s=3, after_s=0), 4)

    assert seen.log.wrong == []
    assert seen.log.failures == 0
    assert seen.missing == []
    assert seen.log.accepted
