"""A process of ours that outlived us: whether it is still the one we would start, and going on with it. Pure."""

import hashlib

import msgspec

from collections_supervisor.agents import tally
from collections_supervisor.agents.attempts import SETTLED
from collections_supervisor.agents.state import ActionRecord, Attempt, Child, EndChild
from collections_supervisor.agents.turn import Turn
from collections_supervisor.config.schema import AgentConfig, LogSource


def settings(policy: AgentConfig) -> str:
    """What names the settings that a running process cannot be given anew: its command, environment, folder and output.

    The environment is what is configured of it: what we inherit ourselves differs with every start of a service.
    """
    restart = policy.restart
    beats = [str(source.path) for source in policy.sources if isinstance(source, LogSource)][:1]
    told = (restart.command, sorted(restart.env.items()), str(restart.cwd or ""), str(restart.output or ""), beats)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def time_to_prove(policy: AgentConfig) -> float:
    """Seconds after its start within which it must have beaten; without a heartbeat, for which it must have lived."""
    return policy.startup_grace if policy.sources else SETTLED


def adopted(turn: Turn, record: ActionRecord) -> None:
    """Go on with the process of this record, which runs."""
    state = turn.state
    if record.restarts > state.restarts:
        turn.set(
            attempts=record.attempts,
            restarts=record.restarts,
            starts=tuple(min(turn.mono(start), turn.now.mono) for start in record.starts),
        )
        turn.state = tally.with_at_least(turn.state, record.outcomes, record.durations)
    turn.set(begun=True, ended=False)
    if not _is_known(turn, record):
        started_at = min(turn.mono(record.started), turn.now.mono)
        prove_by = started_at + time_to_prove(turn.policy)
        turn.set(
            child=Child(started_at=started_at, started=record.started),
            attempt=Attempt(
                request=record.request, phase="proving", first=record.first, started=record.started, prove_by=prove_by
            ),
            ready_by=prove_by,
            next_attempt_at=None,
        )
    elif turn.state.attempt is not None and turn.state.attempt.phase == "waiting":
        # It was about to be replaced: that is judged anew.
        turn.state = tally.with_end(turn.state, "interrupted")
    turn.emit(
        "info",
        "agent.restart.adopted",
        f"{turn.policy.name} runs on, as an earlier life of this program had started it, and is watched again",
        pid=record.pid or None,
        attempt=record.request.attempt,
        action_id=record.request.action_id,
    )
    if turn.state.stopped is not None:
        # We died before it was ended.
        turn.state = tally.with_end(turn.state, "interrupted")
        turn.set(child=None, begun=False, ready_by=None)
        turn.effects.append(EndChild())


def _is_known(turn: Turn, record: ActionRecord) -> bool:
    """Whether what was kept speaks of this life of the process already, and not of the one before."""
    child, attempt = turn.state.child, turn.state.attempt
    if child is None or turn.state.restarts != record.restarts or (attempt is not None and attempt.phase == "running"):
        return False
    return child.started == record.started
