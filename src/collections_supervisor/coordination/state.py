"""What the coordinator knows of the fleet: what it is told at its start, what it keeps over its own death. Structs, pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from collections_supervisor.coordination.incident import FURTHEST, Count, Incident, Mono, Stamp
from collections_supervisor.coordination.incidents import is_acknowledged
from collections_supervisor.messages import AgentChanged, EscalationOutcome, Notice, Role, Standing, Trouble, Undelivered
from collections_supervisor.system.supervision import STEADY

VERSION = 1
"""Of `FleetState`; a newer one is taken as far as it can be read."""

UNDELIVERED = 50
"""Notices that nobody could be told of that are kept for ever."""

CLOSING = 500
"""Resolved incidents whose last notice is still owed; the oldest beyond that are given up, visibly."""

ENDED = 1000
"""Subjects of which the newest incident is remembered after its end; those that it happened to most recently."""

COUNTED = 1000
"""Agents of which the fate of notices is counted; those that anything happened to most recently."""

SHARED = ""
"""In `FleetState.escalations`: notices that are about no single agent. No agent is called so."""

Facts = Mapping[str, AgentChanged]
"""What was last heard of each agent in this life of ours."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What the coordinator is told at its start. Durations in seconds."""

    names: tuple[str, ...]
    repeat_after: float
    group_wait: float
    """0: nothing is grouped, and no host is ever in trouble as a whole."""
    cycle: float
    host: str
    """What the machine is called in an incident that concerns all of it."""
    run_id: str
    version: str
    once: bool = False
    """One look at everything and no waiting: nothing is grouped."""
    books: bool = False
    """Whether the books are looked at."""
    roles: Mapping[str, Role] = {}
    """What the agents do in the collection, of those that have a part in it."""

    @property
    def groups(self) -> bool:
        """Whether what happens to many agents at one time is told as one thing."""
        return self.group_wait > 0 and not self.once


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """A task of ours that crashes again and again."""

    since: Stamp
    reason: str
    last_at: Mono
    """Monotonic instant of the last crash."""

    @property
    def trouble(self) -> Trouble:
        """What a human must know of it."""
        return Trouble(since=self.since, reason=self.reason, missed=0, silent=False)


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """A person's stop for all agents, also for those that are watched only later (until None: until it is lifted by hand)."""

    since: Stamp
    until: Stamp | None = None
    reason: str = ""


class FleetState(msgspec.Struct, frozen=True, kw_only=True):
    """What has to outlive us: incidents, who was told of them, and by which way anybody was ever told."""

    version: int = VERSION
    open: dict[str, Incident] = {}
    """By kind and subject."""
    closing: dict[str, Incident] = {}
    """By id: resolved, with the last notice still owed."""
    undelivered: tuple[Undelivered, ...] = ()
    proven: dict[str, Stamp] = {}
    """The last delivery of each channel."""
    crashes: dict[str, Crash] = {}
    calm: dict[str, Annotated[int, msgspec.Meta(ge=0)]] = {}
    """How many restarts each agent had had when it was last well."""
    suspected: dict[str, Stamp] = {}
    """By kind and subject, the first of the audits in a row that found books or a queue bad."""
    ended: dict[str, str] = {}
    """By kind and subject, the newest `dedup_key` of what is over: under it nothing new is ever told."""
    quiet: Quiet | None = None
    """What a person said of all agents."""
    escalations: dict[str, dict[EscalationOutcome, Count]] = {}
    """By agent, what became of the tries to tell a human of it, for ever."""


def key_of(incident: Incident) -> str:
    """Under which an open incident is kept: there is one at a time of each subject."""
    return f"{incident.kind}/{incident.subject}"


def shifted(state: FleetState, by: float, latest: float = FURTHEST) -> FleetState:
    """The state with `by` added to every monotonic instant; all of them are of the past, and none becomes later than `latest`."""

    def moved(instant: float) -> float:
        return max(-FURTHEST, min(instant + by, latest))

    def all_moved(kept: dict[str, Incident]) -> dict[str, Incident]:
        return {key: msgspec.structs.replace(one, told_at=moved(one.told_at)) for key, one in kept.items()}

    crashes = {name: msgspec.structs.replace(crash, last_at=moved(crash.last_at)) for name, crash in state.crashes.items()}
    return msgspec.structs.replace(state, open=all_moved(state.open), closing=all_moved(state.closing), crashes=crashes)


def note_end(ended: Mapping[str, str], dedup_key: str) -> dict[str, str]:
    """What is over, once this incident is."""
    # The keys of one subject differ in a stamp of fixed width only, and follow each other like the instants.
    subject = dedup_key.rpartition("/")[0]
    newest = max(dedup_key, ended.get(subject, ""))
    others = [(key, known) for key, known in ended.items() if key != subject]
    return dict([*others, (subject, newest)][-ENDED:])


def count(state: FleetState, agents: Iterable[str | None], outcome: EscalationOutcome) -> FleetState:
    """The state with one more notice, about these agents, of which that became; None is whatever is no agent."""
    escalations = dict(state.escalations)
    for name in {agent or SHARED for agent in agents}:
        known = escalations.pop(name, {})
        escalations[name] = {**known, outcome: known.get(outcome, 0) + 1}
    return msgspec.structs.replace(state, escalations=dict(list(escalations.items())[-COUNTED:]))


def agents_of(notice: Notice) -> tuple[str | None, ...]:
    """Whom a notice tells of."""
    return tuple(one.agent for one in notice.grouped) or (notice.agent,)


def note_crash(state: FleetState, actor: str, error: str, mono: float, wall: datetime) -> FleetState:
    """The state after a task of ours crashed so often that a human must hear of it."""
    known = state.crashes.get(actor)
    crash = Crash(
        since=known.since if known is not None else wall,
        reason=f"the supervisor's own task {actor} crashes again and again: {error}",
        last_at=mono,
    )
    return msgspec.structs.replace(state, crashes={**state.crashes, actor: crash})


def forgive_crashes(state: FleetState, mono: float) -> FleetState:
    """The state without the crashes that lie back long enough."""
    recent = {name: crash for name, crash in state.crashes.items() if mono < crash.last_at + STEADY}
    return state if len(recent) == len(state.crashes) else msgspec.structs.replace(state, crashes=recent)


def covered(state: FleetState) -> frozenset[str]:
    """The agents that an open incident of a host or provider is about."""
    return frozenset(name for incident in state.open.values() if incident.kind == "host" for name in incident.agents)


def standing(state: FleetState, wall: datetime) -> Standing:
    """What the notifier is to see to."""
    heard = [incident for incident in state.open.values() if not incident.paused]
    pressing = (
        incident.dedup_key
        for incident in heard
        if incident.recovered_at is None and not is_acknowledged(incident, wall) and not incident.spoken_for
    )
    owed = (notice for incident in [*heard, *state.closing.values()] for notice in incident.outstanding)
    return Standing(owed=tuple(owed), pressing=frozenset(pressing))


def give_up(state: FleetState, notices: tuple[Notice, ...], error: str, at: datetime) -> FleetState:
    """The state in which it stays visible that nobody could be told of these."""
    lost = tuple(
        Undelivered(
            dedup_key=notice.dedup_key,
            sequence=notice.sequence,
            incident_id=notice.incident_id,
            agent=notice.agent,
            text=notice.text,
            error=error,
            at=at,
        )
        for notice in notices
    )
    for notice in notices:
        state = count(state, agents_of(notice), "expired")
    return msgspec.structs.replace(state, undelivered=(*state.undelivered, *lost)[-UNDELIVERED:])
