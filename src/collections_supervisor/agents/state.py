"""What is known of one agent, what can happen to it, and what its judgement may ask for. Structs only.

Every `float` that names an instant is monotonic seconds (`Now.mono`); every `datetime` is the wall's, aware, in UTC.
"""

from datetime import datetime
from typing import Literal

import msgspec

from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import (
    ActionOutcome,
    ActionRequest,
    AgentCommand,
    AgentError,
    Beat,
    Durations,
    Emit,
    Now,
    Reading,
    RestartOutcome,
    StaleLine,
    Trouble,
)

HoldKind = Literal["attempts", "budget", "configuration", "shared", "terminal", "overflow"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one restart under way: asked for, then running, then (its command done) waiting for its proof."""

    request: ActionRequest
    phase: Literal["waiting", "running", "proving"]
    first: bool = False
    """An owned process is started together with the daemon, which is no restart."""
    started: datetime | None = None
    prove_by: float | None = None
    counted: bool = False
    """Its end is counted already: it was interrupted, and a beat may prove all the same that it helped."""
    tokens: int | None = None
    """What its turn cost, once that is over and where it is told."""


class Hold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why there is no automatic restart, since when, and until which instant (None: until recovery or a person)."""

    kind: HoldKind
    reason: str
    since: datetime
    until: float | None = None
    settings: str = ""
    """Names the restart settings under which it was held: others may help."""


class Pause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person's stop: no misses, restarts or notices until then (None: until the agent is resumed by hand)."""

    since: datetime
    until: float | None = None
    reason: str = ""


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person ended a process of ours: it stays so until it is started by hand."""

    since: datetime
    reason: str = ""


class Child(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The living process of an agent that is ours."""

    started_at: float
    started: datetime


class AgentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything `step` remembers of one agent."""

    known_at: float
    """When this agent was first known to us; one that was never seen is judged from there."""
    known: datetime
    beat: Beat | None = None
    beat_at: float | None = None
    contact_at: float | None = None
    """When a beat stamped in the future was first seen: contact, but no proof of health."""
    future: Beat | None = None
    looked: Now | None = None
    """When its files were read, at its last beat or after the clocks last moved against each other; of this boot."""
    source: Literal["ok", "missing", "unreadable"] = "ok"
    source_error: str = ""
    unreadable_at: float | None = None
    vanished_at: float | None = None
    trailing: tuple[StaleLine, ...] = ()
    recorded: int = 0
    """Misses of the present silence that stand in the heartbeat log already."""
    missed: int = 0
    attempt: Attempt | None = None
    attempts: int = 0
    """Attempts in a row; only a stretch of fresh beats takes it back to 0."""
    next_attempt_at: float | None = None
    starts: tuple[float, ...] = ()
    """Automatic starts of the last 24 hours, oldest first."""
    restarts: int = 0
    tokens_total: int = 0
    """What the turns of all restarts cost, as far as it was told."""
    hold: Hold | None = None
    overflow: bool = False
    hung: bool = False
    errors: tuple[AgentError, ...] = ()
    trouble: Trouble | None = None
    recovered_at: float | None = None
    beats_since: int = 0
    well_since: float | None = None
    begun: bool = False
    """An owned process was started once; every further start is a restart."""
    child: Child | None = None
    ready_by: float | None = None
    """An owned process that was started while all was well has until then for its first beat."""
    short_lives: int = 0
    ended: bool = False
    """An owned process ended by itself with an exit code that may."""
    last_exit: str | None = None
    status: str = ""
    """The status last told, to notice its changes."""
    pardon: float = 0.0
    """Seconds by which the deadlines of the present silence are moved back: that time was not the agent's fault."""
    grace_until: float | None = None
    """No further deadline counts before: we, or the machine, stood still, or a person had it paused."""
    afresh: datetime | None = None
    """Misses recorded before do not count: a person had the agent paused meanwhile."""
    intervals: tuple[float, ...] = ()
    """Seconds between its last beats, as far as its deadline is learned from them."""
    learned: float | None = None
    """Seconds of silence that make the first miss, as learned from them."""
    verdicts: tuple[bool, ...] = ()
    """The last judgements, oldest first: a beat came, or a deadline was missed."""
    flapping: datetime | None = None
    """Since when it goes up and down too often."""
    pause: Pause | None = None
    stopped: Stop | None = None
    oversized: int = 0
    """Measurements in a row in which an owned process used more memory than it may."""
    pause_all: Pause | None = None
    """The pause of all agents, as far as it concerns this one."""
    outcome: ActionOutcome | None = None
    """How the last restart failed: what a person will want to see of it."""
    outcomes: dict[RestartOutcome, int] = {}
    """How its restarts ended, for ever."""
    durations: Durations = Durations()
    """Of those that succeeded."""

    @property
    def paused(self) -> Pause | None:
        """The pause that it is in: its own, or that of all."""
        return self.pause or self.pause_all


# --- Events ----------------------------------------------------------------------------------------------------------


class ActionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One action as it is written down before it begins, so that it is neither forgotten nor paid for twice after a crash."""

    request: ActionRequest
    argv: tuple[str, ...]
    boot_id: str
    started: datetime
    deadline: float
    """Monotonic instant at which our patience with it ends; means nothing in another boot."""
    first: bool = False
    attempts: int = 0
    restarts: int = 0
    starts: tuple[datetime, ...] = ()
    outcomes: dict[RestartOutcome, int] = {}
    durations: Durations = Durations()
    """How all restarts before this one ended."""
    tokens_total: int = 0
    """As it was before this action."""
    settings: str = ""
    """What an owned process was started with: one that would be started with something else now is not taken over."""
    pid: int = 0
    """0 until it was spawned, and for ever if we died in between."""
    start_time: int = 0
    ended: bool = False
    outcome: ActionOutcome | None = None
    """How it ended, should we die before that is judged."""


class HeartbeatRead(msgspec.Struct, frozen=True, kw_only=True):
    """The heartbeat sources were looked at."""

    reading: Reading
    since: Now | None = None
    """When they were looked at before: what they say now came between."""
    late: float = 0.0
    """Seconds by which this look came later than it was asked for: we, not the agents, stood still."""


class SlotGranted(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt that waited for one of the restart slots has it."""

    action_id: str


class ActionStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The action is about to be spawned: from here on it counts, whatever becomes of it."""

    at: datetime
    """Taken before the spawn: the proof is a beat stamped later than this, and the first may come within a millisecond."""


class ActionEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The action is over, its process tree too where it had to be ended."""

    outcome: ActionOutcome


class ChildExited(msgspec.Struct, frozen=True, kw_only=True):
    """An owned process ended without being asked to."""

    exit_code: int | None
    signal: str | None
    uptime_s: float
    adopted: bool = False
    """An earlier life of ours had started it: how it ended is for its parent to know, and nobody else."""


class MemoryRead(msgspec.Struct, frozen=True, kw_only=True):
    """An owned process and all that descends from it were measured, as they are once a cycle where that is bounded."""

    rss: int
    """Bytes."""


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's task begins again with a remembered state."""

    record: ActionRecord | None = None
    """The last action that was written down before it was begun; it may be newer than the state."""
    running: bool = False
    """That action still runs and is watched again."""
    excused: bool = False
    """The machine was off or asleep meanwhile, so that nobody can have beaten."""


class PolicyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """From here on it is judged by other settings."""

    before: AgentConfig


News = HeartbeatRead | SlotGranted | ActionStarted | ActionEnded | ChildExited | MemoryRead | PolicyChanged | AgentCommand
Event = News | Resumed


# --- Effects ---------------------------------------------------------------------------------------------------------


class RecordMiss(msgspec.Struct, frozen=True, kw_only=True):
    """Append a miss to the agent's heartbeat log."""

    missed: int
    last_heartbeat: datetime | None
    reason: str


class AskForSlot(msgspec.Struct, frozen=True, kw_only=True):
    """Wait for a restart slot, then say `SlotGranted`."""

    request: ActionRequest


class GiveSlotBack(msgspec.Struct, frozen=True, kw_only=True):
    """The slot is not needed any more: the agent came back while it was waited for."""


class RunAction(msgspec.Struct, frozen=True, kw_only=True):
    """Run the action in the slot, then say `ActionEnded`."""

    request: ActionRequest


class EndChild(msgspec.Struct, frozen=True, kw_only=True):
    """End the owned process, which nobody is to hear of as of an exit."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the person is told whose word this was."""

    ok: bool
    sentence: str
    action_id: str = ""
    """The restart that is made now."""


Effect = RecordMiss | AskForSlot | GiveSlotBack | RunAction | EndChild | Answer | Emit
