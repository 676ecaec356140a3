"""A person's word that a process of ours is to be stopped or started. Pure."""

from collections_supervisor.agents import tally
from collections_supervisor.agents.attempts import ask, skipped
from collections_supervisor.agents.silence import is_owned
from collections_supervisor.agents.state import EndChild, Stop
from collections_supervisor.agents.turn import Turn
from collections_supervisor.messages import AgentCommand


def stop(turn: Turn, word: AgentCommand) -> None:
    """End it and leave it so. What a person ended is no failure: whatever was wrong with it is over."""
    if not _is_ours(turn, word) or turn.state.stopped is not None:
        return
    turn.state = tally.with_end(turn.state, "interrupted")
    turn.set(
        stopped=Stop(since=turn.now.wall, reason=word.reason),
        # Its next start is a first one again, and no restart.
        begun=False,
        child=None,
        ended=False,
        next_attempt_at=None,
        hold=None,
        trouble=None,
        recovered_at=None,
        ready_by=None,
        outcome=None,
    )
    _forgive(turn)
    because = f": {word.reason}" if word.reason else ""
    turn.emit(
        "info",
        "agent.stopped",
        f"{turn.policy.name} is stopped until it is started by hand{because}",
        reason=word.reason or None,
    )
    turn.effects.append(EndChild())


def start(turn: Turn, word: AgentCommand) -> None:
    """Start it now if it does not run, whatever stood in the way of that."""
    if not _is_ours(turn, word):
        return
    state = turn.state
    turn.set(stopped=None)
    if state.child is not None or state.attempt is not None:
        skipped(turn, "running", "it runs already")
        return
    turn.set(begun=False, ended=False, hold=None, next_attempt_at=None)
    _forgive(turn)
    ask(turn, f"started by hand{f': {word.reason}' if word.reason else ''}")


def _forgive(turn: Turn) -> None:
    turn.set(attempts=0, short_lives=0, oversized=0, missed=0, recorded=0, afresh=turn.now.wall)


def _is_ours(turn: Turn, word: AgentCommand) -> bool:
    if is_owned(turn.policy):
        return True
    turn.emit(
        "warning",
        "agent.command.refused",
        f"{turn.policy.name} is no process of this program, which can {word.what} only what it started",
        command=word.what,
    )
    return False
