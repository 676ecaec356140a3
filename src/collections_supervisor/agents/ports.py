"""What an agent's task needs of the outside: each port small enough for a complete fake."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.state import ActionRecord, AgentState, ChildExited, MemoryRead
from collections_supervisor.messages import ActionOutcome, ActionRequest, AgentCommand, Now, Reading
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.process_tree import Tree


class Heartbeat(Protocol):
    """The heartbeat files of one agent."""

    async def read(self, now: Now) -> Reading:
        """Look at every source; never raises for what the file system does."""
        ...

    async def record_miss(self, *, missed: int, last_heartbeat: datetime | None, reason: str, at: datetime) -> None:
        """Append one miss to the log, if there is one; raises OSError."""
        ...


class Attendant(Protocol):
    """Whoever must know of an action before it costs anything, and of its process as soon as there is one."""

    async def begin(self, argv: tuple[str, ...]) -> bool:
        """Awaited right before what counts as an attempt, which is written down then; False if it is not wanted any more."""
        ...

    async def spawned(self, pid: int, start_time: int) -> None:
        """The process of the action is there."""
        ...


class Runner(Protocol):
    """What brings one agent back."""

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        """Do it, and nothing that counts as an attempt if the attendant says no. Cancelling it ends what it started."""
        ...

    async def find(self, record: ActionRecord) -> Tree | None:
        """The process tree of an action that an earlier life of ours began, if it still runs."""
        ...

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:
        """Watch such an action to its end, or to its deadline; cancelling it ends the action. Or take such a process over."""
        ...

    async def wait(self) -> ChildExited | MemoryRead | None:
        """Wait for the owned process to end, or for news of it; None if we ended it, or own none."""
        ...

    def when_news(self, call: Callable[[], object]) -> bool:
        """Have this called once, when it is worth to `wait`; False if that is so from now on. Not when we end it ourselves."""
        ...

    async def close(self) -> None:
        """End the owned process and all that it started, within the deadline of the shutdown; it may be run again."""
        ...


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was kept of one agent."""

    state: AgentState
    """Its instants are told in the clocks of now."""
    excused: bool = False
    """The machine was off or asleep since then, so that nobody can have beaten."""


class Store(Protocol):
    """Where the state of each agent is kept."""

    def load(self, name: str) -> Kept | None:
        """What was kept of this agent."""
        ...

    def save(self, name: str, state: AgentState) -> None:
        """Keep this state of the agent; it is on disk with the next snapshot."""
        ...


class Journal(Protocol):
    """The last action of each agent, on disk before it begins."""

    async def read(self, name: str) -> ActionRecord | None:
        """The last action of this agent; None if there was none, or nothing readable is left of it."""
        ...

    async def write(self, record: ActionRecord) -> None:
        """Keep it, returning when it is on disk. Where the disk refuses that is said, and supervision goes on."""
        ...


class Slots(Protocol):
    """The restart slots of the whole fleet."""

    async def acquire(self, name: str) -> None:
        """Wait for a slot for this agent."""
        ...

    def seize(self, name: str) -> None:
        """Take a slot at once, for an action that runs already."""
        ...

    def release(self, name: str) -> None:
        """Give the slot of this agent back, if it has one, or stop waiting."""
        ...


class MemoryStore:
    """Keeps states as long as this process lives: enough to survive a crash of an agent's task."""

    def __init__(self) -> None:
        self._states: dict[str, AgentState] = {}

    def load(self, name: str) -> Kept | None:
        """What was kept of this agent."""
        state = self._states.get(name)
        return Kept(state=state) if state is not None else None

    def save(self, name: str, state: AgentState) -> None:
        """Keep this state of the agent."""
        self._states[name] = state


class MemoryJournal:
    """Keeps the last actions as long as this process lives."""

    def __init__(self) -> None:
        self._records: dict[str, ActionRecord] = {}

    async def read(self, name: str) -> ActionRecord | None:
        """The last action of this agent."""
        return self._records.get(name)

    async def write(self, record: ActionRecord) -> None:
        """Keep it."""
        self._records[record.request.agent] = record


def _unheard(_name: str) -> None:
    """Nobody counts the looks."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What all agents share."""

    clock: Clock
    store: Store
    journal: Journal
    log: FilteringBoundLogger
    slots: Slots
    boot_id: str
    """Names the present boot of the machine; empty where the system does not tell."""
    jitter: Callable[[], float]
    """A random number in [0, 1)."""
    looked: Callable[[str], None] = _unheard
    """Called whenever an agent was looked at, and the coordinator knows what that showed."""
    standing: Callable[[], AgentCommand | None] = lambda: None
    """What a person said of all agents, also of those that are watched only later: a pause, or nothing."""
