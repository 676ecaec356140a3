"""What an agent's task needs of the outside: each port small enough for a complete fake."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import anyio
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.state import AgentState, ChildExited
from collections_supervisor.messages import ActionOutcome, ActionRequest, Now, Reading
from collections_supervisor.system.clock import Clock


class Heartbeat(Protocol):
    """The heartbeat files of one agent."""

    async def read(self, now: Now) -> Reading:
        """Look at every source; never raises for what the file system does."""
        ...

    async def record_miss(self, *, missed: int, last_heartbeat: datetime | None, reason: str, at: datetime) -> None:
        """Append one miss to the log, if there is one; raises OSError."""
        ...


class Runner(Protocol):
    """What brings one agent back."""

    async def run(self, request: ActionRequest, begin: Callable[[], Awaitable[bool]]) -> ActionOutcome:
        """Do it, awaiting `begin` right before what counts as an attempt, and not at all if that says no.

        Cancelling it ends what it started.
        """
        ...

    async def wait(self) -> ChildExited | None:
        """Wait for the owned process to end; None if we ended it, or own none."""
        ...

    async def close(self) -> None:
        """End the owned process and all that it started, within the deadline of the shutdown."""
        ...


class Store(Protocol):
    """Where the state of each agent is kept."""

    def load(self, name: str) -> AgentState | None:
        """What was kept of this agent."""
        ...

    def save(self, name: str, state: AgentState) -> None:
        """Keep this state of the agent."""
        ...


class MemoryStore:
    """Keeps states as long as this process lives: enough to survive a crash of an agent's task."""

    def __init__(self) -> None:
        self._states: dict[str, AgentState] = {}

    def load(self, name: str) -> AgentState | None:
        """What was kept of this agent."""
        return self._states.get(name)

    def save(self, name: str, state: AgentState) -> None:
        """Keep this state of the agent."""
        self._states[name] = state


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What all agents share."""

    clock: Clock
    store: Store
    log: FilteringBoundLogger
    slots: anyio.CapacityLimiter
    """Restart actions at one time, over all agents."""
    jitter: Callable[[], float]
    """A random number in [0, 1)."""
