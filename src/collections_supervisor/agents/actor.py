"""The supervised task of one agent: it reads the signs of life, lets `step` judge, and carries the verdict out."""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from collections_supervisor.agents.health import first_state, next_due, next_glance, step
from collections_supervisor.agents.ports import Heartbeat, Ports, Runner
from collections_supervisor.agents.state import (
    ActionEnded,
    ActionStarted,
    AgentState,
    AskForSlot,
    Effect,
    Event,
    GiveSlotBack,
    HeartbeatRead,
    RecordMiss,
    Resumed,
    RunAction,
    SlotGranted,
)
from collections_supervisor.agents.view import view
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionRequest, AgentChanged, Emit, Reading
from collections_supervisor.system.emit import write
from collections_supervisor.system.inbox import Inbox

INBOX = 16
"""Events under way at one time: an action says two, a child one, each before its sender can say another."""


class AgentActor:
    """Watches and restarts one agent; `tell` brings its report to the coordinator."""

    def __init__(
        self,
        policy: AgentConfig,
        ports: Ports,
        heartbeat: Heartbeat,
        runner: Runner,
        tell: Callable[[AgentChanged], Awaitable[bool]],
    ) -> None:
        self._policy = policy
        self._ports = ports
        self._heartbeat = heartbeat
        self._runner = runner
        self._tell = tell
        self._log = ports.log
        self._inbox: Inbox[Event] = Inbox(INBOX)
        self._state = first_state(ports.clock.now())
        self._told: AgentState | None = None
        self._reading: Reading | None = None
        self._due = -math.inf
        self._unwritable = ""

    async def run(self) -> None:
        """Supervise until cancelled; then end what runs."""
        try:
            async with anyio.create_task_group() as tasks:
                await self._supervise(tasks)
        finally:
            self._give_slot_back()
            await self._runner.close()

    async def _supervise(self, tasks: TaskGroup) -> None:
        kept = self._ports.store.load(self._policy.name)
        event: Event | None = None
        if kept is not None:
            self._state = kept
            await self._apply(Resumed(), tasks)
        while True:
            now = self._ports.clock.now()
            reading = await self._heartbeat.read(now)
            if reading != self._reading or reading.invalid or event is not None or now.mono >= self._due:
                self._reading = reading
                await self._apply(HeartbeatRead(reading=reading), tasks)
                if event is not None:
                    await self._apply(event, tasks)
                self._due = next_due(self._policy, self._state, now)
            if self._state is not self._told:
                await self._report()
            event = await self._inbox.next(min(self._due, next_glance(self._policy, self._state, now)))

    async def _apply(self, event: Event, tasks: TaskGroup) -> None:
        state, effects = step(self._policy, self._state, event, self._ports.clock.now(), self._ports.jitter())
        if state != self._state:
            self._state = state
            self._ports.store.save(self._policy.name, state)
        for effect in effects:
            await self._carry_out(effect, tasks)

    async def _carry_out(self, effect: Effect, tasks: TaskGroup) -> None:
        match effect:
            case Emit():
                write(self._log, effect)
            case RecordMiss():
                await self._record(effect)
            case AskForSlot():
                tasks.start_soon(self._wait_for_slot)
            case GiveSlotBack():
                self._give_slot_back()
            case RunAction(request=request):
                tasks.start_soon(self._act, request, tasks)
            case _ as never:
                assert_never(never)

    async def _record(self, miss: RecordMiss) -> None:
        now = self._ports.clock.now()
        try:
            await self._heartbeat.record_miss(
                missed=miss.missed, last_heartbeat=miss.last_heartbeat, reason=miss.reason, at=now.wall
            )
        except OSError as error:
            if str(error) != self._unwritable:
                self._unwritable = str(error)
                self._log.warning(
                    "agent.heartbeat.unwritable",
                    message=f"misses of {self._policy.name} cannot be recorded in its heartbeat log; they still count: {error}",
                    agent=self._policy.name,
                    reason=str(error),
                )
        else:
            self._unwritable = ""

    # --- The action under way ---

    async def _wait_for_slot(self) -> None:
        await self._ports.slots.acquire_on_behalf_of(self)
        await self._inbox.put(SlotGranted())

    def _give_slot_back(self) -> None:
        if self in self._ports.slots.statistics().borrowers:
            self._ports.slots.release_on_behalf_of(self)

    async def _act(self, request: ActionRequest, tasks: TaskGroup) -> None:
        try:
            outcome = await self._runner.run(request, partial(self._begin, tasks))
        finally:
            self._give_slot_back()
        await self._inbox.put(ActionEnded(outcome=outcome))
        if outcome.result == "ok":
            tasks.start_soon(self._watch_child)

    async def _begin(self, tasks: TaskGroup) -> bool:
        # Not through the inbox: what counts must be kept before it is begun, or a crash right after would pay twice.
        await self._apply(ActionStarted(at=self._ports.clock.now().wall), tasks)
        return self._state.attempt is not None

    async def _watch_child(self) -> None:
        exited = await self._runner.wait()
        if exited is not None:
            await self._inbox.put(exited)

    # --- The report ---

    async def _report(self) -> None:
        """Tell the coordinator what changed; what it could not take now is told at the next look."""
        # An action that begins meanwhile changes the state: that is told the next time.
        state = self._state
        report = view(self._policy, state, self._ports.clock.now())
        if await self._tell(AgentChanged(report=report, trouble=state.trouble)):
            self._told = state
