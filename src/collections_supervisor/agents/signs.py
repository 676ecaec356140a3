"""What the heartbeat files say: the newest beat, and how many of its deadlines the silence since then has passed. Pure."""

from datetime import datetime, timedelta

import msgspec

from collections_supervisor.agents import flapping, learned
from collections_supervisor.agents.silence import (
    deadline,
    deadlines_passed,
    is_owned,
    last_seen,
    recorded_lines,
    stale_lines,
)
from collections_supervisor.agents.state import AgentState, RecordMiss
from collections_supervisor.agents.turn import Turn
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import Beat, Now, Reading
from collections_supervisor.system.clock import LEAST_JUMP, jump, span, stamp

STOOD_STILL = 5.0
"""Seconds by which a look may be late before the agents are excused for them: we stood still, not they."""

LONGEST_EXCUSE = 120.0

STEPPED = 2.0
"""Seconds by which the wall clock must jump to make one look's stamps unfit for counting."""

DRIFT = 1e-4
"""Seconds by which the clocks may come apart in a second although nobody sets one: more than any quartz does."""

CATCH_UP_LINES = 10
"""How many misses at most are written at once after a long absence of ours."""


def observe(turn: Turn, reading: Reading) -> None:
    """Take in one look at the files."""
    _follow_clock(turn)
    _note_source(turn, reading)
    if reading.invalid:
        turn.emit(
            "warning",
            "agent.heartbeat.invalid",
            f"skipped {reading.invalid} unreadable line{'s' if reading.invalid > 1 else ''} in the heartbeat log of "
            f"{turn.policy.name}",
            invalid=reading.invalid,
        )
    if reading.status == "unreadable":
        if turn.looked is None:
            # In this boot nothing was read yet: what will be read once it can be is better dated from here than from then.
            turn.set(looked=turn.now)
        return
    if turn.looked is None or moved(turn.looked, turn.now):
        turn.set(looked=turn.now)
    turn.set(trailing=reading.trailing)
    if reading.beat is not None and _is_news(turn, reading.beat, reading.future):
        _take_beat(turn, reading.beat)
    elif turn.state.beat is None and reading.recorded_last_heartbeat is not None:
        # The log was rotated or emptied while we were away: our own line still knows the last beat.
        _take_beat(turn, Beat(stamp=reading.recorded_last_heartbeat))
    if reading.future is None:
        turn.set(future=None)
    elif reading.future == turn.state.beat:
        # Nobody was heard of: the wall clock was set back, and what is known lies in the future now.
        turn.set(future=reading.future)
    elif reading.future != turn.state.future:
        turn.set(future=reading.future, contact_at=turn.now.mono, recorded=0)


def _is_news(turn: Turn, beat: Beat, future: Beat | None) -> bool:
    """Whether it is not older than what is known: a beat does not unhappen because its file is gone, or cannot be read now.

    `future` is what came after it and cannot be dated.
    """
    known, seen = turn.state.beat, turn.state.beat_at
    if known is None or seen is None or beat == known:
        return known is None
    # What is known bears too late a stamp where the wall clock was set back; the agent's next beat is the newer one all the same.
    in_the_future = known.stamp > turn.now.wall + timedelta(seconds=turn.policy.future_tolerance)
    set_back = future is None and (in_the_future or turn.mono(beat.stamp) > seen)
    return beat.stamp >= known.stamp or set_back


def _note_source(turn: Turn, reading: Reading) -> None:
    before = turn.state.source
    if reading.status == "unreadable" and before != "unreadable":
        turn.emit(
            "warning",
            "agent.heartbeat.unreadable",
            f"the heartbeat of {turn.policy.name} cannot be read, so it is not judged: {reading.error}",
            reason=reading.error,
        )
    if reading.status != "unreadable":
        turn.set(unreadable_at=None)
    elif before != "unreadable":
        turn.set(unreadable_at=turn.now.mono)
    vanished = turn.state.vanished_at
    if reading.status != "missing":
        vanished = None
    elif before == "ok" and turn.state.beat is not None and vanished is None:
        vanished = turn.now.mono
    turn.set(source=reading.status, source_error=reading.error, vanished_at=vanished)


def _take_beat(turn: Turn, beat: Beat) -> None:
    _learn(turn, beat)
    turn.set(
        beat=beat,
        beat_at=turn.mono_of_news(beat.stamp),
        contact_at=None,
        looked=turn.now,
        recorded=0,
        pardon=0.0,
        verdicts=flapping.remember(turn.state.verdicts, True),
    )
    age = (turn.now.wall - beat.stamp).total_seconds()
    turn.emit(
        "debug",
        "agent.heartbeat.seen",
        f"{turn.policy.name} beat at {stamp(beat.stamp)}",
        last_heartbeat=stamp(beat.stamp),
        beat_status=beat.status,
        age_s=round(age, 3),
    )
    if beat.status == "fail":
        turn.error(f"it says that it failed{says(beat)}")


def _learn(turn: Turn, beat: Beat) -> None:
    """Take in how long it took from one beat to the next, where the deadline is learned from that."""
    policy, known = turn.policy, turn.state.beat
    if not policy.adaptive or policy.period is None or known is None:
        return
    interval = learned.interval_of(known, beat, policy.active_hours)
    intervals = learned.add(turn.state.intervals, interval, policy.period)
    turn.set(intervals=intervals, learned=learned.deadline(intervals, policy.period))


def says(beat: Beat) -> str:
    """What the agent added to its beat, to be put behind a sentence."""
    return f": {beat.message}" if beat.message else ""


def is_judged(policy: AgentConfig, state: AgentState, now: float) -> bool:
    """Whether silence counts: not while the file cannot be read, nor in the first moments after it vanished."""
    if state.source == "unreadable":
        return False
    return state.vanished_at is None or now >= state.vanished_at + vanished_for(policy)


def vanished_for(policy: AgentConfig) -> float:
    """Seconds that a vanished file may take to come back: a rotation is no death."""
    return min(policy.cycle, policy.timeout)


def count_misses(turn: Turn) -> None:
    """Count the deadlines passed, and have each recorded once."""
    state, now = turn.state, turn.now
    if not is_judged(turn.policy, state, now.mono) or stepped(turn.since, now):
        # Stamps of before and after a step of the clock cannot be compared in one look.
        return
    passed = deadlines_passed(turn.policy, state, now)
    recorded = max(state.recorded, recorded_lines(state))
    # An excuse moves all deadlines of a silence, also those missed before it; a new start of an owned process gives new ones.
    known = 0 if is_owned(turn.policy) else min(state.missed, state.recorded)
    missed = max(passed, stale_lines(turn.policy, state), known)
    last = state.beat.stamp if state.beat is not None else None
    reason = last_seen(state)
    turn.set(missed=missed, recorded=max(recorded, passed))
    if missed > state.missed:
        more = min(missed - state.missed, flapping.REMEMBERED)
        turn.set(verdicts=flapping.remember(state.verdicts, *[False] * more))
        # Told first: a line in a file waits for a thread, and nobody must hear of a miss later for that.
        _tell_miss(turn, last)
    for number in range(max(recorded, passed - CATCH_UP_LINES) + 1, passed + 1):
        turn.effects.append(RecordMiss(missed=number, last_heartbeat=last, reason=reason))


def stepped(since: Now | None, now: Now) -> float:
    """Seconds by which the wall clock was set since the last look; 0 if it was not."""
    if since is None:
        return 0.0
    by = jump(since, now).stepped
    return by if abs(by) > STEPPED + DRIFT * (now.mono - since.mono) else 0.0


def moved(since: Now | None, now: Now) -> bool:
    """Whether the machine slept since the last look, or its wall clock was set."""
    return since is not None and (jump(since, now).slept > LEAST_JUMP or stepped(since, now) != 0.0)


def _follow_clock(turn: Turn) -> None:
    """Tell in the new time what the stamps of beats to come are compared with, after the wall clock was set."""
    by = timedelta(seconds=stepped(turn.since, turn.now))
    attempt, child = turn.state.attempt, turn.state.child
    if by and attempt is not None and attempt.started is not None:
        turn.set(attempt=msgspec.structs.replace(attempt, started=attempt.started + by))
    if by and child is not None:
        turn.set(child=msgspec.structs.replace(child, started=child.started + by))


def excuse(turn: Turn, late: float) -> None:
    """Move deadlines that passed while we, or the machine, stood still: nobody could beat, or be seen to."""
    now = turn.now.mono
    counted = max(turn.state.recorded, recorded_lines(turn.state))
    due = deadline(turn.policy, turn.state, counted + 1, turn.now)
    if due is None:
        return
    until = turn.state.grace_until
    if late > STOOD_STILL and due <= now:
        until = max(until or now, now + min(turn.policy.timeout / 2, LONGEST_EXCUSE))
    if until is not None and now < until:
        turn.set(pardon=turn.state.pardon + max(0.0, until - due))
    turn.set(grace_until=until if until is not None and now < until else None)


def _tell_miss(turn: Turn, last: datetime | None) -> None:
    missed = turn.state.missed
    silent = (turn.now.wall - last).total_seconds() if last is not None else None
    ago = f"silent for {span(silent)}" if silent is not None and turn.state.future is None else last_seen(turn.state)
    turn.emit(
        "warning",
        "agent.heartbeat.missed",
        f"{turn.policy.name} missed {missed} heartbeat{'s' if missed > 1 else ''} ({ago})",
        missed=missed,
        miss_threshold=turn.policy.miss_threshold,
        last_heartbeat=stamp(last) if last is not None else None,
        age_s=round(silent, 3) if silent is not None else None,
    )


def ails(beat: Beat | None) -> bool:
    """Whether the newest beat itself says that something is wrong."""
    return beat is not None and beat.status in ("fail", "stuck", "waiting")
