"""Agents' reports and troubles, as their tasks would tell them, a store without a disk, and a world of pure rules."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.coordination.bookkeeping import Impacts, note_audit
from collections_supervisor.coordination.cluster import Restraint
from collections_supervisor.coordination.deliveries import delivered
from collections_supervisor.coordination.grouping import announce
from collections_supervisor.coordination.judgement import judge
from collections_supervisor.coordination.state import Fleet, FleetState, shifted, standing
from collections_supervisor.messages import (
    AgentChanged,
    AgentReport,
    BooksAudited,
    Emit,
    Notice,
    NoticeDelivered,
    Now,
    Report,
    Trouble,
)

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)

REPORT = AgentReport(
    name="mailer",
    status="healthy",
    detail="",
    missed=0,
    last_heartbeat=EPOCH - timedelta(minutes=5),
    next_deadline=EPOCH + timedelta(minutes=55),
    restarts=0,
    restarts_24h=0,
    budget_left_24h=12,
    errors=(),
    incident=None,
    last_exit=None,
    paused=False,
    held=None,
    next_attempt_at=None,
)


@pytest.fixture
def make_report() -> Callable[..., AgentReport]:
    """An agent's report: its name, and what is not as it is in health."""

    def make(name: str = "mailer", **changes: Any) -> AgentReport:
        return msgspec.structs.replace(REPORT, name=name, **changes)

    return make


@pytest.fixture
def make_trouble() -> Callable[..., Trouble]:
    """A trouble that began at the epoch."""

    def make(**changes: Any) -> Trouble:
        return Trouble(**{"since": EPOCH, "reason": "no heartbeat since noon, 2 misses", "missed": 2, **changes})

    return make


class MemoryStore:
    """Keeps everything in memory, as JSON where the real one does, and refuses when it is told to."""

    def __init__(self) -> None:
        self.refuses = False
        self.takes = 0.0
        """Seconds that a save needs."""
        self.saves: list[tuple[Report, FleetState]] = []
        self.evidence: dict[str, bytes] = {}

    async def save(self, report: Report, fleet: FleetState) -> bool:
        if self.takes:
            await anyio.sleep(self.takes)
        if self.refuses:
            return False
        decoded = msgspec.json.decode(msgspec.json.encode(fleet), type=FleetState)
        assert decoded == fleet, "what is saved is what is read again"
        self.saves.append((report, decoded))
        return True

    async def keep_evidence(self, incident_id: str, data: bytes) -> str | None:
        if self.refuses:
            return None
        self.evidence[incident_id] = data
        return f"incidents/{incident_id}.json"


@pytest.fixture
def store() -> MemoryStore:
    """A complete fake of the store."""
    return MemoryStore()


@pytest.fixture
def make_fleet() -> Callable[..., Fleet]:
    """The settings of a fleet with these agents."""

    def make(*names: str, **changes: Any) -> Fleet:
        settings = {"repeat_after": 4 * 3600.0, "group_wait": 30.0, "cycle": 60.0, "host": "web-1", "run_id": "run-1"}
        return Fleet(**{"names": names, "version": "0.1.0", **settings, **changes})

    return make


class World:
    """A fleet, what was heard of it, and a clock: judged by the pure rules alone."""

    def __init__(self, fleet: Fleet, state: FleetState | None = None) -> None:
        self.fleet = fleet
        self.state = state or FleetState()
        self.now = Now(mono=1000.0, wall=EPOCH)
        self.facts: dict[str, AgentChanged] = {}
        self.audited: BooksAudited | None = None
        self.impacts: Impacts = {}
        """What the outages of agents cost."""
        self.said: list[Emit] = []
        self.told: list[Notice] = []
        self.restraint = Restraint()

    def hear(self, name: str, *, trouble: Trouble | None = None, **heard: Any) -> None:
        """Take in an agent: members of `AgentChanged` as they are, all others are those of its report."""
        of_change = {key: heard.pop(key) for key in ("missed_at", "opens_at", "acting", "evidence") if key in heard}
        if trouble is not None:
            heard = {"missed": trouble.missed, "status": "escalated", **heard}
        self.facts[name] = AgentChanged(report=msgspec.structs.replace(REPORT, name=name, **heard), trouble=trouble, **of_change)

    def silent(self, *names: str, at: datetime = EPOCH, **heard: Any) -> None:
        """Take in that these missed a deadline at that instant."""
        for name in names:
            self.hear(name, **{"missed_at": at, "missed": 1, "status": "unhealthy", **heard})

    def audit(self, audited: BooksAudited) -> None:
        """Take in what an audit found."""
        self.audited = audited
        self.state = note_audit(self.state, audited)

    def look(self, seconds: float = 0.0) -> None:
        """Judge, after some time."""
        self.now = Now(mono=self.now.mono + seconds, wall=self.now.wall + timedelta(seconds=seconds))
        judgement = judge(self.fleet, self.state, self.facts, self.now, self.audited, self.impacts)
        self.said += judgement.said
        self.restraint = judgement.restraint
        self.state = announce(self.fleet, judgement.state, self.facts, self.now, self.impacts)

    @property
    def owed(self) -> tuple[Notice, ...]:
        """What is owed now."""
        return standing(self.state, self.now.wall).owed

    @property
    def pressing(self) -> frozenset[str]:
        """What goes on to later channels."""
        return standing(self.state, self.now.wall).pressing

    @property
    def words(self) -> list[tuple[str, str | None]]:
        """What is owed, in short."""
        return [(notice.notice, notice.agent) for notice in self.owed]

    def deliver(self) -> list[tuple[str, str | None]]:
        """Have everything delivered that is owed; in short, what that was."""
        words = self.words
        for notice in self.owed:
            self.told.append(notice)
            word = NoticeDelivered(
                dedup_key=notice.dedup_key, sequence=notice.sequence, channel="0", attempts=1, at=self.now.wall
            )
            self.state = delivered(self.state, word)
        self.look()
        return words

    def events(self) -> list[str]:
        """What was logged since this was asked for the last time."""
        events = [said.event for said in self.said]
        self.said.clear()
        return events

    def live_again(self, by: float = 0.0) -> None:
        """Die, and go on from what was saved, with the monotonic clock moved by so much."""
        self.state = shifted(msgspec.json.decode(msgspec.json.encode(self.state), type=FleetState), by)
        self.now = Now(mono=self.now.mono + by, wall=self.now.wall)
        self.facts, self.audited, self.impacts = {}, None, {}


@pytest.fixture
def make_world(make_fleet: Callable[..., Fleet]) -> Callable[..., World]:
    """A world of these agents, all healthy."""

    def make(*names: str, **settings: Any) -> World:
        world = World(make_fleet(*names, **settings))
        for name in names:
            world.hear(name)
        return world

    return make
