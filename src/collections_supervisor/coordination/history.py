"""The last 24 hours, from one report to the next: how each agent was, how deep each queue, and what changed. Pure.

All instants are the wall clock's. What lies behind the present one, because that clock was set back, is cut off or moved to it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from collections_supervisor.coordination.changes import Known, changes, noted, readable
from collections_supervisor.messages import AgentReport, Change, History, QueueReport, QueueSample, Report, StateRun, Status
from collections_supervisor.system.clock import span

DAY = timedelta(hours=24)
SLOT = timedelta(minutes=15)

RUNS = 96
SAMPLES = 96
CHANGES = 50
OTHERS = 1000
"""Agents and queues that are not in the report any more whose past is kept: those that were there most recently."""

SUPERVISOR = "the supervisor"

State = Status | Literal["not_watched"]

_BETTER_FIRST: tuple[State, ...] = (
    "healthy",
    "paused",
    "late",
    "not_watched",
    "unknown",
    "restarting",
    "unhealthy",
    "escalated",
)
_RANK: dict[State, int] = {status: rank for rank, status in enumerate(_BETTER_FIRST)}
_WELL = frozenset({"healthy", "late"})

Runs = tuple[StateRun, ...]
Samples = tuple[QueueSample, ...]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What was, and what was known last of everything: that is what a change is told against."""

    history: History = History()
    known: Known = Known()
    life: Literal["", "started", "stopped"] = ""
    """What this life of ours has said of itself."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One report, and what it does not say of itself."""

    report: Report
    heard: frozenset[str]
    """The agents that were looked at in this life; the others are as nobody knows."""
    audited_at: datetime | None
    """When the queues were looked at."""
    patience: timedelta
    """A longer time without a report was not watched."""
    once: bool = False
    """A single sweep: it comes and goes every hour, and so is no news; what beats prove of the time before it, it believes."""


def step(past: Past, seen: Seen) -> Past:
    """What was, once this report is known too."""
    now = seen.report.generated_at
    heard = [agent for agent in seen.report.agents if agent.name in seen.heard]
    known = noted(past.known, seen.report, heard)
    return Past(
        history=History(
            seen_at=now,
            agents=_agents(past, heard, seen),
            queues=_queues(past.history.queues, seen),
            changes=_changes(past, known, seen),
        ),
        known=known,
        life="stopped" if seen.report.stopped_at is not None else "started",
    )


# --- Agents ------------------------------------------------------------------------------------------------------------


def _agents(past: Past, heard: Sequence[AgentReport], seen: Seen) -> dict[str, Runs]:
    now, before = seen.report.generated_at, past.history.agents
    agents = {
        agent.name: _continued(before.get(agent.name, ()), past.known.agents.get(agent.name), agent, seen) for agent in heard
    }
    rest = {name: cut for name, runs in before.items() if name not in agents and (cut := _within(runs, now))}
    # Those that are still to be looked at are among them.
    newest = sorted(rest, key=lambda name: rest[name][-1].until, reverse=True)[: OTHERS + len(seen.report.agents)]
    return agents | {name: rest[name] for name in newest}


def _continued(runs: Runs, before: AgentReport | None, agent: AgentReport, seen: Seen) -> Runs:
    now = seen.report.generated_at
    runs = _within(runs, now)
    if not runs:
        return (StateRun(status=agent.status, since=now, until=now),)
    last = runs[-1]
    if now - last.until <= seen.patience or (seen.once and before is not None and _is_proven(before, agent)):
        return extended(runs, agent.status, now, now)
    return extended(extended(runs, "not_watched", last.until, now), agent.status, now, now)


def _is_proven(before: AgentReport, after: AgentReport) -> bool:
    """Whether what an agent left on disk says that it was all the time as it was at both ends: nobody was there to see it."""
    if before.status == after.status and before.last_heartbeat == after.last_heartbeat:
        return True
    # Of many beats between, only the last is known: if it is no later than the deadline of then, none was missed.
    well = before.status in _WELL and after.status in _WELL
    beat, deadline = after.last_heartbeat, before.next_deadline
    return well and beat is not None and deadline is not None and beat <= deadline


def extended(runs: Runs, status: State, since: datetime, until: datetime) -> Runs:
    """The runs, the last of them up to `since`, and that status from there on."""
    *older, last = runs or (StateRun(status=status, since=since, until=since),)
    if last.status == status:
        return (*older, StateRun(status=last.status, since=last.since, until=until))
    if last.since < since:
        older.append(StateRun(status=last.status, since=last.since, until=since))
    elif older and older[-1].status == status:
        since = older.pop().since
    older.append(StateRun(status=status, since=since, until=until))
    return _bounded(tuple(older))


def _within(runs: Runs, now: datetime) -> Runs:
    """Of the runs what lies in the day that ends now."""
    begin = now - DAY
    if not runs or (runs[0].since >= begin and runs[-1].until <= now):
        return runs
    first, end = 0, len(runs)
    while first < end and runs[first].until <= begin:
        first += 1
    while first < end and runs[end - 1].since > now:
        end -= 1
    return tuple(_cut(run, begin, now) for run in runs[first:end])


def _cut(run: StateRun, begin: datetime, end: datetime) -> StateRun:
    if run.since >= begin and run.until <= end:
        return run
    return StateRun(status=run.status, since=max(run.since, begin), until=min(run.until, end))


def _bounded(runs: Runs) -> Runs:
    if len(runs) <= RUNS:
        return runs
    # What is now stays as it is: of the rest, each slot is as bad as it ever was in it.
    slots = _slots(runs[:-1])
    while len(slots) > RUNS - 1:
        oldest, second, *slots = slots
        slots.insert(0, StateRun(status=_worse(oldest.status, second.status), since=oldest.since, until=second.until))
    return (*slots, runs[-1])


def _slots(runs: Runs) -> list[StateRun]:
    worst: dict[datetime, State] = {}
    for run in runs:
        slot = slot_of(run.since)
        worst[slot] = _worse(worst.get(slot, run.status), run.status)
        while (slot := slot + SLOT) < run.until:
            worst[slot] = run.status
    joined: list[StateRun] = []
    since = runs[0].since
    for slot, status in worst.items():
        until = min(slot + SLOT, runs[-1].until)
        if joined and joined[-1].status == status:
            joined[-1] = StateRun(status=status, since=joined[-1].since, until=until)
        else:
            joined.append(StateRun(status=status, since=since, until=until))
        since = until
    return joined


def _worse(one: State, other: State) -> State:
    return one if _RANK[one] >= _RANK[other] else other


def slot_of(instant: datetime) -> datetime:
    """The beginning of the quarter of an hour."""
    return instant.replace(minute=instant.minute // 15 * 15, second=0, microsecond=0)


# --- Queues ------------------------------------------------------------------------------------------------------------


def _queues(before: dict[str, Samples], seen: Seen) -> dict[str, Samples]:
    now = seen.report.generated_at
    cut = {name: kept for name, samples in before.items() if (kept := recent(samples, now))}
    items = seen.report.queues.items if seen.report.queues is not None else ()
    at = min(seen.audited_at, now) if seen.audited_at is not None else now
    there = {item.name: _sampled(cut.pop(item.name, ()), item, at, now) for item in items}
    newest = sorted(cut, key=lambda name: cut[name][-1].at, reverse=True)[:OTHERS]
    return {name: samples for name, samples in there.items() if samples} | {name: cut[name] for name in newest}


def recent(samples: Samples, now: datetime) -> Samples:
    """Those of the day that ends now."""
    if samples and samples[0].at >= now - DAY and samples[-1].at <= now:
        return samples
    return tuple(sample for sample in samples if now - DAY <= sample.at <= now)


def _sampled(samples: Samples, queue: QueueReport, at: datetime, now: datetime) -> Samples:
    """One sample for each slot: the deepest that was seen in it."""
    if at < now - DAY or (samples and at <= samples[-1].at):
        return samples
    sample = QueueSample(at=at, depth=queue.depth)
    if samples and slot_of(samples[-1].at) == slot_of(at):
        return (*samples[:-1], max(samples[-1], sample, key=lambda one: one.depth))
    return (*samples, sample)[-SAMPLES:]


# --- Changes -----------------------------------------------------------------------------------------------------------


def _changes(past: Past, known: Known, seen: Seen) -> tuple[Change, ...]:
    now = seen.report.generated_at
    said = list(changes(past.known, known, now))
    if not past.life and not seen.once:
        gap = now - past.history.seen_at if past.history.seen_at is not None else timedelta()
        unwatched = f"; nothing was watched for {span(gap.total_seconds())}" if gap > seen.patience else ""
        said.insert(0, (SUPERVISOR, f"started{unwatched}"))
    if seen.report.stopped_at is not None and past.life != "stopped" and not seen.once:
        said.append((SUPERVISOR, "stopped"))
    before = past.history.changes
    if before and before[0].at > now:
        before = tuple(_at_latest(change, now) for change in before)
    new = tuple(Change(at=now, subject=readable(subject), what=readable(what)) for subject, what in said[-CHANGES:])
    return (*new[::-1], *before)[:CHANGES] if new else before


def _at_latest(change: Change, now: datetime) -> Change:
    return change if change.at <= now else msgspec.structs.replace(change, at=now)
