"""A person's word about an agent, and what one wants done with it: at once, outside of the budget, held, paused or well. Pure."""

from collections_supervisor.agents import pauses, tally
from collections_supervisor.agents.attempts import ask, drop_waiting
from collections_supervisor.agents.silence import is_owned
from collections_supervisor.agents.state import Answer, EndChild, Stop
from collections_supervisor.agents.turn import Turn
from collections_supervisor.messages import AgentCommand
from collections_supervisor.system.clock import stamp


def command(turn: Turn, word: AgentCommand) -> None:
    """Do what the person says."""
    match word.what:
        case "restart":
            _restart(turn, word)
        case "stop":
            _stop(turn, word)
        case "start":
            _start(turn, word)
        case "pause" | "resume":  # pragma: no branch - there is no other
            pauses.command(turn, word)


# --- A restart ---


def _restart(turn: Turn, word: AgentCommand) -> None:
    """Begin the restart unless one is under way; whatever was held against the agent is forgiven."""
    refusal = _refusal(turn)
    if refusal:
        turn.effects.append(Answer(ok=False, sentence=refusal))
        return
    # One that only waited, or whose proof is awaited: this one stands in for it.
    drop_waiting(turn)
    turn.state = tally.with_end(turn.state, "interrupted")
    turn.set(hold=None, attempts=0, next_attempt_at=None, short_lives=0, ended=False)
    ask(turn, word.reason or "a person wants it", by_hand=True)
    attempt = turn.state.attempt
    action_id = attempt.request.action_id if attempt is not None else ""
    turn.effects.append(Answer(ok=True, sentence=f"{turn.policy.name} is being restarted", action_id=action_id))


def _refusal(turn: Turn) -> str:
    name, attempt = turn.policy.name, turn.state.attempt
    if turn.policy.restart.kind == "none":
        return f"{name} is not restarted by this program: its restart.kind is none"
    if turn.state.stopped is not None:
        return f"{name} was stopped by hand; it is started by start {name}"
    if attempt is None or attempt.phase == "proving":
        return ""
    if attempt.phase == "running":
        since = f" since {stamp(attempt.started)}" if attempt.started is not None else ""
        return f"a restart of {name} runs already{since}; it is given its time to end"
    return f"a restart of {name} by hand begins already" if attempt.request.by_hand else ""


# --- A process of ours ---


def _stop(turn: Turn, word: AgentCommand) -> None:
    """End it and leave it so. What a person ended is no failure: whatever was wrong with it is over."""
    name = turn.policy.name
    if not _is_ours(turn, word):
        return
    if turn.state.stopped is not None:
        turn.effects.append(Answer(ok=True, sentence=f"{name} is stopped already"))
        return
    drop_waiting(turn)
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
    sentence = f"{name} is stopped until it is started by hand{because}"
    turn.emit("info", "agent.stopped", sentence, reason=word.reason or None)
    turn.effects += [EndChild(), Answer(ok=True, sentence=sentence)]


def _start(turn: Turn, word: AgentCommand) -> None:
    """Start it now if it does not run, whatever stood in the way of that."""
    name, state = turn.policy.name, turn.state
    if not _is_ours(turn, word):
        return
    turn.set(stopped=None)
    if state.child is not None or state.attempt is not None:
        turn.effects.append(Answer(ok=True, sentence=f"{name} runs already"))
        return
    turn.set(begun=False, ended=False, hold=None, next_attempt_at=None)
    _forgive(turn)
    ask(turn, f"started by hand{f': {word.reason}' if word.reason else ''}")
    turn.effects.append(Answer(ok=True, sentence=f"{name} is being started"))


def _forgive(turn: Turn) -> None:
    turn.set(attempts=0, short_lives=0, oversized=0, missed=0, recorded=0, afresh=turn.now.wall)


def _is_ours(turn: Turn, word: AgentCommand) -> bool:
    if is_owned(turn.policy):
        return True
    sentence = f"{turn.policy.name} is no process of this program, which can {word.what} only what it started"
    turn.emit("warning", "agent.command.refused", sentence, command=word.what)
    turn.effects.append(Answer(ok=False, sentence=sentence))
    return False
