"""Other settings for an agent that is being watched: what they mean for what is under way. Pure."""

from collections_supervisor.agents import tally
from collections_supervisor.agents.attempts import ask, drop_waiting
from collections_supervisor.agents.resuming import reconsider_hold
from collections_supervisor.agents.silence import is_owned
from collections_supervisor.agents.turn import Turn
from collections_supervisor.config.schema import AgentConfig, LogSource


def changed(turn: Turn, before: AgentConfig) -> None:
    """Go by the new settings from here on; an action that runs keeps its deadline, and its proof the time it has."""
    policy = turn.policy
    if policy.sources != before.sources:
        # What the other files did is no sign of these.
        turn.set(source="ok", source_error="", unreadable_at=None, vanished_at=None, trailing=())
    if policy.restart != before.restart:
        _restart_anew(turn, before)
    if is_owned(policy) and _made_of(policy) != _made_of(before) and _is_up(turn):
        drop_waiting(turn)
        turn.state = tally.with_end(turn.state, "interrupted")
        ask(turn, by_hand=True, reason="its command, folder, environment or output was changed")


def _restart_anew(turn: Turn, before: AgentConfig) -> None:
    """Forget what was decided by the old settings and not begun yet: the new ones decide again."""
    hold, restart = turn.state.hold, turn.policy.restart
    reconsider_hold(turn)
    limits = (restart.per_hour, restart.per_day) != (before.restart.per_hour, before.restart.per_day)
    if hold is not None and hold.kind == "budget" and limits:
        turn.set(hold=None)
    attempt = turn.state.attempt
    if attempt is not None and attempt.phase == "waiting" and not attempt.request.by_hand and not is_owned(turn.policy):
        drop_waiting(turn)


def _is_up(turn: Turn) -> bool:
    return turn.state.child is not None or turn.state.attempt is not None


def _made_of(policy: AgentConfig) -> tuple[object, ...]:
    """What a process of ours is started with, and cannot be changed while it lives."""
    restart = policy.restart
    log = next((source.path for source in policy.sources if isinstance(source, LogSource)), None)
    return (restart.command, restart.env, restart.cwd, restart.output, log)
