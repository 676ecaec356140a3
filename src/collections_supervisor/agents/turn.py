"""One turn of judgement: the state as it changes, and the effects that gather on the way. Pure."""

from datetime import datetime, timedelta

import msgspec

from collections_supervisor.agents.state import AgentState, Effect
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import AgentError, Emit, Level, Now, Value
from collections_supervisor.system.clock import LEAST_JUMP

ERRORS_KEPT = 5


class Turn:
    """What one call of `step` works on; nobody else ever sees it."""

    def __init__(self, policy: AgentConfig, state: AgentState, now: Now, jitter: float, since: Now | None = None) -> None:
        self.policy = policy
        self.since = since
        """When this agent was looked at before."""
        self.looked = state.looked
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

    def wall_to_the_millisecond(self, instant: float) -> datetime:
        """The same without the noise of the conversion, for what an incident is named by: it is to be the same again."""
        at = self.wall(instant)
        return at - timedelta(microseconds=at.microsecond % 1000) + timedelta(milliseconds=round(at.microsecond % 1000 / 1000))

    def mono(self, stamp: datetime) -> float:
        """A wall instant as the monotonic clock's."""
        return self.now.mono + (stamp - self.now.wall).total_seconds()

    def has_beaten_since(self, instant: datetime) -> bool:
        """Whether the newest beat came after an instant that is told in the wall clock's present time.

        Its stamp says so to the microsecond; but one from before the wall clock was set back bears a later stamp than it should.
        """
        beat, at = self.state.beat, self.state.beat_at
        return beat is not None and at is not None and beat.stamp > instant and at > self.mono(instant) - LEAST_JUMP

    def mono_of_news(self, stamp: datetime) -> float:
        """A wall instant that was not known when the files were last read, as the monotonic clock's; never in the future.

        Counted back from now it would be too old by as much as the machine slept, or its wall clock was set forward, since
        then; counted on from that look it is not.
        """
        at = self.mono(stamp)
        if self.looked is not None:
            at = max(at, self.looked.mono + (stamp - self.looked.wall).total_seconds())
        return min(at, self.now.mono)
