"""A person's word about an agent, and the restart that one wants: at once, outside of the budget, held, paused or well. Pure."""

from collections_supervisor.agents import pauses, tally
from collections_supervisor.agents.attempts import ask, drop_waiting
from collections_supervisor.agents.state import Answer
from collections_supervisor.agents.turn import Turn
from collections_supervisor.messages import AgentCommand
from collections_supervisor.system.clock import stamp


def command(turn: Turn, word: AgentCommand) -> None:
    """Do what the person says."""
    if word.what == "restart":
        _restart(turn, word)
    else:
        pauses.command(turn, word)


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
    ask(turn, by_hand=True, reason=word.reason or "a person wants it")
    attempt = turn.state.attempt
    action_id = attempt.request.action_id if attempt is not None else ""
    turn.effects.append(Answer(ok=True, sentence=f"{turn.policy.name} is being restarted", action_id=action_id))


def _refusal(turn: Turn) -> str:
    name, attempt = turn.policy.name, turn.state.attempt
    if turn.policy.restart.kind == "none":
        return f"{name} is not restarted by this program: its restart.kind is none"
    if attempt is None or attempt.phase == "proving":
        return ""
    if attempt.phase == "running":
        since = f" since {stamp(attempt.started)}" if attempt.started is not None else ""
        return f"a restart of {name} runs already{since}; it is given its time to end"
    return f"a restart of {name} by hand begins already" if attempt.request.by_hand else ""
