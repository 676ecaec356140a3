"""One turn of judgement: the state as it changes, and the effects that gather on the way. Pure."""

from datetime import datetime, timedelta

import msgspec

from collections_supervisor.agents.state import AgentState, Effect
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import AgentError, Emit, Level, Now, Value

ERRORS_KEPT = 5


class Turn:
    """What one call of `step` works on; nobody else ever sees it."""

    def __init__(self, policy: AgentConfig, state: AgentState, now: Now, jitter: float) -> None:
        self.policy = policy
        self.state = state
        self.now = now
        self.jitter = jitter
        self.effects: list[Effect] = []

    def set(self, **changes: object) -> None:
        """Change members of the state."""
        self.state = msgspec.structs.replace(self.state, **changes)

    def emit(self, level: Level, event: str, message: str, **fields: Value) -> None:
        """Ask for a log event about this agent."""
        self.effects.append(Emit(level=level, event=event, message=message, fields={"agent": self.policy.name, **fields}))

    def error(self, reason: str) -> None:
        """Keep an error for the page; only the last few are kept."""
        entry = AgentError(timestamp=self.now.wall, reason=reason)
        self.set(errors=(*self.state.errors, entry)[-ERRORS_KEPT:])

    def wall(self, instant: float) -> datetime:
        """A monotonic instant as the wall's."""
        return self.now.wall + timedelta(seconds=instant - self.now.mono)

    def mono(self, stamp: datetime) -> float:
        """A wall instant as the monotonic clock's."""
        return self.now.mono + (stamp - self.now.wall).total_seconds()
