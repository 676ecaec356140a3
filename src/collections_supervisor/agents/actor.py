"""The supervised task of one agent: it reads the signs of life, lets `step` judge, and carries the verdict out."""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import assert_never

import anyio
import msgspec
from anyio.abc import TaskGroup

from collections_supervisor.agents.health import first_state, next_due, next_glance, step
from collections_supervisor.agents.miss_lines import MissLines
from collections_supervisor.agents.orders import Asked, Endings, Order, Reconfigured, Retired
from collections_supervisor.agents.ports import Heartbeat, Ports, Runner
from collections_supervisor.agents.signs import moved
from collections_supervisor.agents.silence import is_owned
from collections_supervisor.agents.state import (
    ActionEnded,
    ActionStarted,
    AgentState,
    Answer,
    AskForSlot,
    Effect,
    EndChild,
    Event,
    GiveSlotBack,
    HeartbeatRead,
    PolicyChanged,
    RecordMiss,
    Resumed,
    RunAction,
)
from collections_supervisor.agents.telling import changed
from collections_supervisor.agents.undertaking import Undertaking
from collections_supervisor.agents.work import Work
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionOutcome, ActionRequest, AgentChanged, AgentCommand, Emit, Now, Reading
from collections_supervisor.system.emit import write
from collections_supervisor.system.inbox import Inbox

STALE = 2.0
"""Seconds since the last look beyond which nothing is begun without another: while an attempt is under way it is one a second."""

UNANSWERED = Answer(ok=False, sentence="nothing came of it")
"""What a word came to that nobody understood."""

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
        self._tell = tell
        self._log = ports.log
        self._inbox: Inbox[Event | Order] = Inbox(INBOX)
        self._work = Work(policy.name, ports, runner, self._inbox.put)
        self._misses = MissLines(policy.name, ports.log)
        self._state = first_state(ports.clock.now())
        self._told: AgentState | None = None
        self._reading: Reading | None = None
        self._looked: Now | None = None
        self._seen: anyio.Event | None = None
        """Set at the end of the next look, if somebody waits for it."""
        self._wanted = math.inf
        self._due = -math.inf
        self._answer = UNANSWERED
        self._endings = Endings()
        self._retired = False

    async def run(self) -> None:
        """Supervise until cancelled or retired; then end what runs, but for what is paid for and nobody waits for any more."""
        stopped = False
        try:
            async with anyio.create_task_group() as tasks:
                await self._resume(tasks)
                while not self._retired:
                    await self._take(tasks, await self._next_event())
                self._let_go(tasks)
        except anyio.get_cancelled_exc_class():
            stopped = True
            raise
        finally:
            await self._leave(stopped=stopped)

    async def once(self) -> None:
        """Judge it once, and see an action that this calls for to its end; what is to be proven is for the next sweep."""
        try:
            async with anyio.create_task_group() as tasks:
                await self._resume(tasks)
                while self._acting:
                    await self._take(tasks, await self._next_event())
        finally:
            await self._leave()

    # --- What others want of it; whoever waits for an answer has a deadline of its own ---

    async def ask(self, word: AgentCommand) -> Answer:
        """Take a person's word; what comes of it."""
        asked = Asked(word)
        await self._inbox.put(asked)
        return await asked.wait()

    async def ending(self, action_id: str) -> Answer:
        """How this restart ended, as soon as it has; one that nobody asked for just now has ended already."""
        if self._current != action_id:
            return Answer(ok=False, sentence="it is over already")
        return await self._endings.of(action_id)

    async def reconfigure(self, policy: AgentConfig, heartbeat: Heartbeat | None, runner: Runner) -> None:
        """Go by other settings from now on; without a `heartbeat` the files are read as before."""
        order = Reconfigured(policy, heartbeat, runner)
        await self._inbox.put(order)
        await order.wait()

    async def retire(self) -> None:
        """Watch the agent no longer: a restart that is paid for runs to its end unjudged, a process of ours is ended."""
        await self._inbox.put(Retired())

    @property
    def runner(self) -> Runner:
        """What restarts it at present."""
        return self._work.runner

    @property
    def _current(self) -> str | None:
        """The restart under way."""
        return self._state.attempt.request.action_id if self._state.attempt is not None else None

    @property
    def _acting(self) -> bool:
        attempt = self._state.attempt
        return attempt is not None and attempt.phase != "proving"

    async def _leave(self, *, stopped: bool = False) -> None:
        if self._state.attempt is not None and self._state.attempt.phase == "running":
            # It was ended with us: that is known now, and need not be found out by whoever comes after.
            outcome = ActionOutcome(result="interrupted", cause="the supervisor stopped while it ran")
            for effect in self._judge(ActionEnded(outcome=outcome)):
                if isinstance(effect, Emit):
                    write(self._log, effect)
        if stopped and is_owned(self._policy):
            # It ends with us because somebody stopped us: its next start is a first one again, and no restart.
            self._ports.store.save(self._policy.name, msgspec.structs.replace(self._state, begun=False, child=None))
        self._ports.slots.release(self._policy.name)
        await self._work.runner.close()

    # --- Looking ---

    async def _resume(self, tasks: TaskGroup) -> None:
        """Go on with what was kept, and look for the first time."""
        name = self._policy.name
        # Before anything is awaited: nobody is to have the slot of an action that turns out to be running.
        self._ports.slots.seize(name)
        kept, record = self._ports.store.load(name), await self._ports.journal.read(name)
        tree = await self._work.find(record)
        if kept is not None:
            self._state, self._looked = kept.state, kept.state.looked
        if kept is not None or record is not None:
            excused = kept is not None and kept.excused
            await self._apply(Resumed(record=record, running=tree is not None, excused=excused), tasks)
        standing = self._ports.standing()
        if standing is not None or self._state.pause_all is not None:
            await self._apply(standing or AgentCommand(what="resume", everyone=True), tasks)
        if record is not None and tree is not None and is_owned(self._policy):
            await self._work.runner.adopt(record, tree)
            self._ports.slots.release(name)
            self._attend(tasks)
        elif record is not None and tree is not None:
            tasks.start_soon(self._work.adopt, record, tree)
        else:
            self._ports.slots.release(name)
        await self._look(tasks, None)

    async def _next_event(self) -> Event | Order | None:
        # Anew: a look that took long must not pass for a standstill of ours.
        now = self._ports.clock.now()
        self._wanted = min(self._due, next_glance(self._policy, self._state, now))
        return await self._inbox.next(self._wanted)

    async def _take(self, tasks: TaskGroup, news: Event | Order | None) -> None:
        match news:
            case Asked(word=word):
                self._answer = UNANSWERED
                await self._look(tasks, word)
                news.keep(self._answer)
            case Reconfigured():
                before, self._policy = self._policy, news.policy
                self._heartbeat, self._work.runner = news.heartbeat or self._heartbeat, news.runner
                await self._look(tasks, PolicyChanged(before=before))
                news.keep(None)
            case Retired():
                self._retired = True
            case _:
                await self._look(tasks, news)

    def _let_go(self, tasks: TaskGroup) -> None:
        """Forget the attempt, which leaves an action under way to end by itself; the group is open until it has."""
        self._work.leave_queue()
        if self._seen is not None:
            self._seen.set()
        if not self._acting or is_owned(self._policy):
            tasks.cancel_scope.cancel()
        self._state = msgspec.structs.replace(self._state, attempt=None)

    async def _look(self, tasks: TaskGroup, event: Event | None) -> None:
        now = self._ports.clock.now()
        reading = await self._heartbeat.read(now)
        late = now.mono - self._wanted
        is_news = reading != self._reading or reading.invalid or event is not None
        if is_news or now.mono >= self._due or moved(self._looked, now):
            self._reading = reading
            await self._apply(HeartbeatRead(reading=reading, since=self._looked, late=late), tasks)
            if event is not None:
                await self._apply(event, tasks)
            self._due = next_due(self._policy, self._state, now)
        self._looked = now
        if self._seen is not None:
            self._seen.set()
            self._seen = None
        if self._state is self._told or await self._report():
            self._ports.looked(self._policy.name)

    def _judge(self, event: Event) -> list[Effect]:
        state, effects = step(self._policy, self._state, event, self._ports.clock.now(), self._ports.jitter())
        if state != self._state:
            self._state = state
            self._ports.store.save(self._policy.name, state)
        return effects

    async def _apply(self, event: Event, tasks: TaskGroup) -> None:
        # A line in a file may hang as its disk does: what is to be done comes first.
        for effect in sorted(self._judge(event), key=lambda effect: isinstance(effect, RecordMiss)):
            await self._carry_out(effect, tasks)
        self._endings.settle(self._current)

    async def _carry_out(self, effect: Effect, tasks: TaskGroup) -> None:
        match effect:
            case Emit():
                write(self._log, effect)
                self._endings.note(effect)
            case Answer():
                self._answer = effect
            case RecordMiss():
                await self._misses.write(self._heartbeat, effect, self._ports.clock.now().wall)
            case AskForSlot(request=request):
                tasks.start_soon(self._work.wait_for_slot, request.action_id)
            case GiveSlotBack():
                self._work.leave_queue()
                self._ports.slots.release(self._policy.name)
            case RunAction(request=request):
                tasks.start_soon(self._act, request, tasks)
            case EndChild():
                tasks.start_soon(self._work.end_child)
            case _ as never:
                assert_never(never)

    # --- The action under way ---

    async def _act(self, request: ActionRequest, tasks: TaskGroup) -> None:
        undertaking = Undertaking(self._policy, self._ports, request, partial(self._begin, tasks))
        outcome = await self._work.act(request, undertaking)
        if self._is_current(request):
            await self._inbox.put(ActionEnded(outcome=outcome))
        if outcome.result == "ok":
            self._attend(tasks)

    def _attend(self, tasks: TaskGroup) -> None:
        """See to it that somebody waits for news of a process of ours once there is some."""
        watch = partial(tasks.start_soon, self._work.watch_child)
        if not self._work.runner.when_news(watch):
            watch()

    async def _begin(self, tasks: TaskGroup, request: ActionRequest, started: ActionStarted) -> AgentState | None:
        stale = self._looked is None or self._ports.clock.now().mono > self._looked.mono + STALE
        if stale and not self._retired:
            # We stood still: it may have come back meanwhile, and the cheapest restart is the one that is not made.
            self._seen = self._seen or anyio.Event()
            await self._seen.wait()
        # Not through the inbox: what counts must be kept before it is begun, or a crash right after would pay twice.
        if self._is_current(request):
            await self._apply(started, tasks)
        return self._state if self._is_current(request) else None

    def _is_current(self, request: ActionRequest) -> bool:
        return self._state.attempt is not None and self._state.attempt.request == request

    # --- The report ---

    async def _report(self) -> bool:
        """Tell the coordinator what changed; what it could not take now is told at the next look."""
        # An action that begins meanwhile changes the state: that is told the next time.
        state = self._state
        heard = await self._tell(changed(self._policy, state, self._ports.clock.now()))
        if heard:
            self._told = state
        return heard
