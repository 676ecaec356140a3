"""The judgement of one agent: `step` takes in what happened and says what to do about it. Pure."""

import math
from datetime import datetime

import msgspec

from collections_supervisor.agents import attempts
from collections_supervisor.agents.backoff import DAY, recent
from collections_supervisor.agents.silence import (
    CYCLE,
    deadline_stamp,
    deadlines_passed,
    first_deadline,
    is_owned,
    next_deadline,
    recorded_lines,
    stale_lines,
)
from collections_supervisor.agents.state import (
    ActionEnded,
    ActionStarted,
    AgentState,
    ChildExited,
    Effect,
    Event,
    HeartbeatRead,
    RecordMiss,
    Resumed,
    SlotGranted,
)
from collections_supervisor.agents.turn import Turn
from collections_supervisor.agents.view import status
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import Beat, Level, Now, Reading, Trouble
from collections_supervisor.system.clock import span, stamp

CATCH_UP_LINES = 10
"""How many misses at most are written at once after a long absence of ours."""

MOST_LINES = 100
"""No more misses than this are written for one silence: the log is the agent's, and a dead agent's must not grow for ever."""

STEADY = 600.0
"""Attempts in a row are forgiven after fresh beats over this many seconds (or two periods, if that is longer)."""


def step(policy: AgentConfig, state: AgentState, event: Event, now: Now, jitter: float) -> tuple[AgentState, list[Effect]]:
    """Judge one agent: what it is like after `event`, and what is to be done, in order.

    `jitter` in [0, 1) spreads the delays between restarts.
    """
    turn = Turn(policy, state, now, jitter)
    turn.set(starts=recent(state.starts, now.mono))
    match event:
        case HeartbeatRead(reading=reading):
            _observe(turn, reading)
        case SlotGranted():
            attempts.granted(turn)
        case ActionStarted(at=at):
            attempts.started(turn, at)
        case ActionEnded(outcome=outcome):
            attempts.ended(turn, outcome)
        case ChildExited():
            attempts.child_exited(turn, event)
        case Resumed():
            attempts.resumed(turn)
    _count_misses(turn)
    attempts.check_settled(turn)
    _recover(turn, before=state)
    attempts.check_proof(turn)
    attempts.consider(turn)
    _diagnose(turn)
    _tell_change(turn)
    return turn.state, turn.effects


# --- What the files say ----------------------------------------------------------------------------------------------


def _observe(turn: Turn, reading: Reading) -> None:
    _note_source(turn, reading)
    if reading.invalid:
        turn.emit(
            "warning",
            "agent.heartbeat.invalid",
            f"{reading.invalid} line{'s' if reading.invalid > 1 else ''} in the heartbeat log of {turn.policy.name} "
            "could not be read and were skipped",
            invalid=reading.invalid,
        )
    if reading.status == "unreadable":
        return
    turn.set(trailing=reading.trailing)
    if reading.beat is not None and reading.beat != turn.state.beat:
        _take_beat(turn, reading.beat)
    elif turn.state.beat is None and reading.recorded_last_heartbeat is not None:
        # The log was rotated or emptied while we were away: our own line still knows the last beat.
        _take_beat(turn, Beat(stamp=reading.recorded_last_heartbeat))
    if reading.future is None:
        turn.set(future=None)
    elif reading.future != turn.state.future:
        turn.set(future=reading.future, contact_at=turn.now.mono, recorded=0)


def _note_source(turn: Turn, reading: Reading) -> None:
    before = turn.state.source
    if reading.status == "unreadable" and before != "unreadable":
        turn.emit(
            "warning",
            "agent.heartbeat.unreadable",
            f"the heartbeat of {turn.policy.name} cannot be read, so it is not judged: {reading.error}",
            reason=reading.error,
        )
    vanished = turn.state.vanished_at
    if reading.status != "missing":
        vanished = None
    elif before == "ok" and turn.state.beat is not None and vanished is None:
        vanished = turn.now.mono
    turn.set(source=reading.status, source_error=reading.error, vanished_at=vanished)


def _take_beat(turn: Turn, beat: Beat) -> None:
    turn.set(beat=beat, beat_at=min(turn.mono(beat.stamp), turn.now.mono), contact_at=None, recorded=0)
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
        turn.error(f"it says that it failed{_says(beat)}")


def _says(beat: Beat) -> str:
    return f": {beat.message}" if beat.message else ""


# --- Misses ----------------------------------------------------------------------------------------------------------


def is_judged(policy: AgentConfig, state: AgentState, now: float) -> bool:
    """Whether silence counts: not while the file cannot be read, nor in the first moments after it vanished."""
    if state.source == "unreadable":
        return False
    return state.vanished_at is None or now >= state.vanished_at + _vanished_for(policy)


def _vanished_for(policy: AgentConfig) -> float:
    """Seconds that a vanished file may take to come back: a rotation is no death."""
    return min(CYCLE, policy.timeout)


def _count_misses(turn: Turn) -> None:
    state, now = turn.state, turn.now.mono
    if not is_judged(turn.policy, state, now):
        return
    passed = deadlines_passed(turn.policy, state, now)
    recorded = max(state.recorded, recorded_lines(state))
    missed = max(passed, stale_lines(turn.policy, state))
    last = state.beat.stamp if state.beat is not None else None
    reason = f"no heartbeat since {stamp(last)}" if last is not None else "no heartbeat ever"
    for number in range(max(recorded, passed - CATCH_UP_LINES) + 1, min(passed, MOST_LINES) + 1):
        turn.effects.append(RecordMiss(missed=number, last_heartbeat=last, reason=reason))
    turn.set(missed=missed, recorded=max(recorded, passed))
    if missed > state.missed:
        _tell_miss(turn, last)


def _tell_miss(turn: Turn, last: datetime | None) -> None:
    missed = turn.state.missed
    silent = (turn.now.wall - last).total_seconds() if last is not None else None
    ago = f"silent for {span(silent)}" if silent is not None else "never seen"
    turn.emit(
        "warning",
        "agent.heartbeat.missed",
        f"{turn.policy.name} missed {missed} heartbeat{'s' if missed > 1 else ''} ({ago})",
        missed=missed,
        miss_threshold=turn.policy.miss_threshold,
        last_heartbeat=stamp(last) if last is not None else None,
        age_s=round(silent, 3) if silent is not None else None,
    )


# --- Recovery --------------------------------------------------------------------------------------------------------


def _ails(beat: Beat | None) -> bool:
    """Whether the newest beat itself says that something is wrong."""
    return beat is not None and beat.status in ("fail", "stuck", "waiting")


def _dies_young(policy: AgentConfig, state: AgentState) -> bool:
    """Whether an owned process keeps ending right after its start, whatever it says while it lives."""
    return is_owned(policy) and (state.child is None or state.short_lives >= policy.miss_threshold)


def _is_sign_of_life(turn: Turn, before: AgentState) -> bool:
    state = turn.state
    if not turn.policy.sources:
        # Alive is all that can be known of it, and it is believed once it has lived for a while.
        return state.child is not None and turn.now.mono - state.child.started_at >= attempts.SETTLED
    if state.beat is None or state.beat == before.beat:
        return False
    return before.beat is None or state.beat.stamp > before.beat.stamp


def _recover(turn: Turn, before: AgentState) -> None:
    state = turn.state
    if state.missed or _ails(state.beat) or _dies_young(turn.policy, state):
        turn.set(recovered_at=None, well_since=None, beats_since=0)
        if state.trouble is not None:
            turn.set(trouble=msgspec.structs.replace(state.trouble, recovered_at=None))
        return
    if _is_sign_of_life(turn, before):
        _welcome(turn, before)
    state = turn.state
    settled = state.recovered_at is not None and turn.now.mono >= state.recovered_at + _quiet(turn.policy)
    if state.trouble is not None and state.recovered_at is not None and (state.beats_since >= 2 or settled):
        turn.set(trouble=None, recovered_at=None)


def _quiet(policy: AgentConfig) -> float:
    """Seconds after one fresh beat that settle an incident without a second one."""
    return policy.period or policy.timeout


def _welcome(turn: Turn, before: AgentState) -> None:
    """A fresh sign of life while nothing is missed."""
    state, now = turn.state, turn.now
    in_trouble = state.trouble is not None and state.recovered_at is None
    if in_trouble or before.missed or state.hold is not None:
        _tell_recovery(turn, before)
        turn.set(hold=None, next_attempt_at=None, overflow=False, hung=False)
        turn.set(recovered_at=now.mono, beats_since=0, well_since=state.beat_at or now.mono)
        if state.trouble is not None:
            turn.set(trouble=msgspec.structs.replace(state.trouble, recovered_at=now.wall, held=False))
    turn.set(beats_since=turn.state.beats_since + 1)
    well = turn.state.well_since
    if well is not None and (state.beat_at or now.mono) - well >= max(2 * (turn.policy.period or 0.0), STEADY):
        turn.set(attempts=0, well_since=None)


def _tell_recovery(turn: Turn, before: AgentState) -> None:
    state = turn.state
    attempt = state.attempt
    answered = (
        attempt is not None and attempt.started is not None and state.beat is not None and state.beat.stamp > attempt.started
    )
    how = f"after restart attempt {attempt.request.attempt}" if attempt is not None and answered else "by itself"
    first = first_deadline(turn.policy, before)
    down = max(0.0, turn.now.mono - first) if first is not None else None
    turn.emit(
        "info",
        "agent.recovered",
        f"{turn.policy.name} beats again, {how}",
        missed=before.missed,
        by_itself=not answered,
        down_s=round(down, 3) if down is not None else None,
    )


# --- Trouble ---------------------------------------------------------------------------------------------------------


def _diagnose(turn: Turn) -> None:
    """Say whether a human must know, level-triggered: the same trouble again after any crash of ours."""
    state = turn.state
    found = _found(turn)
    if found is None:
        return
    since, reason = found
    if state.trouble is not None:
        since = state.trouble.since
    held = state.hold is not None
    turn.set(trouble=Trouble(since=since, reason=reason, missed=state.missed, held=held), recovered_at=None)


def _found(turn: Turn) -> tuple[datetime, str] | None:
    policy, state = turn.policy, turn.state
    findings: list[tuple[datetime, str]] = []
    if state.missed >= policy.miss_threshold:
        seen = f"no heartbeat since {stamp(state.beat.stamp)}" if state.beat is not None else "it was never seen"
        findings.append((_threshold_passed(turn), f"{seen}, {state.missed} misses"))
    if state.beat is not None and _ails(state.beat):
        words = {"fail": "it says that it failed", "stuck": "it says that it is stuck", "waiting": "it waits for a person"}
        findings.append((state.beat.stamp, words[state.beat.status] + _says(state.beat)))
    if state.short_lives >= policy.miss_threshold:
        findings.append((turn.now.wall, f"it ended {state.short_lives} times in a row right after its start"))
    if state.hold is not None:
        findings.append((state.hold.since, f"no more automatic restarts: {state.hold.reason}"))
    if not findings:
        return None
    return min(since for since, _ in findings), "; ".join(reason for _, reason in findings)


def _threshold_passed(turn: Turn) -> datetime:
    policy, state = turn.policy, turn.state
    if deadlines_passed(policy, state, turn.now.mono) >= policy.miss_threshold:
        return deadline_stamp(policy, state, policy.miss_threshold)
    # Lines of another tool say so: the line that made the count full.
    counted = [line.stamp for line in state.trailing if not line.ours]
    at = counted[policy.miss_threshold - 1] if len(counted) >= policy.miss_threshold else None
    return at or turn.now.wall


# --- The next look ---------------------------------------------------------------------------------------------------


def _tell_change(turn: Turn) -> None:
    before, after = turn.state.status, status(turn.policy, turn.state, turn.now.mono)
    if after == before:
        return
    turn.set(status=after)
    if before:
        level: Level = "warning" if after in ("unhealthy", "restarting", "escalated") else "info"
        turn.emit(level, "agent.state_changed", f"{turn.policy.name} is {after}, was {before}", state=after, previous=before)


def next_due(policy: AgentConfig, state: AgentState, now: Now) -> float:
    """The monotonic instant at which time alone changes the judgement; until then only news can."""
    instants = [next_deadline(policy, state, now.mono), state.next_attempt_at]
    if state.attempt is not None:
        instants.append(state.attempt.prove_by)
    if state.hold is not None:
        instants.append(state.hold.until)
    if state.beat_at is not None and policy.period is not None:
        instants.append(state.beat_at + policy.period)
    if state.child is not None and (state.short_lives or state.attempts or not policy.sources):
        instants.append(state.child.started_at + attempts.SETTLED)
    if state.trouble is not None and state.recovered_at is not None:
        instants.append(state.recovered_at + _quiet(policy))
    if state.vanished_at is not None:
        instants.append(state.vanished_at + _vanished_for(policy))
    if state.starts:
        instants.append(state.starts[0] + DAY)
    return min((at for at in instants if at is not None and at > now.mono), default=math.inf)


def next_glance(policy: AgentConfig, state: AgentState, now: Now) -> float:
    """The monotonic instant of the next look at the files: quickly while something is wrong, else once a cycle."""
    quick = state.missed or state.attempt or state.trouble or state.hold or state.vanished_at is not None
    return now.mono + min(1.0 if quick else CYCLE, policy.timeout / 4)


def first_state(now: Now) -> AgentState:
    """An agent that is known from this moment on."""
    return AgentState(known_at=now.mono, known=now.wall)
