"""The task of one agent under virtual time: its files, its restarts and the coordinator are made up."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.actor import AgentActor
from collections_supervisor.agents.ports import Attendant, Kept, MemoryJournal, MemoryStore, Ports
from collections_supervisor.agents.slots import RestartSlots
from collections_supervisor.agents.state import ActionRecord, ChildExited, MemoryRead
from collections_supervisor.config.schema import AgentConfig, Backoff, LogSource, RestartPolicy
from collections_supervisor.messages import (
    ActionOutcome,
    ActionRequest,
    ActorCrashed,
    AgentChanged,
    AgentCommand,
    AgentReport,
    Beat,
    Now,
    Reading,
    StaleLine,
)
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.supervision import supervise

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HOUR = 3600.0
DAY = 24 * HOUR
FAILED = ActionOutcome(result="failed", cause="exit status 1")


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


def wall(instant: float) -> datetime:
    return EPOCH + timedelta(seconds=instant)


class VirtualClock:
    def now(self) -> Now:
        return Now(mono=anyio.current_time(), wall=wall(anyio.current_time()))


class SettableClock(VirtualClock):
    """A wall clock that somebody sets."""

    offset = 0.0

    def now(self) -> Now:
        now = super().now()
        return msgspec.structs.replace(now, wall=now.wall + timedelta(seconds=self.offset))


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What one restart does."""

    probe: float = 0.0
    """Seconds before it counts as an attempt."""
    duration: float = 1.0
    outcome: ActionOutcome = ActionOutcome(result="ok")
    beat_after: float | None = None
    lives: float | None = None
    """Only for a process of ours: seconds until it ends by itself."""
    breaks: BaseException | None = None
    """The bug that ends it instead."""


class Outside:
    """The world around one agent, which outlives the task that watches it."""

    def __init__(self, scripts: Sequence[Script], beats: Sequence[float] = ()) -> None:
        self.scripts = list(scripts) or [Script()]
        self.beats = [Beat(stamp=wall(at)) for at in beats]
        self.lines: list[StaleLine] = []
        self.reads: list[float] = []
        self.read_takes = 0.0
        self.bugs: list[Exception | None] = []
        """What the next reads raise; None for one that works."""
        self.refusal: OSError | None = None
        self.calls: list[ActionRequest] = []
        self.runs: list[list[float]] = []
        self.running = 0
        self.overlapped = False
        self.closed = 0
        self.exit_now = anyio.Event()
        self.tree: Tree | None = None
        """What an earlier life of ours left running."""
        self.adoption = Script()
        self.adopted: list[ActionRecord] = []

    # --- Its files ---

    async def read(self, now: Now) -> Reading:
        self.reads.append(now.mono)
        await anyio.sleep(self.read_takes)
        if self.bugs and (bug := self.bugs.pop(0)) is not None:
            raise bug
        seen = [beat for beat in self.beats if beat.stamp <= now.wall]
        newest = max(seen, key=lambda beat: beat.stamp, default=None)
        trailing = tuple(line for line in self.lines if newest is None or (line.stamp or EPOCH) > newest.stamp)
        return Reading(status="ok" if seen or trailing else "missing", beat=newest, trailing=trailing[-10:])

    async def record_miss(self, *, missed: int, last_heartbeat: datetime | None, reason: str, at: datetime) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.lines.append(StaleLine(stamp=at, ours=True, missed=missed, last_heartbeat=last_heartbeat))

    # --- Its restarts ---

    async def find(self, record: ActionRecord) -> Tree | None:
        return self.tree

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:
        self.adopted.append(record)
        await anyio.sleep(self.adoption.duration)
        return self.adoption.outcome

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        script = self.scripts[min(len(self.calls), len(self.scripts) - 1)]
        self.calls.append(request)
        self.overlapped |= self.running > 0
        self.running += 1
        try:
            await anyio.sleep(script.probe)
            if script.outcome.result == "busy":
                return script.outcome
            if not await attendant.begin(("restart", request.agent)):
                return ActionOutcome(result="busy", cause="not wanted any more")
            self.runs.append([anyio.current_time()])
            await attendant.spawned(4711, 1)
            if script.beat_after is not None:
                self.beats.append(Beat(stamp=wall(anyio.current_time() + script.beat_after)))
            try:
                await anyio.sleep(script.duration)
            finally:
                self.runs[-1].append(anyio.current_time())
            if script.breaks is not None:
                raise script.breaks
            self.exit_now = anyio.Event()
            return script.outcome
        finally:
            self.running -= 1

    async def wait(self) -> ChildExited | MemoryRead | None:
        script = self.scripts[min(len(self.runs), len(self.scripts)) - 1]
        if script.lives is None:
            return None
        with anyio.move_on_after(script.lives):
            await self.exit_now.wait()
        return ChildExited(exit_code=1, signal=None, uptime_s=script.lives)

    def when_news(self, call: Callable[[], object]) -> bool:
        return False

    async def close(self) -> None:
        self.closed += 1

    @property
    def starts(self) -> list[float]:
        return [run[0] for run in self.runs]


class Fleet:
    """Agents under supervision, and what they told the coordinator."""

    def __init__(
        self,
        log: Any,
        *,
        slots: int = 1,
        clock: VirtualClock | None = None,
        store: MemoryStore | None = None,
        journal: MemoryJournal | None = None,
    ) -> None:
        self.log = log
        self.slots = RestartSlots(slots, reviewing=False)
        self.store = store or MemoryStore()
        self.journal = journal or MemoryJournal()
        self.ports = Ports(
            clock=clock or VirtualClock(),
            store=self.store,
            journal=self.journal,
            log=log,
            slots=self.slots,
            boot_id="boot",
            jitter=lambda: 0.0,
            looked=lambda name: self.looks.append((anyio.current_time(), name)),
        )
        self.looks: list[tuple[float, str]] = []
        self.told: list[AgentChanged] = []
        self.crashes: list[ActorCrashed] = []
        self.deaf = False
        self.tell_takes = 0.0
        self.made: list[AgentActor] = []

    @property
    def idle(self) -> bool:
        """Nobody has a restart slot or waits for one."""
        return not self.slots._running and not self.slots._waiting

    async def tell(self, changed: AgentChanged) -> bool:
        await anyio.sleep(self.tell_takes)
        if not self.deaf:
            self.told.append(changed)
        return not self.deaf

    async def crashed(self, crash: ActorCrashed) -> None:
        self.crashes.append(crash)

    def actor(self, policy: AgentConfig, outside: Outside) -> AgentActor:
        self.made.append(AgentActor(policy, self.ports, outside, outside, self.tell))
        return self.made[-1]

    @asynccontextmanager
    async def watching(self, *agents: tuple[AgentConfig, Outside]) -> Any:
        async with anyio.create_task_group() as tasks:
            for policy, outside in agents:
                tasks.start_soon(
                    partial(
                        supervise,
                        f"agent {policy.name}",
                        partial(self.actor, policy, outside),
                        clock=self.ports.clock,
                        log=self.log,
                        crashed=self.crashed,
                        agent=policy.name,
                    )
                )
            yield tasks
            tasks.cancel_scope.cancel()

    async def watch(self, seconds: float, *agents: tuple[AgentConfig, Outside]) -> None:
        async with self.watching(*agents):
            await anyio.sleep(seconds)

    def last(self, name: str = "mailer") -> AgentReport:
        return [changed.report for changed in self.told if changed.report.name == name][-1]

    def statuses(self, name: str = "mailer") -> list[str]:
        found = [changed.report.status for changed in self.told if changed.report.name == name]
        return [one for number, one in enumerate(found) if number == 0 or found[number - 1] != one]

    def of(self, event: str, agent: str = "mailer") -> list[dict[str, Any]]:
        return [entry for entry in self.log.of(event) if entry.get("agent") == agent]


@pytest.fixture
def fleet(log: Any) -> Fleet:
    return Fleet(log)


def policy(name: str = "mailer", *, restart: dict[str, Any] | None = None, **agent: Any) -> AgentConfig:
    plan = {"kind": "command", "backoff": Backoff(initial=30.0, jitter=0.0), **(restart or {})}
    settled = {
        "timeout": HOUR,
        "miss_interval": 900.0,
        "sources": (LogSource(path=f"/nowhere/{name}.log"),),  # type: ignore[arg-type]
        **agent,
    }
    return AgentConfig(name=name, restart=RestartPolicy(**plan), **settled)


# --- One agent ---


async def test_a_miss_is_answered_by_an_action_and_proven_by_a_beat(fleet: Fleet) -> None:
    outside = Outside([Script(duration=10.0, beat_after=4.0)], beats=[0.0])
    await fleet.watch(HOUR + 60, (policy(), outside))
    assert outside.runs == [[HOUR, HOUR + 10]]
    assert [line.missed for line in outside.lines] == [1]
    assert fleet.statuses() == ["healthy", "restarting", "healthy"]
    but = ("agent.heartbeat.seen", "agent.state_changed")
    assert fleet.log.names(but) == [
        "agent.heartbeat.missed",
        "agent.restart.started",
        "agent.recovered",
        "agent.restart.succeeded",
    ]
    assert fleet.last().restarts == 1
    assert fleet.idle


async def test_the_deadline_is_kept_to_the_moment_although_looks_are_rare(fleet: Fleet) -> None:
    outside = Outside([], beats=[7.25])
    await fleet.watch(2 * HOUR, (policy(restart={"kind": "none"}), outside))
    assert [line.stamp for line in outside.lines] == [wall(HOUR + 7.25 + 900 * n) for n in range(4)]


async def test_a_beat_is_noticed_within_a_cycle_and_at_once_while_something_is_wrong(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0, 100.0])
    async with fleet.watching((policy(restart={"kind": "none"}), outside)):
        await anyio.sleep(159.0)
        assert fleet.last().last_heartbeat in (wall(0.0), wall(100.0))
        await anyio.sleep(2.0)
        assert fleet.last().last_heartbeat == wall(100.0)
        await anyio.sleep(HOUR)
        assert fleet.last().status == "unhealthy"
        outside.beats.append(Beat(stamp=wall(anyio.current_time())))
        await anyio.sleep(1.01)
        assert fleet.last().status == "healthy"


async def test_a_healthy_agent_is_looked_at_once_a_cycle_and_told_of_once_a_beat(fleet: Fleet) -> None:
    outside = Outside([], beats=[n * HOUR for n in range(25)])
    await fleet.watch(DAY, (policy(timeout=1.5 * HOUR, period=HOUR), outside))
    assert len(outside.reads) <= DAY / 60 + 2 * 24
    assert len(fleet.told) <= 2 * 25
    assert fleet.statuses() == ["healthy"]


async def test_a_dead_agent_is_looked_at_once_a_second_and_told_of_rarely(fleet: Fleet) -> None:
    outside = Outside([Script(outcome=FAILED)], beats=[0.0])
    await fleet.watch(2.5 * HOUR, (policy(), outside))
    assert len(outside.reads) <= 1.5 * HOUR + 60 + 100
    assert len(fleet.told) <= 2 * 7 + 10, "twice for each miss, and for the two attempts"
    assert len(outside.starts) == 2
    assert fleet.last().status == "escalated"


@pytest.mark.parametrize("duration", [0.0, 0.25, 1.0, 2.0, 15.0, 60.0, 299.0, 900.0])
async def test_an_action_that_ends_at_the_instant_of_a_look_is_heard(fleet: Fleet, duration: float) -> None:
    plan = {"attempts_per_incident": 0, "per_hour": 0, "per_day": 0, "backoff": Backoff(initial=60.0, max=60.0, jitter=0.0)}
    outside = Outside([Script(duration=duration, outcome=FAILED)], beats=[0.0])
    until = HOUR + 3 * (60.0 + duration) + 1
    await fleet.watch(until, (policy(restart=plan), outside))
    expected = [HOUR + n * (60.0 + duration) for n in range(4)]
    assert outside.starts == expected


async def test_misses_that_cannot_be_recorded_count_and_are_said_once(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0])
    outside.refusal = PermissionError(13, "permission denied")
    async with fleet.watching((policy(restart={"kind": "none"}), outside)):
        await anyio.sleep(2 * HOUR + 1)
        assert fleet.last().missed == 5
        assert len(fleet.of("agent.heartbeat.unwritable")) == 1
        outside.refusal = OSError(28, "no space left on device")
        await anyio.sleep(HOUR)
        assert [entry["reason"] for entry in fleet.of("agent.heartbeat.unwritable")] == [
            "[Errno 13] permission denied",
            "[Errno 28] no space left on device",
        ]
        outside.refusal = None
        await anyio.sleep(900.0)
        assert len(outside.lines) == 1
        outside.refusal = OSError(28, "no space left on device")
        await anyio.sleep(900.0)
        assert len(fleet.of("agent.heartbeat.unwritable")) == 3
    assert not fleet.crashes


async def test_what_the_coordinator_could_not_take_is_told_at_the_next_look(fleet: Fleet) -> None:
    outside = Outside([Script(duration=10.0, beat_after=4.0)], beats=[0.0])
    async with fleet.watching((policy(), outside)):
        await anyio.sleep(10.0)
        fleet.deaf = True
        await anyio.sleep(HOUR + 15)  # by now all is over, and nothing new happens that would be told anyway
        assert [changed.report.status for changed in fleet.told] == ["healthy"]
        assert len(outside.starts) == 1, "it goes on supervising meanwhile"
        fleet.deaf = False
        await anyio.sleep(61.0)
        assert (fleet.last().status, fleet.last().restarts) == ("healthy", 1)
        told = len(fleet.told)
        await anyio.sleep(HOUR / 2)
        assert len(fleet.told) <= told + 1, "and then nothing is told twice"


async def test_a_look_counts_once_a_cycle_and_only_when_the_coordinator_knows_of_it(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0])
    async with fleet.watching((policy(timeout=DAY), outside)):
        await anyio.sleep(181.0)
        assert fleet.looks == [(0.0, "mailer"), (60.0, "mailer"), (120.0, "mailer"), (180.0, "mailer")]
        fleet.deaf = True
        outside.beats.append(Beat(stamp=wall(200.0)))
        await anyio.sleep(180.0)
        assert len(fleet.looks) == 4
        fleet.deaf = False
        await anyio.sleep(60.0)
        assert len(fleet.looks) == 5


async def test_a_look_that_hangs_does_not_count(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0])
    async with fleet.watching((policy(timeout=DAY), outside)):
        await anyio.sleep(1.0)
        outside.read_takes = HOUR
        await anyio.sleep(HOUR / 2)
        assert len(fleet.looks) == 1


async def test_what_happens_while_the_coordinator_is_being_told_is_told_too(fleet: Fleet) -> None:
    outside = Outside([Script(probe=0.5, duration=100.0)], beats=[0.0])
    async with fleet.watching((policy(), outside)):
        await anyio.sleep(HOUR - 1)
        fleet.tell_takes = 2.0
        await anyio.sleep(10.0)
        assert outside.starts == [HOUR + 2.5]
        assert fleet.last().restarts == 1
        assert fleet.last().detail == "attempt 1 runs (command)"


async def test_busy_gives_the_slot_back_and_is_looked_at_again(fleet: Fleet) -> None:
    busy = ActionOutcome(result="busy", cause="a turn was active 3 s ago", retry_after=20.0)
    outside = Outside([Script(outcome=busy, probe=0.7), Script(beat_after=0.5)], beats=[0.0])
    async with fleet.watching((policy(), outside)):
        await anyio.sleep(HOUR + 1)
        assert fleet.idle
        await anyio.sleep(30)
    assert outside.starts == [HOUR + 0.7 + 20.0]
    assert fleet.last().restarts == 1


# --- Several agents ---


async def test_with_one_slot_the_second_agent_waits_for_the_first(fleet: Fleet) -> None:
    first = Outside([Script(duration=100.0, beat_after=50.0)], beats=[0.0])
    second = Outside([Script(duration=100.0, beat_after=50.0)], beats=[0.5])
    await fleet.watch(HOUR + 300, (policy("mailer"), first), (policy("watcher"), second))
    assert first.runs == [[HOUR, HOUR + 100]]
    assert second.runs == [[HOUR + 100, HOUR + 200]]
    assert fleet.statuses("watcher") == ["unknown", "healthy", "restarting", "healthy"]


async def test_a_beat_while_waiting_for_the_slot_saves_the_restart_and_gives_the_slot_on(fleet: Fleet) -> None:
    first = Outside([Script(duration=100.0, beat_after=50.0)], beats=[0.0])
    second = Outside([Script()], beats=[0.5, HOUR + 60])
    third = Outside([Script(beat_after=0.5)], beats=[0.75])
    await fleet.watch(HOUR + 150, (policy("mailer"), first), (policy("watcher"), second), (policy("reader"), third))
    assert second.starts == []
    [skipped] = fleet.of("agent.restart.skipped", "watcher")
    assert skipped["reason"] == "fresh_beat"
    assert third.starts == [HOUR + 100]
    assert fleet.idle


async def test_the_beat_is_looked_for_again_right_before_the_restart(fleet: Fleet) -> None:
    first = Outside([Script(duration=100.3)], beats=[0.0])
    # Too young to be seen by the look once a second: only the look after the slot was got can see it.
    second = Outside([Script()], beats=[0.5, HOUR + 100.2])
    await fleet.watch(HOUR + 110, (policy("mailer"), first), (policy("watcher"), second))
    assert second.calls == []


async def test_a_beat_while_the_agent_is_looked_into_saves_the_restart_and_costs_nothing(fleet: Fleet) -> None:
    outside = Outside([Script(probe=3.0)], beats=[0.0, HOUR + 1.5])
    await fleet.watch(HOUR + 60, (policy(), outside))
    assert (len(outside.calls), outside.starts) == (1, [])
    assert [entry["reason"] for entry in fleet.of("agent.restart.skipped")] == ["fresh_beat"]
    assert (fleet.last().status, fleet.last().restarts, fleet.last().budget_left_24h) == ("healthy", 0, 12)
    assert fleet.idle


async def test_never_more_restarts_at_one_time_than_slots(log: Any) -> None:
    fleet = Fleet(log, slots=3)
    agents = [(policy(f"agent-{n}"), Outside([Script(duration=10.0, beat_after=5.0)], beats=[0.0])) for n in range(20)]
    await fleet.watch(HOUR + 100, *agents)
    runs = sorted(run for _, outside in agents for run in outside.runs)
    assert len(runs) == 20
    for start, _ in runs:
        assert sum(1 for other, end in runs if other <= start < end) <= 3
    assert max(end for _, end in runs) == HOUR + 70


# --- Bugs ---


async def test_a_crash_ends_one_task_only_and_it_begins_again(fleet: Fleet) -> None:
    broken = Outside([], beats=[0.0])
    sibling = Outside([], beats=[0.0])
    none = {"kind": "none"}
    async with fleet.watching((policy("mailer", restart=none), broken), (policy("watcher", restart=none), sibling)):
        await anyio.sleep(100.0)
        broken.bugs = [RuntimeError("a bug")]
        await anyio.sleep(2 * HOUR)
    [entry] = fleet.log.of("supervisor.actor_crashed")
    assert (entry["agent"], entry["crashes"]) == ("mailer", 1)
    error: BaseException = entry["exc_info"]
    while isinstance(error, BaseExceptionGroup):
        [error] = error.exceptions
    assert repr(error) == "RuntimeError('a bug')"
    assert error.__traceback__ is not None
    assert [crash.agent for crash in fleet.crashes] == ["mailer"]
    for name, outside in (("mailer", broken), ("watcher", sibling)):
        assert [line.missed for line in outside.lines] == [1, 2, 3, 4, 5]
        assert fleet.last(name).missed == 5
    assert broken.closed == 2, "once by the crash, once by the end"


async def test_attempts_and_budget_survive_a_crash(fleet: Fleet) -> None:
    outside = Outside([Script(outcome=FAILED)], beats=[0.0])
    plan = {"attempts_per_incident": 0, "per_hour": 3, "backoff": Backoff(initial=100.0, max=100.0, jitter=0.0)}
    async with fleet.watching((policy(restart=plan), outside)):
        await anyio.sleep(HOUR + 50)
        outside.bugs = [RuntimeError("a bug")]
        await anyio.sleep(300.0)
    assert len(fleet.crashes) == 1
    assert outside.starts == [HOUR, HOUR + 101, HOUR + 202]
    assert [call.attempt for call in outside.calls] == [1, 2, 3]
    assert fleet.last().held is not None
    assert (fleet.last().restarts, fleet.last().restarts_24h) == (3, 3)


async def test_a_crash_while_an_action_runs_ends_it_and_counts_it_and_makes_no_second_one(fleet: Fleet) -> None:
    outside = Outside([Script(duration=100.0)], beats=[0.0])
    async with fleet.watching((policy(restart={"verify_within": 60.0}), outside)):
        await anyio.sleep(HOUR + 50.5)
        outside.bugs = [RuntimeError("a bug")]
        await anyio.sleep(30.0)
        assert outside.runs == [[HOUR, HOUR + 51]]
        assert fleet.last().restarts == 1
        assert fleet.idle
        await anyio.sleep(60.0 + 31.0)
    assert not outside.overlapped
    assert [round(at) for at in outside.starts] == [HOUR, HOUR + 51 + 60 + 30], "after its time for a proof, and the backoff"
    assert [call.attempt for call in outside.calls] == [1, 2]


async def test_a_bug_in_the_runner_is_an_attempt_and_leaks_no_slot(fleet: Fleet) -> None:
    outside = Outside([Script(duration=5.0, breaks=ValueError("a bug")), Script(beat_after=0.5)], beats=[0.0])
    other = Outside([Script(beat_after=0.5)], beats=[1.0])
    await fleet.watch(2 * HOUR, (policy(restart={"verify_within": 60.0}), outside), (policy("watcher"), other))
    assert len(outside.starts) == 2
    assert other.starts == [HOUR + 5]
    assert fleet.idle
    assert fleet.last().status == "unhealthy" or fleet.last().restarts == 2


async def test_an_attempt_counts_from_its_begin_also_when_the_task_crashes_at_that_moment(fleet: Fleet) -> None:
    outside = Outside([Script(duration=100.0)], beats=[0.0])
    async with fleet.watching((policy(restart={"verify_within": 600.0}), outside)):
        await anyio.sleep(HOUR - 10)
        # The files answer slowly from here on: the action begins while a look is under way, which then meets a bug.
        outside.read_takes = 3.0
        await anyio.sleep(10.0)
        while not outside.starts:
            await anyio.sleep(0.25)
        outside.bugs = [RuntimeError("a bug")]
        await anyio.sleep(120.0)
    assert len(fleet.crashes) == 1
    assert len(outside.starts) == 1, "a paid turn was begun twice"
    assert fleet.last().restarts == 1


async def test_a_task_that_crashes_again_and_again_pauses_longer_and_longer(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0])
    outside.bugs = [RuntimeError("a bug")] * 1000
    await fleet.watch(600.0, (policy(), outside))
    assert [round(later - earlier) for earlier, later in zip(outside.reads, outside.reads[1:], strict=False)] == [
        *(1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60, 60)
    ][: len(outside.reads) - 1]
    assert [crash.crashes for crash in fleet.crashes][:4] == [1, 2, 3, 4]


# --- The end ---


@pytest.mark.parametrize("checkpoints", range(25))
@pytest.mark.parametrize("at", [HOUR, HOUR + 1, HOUR + 4, HOUR + 10, HOUR + 20])
async def test_a_cancellation_at_any_moment_leaves_no_slot_taken(fleet: Fleet, at: float, checkpoints: int) -> None:
    first = Outside([Script(duration=4.0)], beats=[0.0])
    second = Outside([Script(duration=6.0, probe=0.5)], beats=[0.0])
    async with fleet.watching((policy("mailer"), first), (policy("watcher"), second)):
        await anyio.sleep(at)
        for _ in range(checkpoints):
            await anyio.lowlevel.checkpoint()
    assert fleet.idle
    assert (first.closed, second.closed) == (1, 1)
    assert first.running == second.running == 0
    assert not fleet.crashes


# --- Processes of ours ---


def owned(name: str = "mailer", *, restart: dict[str, Any] | None = None, **agent: Any) -> AgentConfig:
    plan = {
        "kind": "process",
        "command": ("worker",),
        "attempts_per_incident": 0,
        "per_hour": 0,
        "per_day": 0,
        "backoff": Backoff(initial=1.0, max=300.0, jitter=0.0),
        **(restart or {}),
    }
    return policy(name, restart=plan, **{"startup_grace": 30.0, "sources": (), **agent})


async def test_a_process_of_ours_is_started_at_once_and_again_when_it_ends(fleet: Fleet) -> None:
    outside = Outside([Script(duration=0.0, lives=100.0)])
    await fleet.watch(350.0, (owned(), outside))
    assert outside.starts == [0.0, 100.0, 200.0, 300.0]
    assert fleet.last().restarts == 3
    assert [call.attempt for call in outside.calls] == [0, 1, 1, 1]
    assert fleet.idle


async def test_the_trouble_of_short_lives_is_over_when_one_has_lived(fleet: Fleet) -> None:
    outside = Outside([*[Script(duration=0.0, lives=2.0)] * 4, Script(duration=0.0, lives=1e6)])
    async with fleet.watching((owned(timeout=60.0), outside)):
        await anyio.sleep(16.0)
        assert len(outside.starts) == 5
        assert fleet.last().status == "escalated"
        await anyio.sleep(15.0)
        assert fleet.last().status == "healthy"
        await anyio.sleep(120.0)
        assert fleet.told[-1].trouble is None


async def test_a_process_of_ours_that_cannot_be_started_is_not_tried_all_the_time(fleet: Fleet) -> None:
    outside = Outside([Script(duration=0.01, outcome=FAILED)])
    await fleet.watch(10.0, (owned(), outside))
    assert len(outside.starts) <= 6
    assert fleet.last().status == "escalated"


async def test_processes_of_ours_need_no_slot(fleet: Fleet) -> None:
    slow = Outside([Script(duration=1000.0)], beats=[0.0])
    outside = Outside([Script(duration=0.0, lives=HOUR + 10)])
    await fleet.watch(HOUR + 20, (policy("watcher"), slow), (owned(), outside))
    assert outside.starts == [0.0, HOUR + 10]


@pytest.mark.parametrize("checkpoints", range(12))
async def test_a_hung_process_that_ends_just_as_it_is_to_be_restarted_is_started_once(fleet: Fleet, checkpoints: int) -> None:
    source = (LogSource(path="/nowhere/mailer.log"),)  # type: ignore[arg-type]
    outside = Outside([Script(duration=5.0, beat_after=1.0, lives=1e6)])
    async with fleet.watching((owned(sources=source, timeout=60.0, miss_interval=1e5), outside)):
        await anyio.sleep(61.0)
        for _ in range(checkpoints):
            await anyio.lowlevel.checkpoint()
        outside.exit_now.set()
        await anyio.sleep(30.0)
    assert not outside.overlapped
    assert len(outside.starts) == 2


async def test_a_crash_of_its_task_starts_a_process_of_ours_anew(fleet: Fleet) -> None:
    outside = Outside([Script(duration=0.0, lives=1e6)])
    async with fleet.watching((owned(), outside)):
        await anyio.sleep(100.0)
        outside.bugs = [RuntimeError("a bug")]
        await anyio.sleep(200.0)
    assert len(outside.starts) == 2
    assert outside.closed == 2
    assert not outside.overlapped
    assert fleet.last().status == "healthy"


TALL = Tree(pid=4711, start_time=1, marker="worker")


async def crashed(log: Any, outside: Outside, *, after: float, then: AgentCommand | None = None) -> Fleet:
    """A new life of ours, after one that was killed and left its process running."""
    first = Fleet(log)
    async with first.watching((owned(), outside)):
        await anyio.sleep(after)
        if then is not None:
            await first.made[-1].ask(then)
            await anyio.sleep(1.0)
        kept = first.store.load("mailer")
    assert kept is not None
    second = Fleet(log, journal=first.journal)
    second.store.save("mailer", kept.state)
    outside.tree = TALL
    return second


async def test_a_process_of_ours_that_outlived_us_is_taken_over_and_its_end_is_heard(log: Any) -> None:
    outside = Outside([Script(duration=0.0, lives=1e6), Script(duration=0.0, lives=1e6)])
    fleet = await crashed(log, outside, after=100.0)
    async with fleet.watching((owned(), outside)):
        await anyio.sleep(200.0)
        assert (len(outside.starts), fleet.last().status, fleet.last().restarts) == (1, "healthy", 0)
        assert len(outside.adopted) == 1
        assert fleet.idle
        outside.exit_now.set()
        await anyio.sleep(20.0)
        assert (len(outside.starts), fleet.last().status, fleet.last().restarts) == (2, "healthy", 1)


async def test_a_process_of_ours_that_was_stopped_before_we_died_is_ended_and_not_started(log: Any) -> None:
    outside = Outside([Script(duration=0.0, lives=1e6)])
    fleet = await crashed(log, outside, after=100.0, then=AgentCommand(what="stop"))
    closed = outside.closed
    async with fleet.watching((owned(), outside)):
        await anyio.sleep(200.0)
        assert outside.closed == closed + 1
        assert (len(outside.starts), fleet.last().status) == (1, "paused")


async def test_a_process_of_ours_is_stopped_and_started_by_hand(fleet: Fleet) -> None:
    outside = Outside([Script(duration=0.0, lives=1e6)])
    async with fleet.watching((owned(), outside)):
        await anyio.sleep(100.0)
        await fleet.made[-1].ask(AgentCommand(what="stop", reason="a new release"))
        await anyio.sleep(1.0)
        assert (outside.closed, fleet.last().status, fleet.last().paused) == (1, "paused", True)
        await anyio.sleep(5000.0)
        assert len(outside.starts) == 1
        await fleet.made[-1].ask(AgentCommand(what="start"))
        await anyio.sleep(20.0)
        assert (len(outside.starts), fleet.last().status, fleet.last().restarts) == (2, "healthy", 0)


async def test_a_stop_and_a_start_right_after_it_are_done_in_that_order(fleet: Fleet) -> None:
    order: list[str] = []

    class Slow(Outside):
        async def close(self) -> None:
            await super().close()
            order.append("ending")
            await anyio.sleep(5.0)
            order.append("ended")

        async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
            order.append("start")
            return await super().run(request, attendant)

    outside = Slow([Script(duration=0.0, lives=1e6)])
    async with fleet.watching((owned(), outside)):
        await anyio.sleep(100.0)
        await fleet.made[-1].ask(AgentCommand(what="stop"))
        await fleet.made[-1].ask(AgentCommand(what="start"))
        await anyio.sleep(30.0)
        assert order == ["start", "ending", "ended", "start"]
        assert fleet.last().status == "healthy"


async def test_nobody_waits_for_a_process_of_ours_before_it_calls(fleet: Fleet) -> None:
    class Calling(Outside):
        waits = 0
        call: Callable[[], object] | None = None

        def when_news(self, call: Callable[[], object]) -> bool:
            self.call = call
            return True

        async def wait(self) -> ChildExited | MemoryRead | None:
            self.waits += 1
            return ChildExited(exit_code=1, signal=None, uptime_s=60.0)

    outside = Calling([Script(duration=0.0, lives=1e6)])
    async with fleet.watching((owned(), outside)):
        await anyio.sleep(60.0)
        assert (len(outside.starts), outside.waits) == (1, 0)
        assert outside.call is not None
        outside.call()
        await anyio.sleep(10.0)
        assert (len(outside.starts), outside.waits) == (2, 1)
        assert fleet.last().restarts == 1


async def test_a_process_of_ours_that_is_too_large_twice_is_replaced(fleet: Fleet) -> None:
    class Growing(Outside):
        measured = 0

        async def wait(self) -> ChildExited | MemoryRead | None:
            if len(self.starts) == 1:
                await anyio.sleep(60.0)
                self.measured += 1
                return MemoryRead(rss=2000)
            return await super().wait()

    outside = Growing([Script(duration=0.0, lives=1e6)])
    async with fleet.watching((owned(restart={"max_rss": 1000}), outside)):
        await anyio.sleep(119.0)
        assert (len(outside.starts), outside.measured) == (1, 1)
        await anyio.sleep(11.0)
        assert len(outside.starts) == 2
        [started] = fleet.of("agent.restart.started")
        assert "memory" in started["message"]


# --- Whatever happens ---

durations = st.sampled_from([0.0, 0.5, 1.0, 3.0, 100.0])
outcomes = st.sampled_from([ActionOutcome(result="ok"), FAILED, ActionOutcome(result="busy", cause="works", retry_after=30.0)])
scripts = st.lists(
    st.builds(
        Script,
        probe=st.sampled_from([0.0, 0.5, 1.0]),
        duration=durations,
        outcome=outcomes,
        beat_after=st.one_of(st.none(), durations),
        breaks=st.sampled_from([None, None, None, ValueError("a bug")]),
    ),
    min_size=1,
    max_size=4,
)
bugs = st.lists(st.sampled_from([None] * 20 + [RuntimeError("a bug")]), max_size=200)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(scripts, bugs), min_size=1, max_size=3), st.integers(1, 2))
async def test_no_overlap_no_leak_and_no_more_turns_than_paid_for(
    log: Any, plans: list[tuple[list[Script], list[Exception | None]]], slots: int
) -> None:
    fleet = Fleet(log, slots=slots)
    begun = anyio.current_time()
    agents = []
    for number, (script, bug) in enumerate(plans):
        outside = Outside(script, beats=[begun + number])
        outside.bugs = list(bug)
        agents.append(
            (
                policy(f"agent-{number}", timeout=120.0, miss_interval=60.0, restart={"per_hour": 4, "attempts_per_incident": 0}),
                outside,
            )
        )
    await fleet.watch(0.6 * HOUR, *agents)
    for settled, outside in agents:
        assert not outside.overlapped
        for start in outside.starts:
            assert sum(1 for other in outside.starts if other <= start < other + HOUR) <= 4
        kept = fleet.ports.store.load(settled.name)
        assert kept is not None
        assert kept.state.restarts == len(outside.starts)
    assert fleet.idle


# --- A person's word ---


async def test_a_pause_ends_the_wait_for_a_slot_and_gives_the_place_on(fleet: Fleet) -> None:
    first = Outside([Script(duration=100.0, beat_after=50.0)], beats=[0.0])
    second = Outside([Script()], beats=[0.5])
    third = Outside([Script(beat_after=0.5)], beats=[0.75])
    async with fleet.watching((policy("mailer"), first), (policy("watcher"), second), (policy("reader"), third)):
        await anyio.sleep(HOUR + 10)
        [watcher] = [actor for actor in fleet.made if actor._policy.name == "watcher"]
        await watcher.ask(AgentCommand(what="pause"))
        await anyio.sleep(0.001)
        assert fleet.last("watcher").status == "paused", "a word is heard at once"
        await anyio.sleep(200.0)
        assert third.starts == [HOUR + 100]
        assert fleet.last("watcher").status == "paused"
        assert fleet.idle
        await watcher.ask(AgentCommand(what="resume"))
        await anyio.sleep(1.0)
        assert (fleet.last("watcher").missed, second.calls) == (0, [])
        await anyio.sleep(125.0)
        assert (fleet.last("watcher").missed, len(second.starts)) == (1, 1)


async def test_all_paused_while_one_runs_and_three_wait(fleet: Fleet) -> None:
    agents = [(policy(f"agent-{n}"), Outside([Script(duration=30.0)], beats=[0.0])) for n in range(4)]
    async with fleet.watching(*agents):
        await anyio.sleep(HOUR + 10)
        for actor in fleet.made:
            await actor.ask(AgentCommand(what="pause"))
        await anyio.sleep(HOUR)
        assert sorted(len(outside.starts) for _, outside in agents) == [0, 0, 0, 1]
        assert {end - start for _, outside in agents for start, end in outside.runs} == {30.0}, "it ran to its end"
        assert all(fleet.told[-n].trouble is None for n in range(1, 5))
        assert fleet.idle
    assert fleet.log.of("agent.restart.failed") == []


async def test_a_restart_that_is_dropped_while_it_looks_into_things_makes_no_second_one(fleet: Fleet) -> None:
    # Its agent is paused, resumed and missed again, all while the first restart still asks what the agent does.
    outside = Outside([Script(probe=14.0, duration=50.0), Script(duration=50.0)], beats=[0.0])
    async with fleet.watching((policy(timeout=5.0, miss_interval=1e5), outside)):
        await anyio.sleep(6.0)
        [actor] = fleet.made
        assert len(outside.calls) == 1
        await actor.ask(AgentCommand(what="pause"))
        await actor.ask(AgentCommand(what="resume"))
        await anyio.sleep(60.0)
    assert not outside.overlapped
    assert [call.action_id for call in outside.calls] == list(dict.fromkeys(call.action_id for call in outside.calls))
    assert (len(outside.calls), len(outside.runs), fleet.last().restarts) == (2, 1, 1)
    assert fleet.idle


# --- Clocks ---


async def test_we_are_stopped_for_a_minute_and_nobody_pays_for_it(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0])
    other = Outside([], beats=[100.0])
    none = {"kind": "none"}
    async with fleet.watching((policy("mailer", restart=none), outside), (policy("watcher", restart=none), other)):
        await anyio.sleep(HOUR - 20.0)
        stop_for(60.0)
        await anyio.sleep(1.0)
        assert fleet.last("mailer").next_deadline == wall(HOUR + 40 + 120)
        assert fleet.last("watcher").next_deadline == wall(HOUR + 100), "whose deadline did not pass gets nothing"
        await anyio.sleep(118.0)
        assert (outside.lines, len(other.lines)) == ([], 1)
        await anyio.sleep(2.0)
        assert len(outside.lines) == 1


def stop_for(seconds: float) -> None:
    """This process stands still."""
    asyncio.get_running_loop()._virtual.now += seconds  # type: ignore[attr-defined]


async def test_after_a_standstill_nothing_is_paid_before_another_look(fleet: Fleet) -> None:
    outside = Outside([Script(probe=2.0)], beats=[0.0, HOUR + 30])
    outside.read_takes = 0.5
    async with fleet.watching((policy(), outside)):
        await anyio.sleep(HOUR + 1.7)
        assert (len(outside.calls), outside.starts) == (1, [])
        stop_for(60.0)
        await anyio.sleep(10.0)
        assert (fleet.last().status, outside.starts) == ("healthy", [])
    assert [entry["reason"] for entry in fleet.of("agent.restart.skipped")] == ["fresh_beat"]
    assert fleet.idle


async def test_a_look_that_takes_long_is_no_standstill(fleet: Fleet) -> None:
    outside = Outside([], beats=[0.0])
    outside.read_takes = 9.0
    async with fleet.watching((policy(restart={"kind": "none"}), outside)):
        await anyio.sleep(HOUR + 30)
        assert (fleet.last().missed, len(outside.lines)) == (1, 1)


@pytest.mark.parametrize("by", [HOUR, -HOUR])
async def test_the_clock_is_set_while_a_proof_is_awaited(log: Any, by: float) -> None:
    clock = SettableClock()
    fleet = Fleet(log, clock=clock)
    outside = Outside([Script(duration=1.0)], beats=[0.0])
    async with fleet.watching((policy(miss_interval=1e6, restart={"verify_within": 300.0}), outside)):
        await anyio.sleep(HOUR + 10.5)
        clock.offset += by
        await anyio.sleep(60.0)
        outside.beats.append(Beat(stamp=clock.now().wall))
        await anyio.sleep(400.0)
    assert len(outside.starts) == 1
    [entry] = fleet.of("agent.restart.succeeded")
    assert entry["duration_ms"] == pytest.approx(70_500, abs=1000)
    assert fleet.of("agent.recovered")[0]["by_itself"] is False


@pytest.mark.parametrize("by", [HOUR, -HOUR])
async def test_a_miss_that_falls_due_as_the_clock_is_set_is_counted_the_moment_after(log: Any, by: float) -> None:
    clock = SettableClock()
    fleet = Fleet(log, clock=clock)
    outside = Outside([], beats=[0.0])
    async with fleet.watching((policy(restart={"kind": "none"}), outside)):
        await anyio.sleep(HOUR - 0.5)
        clock.offset += by
        await anyio.sleep(3.0)
        assert fleet.last().missed == 1


async def test_a_process_of_ours_survives_that_the_clock_is_set(log: Any) -> None:
    clock = SettableClock()
    fleet = Fleet(log, clock=clock)
    source = (LogSource(path="/nowhere/mailer.log"),)  # type: ignore[arg-type]
    outside = Outside([Script(duration=0.0, lives=1e6)])
    async with fleet.watching((owned(sources=source, timeout=1000.0, startup_grace=100.0), outside)):
        await anyio.sleep(10.0)
        clock.offset -= HOUR
        await anyio.sleep(50.0)
        outside.beats.append(Beat(stamp=clock.now().wall))
        await anyio.sleep(500.0)
    assert len(outside.starts) == 1


# --- Killed and started again ---


class Slow(MemoryJournal):
    """A disk that takes its time."""

    def __init__(self, takes: float = 5.0) -> None:
        super().__init__()
        self.takes = takes
        self.written: list[tuple[float, ActionRecord]] = []

    async def write(self, record: ActionRecord) -> None:
        await anyio.sleep(self.takes)
        await super().write(record)
        self.written.append((anyio.current_time(), record))


async def test_nothing_is_begun_before_it_is_on_disk(log: Any) -> None:
    fleet = Fleet(log, journal=Slow())
    outside = Outside([Script(duration=20.0, beat_after=1.0)], beats=[0.0])
    await fleet.watch(HOUR + 100, (policy(), outside))
    assert isinstance(fleet.journal, Slow)
    [(at, record), (_, with_pid), (end, over)] = fleet.journal.written
    assert outside.starts == [at] == [HOUR + 5]
    assert (record.request, record.argv) == (outside.calls[0], ("restart", "mailer"))
    assert (record.restarts, record.attempts, record.starts, record.started) == (1, 1, (wall(HOUR),), wall(HOUR))
    assert (record.pid, with_pid.pid, with_pid.start_time, over.ended) == (0, 4711, 1, True)
    assert with_pid.deadline == at + policy().restart.timeout
    assert end > outside.runs[0][1]


async def killed_at(fleet: Fleet, instant: float, *agents: tuple[AgentConfig, Outside]) -> None:
    """All of us die at that instant, without a word; what is on disk then is what there is."""
    async with fleet.watching(*agents):
        await anyio.sleep(instant - anyio.current_time())
        states = {name: fleet.store.load(name) for name in [policy.name for policy, _ in agents]}
        records = {name: await fleet.journal.read(name) for name in states}
    fleet.store.__init__()  # type: ignore[misc]
    fleet.journal.__init__()  # type: ignore[misc]
    for kept in states.items():
        if kept[1] is not None:
            fleet.store.save(kept[0], kept[1].state)
    for record in records.values():
        if record is not None:
            await fleet.journal.write(record)
    fleet.log.events.clear()


TREE = Tree(pid=4711, start_time=1, marker="x")


@pytest.mark.parametrize("lost", [False, True])
async def test_an_action_that_runs_on_is_adopted_and_no_second_one_begun(fleet: Fleet, lost: bool) -> None:
    outside = Outside([Script(duration=500.0)], beats=[0.0])
    other = Outside([Script(beat_after=1.0)], beats=[60.0])
    agents = ((policy(), outside), (policy("watcher"), other))
    await killed_at(fleet, HOUR + 20, *agents)
    if lost:
        fleet.store.__init__()  # type: ignore[misc]
    outside.tree, outside.adoption = TREE, Script(duration=100.0, outcome=FAILED)
    outside.scripts = [Script(duration=5.0)]
    begun = anyio.current_time()
    async with fleet.watching(*agents):
        await anyio.sleep(0.5)
        assert [entry["action_id"] for entry in fleet.of("agent.restart.adopted")] == [outside.calls[0].action_id]
        assert [record.request for record in outside.adopted] == outside.calls
        assert fleet.slots._running == {"mailer"}, "its slot is taken from the first moment"
        await anyio.sleep(98.0)
        assert (len(outside.starts), other.starts) == (1, [])
        assert fleet.last().detail.startswith("attempt 1 runs") or fleet.last().status == "escalated"
        await anyio.sleep(2.0)
        assert [entry["reason"] for entry in fleet.of("agent.restart.failed")] == ["exit status 1"]
        assert other.starts == [begun + 100]
        record = await fleet.journal.read("mailer")
        assert record is not None
        assert record.ended
        await anyio.sleep(60.0)
        assert [call.attempt for call in outside.calls] == [1, 2]
    assert fleet.idle
    assert "agent.restart.interrupted" not in fleet.log.names()


async def test_what_is_adopted_may_be_proven(fleet: Fleet) -> None:
    outside = Outside([Script(duration=500.0)], beats=[0.0])
    await killed_at(fleet, HOUR + 20, (policy(), outside))
    outside.tree, outside.adoption = TREE, Script(duration=50.0, outcome=ActionOutcome(result="unknown", cause="lost"))
    outside.beats.append(Beat(stamp=wall(HOUR + 90)))
    await fleet.watch(500.0, (policy(), outside))
    assert len(fleet.of("agent.restart.succeeded")) == 1
    assert (len(outside.calls), fleet.last().restarts, fleet.last().status) == (1, 1, "healthy")


@pytest.mark.parametrize("why", ["gone", "another boot", "ended"])
async def test_an_action_that_is_gone_was_interrupted_and_is_judged_by_beats(fleet: Fleet, why: str) -> None:
    outside = Outside([Script(duration=500.0)], beats=[0.0])
    await killed_at(fleet, HOUR + 20, (policy(restart={"verify_within": 60.0}), outside))
    record = await fleet.journal.read("mailer")
    assert record is not None
    outside.tree = None if why == "gone" else TREE
    known: dict[str, dict[str, Any]] = {"another boot": {"boot_id": "earlier"}, "ended": {"ended": True}}
    changes = known.get(why, {})
    await fleet.journal.write(msgspec.structs.replace(record, **changes))
    begun, outside.scripts = anyio.current_time(), [Script(duration=1.0)]
    await fleet.watch(95.0, (policy(restart={"verify_within": 60.0}), outside))
    assert outside.adopted == []
    assert len(fleet.of("agent.restart.interrupted")) == 1
    assert outside.starts[1:] == [begun + 60 + 30]
    assert fleet.last().restarts == 2


async def test_our_own_stop_is_said_once(fleet: Fleet) -> None:
    outside = Outside([Script(duration=500.0)], beats=[0.0])
    await fleet.watch(HOUR + 20, (policy(), outside))
    assert [entry["reason"] for entry in fleet.of("agent.restart.interrupted")] == ["the supervisor stopped while it ran"]
    await fleet.watch(20, (policy(), outside))
    assert len(fleet.of("agent.restart.interrupted")) == 1
    assert (len(outside.calls), fleet.last().restarts) == (1, 1)


async def test_who_is_excused_has_time_to_beat(fleet: Fleet) -> None:
    class Excusing(MemoryStore):
        def load(self, name: str) -> Kept | None:
            kept = super().load(name)
            return Kept(state=kept.state, excused=True) if kept is not None else None

    outside = Outside([], beats=[0.0])
    await fleet.watch(10.0, (policy(restart={"kind": "none"}), outside))
    store = Excusing()
    kept = fleet.store.load("mailer")
    assert kept is not None
    store.save("mailer", kept.state)
    again = Fleet(fleet.log, store=store)
    await anyio.sleep(2 * HOUR)
    async with again.watching((policy(restart={"kind": "none"}), outside)):
        await anyio.sleep(119.0)
        assert again.last().missed == 0
        await anyio.sleep(2.0)
        assert again.last().missed == 1


# --- One sweep ---


async def sweep(fleet: Fleet, *agents: tuple[AgentConfig, Outside]) -> list[float]:
    """Every agent once; how long each took."""
    took: list[float] = []

    async def once(policy: AgentConfig, outside: Outside) -> None:
        begun = anyio.current_time()
        await fleet.actor(policy, outside).once()
        took.append(anyio.current_time() - begun)

    with anyio.fail_after(HOUR):
        async with anyio.create_task_group() as tasks:
            for agent in agents:
                tasks.start_soon(once, *agent)
    assert fleet.idle
    return took


async def test_one_sweep_over_the_healthy_takes_no_time(fleet: Fleet) -> None:
    outside = Outside([], beats=[anyio.current_time()])
    assert await sweep(fleet, (policy(), outside)) == [0.0]
    assert (fleet.last().status, outside.calls, outside.closed) == ("healthy", [], 1)


async def test_one_sweep_sees_an_action_to_its_end_and_leaves_the_proof_to_the_next(fleet: Fleet) -> None:
    outside = Outside([Script(probe=1.0, duration=40.0)], beats=[0.0])
    await anyio.sleep(HOUR + 1)
    assert await sweep(fleet, (policy(), outside)) == [41.0]
    assert (fleet.last().status, len(outside.starts)) == ("restarting", 1)
    kept = fleet.store.load("mailer")
    assert kept is not None
    assert kept.state.attempt is not None
    assert kept.state.attempt.phase == "proving"
    outside.beats.append(Beat(stamp=wall(anyio.current_time() + 30)))
    await anyio.sleep(HOUR / 2)
    assert await sweep(fleet, (policy(), outside)) == [0.0]
    assert len(fleet.of("agent.restart.succeeded")) == 1
    assert (fleet.last().status, len(outside.starts)) == ("healthy", 1)


async def test_a_proof_that_never_came_failed_when_its_time_was_up(fleet: Fleet) -> None:
    outside = Outside([Script(duration=40.0), Script(beat_after=1.0)], beats=[0.0])
    await anyio.sleep(HOUR + 1)
    await sweep(fleet, (policy(), outside))
    await anyio.sleep(HOUR)
    assert await sweep(fleet, (policy(), outside)) == [1.0]
    assert len(fleet.of("agent.restart.failed")) == 1
    assert [call.attempt for call in outside.calls] == [1, 2], "its backoff is long over"
    await anyio.sleep(60.0)
    await sweep(fleet, (policy(), outside))
    assert fleet.last().status == "healthy"


@pytest.mark.parametrize("settles", [True, False])
async def test_a_sweep_that_settles_nothing_closes_the_incident_with_the_first_beat(fleet: Fleet, settles: bool) -> None:
    outside = Outside([], beats=[0.0])
    plan = policy(restart={"kind": "none"}, settles=settles)
    await anyio.sleep(3 * HOUR)
    await sweep(fleet, (plan, outside))
    assert fleet.told[-1].trouble is not None
    outside.beats.append(Beat(stamp=wall(anyio.current_time() + 10)))
    await anyio.sleep(20.0)
    await sweep(fleet, (plan, outside))
    assert (fleet.last().status, fleet.told[-1].trouble is None) == ("healthy", not settles)


async def test_a_sweep_waits_for_its_turn_and_ends_when_it_is_not_needed(fleet: Fleet) -> None:
    first = Outside([Script(duration=100.0)], beats=[0.0])
    second = Outside([Script(duration=10.0)], beats=[0.0])
    third = Outside([Script(duration=10.0)], beats=[0.0])
    await anyio.sleep(HOUR + 1)
    third.beats.append(Beat(stamp=wall(anyio.current_time() + 50)))
    agents = ((policy("mailer"), first), (policy("watcher"), second), (policy("reader"), third))
    took = await sweep(fleet, *agents)
    assert [round(seconds) for seconds in took][-1] == 110
    assert (len(second.starts), third.calls) == (1, [])


async def test_a_sweep_that_finds_a_busy_agent_or_a_failure_is_over_with_that(fleet: Fleet) -> None:
    busy = ActionOutcome(result="busy", cause="works", retry_after=30.0)
    for outcome, status in ((busy, "unhealthy"), (FAILED, "unhealthy")):
        outside = Outside([Script(probe=2.0, duration=3.0, outcome=outcome)], beats=[anyio.current_time()])
        await anyio.sleep(HOUR + 1)
        name = f"agent-{outcome.result}"
        [took] = await sweep(fleet, (policy(name), outside))
        assert took <= 5.0
        assert (fleet.last(name).status, len(outside.calls)) == (status, 1)


async def test_a_sweep_adopts_what_still_runs(fleet: Fleet) -> None:
    outside = Outside([Script(duration=500.0)], beats=[0.0])
    await killed_at(fleet, HOUR + 20, (policy(), outside))
    outside.tree, outside.adoption = TREE, Script(duration=60.0)
    assert await sweep(fleet, (policy(), outside)) == [60.0]
    assert (len(outside.calls), len(outside.adopted), fleet.last().status) == (1, 1, "restarting")


async def test_a_sweep_with_a_bug_in_it_ends_and_leaves_nothing(fleet: Fleet) -> None:
    outside = Outside([Script(duration=5.0, breaks=ValueError("a bug"))], beats=[0.0])
    await anyio.sleep(HOUR + 1)
    with pytest.raises(ExceptionGroup):
        await fleet.actor(policy(), outside).once()
    assert fleet.idle
    assert outside.closed == 1
