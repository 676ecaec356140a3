"""What the heartbeat files say: the newest beat, and how many of its deadlines the silence since then has passed. Pure."""

from datetime import datetime, timedelta

from collections_supervisor.agents.silence import deadlines_passed, last_seen, recorded_lines, stale_lines
from collections_supervisor.agents.state import AgentState, RecordMiss
from collections_supervisor.agents.turn import Turn
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import Beat, Reading
from collections_supervisor.system.clock import span, stamp

CATCH_UP_LINES = 10
"""How many misses at most are written at once after a long absence of ours."""


def observe(turn: Turn, reading: Reading) -> None:
    """Take in one look at the files."""
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
        return
    turn.set(trailing=reading.trailing)
    if reading.beat is not None and _is_news(turn, reading.beat):
        _take_beat(turn, reading.beat)
    elif turn.state.beat is None and reading.recorded_last_heartbeat is not None:
        # The log was rotated or emptied while we were away: our own line still knows the last beat.
        _take_beat(turn, Beat(stamp=reading.recorded_last_heartbeat))
    if reading.future is None:
        turn.set(future=None)
    elif reading.future != turn.state.future:
        turn.set(future=reading.future, contact_at=turn.now.mono, recorded=0)


def _is_news(turn: Turn, beat: Beat) -> bool:
    """Whether it is not older than what is known: a beat does not unhappen because its file is gone, or cannot be read now."""
    known = turn.state.beat
    if known is None or beat == known:
        return known is None
    # What is known lies in the future where the wall clock was set back; the agent's next beat is the newer one all the same.
    return beat.stamp >= known.stamp or known.stamp > turn.now.wall + timedelta(seconds=turn.policy.future_tolerance)


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
        turn.error(f"it says that it failed{says(beat)}")


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
    state, now = turn.state, turn.now.mono
    if not is_judged(turn.policy, state, now):
        return
    passed = deadlines_passed(turn.policy, state, now)
    recorded = max(state.recorded, recorded_lines(state))
    missed = max(passed, stale_lines(turn.policy, state))
    last = state.beat.stamp if state.beat is not None else None
    reason = last_seen(state)
    turn.set(missed=missed, recorded=max(recorded, passed))
    if missed > state.missed:
        # Told first: a line in a file waits for a thread, and nobody must hear of a miss later for that.
        _tell_miss(turn, last)
    for number in range(max(recorded, passed - CATCH_UP_LINES) + 1, passed + 1):
        turn.effects.append(RecordMiss(missed=number, last_heartbeat=last, reason=reason))


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
