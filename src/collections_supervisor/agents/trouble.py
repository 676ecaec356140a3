"""When an agent is in trouble that a human must know of, and when it is over. Pure."""

from datetime import datetime

import msgspec

from collections_supervisor.agents.attempts import SETTLED
from collections_supervisor.agents.flapping import change, flaps
from collections_supervisor.agents.signs import ails, says
from collections_supervisor.agents.silence import deadline_stamp, deadlines_passed, first_deadline, is_owned, last_seen
from collections_supervisor.agents.state import AgentState
from collections_supervisor.agents.turn import Turn
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import Trouble

UNREADABLE_CYCLES = 2
"""Cycles that a heartbeat may be unreadable before a human is told; it is never a reason for a restart."""

STEADY = 600.0
"""Attempts in a row are forgiven after fresh beats over this many seconds (or two periods, if that is longer)."""


def diagnose(turn: Turn) -> None:
    """Say whether a human must know, level-triggered: the same trouble again after any crash of ours."""
    _watch_for_flapping(turn)
    state = turn.state
    findings = _found(turn)
    if not findings:
        return
    since = min(since for since, _ in findings)
    if state.trouble is not None:
        since = state.trouble.since
    turn.set(
        trouble=Trouble(
            since=since,
            reason="; ".join(reason for _, reason in findings),
            missed=state.missed,
            held=state.hold is not None,
            hold=state.hold.kind if state.hold is not None else "",
            silent=len(findings) == 1 and state.missed > 0,
        ),
        recovered_at=None,
    )


def _watch_for_flapping(turn: Turn) -> None:
    """Note whether it goes up and down too often: an incident that is open then stays so over all of it.

    It opens none by itself. On real beats that told people of trouble that was over more often than anything else did; and an
    agent whose restarts help only for a while is held, and told of, by its attempts in a row.
    """
    state = turn.state
    now_flaps = flaps(state.verdicts, already=state.flapping is not None)
    if now_flaps == (state.flapping is not None):
        return
    name, percent = turn.policy.name, round(change(state.verdicts))
    if now_flaps:
        turn.set(flapping=turn.now.wall)
        turn.emit("warning", "agent.flapping.started", f"{name} goes up and down all the time", change_percent=percent)
    else:
        turn.set(flapping=None)
        turn.emit("info", "agent.flapping.stopped", f"{name} is steady again", change_percent=percent)


def _found(turn: Turn) -> list[tuple[datetime, str]]:
    policy, state = turn.policy, turn.state
    findings: list[tuple[datetime, str]] = []
    if state.missed >= policy.miss_threshold or (state.missed and state.trouble is not None):
        findings.append((_threshold_passed(turn), f"{last_seen(state)}, {state.missed} misses"))
    if state.beat is not None and ails(state.beat):
        words = {"fail": "it says that it failed", "stuck": "it says that it is stuck", "waiting": "it waits for a person"}
        findings.append((state.beat.stamp, words[state.beat.status] + says(state.beat)))
    if state.unreadable_at is not None and turn.now.mono >= state.unreadable_at + UNREADABLE_CYCLES * policy.cycle:
        findings.append(
            (turn.wall_to_the_millisecond(state.unreadable_at), f"its heartbeat cannot be read: {state.source_error}")
        )
    if state.short_lives >= policy.miss_threshold:
        findings.append((turn.now.wall, f"it ended {state.short_lives} times in a row right after its start"))
    if state.hold is not None:
        findings.append((state.hold.since, f"no more automatic restarts: {state.hold.reason}"))
    return findings


def _threshold_passed(turn: Turn) -> datetime:
    policy, state = turn.policy, turn.state
    if deadlines_passed(policy, state, turn.now) >= policy.miss_threshold:
        return deadline_stamp(policy, state, policy.miss_threshold)
    # Lines of another tool say so: the line that made the count full.
    counted = [line.stamp for line in state.trailing if not line.ours]
    at = counted[policy.miss_threshold - 1] if len(counted) >= policy.miss_threshold else None
    return at or turn.now.wall


def _dies_young(policy: AgentConfig, state: AgentState) -> bool:
    """Whether an owned process keeps ending right after its start, whatever it says while it lives."""
    return is_owned(policy) and (state.child is None or state.short_lives >= policy.miss_threshold)


def _is_sign_of_life(turn: Turn, before: AgentState) -> bool:
    state = turn.state
    if not turn.policy.sources:
        # Alive is all that can be known of it, and it is believed once it has lived for a while.
        return state.child is not None and turn.now.mono - state.child.started_at >= SETTLED
    if before.source == "unreadable" and state.source == "ok":
        return state.beat is not None
    if state.beat is None or state.beat == before.beat:
        return False
    return before.beat is None or state.beat.stamp > before.beat.stamp


def recover(turn: Turn, before: AgentState) -> None:
    """See whether the agent is back, and whether it has been for long enough to close its incident."""
    state = turn.state
    if state.missed or ails(state.beat) or _dies_young(turn.policy, state):
        turn.set(recovered_at=None, well_since=None, beats_since=0)
        if state.trouble is not None:
            turn.set(trouble=msgspec.structs.replace(state.trouble, recovered_at=None))
        return
    if _is_sign_of_life(turn, before):
        _welcome(turn, before)
    state = turn.state
    settled = state.recovered_at is not None and turn.now.mono >= state.recovered_at + quiet(turn.policy)
    if state.trouble is None or state.recovered_at is None or state.flapping is not None:
        return
    if state.beats_since >= 2 or settled:
        turn.set(trouble=None, recovered_at=None)


def quiet(policy: AgentConfig) -> float:
    """Seconds after one fresh beat that settle an incident without a second one."""
    return (policy.period or policy.timeout) if policy.settles else 0.0


def _welcome(turn: Turn, before: AgentState) -> None:
    """A fresh sign of life while nothing is missed."""
    state, now = turn.state, turn.now
    in_trouble = state.trouble is not None and state.recovered_at is None
    if in_trouble or before.missed or state.hold is not None:
        _tell_recovery(turn, before)
        turn.set(hold=None, next_attempt_at=None, overflow=False, hung=False, outcome=None)
        turn.set(recovered_at=now.mono, beats_since=0, well_since=state.beat_at or now.mono)
        if state.trouble is not None:
            turn.set(trouble=msgspec.structs.replace(state.trouble, recovered_at=now.wall, held=False))
    if turn.policy.sources:
        turn.set(beats_since=turn.state.beats_since + 1)
    if turn.state.attempts and turn.state.well_since is None:
        turn.set(well_since=state.beat_at or now.mono)
    well = turn.state.well_since
    if well is not None and (state.beat_at or now.mono) - well >= max(2 * (turn.policy.period or 0.0), STEADY):
        turn.set(attempts=0, well_since=None)


def _tell_recovery(turn: Turn, before: AgentState) -> None:
    attempt = turn.state.attempt
    answered = attempt is not None and attempt.started is not None and turn.has_beaten_since(attempt.started)
    how = "by itself"
    if attempt is not None and answered:
        how = "after its start" if attempt.first else f"after restart attempt {attempt.request.attempt}"
    first = first_deadline(turn.policy, before, turn.now)
    down = max(0.0, turn.now.mono - first) if first is not None else None
    turn.emit(
        "info",
        "agent.recovered",
        f"{turn.policy.name} beats again, {how}",
        missed=before.missed,
        by_itself=not answered,
        down_s=round(down, 3) if down is not None else None,
    )
