"""What processes of ours that ended may have left running in other sessions: ended once their successors run, for all at once."""

from collections import defaultdict

import anyio
import msgspec
from anyio.abc import TaskGroup
from structlog.typing import FilteringBoundLogger

from collections_supervisor.system.process_tree import Tree, end_trees
from collections_supervisor.system.shutdown import Shutdown

GATHER = 1.0
"""Seconds in which ends come together: looking through all processes of a machine is dear, and none of this is urgent."""

END = 15.0


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """The tree of a process that has ended, and how the rest of it is to be."""

    agent: str
    tree: Tree
    signal: int
    grace: float


class Strays:
    """Those that nobody has looked for yet."""

    def __init__(self) -> None:
        self._waiting: list[Stray] = []
        self._news = anyio.Event()

    def add(self, stray: Stray) -> None:
        """Have it looked for."""
        self._waiting.append(stray)
        self._news.set()

    def take(self, agent: str) -> list[Stray]:
        """Those of one agent, for whoever ends all that there is of it."""
        taken = [stray for stray in self._waiting if stray.agent == agent]
        if taken:
            self._waiting = [stray for stray in self._waiting if stray.agent != agent]
        return taken

    async def gathered(self) -> list[Stray]:
        """Wait for some; all that came together."""
        while not self._waiting:
            await self._news.wait()
            self._news = anyio.Event()
            await anyio.sleep(GATHER)
        taken, self._waiting = self._waiting, []
        return taken


class Sweeper:
    """Ends strays, those of all agents with the same looks."""

    def __init__(self, strays: Strays, shutdown: Shutdown, log: FilteringBoundLogger) -> None:
        self._strays = strays
        self._shutdown = shutdown
        self._log = log

    async def run(self) -> None:
        """Sweep until cancelled; what is being ended then is ended."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._sweep(await self._strays.gathered(), tasks)

    def _sweep(self, strays: list[Stray], tasks: TaskGroup) -> None:
        alike: defaultdict[tuple[int, float], list[Stray]] = defaultdict(list)
        for stray in strays:
            alike[stray.signal, stray.grace].append(stray)
        for (signal, grace), some in alike.items():
            tasks.start_soon(self._end, some, signal, grace)

    async def _end(self, strays: list[Stray], signal: int, grace: float) -> None:
        with anyio.move_on_after(grace + END, shield=True):
            left = await end_trees(
                [stray.tree for stray in strays],
                grace=self._shutdown.bounded(grace),
                signal=signal,
                kill_now=self._shutdown.kill_now,
            )
            if left:
                agents = ", ".join(sorted({stray.agent for stray in strays}))
                self._log.error(
                    "agent.restart.survivors",
                    message=f"{len(left)} processes that were left behind by {agents} could not be ended",
                    agent=agents,
                    pids=" ".join(str(pid) for pid in left),
                )
