"""Deletes a task: first its rows, then its run, then its files, so that nothing is listed that is not there."""

import asyncio

from pcap_analyzer.services import tasks
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.web.deps import RequestDatabase
from pcap_analyzer.web.runtime import Runtime


async def remove(runtime: Runtime, data: RequestDatabase, viewer: Viewer, task_id: str) -> None:
    """Raises NotFound when there is no such task for this viewer."""
    leftovers = await data.write(lambda session: tasks.delete(session, viewer, task_id))
    await runtime.dispatcher.cancel(task_id)
    await asyncio.to_thread(tasks.remove_leftovers, runtime.storage, leftovers)
