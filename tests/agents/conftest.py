"""A world around the pure judgement of one agent: files, restarts and time, all of them made up."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents import view
from collections_supervisor.agents.health import first_state, next_due, next_glance, step
from collections_supervisor.agents.saved import decode, encode
from collections_supervisor.agents.state import (
    ActionEnded,
    ActionRecord,
    ActionStarted,
    AgentState,
    Answer,
    AskForSlot,
    ChildExited,
    Effect,
    EndChild,
    Event,
    GiveSlotBack,
    HeartbeatRead,
    RecordMiss,
    Resumed,
    RunAction,
    SlotGranted,
)
from collections_supervisor.config.schema import AgentConfig, Backoff, LogSource, RestartPolicy
from collections_supervisor.messages import ActionOutcome, ActionRequest, AgentReport, Beat, Emit, Now, Reading, StaleLine

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What one restart does: how long it takes, how it ends, and when after its start the agent beats again."""

    duration: float = 1.0
    outcome: ActionOutcome = ActionOutcome(result="ok")
    beat_after: float | None = None


class World:
    """One agent and its surroundings, driven by the judgement's own idea of when to look next."""

    def __init__(
        self, policy: AgentConfig, restart: Callable[[int], Script], *, jitter: float = 0.0, glance: float = 0.0
    ) -> None:
        self.policy = policy
        self.restart = restart
        self.jitter = jitter
        self.glance = glance
        """Look at the files no more often than this; a long story need not be told second by second."""
        self.now = 1000.0
        self.offset = 0.0
        """What the wall clock was set forward by, and the time asleep, which monotonic time leaves out."""
        self.slept = 0.0
        self.looked: Now | None = None
        self.state: AgentState = first_state(self.clock())
        self.beats: list[Beat] = []
        self.lines: list[StaleLine] = []
        self.records = True
        """Whether misses can be written into its log."""
        self.future: Beat | None = None
        self.status: Any = None
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.ended_by_hand: list[float] = []
        self.requests: list[ActionRequest] = []
        self.running = 0
        self.overlapped = False
        self.log: list[Emit] = []
        self.answers: list[Answer] = []
        self.statuses: list[tuple[float, str]] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._fresh: list[bool] = []
        self._ending: Callable[[], None] | None = None

    def clock(self) -> Now:
        return Now(mono=self.now, wall=self.wall(self.now), slept=self.slept)

    def wall(self, instant: float) -> datetime:
        return EPOCH + timedelta(seconds=instant + self.offset)

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: only the wall goes on."""
        self.slept += seconds
        self.offset += seconds

    def set_clock(self, by: float) -> None:
        """Somebody sets the wall clock."""
        self.offset += by

    def look(self, late: float = 0.0) -> None:
        """Read the files and judge."""
        now = self.clock()
        self.handle(HeartbeatRead(reading=self.reading(), since=self.looked, late=late))
        self.looked = now

    def stand_still(self, seconds: float) -> None:
        """Our process is stopped for so long, while time goes on for everybody else; then it looks."""
        wanted = min(next_due(self.policy, self.state, self.clock()), next_glance(self.policy, self.state, self.clock()))
        self._pass(seconds)
        self.look(late=self.now - wanted)

    # --- The outside ---

    def at(self, instant: float, happen: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (instant, self._count, happen))

    def beat(self, instant: float | None = None, **said: Any) -> None:
        """The agent beats now, or at that instant."""
        when = self.now if instant is None else instant
        self.at(when, lambda: self._beat(Beat(**{"stamp": self.wall(when), **said})))

    def _beat(self, beat: Beat) -> None:
        self.beats.append(beat)
        self.lines.clear()

    def exit_child(self, instant: float, exit_code: int = 1) -> None:
        def happen() -> None:
            if self.state.child is not None:
                uptime = self.now - self.state.child.started_at
                self.handle(ChildExited(exit_code=exit_code, signal=None, uptime_s=uptime))

        self.at(instant, happen)

    def reading(self) -> Reading:
        if self.status is not None:
            return Reading(status=self.status, error="made up")
        beat, future = None, self.future
        for said in self.beats:
            # As the real reader does it: a beat that a clock set back has left ahead of the time is no health.
            ahead = said.stamp > self.clock().wall + timedelta(seconds=self.policy.future_tolerance)
            beat, future = (beat, said) if ahead else (said, self.future)
        found = "ok" if beat or self.lines or future else "missing"
        return Reading(status=found, beat=beat, future=future, trailing=tuple(self.lines[-10:]))  # type: ignore[arg-type]

    def record(self, **changes: Any) -> ActionRecord:
        """What is written down of the last start of a process of ours."""
        known = ActionRecord(
            request=self.requests[-1],
            argv=("worker",),
            boot_id="boot",
            started=self.wall(self.starts[-1]),
            deadline=0.0,
            first=self.requests[-1].attempt == 0,
            restarts=self.state.restarts,
            starts=tuple(self.wall(start) for start in self.state.starts),
            pid=4711,
            start_time=1,
        )
        return msgspec.structs.replace(known, **changes)

    # --- Our own lives ---

    def lose_action(self) -> None:
        """What runs ends together with us, and nobody is told."""
        self._queue = [one for one in self._queue if one[2] is not self._ending]
        heapq.heapify(self._queue)
        self.running = 0

    def die(self, seconds: float, **resumed: Any) -> None:
        """We are killed, and started again so much later in the same boot of the machine."""
        self.state = decode(encode(self.state), 0.0)
        self._pass(seconds)
        self._begin(**resumed)

    def boot(self, seconds: float, **resumed: Any) -> None:
        """The machine is switched off and on, and we are started so much later, with the other clock begun anew."""
        before = self.clock()
        self._pass(seconds)
        self.offset += self.now - 50.0
        self.now = 50.0
        now = self.clock()
        self.state = decode(encode(self.state), now.mono - before.mono - (now.wall - before.wall).total_seconds())
        self._begin(**{"excused": True, **resumed})

    def _pass(self, seconds: float) -> None:
        """Time passes for everybody but us."""
        self.now += seconds
        while self._queue and self._queue[0][0] <= self.now:
            _, _, happen = heapq.heappop(self._queue)
            happen()

    def _begin(self, **resumed: Any) -> None:
        self.looked = self.state.looked
        self.handle(Resumed(**resumed))
        self.look()

    # --- Judgement ---

    def handle(self, event: Event) -> list[Effect]:
        self.state, effects = step(self.policy, self.state, event, self.clock(), self.jitter)
        for effect in effects:
            match effect:
                case Emit():
                    self.log.append(effect)
                case RecordMiss(missed=missed, last_heartbeat=last):
                    if self.records and len(self.lines) < 100:  # as the real log's writer does
                        self.lines.append(StaleLine(stamp=self.clock().wall, ours=True, missed=missed, last_heartbeat=last))
                case AskForSlot(request=request):
                    self.at(self.now, partial(self._grant, request.action_id))
                case RunAction(request=request):
                    self._run(request)
                case Answer() | EndChild() | GiveSlotBack():
                    self._note(effect)
        status = view.status(self.policy, self.state, self.clock())
        if not self.statuses or self.statuses[-1][1] != status:
            self.statuses.append((self.now, status))
        return effects

    def _note(self, effect: Answer | EndChild | GiveSlotBack) -> None:
        if isinstance(effect, Answer):
            self.answers.append(effect)
        elif isinstance(effect, EndChild):
            self.ended_by_hand.append(self.now)

    def _grant(self, action_id: str) -> None:
        self.handle(SlotGranted(action_id=action_id))

    def _run(self, request: ActionRequest) -> None:
        script = self.restart(len(self.starts))
        self._fresh.append(request.fresh)
        self.requests.append(request)
        if script.outcome.result != "busy":
            self.overlapped |= self.running > 0
            self.running += 1
            self.starts.append(self.now)
            self.handle(ActionStarted(at=self.clock().wall))
            if script.beat_after is not None:
                self.beat(self.now + script.beat_after)
        self._ending = partial(self._end, script)
        self.at(self.now + script.duration, self._ending)

    def _end(self, script: Script) -> None:
        if script.outcome.result != "busy":
            self.running -= 1
        self.ends.append(self.now)
        self.handle(ActionEnded(outcome=script.outcome))

    def run(self, until: float) -> None:
        """Let time pass up to that instant."""
        while True:
            self.look()
            glance = max(next_glance(self.policy, self.state, self.clock()), self.now + self.glance)
            look = min(next_due(self.policy, self.state, self.clock()), glance)
            assert look > self.now, "a look in the past would spin"
            due = min(look, self._queue[0][0]) if self._queue else look
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            while self._queue and self._queue[0][0] <= self.now:
                # The files are read before anything else is judged, as the actor does it.
                _, _, happen = heapq.heappop(self._queue)
                happen()
                self.look()

    def report(self) -> AgentReport:
        return view.view(self.policy, self.state, self.clock())

    def names(self) -> list[str]:
        return [entry.event for entry in self.log]

    def of(self, event: str) -> list[Emit]:
        return [entry for entry in self.log if entry.event == event]

    @property
    def fresh(self) -> list[bool]:
        return self._fresh


@pytest.fixture
def make_world(tmp_path: Any) -> Callable[..., World]:
    """Worlds by keyword: what the restarts do (`restart`), settings of `[restart]`, settings of the agent."""
    return world_maker(tmp_path / "agent.log")


def world_maker(path: Any) -> Callable[..., World]:
    def make(
        *,
        restart: dict[str, Any] | None = None,
        does: Callable[[int], Script] | Script | None = None,
        jitter: float = 0.0,
        glance: float = 0.0,
        **agent: Any,
    ) -> World:
        policy = AgentConfig(
            **{
                "name": "payment-watcher",
                "timeout": 3600.0,
                "miss_interval": 900.0,
                "startup_grace": agent.get("timeout", 3600.0),
                "sources": (LogSource(path=path),),
                "restart": RestartPolicy(**{"backoff": Backoff(), **(restart or {})}),
                **agent,
            }
        )
        script = does if callable(does) else (lambda _: does or Script())
        return World(policy, script, jitter=jitter, glance=glance)

    return make


@pytest.fixture
def script() -> type[Script]:
    """What one restart does."""
    return Script
