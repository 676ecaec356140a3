"""Whether a restart is made: asked for when an agent needs one, granted, started, or held. Pure."""

import hashlib
from datetime import datetime

import msgspec

from collections_supervisor.agents import backoff
from collections_supervisor.agents.memory import LOOKS
from collections_supervisor.agents.silence import deadline_stamp, is_left_alone, is_owned, never_ready
from collections_supervisor.agents.state import (
    AgentState,
    AskForSlot,
    Attempt,
    GiveSlotBack,
    Hold,
    HoldKind,
    RunAction,
)
from collections_supervisor.agents.turn import Turn
from collections_supervisor.config.schema import RestartPolicy
from collections_supervisor.messages import ActionRequest, Beat
from collections_supervisor.system.clock import stamp

SETTLED = 10.0
"""Seconds that an owned process must live before its start counts as a success."""


def wants_restart(turn: Turn) -> bool:
    """Whether the agent is one that a restart might help, leaving aside whether one may be made now."""
    state = turn.state
    if turn.policy.restart.kind == "none" or state.source == "unreadable" or is_left_alone(state):
        return False
    if is_owned(turn.policy) and state.child is None:
        return not state.ended
    silent = state.missed > 0 or never_ready(turn.policy, state, turn.now.mono)
    return (silent or is_oversized(state)) and not says_stop(state.beat)


def is_oversized(state: AgentState) -> bool:
    """Whether an owned process uses more memory than it may, and not for a moment only."""
    return state.oversized >= LOOKS


def is_back(turn: Turn) -> bool:
    """Whether the agent came back while it was being restarted, so that what became of the restart does not matter."""
    down = is_owned(turn.policy) and turn.state.child is None
    return not turn.state.missed and not down and not never_ready(turn.policy, turn.state, turn.now.mono)


def says_stop(beat: Beat | None) -> bool:
    """Whether the agent asked for a human rather than for a restart."""
    return beat is not None and beat.status in ("stuck", "waiting")


def consider(turn: Turn) -> None:
    """Ask for a restart if the agent needs one, and attempts, backoff and budget allow it; hold it if they do not."""
    now = turn.now.mono
    held = turn.state.hold
    if held is not None and held.until is not None and now >= held.until:
        turn.set(hold=None)
        if held.kind == "attempts":
            # One trial; if it fails too, it is held again.
            turn.set(attempts=max(0, turn.policy.restart.attempts_per_incident - 1))
    state = turn.state
    if not wants_restart(turn) or state.attempt is not None or state.hold is not None:
        return
    if state.next_attempt_at is not None and now < state.next_attempt_at:
        return
    missed_at = deadline_stamp(turn.policy, state, 1) if state.missed else turn.now.wall
    limit = turn.policy.restart.attempts_per_incident
    if limit and state.attempts >= limit:
        hold(turn, "attempts", used_up(limit), since=missed_at, until=trial_at(turn))
        return
    opens = backoff.budget_opens_at(turn.policy.restart, state.starts, now)
    if opens is not None:
        # The last start may lie before the agent was last well: what was told of that trouble is over.
        since = max(turn.wall_to_the_millisecond(state.starts[-1]), missed_at)
        hold(turn, "budget", _budget(turn), since=since, until=opens)
        return
    ask(turn, _reason(state))


def _reason(state: AgentState) -> str:
    if state.missed:
        return f"{state.missed} missed heartbeat{'s' if state.missed != 1 else ''}"
    if state.child is None:
        return "not running"
    return "it uses more memory than it may" if is_oversized(state) else "it has not beaten since its start"


def trial_at(turn: Turn) -> float | None:
    """When an agent that used up its attempts gets one more; None: never, unless it recovers or a person acts."""
    every = turn.policy.restart.trial_every
    return turn.now.mono + every if every is not None else None


def fingerprint(policy: RestartPolicy) -> str:
    """What names restart settings without telling them."""
    return hashlib.sha256(repr(policy).encode()).hexdigest()[:16]


def used_up(limit: int) -> str:
    """The reason for a hold after so many attempts."""
    return f"{limit} restart attempt{'s' if limit > 1 else ''} in a row did not bring it back"


def _budget(turn: Turn) -> str:
    policy = turn.policy.restart
    limits = [f"{policy.per_hour} an hour"] * bool(policy.per_hour) + [f"{policy.per_day} a day"] * bool(policy.per_day)
    return f"the restart budget ({', '.join(limits)}) is used up"


def ask(turn: Turn, reason: str, *, by_hand: bool = False) -> None:
    """Want a restart from now on, in its turn or, by hand, at once."""
    state = turn.state
    first = is_owned(turn.policy) and not state.begun
    number = 0 if first else state.attempts + 1
    request = ActionRequest(
        action_id=f"{turn.policy.name}-{turn.now.wall:%Y%m%dT%H%M%S%f}-{state.restarts + 1}",
        agent=turn.policy.name,
        attempt=number,
        fresh=_wants_fresh(turn, number),
        reason=reason,
        since=stamp(turn.now.wall),
        last_heartbeat=stamp(state.beat.stamp) if state.beat is not None else "never",
        by_hand=by_hand,
    )
    turn.set(attempt=Attempt(request=request, phase="waiting", first=first), next_attempt_at=None)
    # An owned process costs nothing and runs beside the others: the slots are for paid turns.
    at_once = by_hand or is_owned(turn.policy)
    turn.effects.append(RunAction(request=request) if at_once else AskForSlot(request=request))


def _wants_fresh(turn: Turn, number: int) -> bool:
    policy, state = turn.policy.restart, turn.state
    if policy.kind != "openclaw" or policy.fresh == "never":
        return False
    last = number == policy.attempts_per_incident
    if policy.fresh == "last":
        return last
    return state.overflow or (last and state.hung)


def granted(turn: Turn, action_id: str) -> None:
    """The slot is there: go, unless the agent came back while it was waited for."""
    attempt = turn.state.attempt
    if attempt is not None and attempt.request.action_id != action_id:
        # Said of an attempt that was dropped meanwhile; the one there is now is in the line itself, or has the slot.
        return
    if attempt is None or attempt.phase != "waiting":
        turn.effects.append(GiveSlotBack())
    elif wants_restart(turn):
        turn.effects.append(RunAction(request=attempt.request))
    else:
        turn.set(attempt=None)
        turn.effects.append(GiveSlotBack())
        if turn.state.source == "unreadable":
            skipped(turn, "unreadable", "its heartbeat cannot be read, so nothing is known to be wrong")
        elif says_stop(turn.state.beat):
            skipped(turn, "asked_for_help", "it asked for a person")
        else:
            skipped(turn, "fresh_beat", "it beat again before its restart began")


def drop_waiting(turn: Turn) -> bool:
    """Do not make the restart that has not begun yet; whether there was one."""
    attempt = turn.state.attempt
    if attempt is None or attempt.phase != "waiting":
        return False
    turn.set(attempt=None)
    if not is_owned(turn.policy):
        turn.effects.append(GiveSlotBack())
    return True


def skipped(turn: Turn, reason: str, sentence: str) -> None:
    """Log that a restart was not made, and why."""
    turn.emit("info", "agent.restart.skipped", f"{turn.policy.name} was not restarted: {sentence}", reason=reason)


def started(turn: Turn, at: datetime) -> None:
    """The action begins: it counts from here on, whatever becomes of it."""
    state, now = turn.state, turn.now
    attempt = state.attempt
    if attempt is None or attempt.phase != "waiting":
        return
    by_hand = attempt.request.by_hand
    if not is_owned(turn.policy) and not by_hand and not wants_restart(turn):
        turn.set(attempt=None)
        skipped(turn, "fresh_beat", "it beat again before its restart began")
        return
    turn.set(attempt=msgspec.structs.replace(attempt, phase="running", started=at), oversized=0)
    if attempt.first:
        turn.set(begun=True)
        return
    number = attempt.request.attempt
    turn.set(
        attempts=number,
        restarts=state.restarts + 1,
        # What a person wants is outside of the budget.
        starts=state.starts if by_hand else (*state.starts, now.mono),
    )
    if attempt.request.fresh:
        turn.error(f"a new session was begun for restart attempt {number}: the conversation before it is lost")
    turn.emit(
        "warning",
        "agent.restart.started",
        f"restarting {turn.policy.name}{' by hand' if by_hand else f', attempt {number}'}: {attempt.request.reason}",
        attempt=number,
        action_id=attempt.request.action_id,
        kind=turn.policy.restart.kind,
        missed=state.missed,
        fresh=attempt.request.fresh,
        **({"by_hand": True} if by_hand else {}),
    )


def hold(turn: Turn, kind: HoldKind, reason: str, *, since: datetime, until: float | None = None) -> None:
    """Make no automatic restart from now on, and say so once."""
    settings = fingerprint(turn.policy.restart)
    turn.set(hold=Hold(kind=kind, reason=reason, since=since, until=until, settings=settings), next_attempt_at=None)
    lasts = f"until {stamp(turn.wall(until))}" if until is not None else "until it recovers or a person restarts it"
    skipped(turn, "budget" if kind == "budget" else "held", f"{reason}; held {lasts}")
