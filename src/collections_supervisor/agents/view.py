"""One agent's state in the words of the report. Pure."""

from datetime import datetime, timedelta

from collections_supervisor.agents import active_hours, backoff
from collections_supervisor.agents.attempts import says_stop
from collections_supervisor.agents.signs import is_judged
from collections_supervisor.agents.silence import is_late, is_left_alone, is_owned, last_seen, never_ready, next_deadline, timeout
from collections_supervisor.agents.state import AgentState, Attempt
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import AgentReport, Held, Now, Status
from collections_supervisor.system.clock import span, stamp


def status(policy: AgentConfig, state: AgentState, now: Now) -> Status:
    """What the agent is called, by precedence: the word that a person must react to wins."""
    if is_left_alone(state):
        return "paused"
    down = is_owned(policy) and state.child is None and not state.ended
    down = down or never_ready(policy, state, now.mono)
    if state.hold is not None or (state.trouble is not None and state.recovered_at is None and not _merely_unreadable(state)):
        return "escalated"
    if state.attempt is not None and (state.missed or down or state.attempt.request.by_hand):
        return "restarting"
    if state.missed or down:
        return "unhealthy"
    if policy.sources and (not is_judged(policy, state, now.mono) or state.future is not None or state.beat is None):
        return "unknown"
    if is_late(policy, state, now):
        return "late"
    return "healthy"


def _merely_unreadable(state: AgentState) -> bool:
    """Whether all that is wrong is that it cannot be judged: a human is told, but nothing is known to be dead."""
    return state.source == "unreadable" and not state.missed


def detail(policy: AgentConfig, state: AgentState, now: Now) -> str:
    """One sentence that says why the status is what it is."""
    match status(policy, state, now):
        case "escalated" if state.trouble is not None:
            return state.trouble.reason
        case "escalated":
            return state.hold.reason if state.hold is not None else ""
        case "restarting":
            return _restarting(policy, state.attempt)
        case "unhealthy":
            return _unhealthy(state)
        case "unknown":
            return _unknown(policy, state)
        case "late":
            within = span(timeout(policy, state))
            return f"no beat within its period of {span(policy.period or 0)}; it counts as missed after {within}"
        case "paused":
            return _left_alone(state, now)
        case "healthy":  # pragma: no branch - there is no other
            return _healthy(policy, state, now)


def _restarting(policy: AgentConfig, attempt: Attempt | None) -> str:
    if attempt is None or attempt.first:
        return "being started"
    number = "a restart by hand" if attempt.request.by_hand else f"attempt {attempt.request.attempt}"
    match attempt.phase:
        case "waiting":
            return f"{number} waits for its turn"
        case "running":
            return f"{number} runs ({policy.restart.kind})"
        case "proving":  # pragma: no branch - there is no other
            return f"{number} is done; its proof, a fresh heartbeat, is awaited"


def _unhealthy(state: AgentState) -> str:
    if not state.missed and state.child is not None:
        return "it runs, and has not beaten since its start"
    if not state.missed:
        return f"not running: {state.last_exit}" if state.last_exit else "not running"
    return f"{last_seen(state)}, {state.missed} missed"


def _unknown(policy: AgentConfig, state: AgentState) -> str:
    if state.source == "unreadable":
        return f"its heartbeat cannot be read: {state.source_error}"
    if state.future is not None:
        return last_seen(state)
    if state.beat is None:
        return f"no heartbeat yet; it counts as missed {span(policy.startup_grace)} after it was first known"
    return "its heartbeat file is gone"


def _left_alone(state: AgentState, now: Now) -> str:
    stopped, pause = state.stopped, state.paused
    if stopped is not None:
        why = f": {stopped.reason}" if stopped.reason else ""
        return f"stopped by hand at {stamp(stopped.since)}, until it is started{why}"
    end, why = (pause.until, pause.reason) if pause is not None else (None, "")
    until = f"until {stamp(_wall(end, now))}" if end is not None else "until it is resumed"
    return f"paused {'' if state.pause is not None else 'with all others '}{until}{f': {why}' if why else ''}"


def _healthy(policy: AgentConfig, state: AgentState, now: Now) -> str:
    if state.ended:
        return f"ended by itself: {state.last_exit}"
    if state.recovered_at is not None and state.trouble is not None:
        return "beats again; its incident is closed when it keeps doing so"
    if state.beat is not None and state.beat.status == "busy":
        return "busy, as it says itself"
    if policy.active_hours is not None and not active_hours.is_active(policy.active_hours, now.wall):
        return f"outside of its hours until {stamp(active_hours.next_change(policy.active_hours, now.wall))}"
    return ""


def _wall(instant: float, now: Now) -> datetime:
    return now.wall + timedelta(seconds=instant - now.mono)


def view(policy: AgentConfig, state: AgentState, now: Now) -> AgentReport:
    """The agent as people and machines see it."""
    deadline = next_deadline(policy, state, now)
    attempt_at = state.next_attempt_at if state.next_attempt_at is None or state.next_attempt_at > now.mono else None
    held = state.hold

    return AgentReport(
        name=policy.name,
        status=status(policy, state, now),
        detail=detail(policy, state, now),
        missed=state.missed,
        last_heartbeat=state.beat.stamp if state.beat is not None else None,
        next_deadline=_wall(deadline, now) if deadline is not None and not is_left_alone(state) else None,
        restarts=state.restarts,
        restarts_24h=len(state.starts),
        budget_left_24h=backoff.budget_left(policy.restart, state.starts, now.mono),
        errors=state.errors,
        incident=None,
        last_exit=state.last_exit,
        paused=is_left_alone(state),
        held=Held(reason=held.reason, until=_wall(held.until, now) if held.until is not None else None) if held else None,
        next_attempt_at=_wall(attempt_at, now) if attempt_at is not None else None,
        restartable=policy.restart.kind != "none" and not says_stop(state.beat),
        timeout_s=timeout(policy, state) if policy.sources else None,
        miss_threshold=policy.miss_threshold,
        outcomes=state.outcomes,
        durations=state.durations,
        tokens_total=state.tokens_total,
    )
