"""The judgement of one agent: `step` takes in what happened and says what to do about it. Pure."""

import math

from collections_supervisor.agents import attempts, by_hand, changing, memory, outcomes, pauses, resuming
from collections_supervisor.agents.backoff import DAY, recent
from collections_supervisor.agents.signs import count_misses, excuse, is_judged, observe, vanished_for
from collections_supervisor.agents.silence import deadlines_passed, is_left_alone, late_at, next_deadline
from collections_supervisor.agents.state import (
    ActionEnded,
    ActionStarted,
    AgentState,
    ChildExited,
    Effect,
    Event,
    HeartbeatRead,
    MemoryRead,
    News,
    PolicyChanged,
    Resumed,
    SlotGranted,
)
from collections_supervisor.agents.trouble import UNREADABLE_CYCLES, diagnose, quiet, recover
from collections_supervisor.agents.turn import Turn
from collections_supervisor.agents.view import status
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import AgentCommand, Level, Now

RECOUNT = 1.0
"""Seconds from a look that could not count to the next one."""


def step(policy: AgentConfig, state: AgentState, event: Event, now: Now, jitter: float) -> tuple[AgentState, list[Effect]]:
    """Judge one agent: what it is like after `event`, and what is to be done, in order.

    `jitter` in [0, 1) spreads the delays between restarts.
    """
    turn = Turn(policy, state, now, jitter, event.since if isinstance(event, HeartbeatRead) else None)
    turn.set(starts=recent(state.starts, now.mono))
    pauses.expire(turn)
    if isinstance(event, Resumed):
        # What is known is old by now: the first reading judges.
        resuming.resumed(turn, event)
        return turn.state, turn.effects
    _take(turn, event)
    if is_left_alone(turn.state):
        pauses.drop_proof(turn)
        # What a person wanted meanwhile is proven all the same.
        outcomes.check_proof(turn)
        _tell_change(turn)
        return turn.state, turn.effects
    # Whatever it was that ended a pause: nothing is counted before its grace is given.
    excuse(turn, event.late if isinstance(event, HeartbeatRead) else 0.0)
    count_misses(turn)
    outcomes.check_settled(turn)
    recover(turn, before=state)
    outcomes.check_proof(turn)
    attempts.consider(turn)
    diagnose(turn)
    _tell_change(turn)
    return turn.state, turn.effects


def _take(turn: Turn, event: News) -> None:
    """Take in what happened."""
    match event:
        case HeartbeatRead(reading=reading):
            observe(turn, reading)
        case SlotGranted(action_id=action_id):
            attempts.granted(turn, action_id)
        case ActionStarted(at=at):
            attempts.started(turn, at)
        case ActionEnded(outcome=outcome):
            outcomes.ended(turn, outcome)
        case ChildExited():
            outcomes.child_exited(turn, event)
        case MemoryRead():
            memory.measured(turn, event)
        case AgentCommand():
            by_hand.command(turn, event)
        case PolicyChanged(before=before):  # pragma: no branch - there is no other
            changing.changed(turn, before)


def _tell_change(turn: Turn) -> None:
    before, after = turn.state.status, status(turn.policy, turn.state, turn.now)
    if after == before:
        return
    never_seen = turn.state.beat is None and turn.state.future is None and turn.state.source != "unreadable"
    if before and after == "unknown" and never_seen and turn.state.restarts:
        # That nothing is known yet of what was just restarted is no news, and what follows is a change of what was told last.
        return
    turn.set(status=after)
    if before and not (after == "unknown" and never_seen):
        level: Level = "warning" if after in ("unhealthy", "restarting", "escalated") else "info"
        turn.emit(level, "agent.state_changed", f"{turn.policy.name} is {after}, was {before}", state=after, previous=before)


def next_due(policy: AgentConfig, state: AgentState, now: Now) -> float:
    """The monotonic instant at which time alone changes the judgement; until then only news can."""
    if is_left_alone(state):
        ends = [pause.until for pause in (state.pause, state.pause_all) if pause is not None]
        ends += [state.attempt.prove_by] if state.attempt is not None else []
        return min((at for at in ends if at is not None), default=math.inf)
    if is_judged(policy, state, now.mono) and deadlines_passed(policy, state, now) > state.missed:
        # A look that saw the wall clock being set has counted nothing.
        return now.mono + RECOUNT
    instants = [next_deadline(policy, state, now), state.next_attempt_at, late_at(policy, state, now), state.grace_until]
    if state.attempt is not None:
        instants.append(state.attempt.prove_by)
    if state.hold is not None:
        instants.append(state.hold.until)
    if state.child is not None and (state.short_lives or state.attempts or not policy.sources):
        instants.append(state.child.started_at + attempts.SETTLED)
    if state.trouble is not None and state.recovered_at is not None:
        instants.append(state.recovered_at + quiet(policy))
    if state.vanished_at is not None:
        instants.append(state.vanished_at + vanished_for(policy))
    if state.unreadable_at is not None:
        instants.append(state.unreadable_at + UNREADABLE_CYCLES * policy.cycle)
    if state.starts:
        instants.append(state.starts[0] + DAY)
    return min((at for at in instants if at is not None and at > now.mono), default=math.inf)


def next_glance(policy: AgentConfig, state: AgentState, now: Now) -> float:
    """The monotonic instant of the next look at the files: quickly while something is wrong, else once a cycle."""
    quick = state.missed or state.attempt or state.trouble or state.hold or state.vanished_at is not None
    if quick and (not is_left_alone(state) or state.attempt):
        return now.mono + min(1.0, policy.timeout / 4)
    # A deadline that is learned needs to see every single beat.
    often = policy.period / 4 if policy.adaptive and policy.period is not None else policy.cycle
    return now.mono + min(policy.cycle, often, policy.timeout / 4)


def first_state(now: Now) -> AgentState:
    """An agent that is known from this moment on."""
    return AgentState(known_at=now.mono, known=now.wall)
