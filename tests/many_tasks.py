"""A database as a busy team fills it: many tasks, spread over owners and statuses as they are."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, text

from pcap_analyzer.store.connections import tool_connection
from pcap_analyzer.store.models import Role, Task, TaskStatus, User
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.store.urls import DatabaseUrls

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 2_000
OTHERS = 200
FEW = 20
RUNNING, WAITING = 4, 30


@dataclass(frozen=True)
class Crowd:
    """Who looks: somebody with most of the tasks, somebody with FEW, an administrator; and who waits for approval."""

    many: Viewer
    few: Viewer
    admin: Viewer
    pending: tuple[str, ...]


async def fill(urls: DatabaseUrls, *, tasks: int, pending: int = 0) -> Crowd:
    """`tasks` tasks of some 200 people, and `pending` accounts that wait for approval."""
    names = ["many", "few", "root", *(f"other-{number}" for number in range(OTHERS))]
    ids = {name: str(uuid.uuid4()) for name in names}
    waiting = {f"pending-{number}": str(uuid.uuid4()) for number in range(pending)}

    def work(connection: Connection) -> None:
        everybody = ids | waiting
        connection.execute(insert(User), [_user(name, key, approved=name in ids) for name, key in everybody.items()])
        rows = list(_tasks(ids, tasks))
        for begin in range(0, len(rows), BATCH):
            connection.execute(insert(Task), rows[begin : begin + BATCH])
        connection.commit()

    async with tool_connection(urls.direct, "fill") as connection:
        await connection.run_sync(work)
        if connection.dialect.name == "postgresql":  # which it does by itself, some time later
            raw = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await raw.execute(text("VACUUM ANALYZE"))
    return Crowd(
        Viewer(ids["many"], is_admin=False),
        Viewer(ids["few"], is_admin=False),
        Viewer(ids["root"], is_admin=True),
        tuple(waiting.values()),
    )


def _user(name: str, key: str, *, approved: bool) -> dict[str, object]:
    role = Role.ADMIN if name == "root" else Role.USER
    values = {"id": key, "username": name, "email": f"{name}@corp.example", "hashed_password": "hash", "role": role}
    return values | {"is_approved": approved, "approved_at": NOW if approved else None, "created_at": NOW}


def _tasks(ids: dict[str, str], count: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        at = NOW + timedelta(seconds=30 * number)
        completed = _status(number, count) is TaskStatus.COMPLETED
        yield {
            "task_id": str(uuid.uuid4()),
            "filename": f"capture-{number}.pcapng",
            "status": _status(number, count),
            "uploaded_at": at,
            "created_at": at,
            "analyzed_at": at if completed else None,
            "owner_id": _owner(ids, number, count),
            "file_size_bytes": 10_000_000,
            "total_packets": 20_000 if completed else None,
            "capture_key": f"captures/{number}",
            "report_key": f"results/{number}/report.json" if completed else None,
            "attempt": 1,
            "verdict_cause": "server_slow" if completed else None,
            "verdict_severity": "high" if completed else None,
            "verdict_headline": "The server is slow" if completed else None,
            "verdict_sentence": "The server took 2.1 s to answer what others answer in 20 ms." if completed else None,
            "waiting_shares": [["server_thinking", 0.8], ["path_delay", 0.2]] if completed else None,
        }


def _status(number: int, count: int) -> TaskStatus:
    if number >= count - WAITING:
        return TaskStatus.PENDING
    if number >= count - WAITING - RUNNING:
        return TaskStatus.PROCESSING
    rare = {0: TaskStatus.FAILED, 1: TaskStatus.EXPIRED, 2: TaskStatus.CANCELLED}
    return rare.get(number % 50, TaskStatus.COMPLETED)


def _owner(ids: dict[str, str], number: int, count: int) -> str:
    if number % (count // FEW) == 3:
        return ids["few"]
    return ids["many"] if number % 10 < 6 else ids[f"other-{number % OTHERS}"]
