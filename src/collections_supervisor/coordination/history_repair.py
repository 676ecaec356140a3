"""A history as it was found on disk, where anybody may have edited it: taken over in order, without gaps, bounded. Pure."""

from datetime import UTC, datetime
from itertools import islice

from collections_supervisor.coordination.changes import LONGEST, Known, known_of, readable
from collections_supervisor.coordination.history import (
    CHANGES,
    DAY,
    OTHERS,
    SAMPLES,
    Past,
    Runs,
    Samples,
    extended,
    recent,
    slot_of,
)
from collections_supervisor.messages import Change, History, QueueSample, Report

DEEPEST = 1_000_000_000
"""Messages in a queue that a file may claim: a number without bounds could not be written again."""


def remember(history: History, report: Report | None, now: datetime) -> Past:
    """What an earlier life left: its history and its last report."""
    return Past(history=_repaired(history, now), known=known_of(report) if report is not None else Known())


def _repaired(history: History, now: datetime) -> History:
    """The history as it would have been written: in order, without gaps, bounded."""
    agents = ((name[:LONGEST], _repaired_runs(runs, now)) for name, runs in history.agents.items())
    queues = ((name[:LONGEST], _repaired_samples(samples, now)) for name, samples in history.queues.items())
    said = filter(None, (_repaired_change(change, now) for change in history.changes))
    seen_at = _in_utc(history.seen_at)
    return History(
        seen_at=min(seen_at, now) if seen_at is not None else None,
        agents=dict(islice(((name, runs) for name, runs in agents if runs), 10 * OTHERS)),
        queues=dict(islice(((name, samples) for name, samples in queues if samples), OTHERS)),
        changes=tuple(sorted(said, key=lambda change: change.at, reverse=True)[:CHANGES]),
    )


def _repaired_runs(runs: Runs, now: datetime) -> Runs:
    repaired: Runs = ()
    end = now - DAY
    known = [(since, until, run.status) for run in runs if (since := _in_utc(run.since)) and (until := _in_utc(run.until))]
    for first, last, status in sorted(known):
        since, until = max(first, end), min(last, now)
        if since > until:
            continue
        if repaired and since > end:
            repaired = extended(repaired, "not_watched", end, since)
        repaired = extended(repaired, status, since, until)
        end = until
    return repaired


def _repaired_samples(samples: Samples, now: datetime) -> Samples:
    at = ((instant, sample.depth) for sample in samples if (instant := _in_utc(sample.at)) is not None)
    deepest: dict[datetime, QueueSample] = {}
    for instant, depth in sorted(at):
        slot, sample = slot_of(instant), QueueSample(at=instant, depth=min(max(0, depth), DEEPEST))
        deepest[slot] = max(deepest.get(slot, sample), sample, key=lambda one: one.depth)
    return recent(tuple(deepest.values()), now)[-SAMPLES:]


def _repaired_change(change: Change, now: datetime) -> Change | None:
    at = _in_utc(change.at)
    return Change(at=min(at, now), subject=readable(change.subject), what=readable(change.what)) if at is not None else None


def _in_utc(instant: datetime | None) -> datetime | None:
    """The instant, if it is one: a file may name any year, and any hour of nowhere."""
    try:
        return instant.astimezone(UTC) if instant is not None and instant.tzinfo is not None else None
    except OverflowError:
        return None
