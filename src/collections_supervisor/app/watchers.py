"""The supervised task of each agent: begun, changed and ended one by one while the others go on."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import anyio
from anyio.abc import TaskGroup
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.actor import AgentActor
from collections_supervisor.agents.state import Answer
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActorCrashed, AgentCommand
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.supervision import supervise

HEARD_WITHIN = 5.0
"""Seconds that an agent's task has to take a word in; a look at files on a disk that hangs takes as long."""

CRASHED = Answer(ok=False, sentence="the task that watches it crashed and begins again by itself: try again in a minute")
QUEUED = Answer(ok=False, sentence="it waits for the end of what was begun before it was taken out: try again then")
"""What that is can only be a restart that is paid for, or a process of ours that does not end at once."""

SILENT = Answer(ok=False, sentence=f"the task that watches it did not answer within {HEARD_WITHIN:g} s; it may still do it")


class Watcher:
    """One agent's task, over its crashes."""

    def __init__(self, policy: AgentConfig, make: Callable[[AgentConfig], AgentActor], before: "Watcher | None") -> None:
        """`before` watched an agent of this name until it was taken out, and may not have ended yet."""
        self.policy = policy
        self.actor: AgentActor | None = None
        """None while there is none: after a crash, and until it is its turn."""
        self._make = make
        self._before = before
        self._retired = False
        self.scope = anyio.CancelScope()
        """In which it is watched: `retire` leaves it where there is nothing that has to end by itself."""
        self._ended = False
        self._end: anyio.Event | None = None
        """Set at its end, if somebody waits for that."""

    async def turn(self) -> None:
        """Wait for it: one restart at a time, also where it is one that was begun before it was watched no longer."""
        if self._before is not None:
            await self._before.wait()
            self._before = None

    async def ask(self, word: AgentCommand) -> Answer:
        """Give the task a person's word; what came of it."""
        if self.actor is None:
            return CRASHED if self._before is None else QUEUED
        with anyio.move_on_after(HEARD_WITHIN):
            return await self.actor.ask(word)
        return SILENT

    async def run(self) -> None:
        """Watch by the present settings until the agent is retired, or cancelled."""
        if self._retired:
            return
        self.actor = self._make(self.policy)
        try:
            await self.actor.run()
        finally:
            self.actor = None

    def note_end(self) -> None:
        """It is over."""
        self._ended = True
        if self._end is not None:
            self._end.set()

    async def wait(self) -> None:
        """Wait until it is over."""
        if not self._ended:
            self._end = self._end or anyio.Event()
            await self._end.wait()

    async def retire(self) -> None:
        """Have it end, at the latest with the restart that runs."""
        self._retired = True
        if self.actor is None:
            self.scope.cancel()
            return
        with anyio.move_on_after(HEARD_WITHIN):
            await self.actor.retire()


class Watchers:
    """All agents that are watched, by name. `open` first."""

    def __init__(
        self,
        make: Callable[[AgentConfig], AgentActor],
        retired: Callable[[str], None],
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        crashed: Callable[[ActorCrashed], Awaitable[object]],
    ) -> None:
        """`make` gives a new task for an agent; `retired` is called with the name of one that is watched no longer."""
        self._make = make
        self._retired = retired
        self._supervised = partial(supervise, clock=clock, log=log, crashed=crashed)
        self._watchers: dict[str, Watcher] = {}
        self._leaving: dict[str, Watcher] = {}
        """Who is watched no longer and has a restart that is paid for and still runs."""
        self._tasks: TaskGroup | None = None

    def open(self, tasks: TaskGroup, policies: Iterable[AgentConfig]) -> None:
        """Watch these agents, and those to come, in these tasks."""
        self._tasks = tasks
        for policy in policies:
            self.begin(policy)

    def begin(self, policy: AgentConfig) -> None:
        """Watch this agent too."""
        if self._tasks is None:
            return
        watcher = self._watchers[policy.name] = Watcher(policy, self._make, self._leaving.get(policy.name))
        self._tasks.start_soon(self._watch, watcher, name=f"agent {policy.name}")

    async def _watch(self, watcher: Watcher) -> None:
        name = watcher.policy.name
        await watcher.turn()
        try:
            with watcher.scope:
                await self._supervised(f"agent {name}", lambda: watcher, agent=name)
        finally:
            watcher.note_end()
        if self._leaving.get(name) is watcher:
            del self._leaving[name]
        if name not in self._watchers:
            self._retired(name)

    async def retire(self, name: str) -> None:
        """Watch this agent no longer."""
        watcher = self._watchers.pop(name)
        self._leaving[name] = watcher
        await watcher.retire()

    async def change(self, policy: AgentConfig, reconfigure: Callable[[AgentActor, AgentConfig], Awaitable[None]]) -> None:
        """Watch it by other settings from now on."""
        watcher = self._watchers[policy.name]
        watcher.policy = policy
        if watcher.actor is not None:
            with anyio.move_on_after(HEARD_WITHIN):
                await reconfigure(watcher.actor, policy)

    # --- What a person wants ---

    @property
    def names(self) -> tuple[str, ...]:
        """Who is watched."""
        return tuple(self._watchers)

    def policy(self, name: str) -> AgentConfig | None:
        """The settings by which this agent is watched; None if it is not."""
        watcher = self._watchers.get(name)
        return watcher.policy if watcher is not None else None

    async def ask(self, name: str, word: AgentCommand) -> Answer:
        """Give an agent's task a person's word; what came of it."""
        return await self._watchers[name].ask(word)

    async def ask_all(self, word: AgentCommand) -> dict[str, Answer]:
        """The same for all of them at one time, by name; whoever is let go meanwhile is none of them."""
        answers: dict[str, Answer] = {}

        async def one(name: str) -> None:
            watcher = self._watchers.get(name)
            if watcher is None:
                return
            answer = await watcher.ask(word)
            if self._watchers.get(name) is watcher:
                answers[name] = answer

        async with anyio.create_task_group() as tasks:
            for name in self.names:
                tasks.start_soon(one, name)
        return answers

    async def ending(self, name: str, action_id: str, within: float) -> Answer:
        """How a restart ended, if that is known within so many seconds."""
        watcher = self._watchers.get(name)
        if watcher is not None and watcher.actor is not None:
            with anyio.move_on_after(within):
                return await watcher.actor.ending(action_id)
        return Answer(ok=False, sentence=f"nobody knows yet how the restart of {name} ended: look at its status")
