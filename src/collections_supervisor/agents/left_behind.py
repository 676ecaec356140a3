"""What an earlier life of ours started for agents that are configured no longer: they were taken out while we were dead."""

from collections.abc import Callable, Collection

import anyio

from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.agents.orphan import Orphan
from collections_supervisor.agents.resuming import ended
from collections_supervisor.agents.state import ActionRecord
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.system.process_adopt import find_tree
from collections_supervisor.system.process_tree import Tree

GRACE = 10.0
"""Seconds that a process has to end: how it was to be stopped went with its settings."""


class LeftBehind:
    """Looks once, at the start: nobody else would ever look for these."""

    def __init__(self, journal: FileJournal, place: Workplace, boot_id: str, configured: Callable[[], Collection[str]]) -> None:
        """`configured` gives the names of those who have a task of their own, which sees to what there is of them."""
        self._journal = journal
        self._place = place
        self._boot_id = boot_id
        self._configured = configured
        self.over = anyio.Event()
        """Set when nothing is left of them."""

    async def run(self) -> None:
        """End the processes of ours, and tell of the restarts that are paid for, which run to their end."""
        try:
            async with anyio.create_task_group() as tasks:
                for record in await self._journal.others(self._configured()):
                    if record.ended or record.boot_id != self._boot_id:
                        continue
                    tree = await _found(record)
                    if record.request.agent in self._configured():
                        continue
                    owned = bool(record.settings)
                    if tree is not None:
                        self._tell(record, tree, owned=owned)
                    if owned:
                        tasks.start_soon(self._end, record, tree)
        finally:
            self.over.set()

    async def _end(self, record: ActionRecord, tree: Tree | None) -> None:
        if tree is None and record.pid:
            # It ended while nobody watched: what it started may run on.
            tree = Tree(pid=record.pid, start_time=record.start_time, marker=record.request.action_id)
        if tree is not None:
            grace = self._place.shutdown.bounded(GRACE)
            await self._place.end(record.request.agent, Orphan(tree), grace=grace)
        # What even SIGKILL did not end is for the next start to try again; whoever has a task by now writes its own record.
        if await _found(record) is None and record.request.agent not in self._configured():
            await self._journal.write(ended(record))

    def _tell(self, record: ActionRecord, tree: Tree, *, owned: bool) -> None:
        name = record.request.agent
        what = "its process still runs and is ended" if owned else "a restart of it still runs and is left to its end"
        self._place.log.warning(
            "agent.left_behind",
            message=f"{name} is configured no longer, but {what}",
            agent=name,
            pid=tree.pid or None,
            action_id=record.request.action_id,
            ended=owned,
        )


async def _found(record: ActionRecord) -> Tree | None:
    return await find_tree(record.pid, record.start_time, record.request.action_id)
