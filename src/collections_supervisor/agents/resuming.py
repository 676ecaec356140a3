"""Going on where an earlier life of ours ended: what it had begun, what it paid for, what still runs. Pure."""

from datetime import datetime, timedelta

import msgspec

from collections_supervisor.agents import outcomes, owned_life, tally
from collections_supervisor.agents.attempts import fingerprint
from collections_supervisor.agents.silence import grace, is_owned
from collections_supervisor.agents.state import ActionRecord, AgentState, Attempt, Resumed
from collections_supervisor.agents.turn import Turn
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionOutcome, Now, RestartOutcome

PREPARATION = 30.0
"""Seconds that the abort and the new session before a turn may take together."""


def resumed(turn: Turn, event: Resumed) -> None:
    """Take over what was kept, and what was written down after that."""
    if is_owned(turn.policy) and event.record is not None and event.running:
        owned_life.adopted(turn, event.record)
        if event.excused:
            turn.set(grace_until=turn.now.mono + grace(turn.policy))
        return
    if event.record is not None:
        _take_record(turn, event.record, running=event.running)
    attempt = turn.state.attempt
    if attempt is not None and attempt.phase == "waiting":
        turn.set(attempt=None)
    elif attempt is not None and attempt.phase == "running" and event.running:
        turn.emit(
            "warning",
            "agent.restart.adopted",
            f"a restart of {turn.policy.name} that an earlier life of this program began still runs and is watched again",
            attempt=attempt.request.attempt,
            action_id=attempt.request.action_id,
        )
    elif attempt is not None and attempt.phase == "running":
        outcomes.ended(turn, _outcome(attempt, event.record))
    reconsider_hold(turn)
    if is_owned(turn.policy):
        # It is started together with us, whatever an earlier life, or a single sweep, had in mind.
        turn.state = tally.with_end(turn.state, "interrupted")
        turn.set(child=None, next_attempt_at=None, hold=None, ended=False)
    if event.excused:
        turn.set(grace_until=turn.now.mono + grace(turn.policy))


def _outcome(attempt: Attempt, record: ActionRecord | None) -> ActionOutcome:
    """What is known of the end of an action that does not run any more."""
    if record is None or not record.ended or record.request != attempt.request:
        return ActionOutcome(result="interrupted", cause="this program ended while it ran")
    return record.outcome or ActionOutcome(result="interrupted", cause="this program ended before it was judged")


def reconsider_hold(turn: Turn) -> None:
    """Hold it no longer if somebody has changed how it is restarted since."""
    hold = turn.state.hold
    if hold is None or hold.kind in ("budget", "shared") or hold.settings in ("", fingerprint(turn.policy.restart)):
        return
    turn.set(hold=None, attempts=0, next_attempt_at=None)


def _take_record(turn: Turn, record: ActionRecord, *, running: bool) -> None:
    """What the action cost is known even if the state that goes with it was lost."""
    state = turn.state
    is_lost = record.restarts > state.restarts
    if is_lost:
        turn.state = tally.with_at_least(state, record.outcomes, record.durations)
        turn.set(
            # One that came before this one is over, and how is counted in the record.
            attempt=None,
            # After so long it is no row of attempts any more.
            attempts=record.attempts if turn.now.wall - record.started < timedelta(days=1) else 0,
            restarts=record.restarts,
            tokens_total=max(state.tokens_total, record.tokens_total),
            starts=tuple(min(turn.mono(start), turn.now.mono) for start in record.starts),
            begun=True,
            next_attempt_at=None,
        )
        newer = not record.ended or turn.now.wall < _proof_may_come_until(turn.policy, record)
        if not newer and record.outcome is not None:
            outcomes.count_tokens(turn, record.outcome)
    else:
        newer = running
    if newer:
        attempt = Attempt(
            request=record.request,
            phase="running",
            first=record.first,
            started=record.started,
            counted=not is_lost and not _is_uncounted(state.attempt, record),
        )
        # Nobody is restarted who missed nothing, whatever an older snapshot says; the next look counts anew.
        unmissed = is_owned(turn.policy) or record.request.by_hand
        turn.set(attempt=attempt, missed=max(state.missed, 0 if unmissed else 1))
    elif is_lost and not record.first:
        turn.state = tally.with_lost_end(turn.state, _lost_end(record))


def _is_uncounted(attempt: Attempt | None, record: ActionRecord) -> bool:
    """Whether this is the attempt of the record, and how it ends is still to be counted."""
    return attempt is not None and attempt.request == record.request and not attempt.counted


def _lost_end(record: ActionRecord) -> RestartOutcome:
    """How a restart ended that is over for long, where the judgement of its end was lost."""
    result = record.outcome.result if record.outcome is not None else "interrupted"
    return result if result == "failed" or result == "timed_out" else "interrupted"


def _proof_may_come_until(policy: AgentConfig, record: ActionRecord) -> datetime:
    """Until when a heartbeat may tell what became of an action that is over, and whose end nobody had taken in."""
    return record.started + timedelta(seconds=PREPARATION + policy.restart.timeout + policy.restart.verify_within)


def record_of(policy: AgentConfig, state: AgentState, argv: tuple[str, ...], boot_id: str, now: Now) -> ActionRecord | None:
    """The record of the action that the state says has just begun; None if it has not."""
    attempt = state.attempt
    if attempt is None or attempt.started is None:
        return None
    return ActionRecord(
        request=attempt.request,
        argv=argv,
        boot_id=boot_id,
        started=attempt.started,
        deadline=now.mono + PREPARATION + policy.restart.timeout,
        first=attempt.first,
        attempts=state.attempts,
        restarts=state.restarts,
        tokens_total=state.tokens_total,
        starts=tuple(now.wall + timedelta(seconds=start - now.mono) for start in state.starts),
        outcomes=state.outcomes,
        durations=state.durations,
        settings=owned_life.settings(policy) if is_owned(policy) else "",
    )


def ended(record: ActionRecord, outcome: ActionOutcome | None = None) -> ActionRecord:
    """The record of an action that nobody need look for any more."""
    return msgspec.structs.replace(record, ended=True, outcome=outcome)
