"""How an attempt ended, what it proved, and what follows: another one later, another kind of one, or none. Pure."""

import msgspec

from collections_supervisor.agents import backoff, tally
from collections_supervisor.agents.attempts import SETTLED, hold, is_back, skipped, trial_at, used_up
from collections_supervisor.agents.owned_life import time_to_prove
from collections_supervisor.agents.silence import has_beaten, is_owned
from collections_supervisor.agents.state import Attempt, Child, ChildExited
from collections_supervisor.agents.turn import Turn
from collections_supervisor.messages import ActionOutcome, Value
from collections_supervisor.system.clock import span

AUTH_PAUSE = 60.0
"""A refused provider key is on cooldown for a minute; asking earlier only prolongs it."""

MOST_TOKENS = 10**10
"""Counted no further: a number that no answer can make unreadable where it is saved."""


def ended(turn: Turn, outcome: ActionOutcome) -> None:
    """The action is over: what it says, and what is still to be proven."""
    attempt = turn.state.attempt
    if attempt is None:
        return
    count_tokens(turn, outcome)
    match outcome.result:
        case "busy":
            turn.state = tally.with_end(turn.state, "interrupted")
            turn.set(next_attempt_at=turn.now.mono + (outcome.retry_after or SETTLED))
            skipped(turn, outcome.classified or "busy", outcome.cause)
        case "ok" | "unknown":
            turn.set(hung=turn.state.hung or outcome.hung)
            _await_proof(turn, attempt, outcome)
        case "interrupted":
            _interrupted(turn, attempt, outcome)
        case "failed" | "timed_out":  # pragma: no branch - there is no other
            turn.set(hung=turn.state.hung or outcome.hung)
            _failed(turn, attempt, outcome)


def count_tokens(turn: Turn, outcome: ActionOutcome) -> None:
    """Add what a turn cost to what all of them did, whether it worked or not."""
    if outcome.tokens is not None:
        turn.set(tokens_total=min(turn.state.tokens_total + outcome.tokens, MOST_TOKENS))


def _sentence(turn: Turn, what: str, outcome: ActionOutcome) -> str:
    return f"restarting {turn.policy.name} {what}: {outcome.cause}"


def _facts(turn: Turn, attempt: Attempt, outcome: ActionOutcome) -> dict[str, Value]:
    return {
        "attempt": attempt.request.attempt,
        "action_id": attempt.request.action_id,
        "reason": outcome.cause,
        "classified": outcome.classified or None,
        "exit_code": outcome.exit_code,
        "duration_ms": round(outcome.duration_s * 1000),
        "output": outcome.output_tail or None,
        "tokens": outcome.tokens if outcome.tokens is not None else attempt.tokens,
        "tokens_total": turn.state.tokens_total,
    }


def _await_proof(turn: Turn, attempt: Attempt, outcome: ActionOutcome) -> None:
    within = turn.policy.restart.verify_within
    if is_owned(turn.policy):
        within = time_to_prove(turn.policy)
        turn.set(child=Child(started_at=turn.now.mono, started=attempt.started or turn.now.wall), ended=False)
        if not turn.state.missed or turn.state.ready_by is None:
            # A start while nothing was missed gives time for a first beat; one that answers a miss must prove itself.
            turn.set(ready_by=turn.now.mono + within)
        if attempt.first:
            turn.emit("info", "agent.started", f"{turn.policy.name} was started", action_id=attempt.request.action_id)
    proving = msgspec.structs.replace(attempt, phase="proving", prove_by=turn.now.mono + within, tokens=outcome.tokens)
    turn.set(attempt=proving)
    if outcome.result == "unknown":
        turn.error(f"restart with unknown outcome: {outcome.cause}")


def check_proof(turn: Turn) -> None:
    """Settle an attempt whose action is over: a beat stamped after its start proves it, the end of its time fails it."""
    state = turn.state
    attempt = state.attempt
    if attempt is None or attempt.phase != "proving" or attempt.started is None or attempt.prove_by is None:
        return
    if turn.policy.sources and turn.has_beaten_since(attempt.started):
        _succeeded(turn, attempt)
    elif is_back(turn) and not is_owned(turn.policy) and not attempt.request.by_hand:
        # By itself, with a beat from before the action started: recovery ends the waiting.
        turn.state = tally.with_end(turn.state, "interrupted")
    elif turn.now.mono < attempt.prove_by:
        return
    elif not turn.policy.sources:
        # It is still alive, or its exit would have ended the attempt.
        _succeeded(turn, attempt)
    else:
        within = span(attempt.prove_by - turn.mono(attempt.started))
        _failed(turn, attempt, ActionOutcome(result="failed", cause=f"no heartbeat within {within} of its start"))


def check_settled(turn: Turn) -> None:
    """Forgive an owned process its short lives once it has lived for a while; being ready is not enough."""
    state = turn.state
    child = state.child
    if state.attempt is not None and state.attempt.phase != "proving":
        # The child that is known is the one being replaced.
        return
    if child is None or turn.now.mono < child.started_at + SETTLED:
        return
    if not turn.policy.sources or has_beaten(state, child):
        turn.set(attempts=0, short_lives=0)


def _succeeded(turn: Turn, attempt: Attempt) -> None:
    took = _seconds_to_proof(turn, attempt)
    turn.state = tally.with_end(turn.state, "succeeded", took)
    turn.set(overflow=False, hung=False, next_attempt_at=None)
    if attempt.first:
        return
    turn.emit(
        "info",
        "agent.restart.succeeded",
        f"{turn.policy.name} is back after restart attempt {attempt.request.attempt}",
        attempt=attempt.request.attempt,
        action_id=attempt.request.action_id,
        duration_ms=round(took * 1000),
        tokens=attempt.tokens,
        tokens_total=turn.state.tokens_total,
    )


def _seconds_to_proof(turn: Turn, attempt: Attempt) -> float:
    """From the start to the beat that proves it, not to when that was seen: nobody may have looked for a while."""
    if attempt.started is None:
        return 0.0
    beat = turn.state.beat
    proof = min(beat.stamp, turn.now.wall) if turn.policy.sources and beat is not None else turn.now.wall
    return max(0.0, (proof - attempt.started).total_seconds())


def _failed(turn: Turn, attempt: Attempt, outcome: ActionOutcome) -> None:
    turn.state = tally.with_end(turn.state, "timed_out" if outcome.result == "timed_out" else "failed")
    turn.set(outcome=outcome)
    if is_owned(turn.policy) and attempt.phase != "proving":
        # It was not even started. One that merely did not beat in time lives on, and may yet beat before it is replaced.
        turn.set(child=None, short_lives=turn.state.short_lives + 1)
    what, event = (
        ("timed out", "agent.restart.timed_out") if outcome.result == "timed_out" else ("failed", "agent.restart.failed")
    )
    turn.emit("error", event, _sentence(turn, what, outcome), **_facts(turn, attempt, outcome))
    turn.error(f"restart {what}: {outcome.cause}")
    if not is_back(turn):
        _follow_up(turn, attempt, outcome)


def _interrupted(turn: Turn, attempt: Attempt, outcome: ActionOutcome) -> None:
    """Stopped by us, or lost with a crash of ours: it was paid for, and a beat may still prove it."""
    turn.emit(
        "warning", "agent.restart.interrupted", _sentence(turn, "was interrupted", outcome), **_facts(turn, attempt, outcome)
    )
    turn.state = tally.with_interruption(turn.state)
    if is_owned(turn.policy):
        turn.set(attempt=None, child=None)
    else:
        _await_proof(turn, turn.state.attempt or attempt, outcome)


def _follow_up(turn: Turn, attempt: Attempt, outcome: ActionOutcome) -> None:
    """Decide what follows a failed attempt: another one later, another kind of one, or none."""
    policy, state = turn.policy.restart, turn.state
    # A proof that was awaited while nobody looked failed when its time was up, not when that was seen.
    now = min(turn.now.mono, attempt.prove_by or turn.now.mono)
    since = attempt.started or turn.now.wall
    match outcome.classified:
        case "configuration" | "terminal":
            hold(turn, outcome.classified, outcome.cause, since=since)
            return
        case "shared":
            # The provider refuses everybody: it says nothing about the agent, so no attempt is spent.
            turn.set(attempts=max(0, state.attempts - 1))
            until = now + (outcome.retry_after or 600.0)
            hold(turn, "shared", outcome.cause, since=since, until=until)
            return
        case "overflow":
            turn.set(overflow=True)
            if policy.fresh == "never":
                reason = f"{outcome.cause}; only a new session helps, and restart.fresh is never"
                hold(turn, "overflow", reason, since=since)
                return
        case "" | "auth" | "dry_run" | "daemon_only" | "no_memory":  # pragma: no branch - there is no other
            pass
    if policy.attempts_per_incident and state.attempts >= policy.attempts_per_incident:
        hold(turn, "attempts", used_up(policy.attempts_per_incident), since=since, until=trial_at(turn))
        return
    pause = backoff.delay(policy.backoff, state.attempts + 1, turn.jitter)
    least = max(outcome.retry_after or 0.0, AUTH_PAUSE if outcome.classified == "auth" else 0.0)
    turn.set(next_attempt_at=now + max(pause, least))


def child_exited(turn: Turn, event: ChildExited) -> None:
    """An owned process ended unasked: start it again, at once if it had lived, after a growing delay if it had not."""
    state = turn.state
    code = event.exit_code if event.exit_code is not None else "unknown"
    how = f"killed by {event.signal}" if event.signal else f"exit code {code}"
    facts: dict[str, Value] = {"exit_code": event.exit_code, "signal": event.signal, "uptime_s": round(event.uptime_s, 3)}
    facts["adopted"] = event.adopted
    turn.emit("warning", "agent.exited", f"{turn.policy.name} ended: {how} after {span(event.uptime_s)}", **facts)
    turn.set(oversized=0)
    if state.stopped is not None:
        # It ended by itself in the moment in which a person had it ended.
        return
    if state.attempt is not None and state.attempt.phase != "proving":
        # A start is on its way already and will take its place.
        turn.set(child=None)
        return
    well = event.exit_code is not None and event.exit_code in turn.policy.restart.ok_exit_codes
    # An end that is no failure is no proof either.
    turn.state = tally.with_end(turn.state, "interrupted" if well else "failed")
    turn.set(child=None, last_exit=f"{how} after {span(event.uptime_s)}")
    if not state.missed:
        turn.set(ready_by=None)
    if well:
        turn.set(ended=True, ready_by=None, short_lives=0, trouble=None, recovered_at=None)
        return
    turn.error(f"ended: {how} after {span(event.uptime_s)}")
    if event.exit_code is not None and event.exit_code in turn.policy.restart.no_restart_exit_codes:
        hold(turn, "configuration", f"it ended with {how}, which says not to start it again", since=turn.now.wall)
        return
    if event.uptime_s < SETTLED:
        turn.set(short_lives=state.short_lives + 1)
    else:
        turn.set(short_lives=0, attempts=0)
    pause = backoff.delay(turn.policy.restart.backoff, turn.state.attempts + 1, turn.jitter)
    turn.set(next_attempt_at=turn.now.mono + pause)
