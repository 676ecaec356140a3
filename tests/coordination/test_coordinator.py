"""The owner of the fleet's state, under virtual time, with sinks that remember."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest
from tests.coordination.audits import audited

from collections_supervisor.coordination.bookkeeping import IMPACT_WAIT
from collections_supervisor.coordination.coordinator import (
    CRASHES,
    FIRST_LOOK,
    GATHER,
    LONGEST,
    Coordinator,
    Fleet,
    pause_after,
)
from collections_supervisor.coordination.hearing import INBOX
from collections_supervisor.coordination.keeping import SAVE_AGAIN, SAVE_EVERY
from collections_supervisor.coordination.ports import Ports
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import (
    Acknowledge,
    ActorCrashed,
    AgentChanged,
    AgentCommand,
    AgentReport,
    Evidence,
    History,
    Impact,
    ImpactAssessed,
    Notice,
    NoticeAttempted,
    NoticeDelivered,
    NoticeExpired,
    Now,
    Outage,
    Report,
    Standing,
    Trouble,
)
from collections_supervisor.system.supervision import STEADY

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HOUR = 3600.0

MakeReport = Callable[..., AgentReport]
MakeTrouble = Callable[..., Trouble]


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


def wall(instant: float) -> datetime:
    return EPOCH + timedelta(seconds=instant)


class VirtualClock:
    def __init__(self) -> None:
        self.stepped = 0.0
        self.slept = 0.0

    def now(self) -> Now:
        mono = anyio.current_time()
        return Now(mono=mono, wall=wall(mono + self.stepped + self.slept), slept=self.slept)


class Sinks:
    """A page, a notifier and the slots: what they were told, and every notice once."""

    def __init__(self) -> None:
        self.reports: list[tuple[float, Report]] = []
        self.owed: tuple[Notice, ...] = ()
        self.told: dict[tuple[str, int], Notice] = {}
        self.pressing: frozenset[str] = frozenset()
        self.restraint: tuple[frozenset[str], bool] = (frozenset(), False)
        self.asked: list[dict[str, Outage]] = []
        self.notified = 0
        self.bugs: list[Exception] = []

    def show(self, report: Report, history: History) -> None:
        if self.bugs:
            raise self.bugs.pop()
        self.reports.append((anyio.current_time(), report))

    def notify(self, standing: Standing) -> None:
        self.notified += 1
        self.owed = standing.owed
        self.pressing = standing.pressing
        self.told.update({(notice.dedup_key, notice.sequence): notice for notice in standing.owed})

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        self.asked.append(dict(outages))

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        self.restraint = (held, one_at_a_time)

    @property
    def last(self) -> Report:
        return self.reports[-1][1]

    @property
    def words(self) -> list[str]:
        return [notice.notice for notice in self.told.values()]


class Stage:
    def __init__(self, log: Any, store: Any, fleet: Fleet, start: FleetState | None = None, before: Report | None = None) -> None:
        self.log = log
        self.store = store
        self.clock = VirtualClock()
        self.sinks = Sinks()
        self.coordinator = Coordinator(fleet, Ports(clock=self.clock, log=log, store=store), self.sinks, start, before=before)
        self.tell = self.coordinator.tell

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.coordinator.run)
            yield
            tasks.cancel_scope.cancel()

    async def heard(self) -> None:
        """Wait until what was told has been judged."""
        await anyio.sleep(2 * GATHER)

    async def deliver(self) -> None:
        for notice in self.sinks.owed:
            await self.tell(
                NoticeDelivered(
                    dedup_key=notice.dedup_key, sequence=notice.sequence, channel="0", attempts=1, at=VirtualClock().now().wall
                )
            )
        await self.heard()


@pytest.fixture
def make_stage(log: Any, store: Any, make_fleet: Callable[..., Fleet]) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(*names: str, start: FleetState | None = None, before: Report | None = None, **settings: Any) -> Stage:
        made.append(Stage(log, store, make_fleet(*names, **settings), start, before))
        return made[-1]

    yield make
    for stage in made:
        stage.coordinator.close()


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage("mailer", "watcher", group_wait=0.0)


def attempted(notice: Notice, **said: Any) -> NoticeAttempted:
    return NoticeAttempted(
        **{
            "dedup_key": notice.dedup_key,
            "sequence": notice.sequence,
            "attempts": 1,
            "error": "exit status 1",
            "next_at": wall(100.0),
            **said,
        }
    )


# --- The report ---


async def test_agents_are_shown_in_the_order_of_the_settings(stage: Stage, make_report: MakeReport) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report("watcher"), trouble=None))
        await stage.tell(AgentChanged(report=make_report("mailer", status="late"), trouble=None))
        await stage.heard()
    assert [agent.name for agent in stage.sinks.last.agents] == ["mailer", "watcher"]
    assert (stage.sinks.last.run_id, stage.sinks.last.version, stage.sinks.last.verdict) == ("run-1", "0.1.0", "healthy")


async def test_ready_is_said_once_when_every_agent_was_looked_at(stage: Stage, make_report: MakeReport) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report("mailer"), trouble=None))
        await stage.heard()
        assert stage.log.of("supervisor.ready") == []
        await stage.tell(AgentChanged(report=make_report("watcher", status="unhealthy"), trouble=None))
        await stage.heard()
        await anyio.sleep(HOUR)
    [ready] = stage.log.of("supervisor.ready")
    assert (ready["agents"], ready["verdict"]) == (2, "degraded")


async def test_the_report_is_published_once_a_cycle_and_soon_after_news(stage: Stage, make_report: MakeReport) -> None:
    async with stage.running():
        await anyio.sleep(10.5 * 60)
        assert [at for at, _ in stage.sinks.reports] == [60.0 * n for n in range(1, 11)]
        begun = anyio.current_time()
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await anyio.sleep(GATHER + 0.01)
        assert stage.sinks.reports[-1][0] == begun + GATHER


async def test_a_thousand_changes_at_one_instant_are_shown_once(
    make_stage: Callable[..., Stage], make_report: MakeReport
) -> None:
    stage = make_stage(*(f"agent-{n}" for n in range(1000)))
    async with stage.running():
        await anyio.sleep(1.0)

        async def tell(number: int) -> None:
            assert await stage.tell(AgentChanged(report=make_report(f"agent-{number}"), trouble=None))

        async with anyio.create_task_group() as tasks:
            for number in range(1000):
                tasks.start_soon(tell, number)
        await anyio.sleep(1.0)
        assert len(stage.sinks.reports) == 1
        assert len(stage.sinks.last.agents) == 1000


async def test_changes_without_end_are_shown_at_a_bounded_rate(stage: Stage, make_report: MakeReport) -> None:
    async with stage.running():
        for missed in range(5000):
            await stage.tell(AgentChanged(report=make_report(missed=missed), trouble=None))
            await anyio.sleep(0.002)
    assert len(stage.sinks.reports) <= 10.0 / GATHER + 1
    assert stage.sinks.last.agents[0].missed >= 4950


@pytest.mark.parametrize(
    ("took", "expected"), [(0.0, GATHER), (0.004, GATHER), (0.02, 0.2), (0.04, 0.4), (0.06, LONGEST), (50.0, LONGEST)]
)
def test_judging_takes_a_tenth_of_the_time_at_the_most_but_keeps_nobody_waiting_long(took: float, expected: float) -> None:
    assert pause_after(took) == pytest.approx(expected)


async def test_the_last_report_takes_in_all_that_waits(stage: Stage, make_report: MakeReport) -> None:
    await stage.tell(AgentChanged(report=make_report(), trouble=None))
    report = await stage.coordinator.settle(stopped=True)
    assert report.stopped_at == VirtualClock().now().wall
    assert [(agent.name, agent.detail == "not looked at yet") for agent in report.agents] == [
        ("mailer", False),
        ("watcher", True),
    ]


async def test_a_full_inbox_is_said_within_its_deadline(stage: Stage, make_report: MakeReport) -> None:
    change = AgentChanged(report=make_report(), trouble=None)
    for _ in range(INBOX):
        assert await stage.tell(change)
    begun = anyio.current_time()
    assert not await stage.tell(change, within=5.0)
    assert anyio.current_time() == begun + 5.0
    await stage.coordinator.settle()
    assert await stage.tell(change)


async def test_who_is_closed_hears_nothing_any_more(stage: Stage, make_report: MakeReport) -> None:
    stage.coordinator.close()
    assert not await stage.tell(AgentChanged(report=make_report(), trouble=None))


# --- Incidents ---


async def test_a_trouble_opens_one_incident_however_often_it_is_told(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        for missed in range(2, 10):
            changed = AgentChanged(
                report=make_report(status="escalated", missed=missed, restarts=1), trouble=make_trouble(missed=missed)
            )
            await stage.tell(changed)
            await anyio.sleep(10.0)
        [escalated] = stage.log.of("agent.escalated")
        assert escalated["level"] == 50
        assert (escalated["agent"], escalated["missed"], escalated["restarts"]) == ("mailer", 2, 1)
        assert escalated["since"] == "2026-11-22T11:00:00.000000Z"
        [incident] = stage.sinks.last.incidents
        assert (incident.missed, incident.opened_at, incident.agent) == (9, EPOCH, "mailer")
        assert escalated["incident"] == incident.id == stage.sinks.last.agents[0].incident
        assert stage.sinks.words == ["opened"]


async def test_a_trouble_that_is_over_resolves_it_and_the_last_notice_is_owed_until_delivered(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.deliver()
        assert list(stage.sinks.owed) == []
        assert stage.sinks.last.incidents[0].delivered
        await anyio.sleep(HOUR)
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await stage.heard()
        assert list(stage.sinks.last.incidents) == []
        assert stage.sinks.last.agents[0].incident is None
        [resolved] = stage.log.of("incident.resolved")
        assert resolved["agent"] == "mailer"
        assert resolved["open_s"] >= HOUR
        await anyio.sleep(10 * HOUR)
        assert [(notice.notice, notice.merged) for notice in stage.sinks.owed] == [("resolved", False)]
        await stage.deliver()
        assert list(stage.sinks.owed) == []
        assert stage.coordinator._state.closing == {}, "what is told is forgotten, or years of incidents would be kept"
        assert stage.sinks.words == ["opened", "resolved"]


async def test_over_before_anybody_was_told_is_one_notice(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await stage.heard()
        [notice] = stage.sinks.owed
        assert (notice.notice, notice.merged, notice.sequence) == ("resolved", True, 2)


async def test_a_trouble_that_came_and_went_between_two_looks_is_nothing(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await stage.heard()
    assert stage.sinks.told == {}
    assert stage.log.of("agent.escalated") == []


async def test_the_next_trouble_is_an_incident_of_its_own_also_while_the_last_is_still_owed(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        for trouble in (make_trouble(), None, make_trouble(since=wall(1800.0))):
            await stage.tell(AgentChanged(report=make_report(), trouble=trouble))
            await stage.heard()
        assert [(notice.notice, notice.merged) for notice in stage.sinks.owed] == [("opened", False), ("resolved", True)]
        assert len({notice.dedup_key for notice in stage.sinks.owed}) == 2
        await stage.deliver()
        assert list(stage.sinks.owed) == []
        assert stage.sinks.last.incidents[0].delivered


async def test_sixty_hours_of_one_dead_agent_are_seven_notices(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report("watcher"), trouble=None))
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        opened = anyio.current_time() - GATHER
        for _ in range(120):
            await stage.deliver()
            await anyio.sleep(opened + GATHER + (_ + 1) * HOUR / 2 - anyio.current_time())
        await stage.deliver()
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await stage.heard()
    assert stage.sinks.words == ["opened", *["reminder"] * 5, "resolved"]
    reminders = [notice for notice in stage.sinks.told.values() if notice.notice == "reminder"]
    assert [round((notice.created_at - wall(opened)).total_seconds() / HOUR, 3) for notice in reminders] == [4, 8, 12, 24, 48]
    assert len(stage.log.of("agent.escalated")) == 1
    assert len(stage.sinks.reports) <= 60 * 60 + 2 * 130


async def test_nobody_is_reminded_of_an_agent_that_beats_again(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.deliver()
        await stage.tell(AgentChanged(report=make_report(), trouble=make_trouble(recovered_at=wall(60.0))))
        await anyio.sleep(30 * HOUR)
        assert stage.sinks.words == ["opened"]
        assert stage.sinks.last.incidents[0].recovered_at == wall(60.0)
        assert len(stage.sinks.reports) <= 30 * 60 + 10, "and it is not waited for a reminder that never comes"
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        assert stage.sinks.words == ["opened", "reminder"], "it fell ill again: what was due meanwhile is said once"
        assert len(stage.log.of("agent.escalated")) == 1


async def test_being_held_is_told_at_once(stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.deliver()
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble(held=True)))
        await stage.heard()
        assert [notice.notice for notice in stage.sinks.owed] == ["reminder"]


async def test_two_agents_in_trouble_are_two_incidents(stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble) -> None:
    async with stage.running():
        for name in ("mailer", "watcher"):
            await stage.tell(AgentChanged(report=make_report(name, status="escalated"), trouble=make_trouble()))
        await stage.heard()
        assert [incident.agent for incident in stage.sinks.last.incidents] == ["mailer", "watcher"]
        assert {notice.agent for notice in stage.sinks.owed} == {"mailer", "watcher"}


# --- What the notifier says ---


async def test_how_a_notice_fares_is_shown(stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        [notice] = stage.sinks.owed
        await stage.tell(attempted(notice, attempts=2))
        await stage.heard()
        [incident] = stage.sinks.last.incidents
        assert (incident.attempts, incident.error, incident.next_at) == (2, "exit status 1", wall(100.0))
        await stage.tell(NoticeExpired(dedup_key=notice.dedup_key, sequence=1, attempts=9, error="exit status 1"))
        await stage.heard()
        [incident] = stage.sinks.last.incidents
        assert (incident.delivered, incident.attempts, incident.error, incident.next_at) == (False, 9, "exit status 1", None)
        assert list(stage.sinks.owed) == []


async def test_word_of_a_notice_that_nobody_knows_changes_nothing(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        before = stage.sinks.last.incidents
        await stage.tell(NoticeDelivered(dedup_key="agent/other/x", sequence=1, channel="0", attempts=1, at=EPOCH))
        await stage.tell(NoticeExpired(dedup_key="agent/other/x", sequence=1, attempts=1, error="x"))
        await stage.tell(NoticeAttempted(dedup_key="agent/other/x", sequence=1, attempts=1, error="x", next_at=None))
        await stage.heard()
        assert stage.sinks.last.incidents == before
        assert len(stage.sinks.owed) == 1


async def test_word_of_the_last_notice_of_a_closed_incident_is_taken(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        for trouble in (make_trouble(), None):
            await stage.tell(AgentChanged(report=make_report(), trouble=trouble))
            await stage.heard()
        [notice] = stage.sinks.owed
        await stage.tell(attempted(notice))
        await stage.heard()
        assert list(stage.sinks.owed) == [notice]
        await stage.tell(NoticeExpired(dedup_key=notice.dedup_key, sequence=notice.sequence, attempts=9, error="x"))
        await stage.heard()
        assert list(stage.sinks.owed) == []


# --- Our own bugs ---


async def test_an_agent_whose_task_crashed_is_unknown_until_it_is_told_of_again(stage: Stage, make_report: MakeReport) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(missed=0), trouble=None))
        await stage.tell(ActorCrashed(actor="agent mailer", agent="mailer", crashes=1, error="RuntimeError('a bug')"))
        await stage.heard()
        shown = stage.sinks.last.agents[0]
        assert shown.status == "unknown"
        assert "RuntimeError('a bug')" in shown.detail
        assert stage.sinks.told == {}
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await stage.heard()
        assert stage.sinks.last.agents[0].status == "healthy"


async def test_a_crash_of_a_task_that_never_told_anything_is_taken(stage: Stage) -> None:
    async with stage.running():
        await stage.tell(ActorCrashed(actor="agent mailer", agent="mailer", crashes=1, error="x"))
        await stage.tell(ActorCrashed(actor="reporter", agent=None, crashes=1, error="x"))
        await stage.heard()
        mailer, watcher = stage.sinks.last.agents
        assert (mailer.status, mailer.detail) == ("unknown", "the task that watches it crashed: x")
        assert (watcher.status, watcher.detail) == ("unknown", "not looked at yet")
        assert stage.sinks.last.verdict == "unknown"


async def test_an_agents_open_incident_survives_a_crash_of_its_task(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.tell(ActorCrashed(actor="agent mailer", agent="mailer", crashes=1, error="x"))
        await stage.heard()
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        assert len(stage.log.of("agent.escalated")) == 1
        assert stage.sinks.words == ["opened"]
        assert len(stage.sinks.last.incidents) == 1


async def test_a_task_that_crashes_again_and_again_is_told_to_a_human_and_forgiven_in_time(stage: Stage) -> None:
    async with stage.running():
        for crashes in range(1, CRASHES):
            await stage.tell(ActorCrashed(actor="reporter", agent=None, crashes=crashes, error="x"))
            await stage.heard()
        assert stage.sinks.told == {}
        for crashes in range(CRASHES, CRASHES + 5):
            await stage.tell(ActorCrashed(actor="reporter", agent=None, crashes=crashes, error=f"error {crashes}"))
            await anyio.sleep(60.0)
        assert stage.sinks.words == ["opened"]
        [incident] = stage.sinks.last.incidents
        assert (incident.kind, incident.agent) == ("supervisor", None)
        assert "reporter" in incident.reason
        assert f"error {CRASHES + 4}" in incident.reason
        [escalated] = stage.log.of("supervisor.escalated")
        assert escalated["level"] == 50
        assert stage.sinks.last.verdict == "degraded"
        # So that no report of the cycle falls into the moment when it is forgiven.
        await anyio.sleep(10.0)
        await stage.deliver()
        await anyio.sleep(STEADY - 72.0)
        assert len(stage.sinks.last.incidents) == 1
        await anyio.sleep(3.0)
        assert list(stage.sinks.last.incidents) == []
        assert stage.sinks.words == ["opened", "resolved"]
        reports = len(stage.sinks.reports)
        await anyio.sleep(600.0)
        assert len(stage.sinks.reports) <= reports + 11


async def test_a_bug_in_a_sink_loses_nothing_that_was_told(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage.sinks.bugs = [RuntimeError("a bug")]
    await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
    with pytest.raises(RuntimeError, match="a bug"):
        await stage.coordinator.run()
    async with stage.running():
        await anyio.sleep(61.0)
        assert stage.sinks.words == ["opened"]
        assert len(stage.log.of("agent.escalated")) == 1


# --- On disk before anything is sent ---


async def test_an_incident_is_saved_before_anybody_is_told(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    saved_when_told: list[bool] = []
    notify = stage.sinks.notify

    def watched(standing: Standing) -> None:
        on_disk = {
            one.dedup_key: one for _, state in stage.store.saves for one in [*state.open.values(), *state.closing.values()]
        }
        saved_when_told.extend(notice in on_disk[notice.dedup_key].outstanding for notice in standing.owed)
        notify(standing)

    stage.sinks.notify = watched  # type: ignore[method-assign]
    async with stage.running():
        for trouble in (make_trouble(), make_trouble(held=True), None):
            await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=trouble))
            await stage.heard()
    assert len(stage.sinks.told) == 3
    assert saved_when_told
    assert all(saved_when_told)


async def test_a_disk_that_refuses_keeps_nobody_from_being_told(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage.store.refuses = True
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        assert [(notice.notice, notice.evidence) for notice in stage.sinks.owed] == [("opened", "")]
        assert stage.sinks.last.incidents
        stage.store.refuses = False
        await anyio.sleep(SAVE_AGAIN + 0.1)
        assert [list(state.open) for _, state in stage.store.saves] == [["agent/mailer"]]


async def test_what_nobody_waits_for_is_saved_once_a_second(stage: Stage, make_report: MakeReport) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await stage.heard()
        begun, saves = anyio.current_time(), len(stage.store.saves)
        for missed in range(100):
            await stage.tell(AgentChanged(report=make_report(missed=missed), trouble=None))
            await anyio.sleep(0.1)
        took = anyio.current_time() - begun
        assert 5 <= len(stage.store.saves) - saves <= took / SAVE_EVERY + 1
        await anyio.sleep(SAVE_EVERY)
        assert stage.store.saves[-1][0].agents[0].missed == 99, "the last change of a burst is not left out"


async def test_nothing_new_is_saved_once_a_cycle(stage: Stage) -> None:
    async with stage.running():
        await anyio.sleep(10.5 * 60)
        assert len(stage.store.saves) == 10


async def test_a_disk_that_takes_its_time_is_written_to_in_every_cycle_too(stage: Stage) -> None:
    stage.store.takes = 0.02
    async with stage.running():
        await anyio.sleep(10.5 * 60)
        assert len(stage.store.saves) == 10


async def test_the_last_state_is_always_saved(stage: Stage) -> None:
    await stage.coordinator.settle()
    report = await stage.coordinator.settle(stopped=True)
    assert stage.store.saves[-1][0] is report
    assert len(stage.store.saves) == 2


# --- Another life ---


async def test_a_later_life_tells_nothing_twice_and_ends_what_is_over(
    stage: Stage, make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.deliver()
    later = make_stage("mailer", "watcher", group_wait=0.0, start=stage.store.saves[-1][1])
    async with later.running():
        await later.tell(AgentChanged(report=make_report("watcher"), trouble=None))
        await later.heard()
        assert [one.agent for one in later.sinks.last.incidents] == ["mailer"], "nobody has looked at it yet"
        await later.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await later.heard()
        assert later.sinks.told == {}
        assert len(later.log.of("agent.escalated")) == 1
        await later.tell(AgentChanged(report=make_report(), trouble=None))
        await later.heard()
        assert [(notice.notice, notice.merged, notice.sequence) for notice in later.sinks.owed] == [("resolved", False, 2)]


async def test_over_while_we_were_down_is_one_notice(
    stage: Stage, make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
    later = make_stage("mailer", "watcher", start=stage.store.saves[-1][1])
    async with later.running():
        await later.tell(AgentChanged(report=make_report("watcher"), trouble=None))
        await later.heard()
        assert later.sinks.notified == 0, "it may be back"
        await later.tell(AgentChanged(report=make_report(), trouble=None))
        await later.heard()
        assert [(notice.notice, notice.merged) for notice in later.sinks.told.values()] == [("resolved", True)]


async def test_what_is_owed_waits_for_the_first_look_but_not_for_ever(
    stage: Stage, make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
    later = make_stage("mailer", "watcher", start=stage.store.saves[-1][1])
    async with later.running():
        begun = anyio.current_time()
        while not later.sinks.notified:
            await anyio.sleep(0.25)
        assert anyio.current_time() - begun <= FIRST_LOOK + 1.0
        assert later.sinks.words == ["opened"]


async def test_who_has_looked_at_everybody_waits_for_nothing(
    stage: Stage, make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
    once = make_stage("mailer", "watcher", once=True, start=stage.store.saves[-1][1])
    async with once.running():
        await once.tell(AgentChanged(report=make_report("watcher"), trouble=None))
        await once.heard()
        assert once.sinks.notified == 0
    await once.coordinator.settle()
    assert once.sinks.words == ["opened"]


# --- A person's word ---


async def test_an_acknowledged_incident_is_silent_until_that_expires(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        word = Acknowledge(subject="mailer", until=wall(10 * HOUR), reason="on it")
        assert not stage.coordinator.is_open(word.subject)
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.deliver()
        assert stage.sinks.pressing == {"agent/mailer/2026-11-22T11:00:00.000000Z"}
        assert stage.coordinator.is_open(word.subject)
        await stage.tell(word)
        await stage.heard()
        assert stage.sinks.pressing == frozenset()
        assert stage.sinks.last.incidents[0].acknowledged_until == wall(10 * HOUR)
        assert stage.store.saves[-1][1].open["agent/mailer"].acknowledged_until == wall(10 * HOUR)
        [said] = stage.log.of("agent.acknowledged")
        assert (said["agent"], said["until"], said["reason"]) == ("mailer", "2026-11-22T21:00:00.000000Z", "on it")
        await anyio.sleep(10 * HOUR - anyio.current_time() - 1.0)
        assert stage.sinks.words == ["opened"]
        await anyio.sleep(1.1)
        assert stage.sinks.pressing, "the moment at which it expires is not slept over"
        assert stage.sinks.words == ["opened"], "those that fell into it are not made up"
        await anyio.sleep(2 * HOUR)
        assert stage.sinks.words == ["opened", "reminder"]
        assert stage.sinks.last.incidents[0].acknowledged_until is None


async def test_what_nobody_could_be_told_stays_until_it_is_acknowledged(
    stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        [notice] = stage.sinks.owed
        await stage.tell(NoticeExpired(dedup_key=notice.dedup_key, sequence=1, attempts=9, error="exit status 1"))
        await stage.heard()
        await stage.tell(AgentChanged(report=make_report(), trouble=None))
        await stage.heard()
        [lost] = stage.sinks.last.undelivered
        assert (lost.agent, lost.error, lost.text, lost.sequence) == ("mailer", "exit status 1", notice.text, 1)
        assert stage.coordinator.is_open(lost.incident_id)
        await stage.tell(Acknowledge(subject=lost.incident_id, until=wall(HOUR)))
        await stage.heard()
        assert stage.sinks.last.undelivered == ()
        assert not stage.coordinator.is_open(lost.incident_id)


async def test_the_last_delivery_of_a_channel_is_shown(stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble) -> None:
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble()))
        await stage.heard()
        await stage.deliver()
        assert set(stage.sinks.last.proven) == {"0"}


# --- What was seen ---


async def test_what_was_seen_is_kept_and_named(stage: Stage, make_report: MakeReport, make_trouble: MakeTrouble) -> None:
    seen = Evidence(lines=("miss 2",), cause="exit status 1", output_tail="out of cheese")
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(status="escalated"), trouble=make_trouble(), evidence=seen))
        await stage.heard()
        [incident] = stage.sinks.last.incidents
        assert incident.evidence == f"incidents/{incident.id}.json"
        [notice] = stage.sinks.owed
        assert notice.evidence == incident.evidence
        assert notice.text.endswith(f"What was seen: {incident.evidence}.")
        assert b"out of cheese" in stage.store.evidence[incident.id]


# --- Clocks ---


@pytest.mark.parametrize(("slept", "stepped", "words"), [(3600.0, 0.0, "1 h 00 min"), (0.0, -90.0, "-90.0 s"), (1.9, -1.9, "")])
async def test_clocks_that_jump_are_told_once(stage: Stage, slept: float, stepped: float, words: str) -> None:
    async with stage.running():
        await anyio.sleep(61.0)
        stage.clock.slept += slept
        stage.clock.stepped += stepped
        await anyio.sleep(600.0)
    told = stage.log.of("supervisor.clock_jumped")
    assert [(one["slept_s"], one["stepped_s"], one["level"]) for one in told] == ([(slept, stepped, 30)] if words else [])
    assert all(words in one["message"] for one in told)


# --- Many at one time ---


async def test_openings_close_together_are_one_notice_and_a_lone_one_does_not_wait(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = make_stage("a", "b", "c")
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report("c"), trouble=None))
        await stage.tell(AgentChanged(report=make_report("b", missed=1), trouble=None, opens_at=wall(20.0)))
        await stage.tell(AgentChanged(report=make_report("a", status="escalated"), trouble=make_trouble(silent=False)))
        await stage.heard()
        assert not stage.sinks.owed
        assert stage.sinks.last.agents[0].incident is not None, "what is open is shown at once"
        await anyio.sleep(20.0)
        await stage.tell(AgentChanged(report=make_report("b", status="escalated"), trouble=make_trouble(reason="it said so")))
        await stage.heard()
        [notice] = stage.sinks.owed
        assert [one.agent for one in notice.grouped] == ["a", "b"]
        await stage.deliver()
        assert [one.delivered for one in stage.sinks.last.incidents] == [True, True]


async def test_an_opening_that_waited_is_told_when_the_time_is_over(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = make_stage("a", "b")
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report("b", status="restarting", missed=1), trouble=None, acting=True))
        await stage.tell(AgentChanged(report=make_report("a", status="escalated"), trouble=make_trouble()))
        await anyio.sleep(29.9)
        assert not stage.sinks.owed
        await anyio.sleep(0.3)
        assert [(notice.agent, notice.grouped) for notice in stage.sinks.owed] == [("a", ())]


async def test_an_opening_that_an_earlier_life_let_wait_is_told_once_its_agent_was_looked_at(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    seen = wall(-60.0)
    waiting = AgentChanged(report=make_report("a", status="escalated", missed=2, last_heartbeat=seen), trouble=make_trouble())
    stage = make_stage("a", "b")
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report("b", status="restarting", missed=1), trouble=None, acting=True))
        await stage.tell(waiting)
        await stage.heard()
        assert not stage.sinks.owed
    # The time for which it waits is over before anybody has looked at it again.
    await anyio.sleep(100.0)
    later = make_stage("a", "b", start=stage.store.saves[-1][1])
    async with later.running():
        await later.tell(AgentChanged(report=make_report("b"), trouble=None))
        await later.heard()
        await later.tell(waiting)
        await later.heard()
        [notice] = later.sinks.owed
        assert (notice.agent, notice.last_heartbeat) == ("a", seen)
        assert "fault of its own" not in notice.text


async def test_a_silent_host_is_one_notice_and_one_restart_until_one_is_back(
    make_stage: Callable[..., Stage], make_report: MakeReport
) -> None:
    names = ("a", "b", "c", "d", "e")
    stage = make_stage(*names)
    silent = {"missed": 1, "status": "unhealthy"}
    async with stage.running():
        for name in names:
            await stage.tell(AgentChanged(report=make_report(name, **silent), trouble=None, missed_at=wall(0.0), acting=True))
        await stage.heard()
        assert stage.sinks.restraint == (frozenset("bcde"), True)
        [notice] = stage.sinks.owed
        assert (notice.kind, notice.agent, notice.missed) == ("host", None, 1)
        [told] = stage.log.of("host.escalated")
        assert (told["names"], "agent" in told) == ("a, b, c, d, e", False)
        assert [agent.incident for agent in stage.sinks.last.agents] == [notice.incident_id] * 5
        await stage.deliver()
        back = make_report("a", last_heartbeat=wall(5.0), restarts=1)
        await stage.tell(AgentChanged(report=back, trouble=None))
        await stage.heard()
        assert stage.sinks.restraint == (frozenset(), True)
        for name in "bcde":
            await stage.tell(AgentChanged(report=make_report(name, last_heartbeat=wall(6.0)), trouble=None))
        await stage.heard()
        assert stage.sinks.restraint == (frozenset(), False)
        assert stage.sinks.words == ["opened", "resolved"]
        assert stage.log.of("agent.escalated") == []


# --- What an outage costs ---


async def after_an_outage(make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble) -> Stage:
    """A second sweep that finds an agent well which the first one told of."""
    settings = {"once": True, "books": True, "group_wait": 0.0, "roles": {"watcher": "watcher"}}
    first = make_stage("watcher", **settings)
    await first.tell(AgentChanged(report=make_report("watcher"), trouble=make_trouble()))
    await first.coordinator.settle()
    [opened] = first.sinks.owed
    await first.tell(NoticeDelivered(dedup_key=opened.dedup_key, sequence=1, channel="0", attempts=1, at=first.clock.now().wall))
    await first.coordinator.settle()
    second = make_stage("watcher", start=first.store.saves[-1][1], **settings)
    await second.tell(AgentChanged(report=make_report("watcher", last_heartbeat=EPOCH), trouble=None))
    return second


async def test_a_sweep_tells_the_end_of_an_outage_together_with_what_it_cost(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = await after_an_outage(make_stage, make_report, make_trouble)
    begun = anyio.current_time()
    async with stage.running():
        await anyio.sleep(1.0)
        assert stage.sinks.words == []
        outage = stage.sinks.asked[-1]["watcher"]
        assert (outage.since, outage.until) == (make_report().last_heartbeat, EPOCH)
        cost = Impact(role="watcher", since=EPOCH, until=EPOCH, count=1, amounts={}, text="1 payment was found late")
        await stage.tell(ImpactAssessed(agent="watcher", outage=outage, impact=cost))
        await stage.heard()
    assert [(notice.notice, notice.impact) for notice in stage.sinks.told.values()] == [("resolved", cost)]
    assert anyio.current_time() < begun + 2.0


async def test_a_sweep_waits_for_that_no_longer_than_five_seconds(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = await after_an_outage(make_stage, make_report, make_trouble)
    async with stage.running():
        await anyio.sleep(4.9)
        assert stage.sinks.words == []
        await anyio.sleep(0.2)
        assert stage.sinks.words == ["resolved"]


async def test_at_its_end_a_sweep_waits_for_nothing(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = await after_an_outage(make_stage, make_report, make_trouble)
    async with stage.running():
        await anyio.sleep(1.0)
    await stage.coordinator.settle(patient=True)
    assert stage.sinks.words == []
    await stage.coordinator.settle()
    assert stage.sinks.words == ["resolved"]


# --- The books ---


async def test_why_there_are_no_books_is_said_where_nobody_looks_at_them(make_stage: Callable[..., Stage]) -> None:
    for looked_at, why in ((True, ""), (False, "books.enabled is false")):
        stage = make_stage("mailer", books=looked_at)
        async with stage.running():
            await stage.coordinator.settle()
            assert (stage.sinks.last.books, stage.sinks.last.books_reason) == (None, why)


async def test_what_an_audit_found_is_shown_and_told_when_the_next_one_says_the_same(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("mailer", books=True, group_wait=0.0)
    async with stage.running():
        await stage.tell(audited(wall(0), "bad_amount"))
        await stage.heard()
        assert stage.sinks.last.books is not None
        assert (stage.sinks.last.books.consistent, stage.sinks.last.verdict, stage.sinks.owed) == (False, "degraded", ())
        await stage.tell(audited(wall(1), "bad_amount"))
        await stage.heard()
        [notice] = stage.sinks.owed
        assert (notice.kind, notice.since) == ("books", wall(0))
    kept = stage.store.saves[-1][1]
    assert (list(kept.open), kept.suspected) == (["books/books"], {"books/books": wall(0)})


async def test_a_suspicion_outlasts_us(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("mailer", books=True, group_wait=0.0)
    async with stage.running():
        await stage.tell(audited(wall(0), "bad_amount"))
        await anyio.sleep(2 * SAVE_EVERY)
    later = make_stage("mailer", books=True, group_wait=0.0, start=stage.store.saves[-1][1])
    async with later.running():
        await later.tell(audited(wall(900), "bad_amount"))
        await later.heard()
    assert [notice.since for notice in later.sinks.told.values()] == [wall(0)]


async def test_what_an_outage_costs_is_asked_for_and_told_with_it(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = make_stage("mailer", books=True, group_wait=0.0, roles={"mailer": "mailer"})
    last = make_report().last_heartbeat
    assert last is not None
    outage = Outage(role="mailer", since=last)
    cost = Impact(role="mailer", since=last, until=EPOCH, count=2, amounts={}, text="2 reminders were not sent")
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(missed=1, status="unhealthy"), trouble=None))
        await stage.heard()
        assert stage.sinks.asked == [{"mailer": outage}]
        # Of an outage that is not this one: nothing is known by it.
        earlier = Outage(role="mailer", since=last - timedelta(hours=1))
        await stage.tell(ImpactAssessed(agent="mailer", outage=earlier, impact=cost))
        await stage.tell(AgentChanged(report=make_report(missed=2, status="escalated"), trouble=make_trouble()))
        await stage.heard()
        assert stage.sinks.told == {}
        await stage.tell(ImpactAssessed(agent="mailer", outage=outage, impact=cost))
        await stage.heard()
        assert [notice.impact for notice in stage.sinks.told.values()] == [cost]
        assert stage.sinks.asked == [{"mailer": outage}]
        await stage.deliver()
        await stage.tell(AgentChanged(report=make_report(last_heartbeat=wall(9)), trouble=None))
        await stage.heard()
        assert stage.sinks.asked[-1] == {}


async def test_nobody_waits_for_ever_to_hear_what_an_outage_costs(
    make_stage: Callable[..., Stage], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = make_stage("mailer", books=True, group_wait=0.0, roles={"mailer": "mailer"})
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(missed=2, status="escalated"), trouble=make_trouble()))
        await anyio.sleep(IMPACT_WAIT - 1.0)
        assert stage.sinks.told == {}
        await anyio.sleep(1.0 + GATHER)
        assert [notice.impact for notice in stage.sinks.told.values()] == [None]


async def test_a_count_goes_on_over_our_own_death(
    stage: Stage, make_stage: Callable[..., Stage], make_report: Callable[..., AgentReport], make_trouble: Callable[..., Trouble]
) -> None:
    """Not from 0 for a moment: whoever adds up increases would count everything once more."""
    async with stage.running():
        report = make_report(restarts=2, outcomes={"failed": 2})
        await stage.tell(AgentChanged(report=report, trouble=make_trouble()))
        await stage.heard()
        await stage.deliver()
        last = await stage.coordinator.settle(stopped=True)
    assert (last.agents[0].outcomes, last.agents[0].escalations) == ({"failed": 2}, {"delivered": 1})
    _, saved = stage.store.saves[-1]
    again = make_stage("mailer", "watcher", start=saved, before=last)
    first = (await again.coordinator.settle()).agents[0]
    assert (first.detail, first.restarts) == ("not looked at yet", 2)
    assert (first.outcomes, first.escalations) == ({"failed": 2}, {"delivered": 1})


# --- What a person, or another configuration, wants ---

PAUSE = AgentCommand(what="pause", reason="moving house", everyone=True)


async def test_a_word_about_all_agents_is_on_disk_when_it_is_kept(stage: Stage) -> None:
    async with stage.running():
        await stage.tell(PAUSE)
        assert await stage.coordinator.kept()
        assert stage.store.saves[-1][1].quiet is not None
        assert stage.coordinator.pause_of_all() == PAUSE
        await stage.tell(AgentCommand(what="resume", everyone=True))
        assert await stage.coordinator.kept()
        assert (stage.store.saves[-1][1].quiet, stage.coordinator.pause_of_all()) == (None, None)
    assert [entry["agent"] for entry in (*stage.log.of("agent.paused"), *stage.log.of("agent.resumed"))] == [None, None]


async def test_the_pause_of_all_ends_by_itself(stage: Stage) -> None:
    async with stage.running():
        await stage.tell(msgspec.structs.replace(PAUSE, until=wall(300.0)))
        await anyio.sleep(299.0)
        assert stage.coordinator.pause_of_all() is not None
        await anyio.sleep(1.0)
        assert stage.coordinator.pause_of_all() is None
        await anyio.sleep(60.0)
        assert stage.store.saves[-1][1].quiet is None
    assert [entry["reason"] for entry in stage.log.of("agent.resumed")] == ["its time is over"]


async def test_what_was_told_is_on_disk_at_once_for_whoever_waits(stage: Stage, make_report: MakeReport) -> None:
    async with stage.running():
        for missed in range(5):
            await stage.tell(AgentChanged(report=make_report(missed=missed), trouble=None))
            begun = anyio.current_time()
            assert await stage.coordinator.kept()
            assert anyio.current_time() - begun < GATHER + 0.001
            assert stage.store.saves[-1][0].agents[0].missed == missed


async def test_what_the_disk_refuses_is_not_kept(stage: Stage) -> None:
    stage.store.refuses = True
    async with stage.running():
        await stage.tell(PAUSE)
        assert not await stage.coordinator.kept()


async def test_who_waits_for_the_disk_waits_for_a_while_only(stage: Stage) -> None:
    assert not await stage.coordinator.kept(within=2.0), "nobody is at work"
    assert anyio.current_time() == 2.0


async def test_an_agent_that_is_taken_away_has_no_incident_any_more(
    make_stage: Callable[..., Stage], make_fleet: Callable[..., Fleet], make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    stage = make_stage("mailer", "watcher", group_wait=0.0)
    dead = AgentChanged(report=make_report("mailer", status="escalated", missed=2), trouble=make_trouble())
    async with stage.running():
        await stage.tell(dead)
        await stage.heard()
        await stage.deliver()
        await stage.tell(make_fleet("watcher", "reader", group_wait=0.0))
        await stage.tell(dead)
        await stage.heard()
        assert [agent.name for agent in stage.sinks.last.agents] == ["watcher", "reader"]
        assert stage.sinks.last.incidents == ()
        [ended] = [notice for notice in stage.sinks.told.values() if notice.notice == "resolved"]
        assert "is no longer watched" in ended.text
        await stage.tell(AgentChanged(report=make_report("reader"), trouble=None))
        await stage.heard()
        assert [agent.status for agent in stage.coordinator.report.agents] == ["unknown", "healthy"]


async def test_books_that_are_not_looked_at_any_more_are_nobodys_trouble(
    make_stage: Callable[..., Stage], make_fleet: Callable[..., Fleet]
) -> None:
    stage = make_stage("mailer", books=True, group_wait=0.0)
    async with stage.running():
        for at in (0.0, 900.0):
            await stage.tell(audited(wall(at), "amount_mismatch"))
            await stage.heard()
        assert [incident.kind for incident in stage.sinks.last.incidents] == ["books"]
        assert stage.coordinator.incidents == ("books",)
        await stage.tell(make_fleet("mailer", group_wait=0.0))
        await stage.heard()
        assert (stage.sinks.last.incidents, stage.sinks.last.books) == ((), None)


async def test_another_auditor_is_asked_again_what_an_outage_costs(
    make_stage: Callable[..., Stage], make_fleet: Callable[..., Fleet], make_report: MakeReport
) -> None:
    settings: dict[str, Any] = {"books": True, "roles": {"mailer": "mailer"}, "group_wait": 0.0}
    stage = make_stage("mailer", **settings)
    async with stage.running():
        await stage.tell(AgentChanged(report=make_report(missed=1), trouble=None))
        await stage.heard()
        assert len(stage.sinks.asked) == 1
        await stage.tell(make_fleet("mailer", **settings))
        await stage.heard()
        assert len(stage.sinks.asked) == 2
        assert stage.sinks.asked[0] == stage.sinks.asked[1]
