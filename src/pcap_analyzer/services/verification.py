"""Checks a deployment: its database, and what the rows name against what lies in the data folder, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pcap_analyzer.errors import AppError, ResultUnreadable
from pcap_analyzer.services import old_reports, results
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.models import Task, TaskStatus
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls
from pcap_analyzer.store.verify import rows
from pcap_analyzer.store.verify.check import Check, failure, some, warning, well
from pcap_analyzer.store.verify.database import verify_database

PAGE = 2000
CAPTURES, RESULTS = "captures", "results"


@dataclass(frozen=True)
class Scope:
    """What is looked at."""

    deep: bool = False  # every report and, on SQLite, every index too
    processes: int = 1  # of the service, which share a PostgreSQL server


USUAL = Scope()


@dataclass
class Seen:
    """What the rows say, gathered page by page."""

    captures: set[str] = field(default_factory=set)  # keys that rows name
    tasks: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)  # key -> task
    unreadable: list[str] = field(default_factory=list)  # tasks
    lost_old_reports: list[str] = field(default_factory=list)  # tasks
    files: int = 0


async def verify(
    urls: DatabaseUrls, options: EngineOptions, storage: Storage, scope: Scope = USUAL
) -> tuple[Check, ...]:
    """All checks; nothing is changed, and the service may run meanwhile."""
    report = await verify_database(urls, options, deep=scope.deep, processes=scope.processes)
    if not report.usable:
        return report.checks
    database = open_database(urls, options)
    try:
        return (*report.checks, *await _verify_files(database, storage, deep=scope.deep))
    finally:
        await database.close()


async def _verify_files(database: Database, storage: Storage, *, deep: bool) -> tuple[Check, ...]:
    try:
        # Files first: whatever is stored from now on has no row yet, or has one that is read below.
        found = await asyncio.to_thread(_files, storage.folder)
        noted = await asyncio.to_thread(storage.unconfirmed)
        seen = await _rows(database, storage, deep=deep)
        missing = await _still_missing(database, storage, seen.missing)
    except AppError as error:
        return (failure("files", str(error)),)
    strays = [key for key in _strays(found, seen, frozenset(noted)) if (storage.folder / key).exists()]
    secrets = await database.read(rows.clear_text_secrets)
    return (
        _missing(missing, seen),
        _without_row(strays),
        *(_reports(seen.unreadable) if deep else ()),
        _old_reports(seen.lost_old_reports),
        _notes(noted),
        _secrets(secrets),
    )


async def _rows(database: Database, storage: Storage, *, deep: bool) -> Seen:
    seen = Seen()
    after: str | None = None
    while True:

        async def page(session: AsyncSession, last: str | None = after) -> Sequence[Task]:
            return await rows.tasks_after(session, last, PAGE)

        tasks = await database.read(page)
        if not tasks:
            return seen
        await asyncio.to_thread(_look_at, seen, storage, tasks, deep=deep)
        after = tasks[-1].task_id


def _look_at(seen: Seen, storage: Storage, tasks: Sequence[Task], *, deep: bool) -> None:
    for task in tasks:
        seen.tasks.add(task.task_id)
        if task.capture_key is not None:
            seen.captures.add(task.capture_key)
        keys = [key for key in (task.capture_key, task.report_key) if key is not None]
        gone = [key for key in keys if not (storage.folder / key).is_file()]
        seen.files += len(keys)
        # Files of an analysis that expires go before its row forgets them.
        if task.status is not TaskStatus.EXPIRED:
            seen.missing.update(dict.fromkeys(gone, task.task_id))
        if deep and task.report_key is not None and task.report_key not in gone and not _parses(storage, task):
            seen.unreadable.append(task.task_id)
        if _has_lost_old_reports(storage, task):
            seen.lost_old_reports.append(task.task_id)


def _parses(storage: Storage, task: Task) -> bool:
    try:
        results.load(storage, task)
    except ResultUnreadable:
        return False
    return True


def _has_lost_old_reports(storage: Storage, task: Task) -> bool:
    named = {kind for kind, _ in old_reports.paths_of(task)}
    kept = set(old_reports.available(storage, task))
    return old_reports.is_of_an_earlier_release(task) and bool(named - kept)


async def _still_missing(database: Database, storage: Storage, missing: dict[str, str]) -> list[str]:
    """A task that was removed in the meantime misses nothing."""
    if not missing:
        return []
    named: set[str] = set()
    owners = sorted(set(missing.values()))
    for start in range(0, len(owners), PAGE):

        async def again(session: AsyncSession, some_ids: list[str] = owners[start : start + PAGE]) -> frozenset[str]:
            return await rows.keys_still_named(session, some_ids)

        named |= await database.read(again)
    return sorted(key for key in missing if key in named and not (storage.folder / key).is_file())


def _files(folder: Path) -> tuple[str, ...]:
    """Captures, and folders of results, by key."""
    found = [f"{name}/{path.name}" for name in (CAPTURES, RESULTS) for path in _inside(folder / name)]
    return tuple(sorted(found))


def _inside(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from folder.iterdir()


def _strays(found: Sequence[str], seen: Seen, noted: frozenset[str]) -> Iterator[str]:
    """Files that no row names; what is noted as unconfirmed is on its way in and told of elsewhere."""
    for key in found:
        folder, _, name = key.partition("/")
        if key not in noted and (key not in seen.captures if folder == CAPTURES else name not in seen.tasks):
            yield key


def _missing(missing: list[str], seen: Seen) -> Check:
    if not missing:
        return well("missing files", f"{seen.files} files that rows name are there.")
    return failure(
        "missing files",
        f"Rows name files that are gone: {some(missing)}. Put them back from a backup of the data folder, or remove "
        "these analyses in the browser.",
    )


def _without_row(strays: list[str]) -> Check:
    if not strays:
        return well("files without a row", "Every capture and report belongs to an analysis.")
    return failure(
        "files without a row",
        f"No analysis names {some(strays)}, and nobody can see or remove it there: move it out of the data folder, or "
        "restore the database that it belongs to.",
    )


def _reports(unreadable: list[str]) -> Iterator[Check]:
    if unreadable:
        yield failure(
            "reports",
            f"The reports of {some(unreadable)} were changed or damaged: analyse the captures again, or put the files "
            "back from a backup.",
        )
    else:
        yield well("reports", "Every report can be read.")


def _old_reports(lost: list[str]) -> Check:
    if not lost:
        return well("old reports", "Every report of an earlier release is there.")
    return warning(
        "old reports",
        f"Reports that an earlier release made are not where the rows say: {some(lost)}. Copy that release's folder "
        "into the data folder.",
    )


def _notes(noted: Sequence[str]) -> Check:
    if not noted:
        return well("uploads", "Nothing was left half received.")
    return warning(
        "uploads", f"{some(noted)} is being received, or was when the service ended: its next start clears that up."
    )


def _secrets(count: int) -> Check:
    if not count:
        return well("secrets", "No secret lies in the database in clear text.")
    return warning(
        "secrets", f"{count} secrets of two-factor logins are in clear text: the next start of the service seals them."
    )
