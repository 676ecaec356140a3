"""Events of restarts: what was begun, what came of it, what was not done and why."""

from typing import Literal

from msgspec import UNSET, UnsetType

from collections_supervisor.config.schema import RestartKind
from collections_supervisor.events.line import Count, Line


class AgentRestartStarted(Line, frozen=True, tag="agent.restart.started"):
    """An attempt to bring an agent back begins."""

    level: Literal["warning"]
    agent: str
    attempt: Count
    action_id: str
    kind: RestartKind
    missed: Count
    fresh: bool
    """Whether an OpenClaw agent gets a new session, which loses the conversation."""
    by_hand: bool | UnsetType = UNSET
    """True where a person wanted it, whatever the budget."""


class AgentRestartSucceeded(Line, frozen=True, tag="agent.restart.succeeded"):
    """It is proven by a fresh heartbeat, `duration_ms` after its start."""

    level: Literal["info"]
    agent: str
    attempt: Count
    action_id: str
    duration_ms: Count
    tokens: Count | None
    """What the turn cost, where OpenClaw tells it."""
    tokens_total: Count
    """Of all restarts of the agent."""


class Unproven(Line, frozen=True):
    """What is told of an attempt that came to a bad end, or to none."""

    agent: str
    attempt: Count
    action_id: str
    reason: str
    classified: Literal["configuration", "overflow", "shared", "terminal", "auth", "dry_run", "daemon_only", "no_memory"] | None
    """What kind of failure, where it decides what follows."""
    exit_code: int | None
    duration_ms: Count
    output: str | None
    """The end of what the command printed."""
    tokens: Count | None
    """What the turn cost, where OpenClaw tells it."""
    tokens_total: Count
    """Of all restarts of the agent."""


class AgentRestartFailed(Unproven, frozen=True, tag="agent.restart.failed"):
    """It failed, or no heartbeat proved it in time."""

    level: Literal["error"]


class AgentRestartTimedOut(Unproven, frozen=True, tag="agent.restart.timed_out"):
    """It took too long and was ended."""

    level: Literal["error"]


class AgentRestartInterrupted(Unproven, frozen=True, tag="agent.restart.interrupted"):
    """It was cut short by the end of this program, and a heartbeat may still prove it."""

    level: Literal["warning"]


class AgentRestartAdopted(Line, frozen=True, tag="agent.restart.adopted"):
    """A restart, or an owned process (with its `pid`), that an earlier life of ours began still runs and is watched again."""

    level: Literal["warning", "info"]
    agent: str
    attempt: Count
    action_id: str
    pid: Count | UnsetType | None = UNSET


class AgentRestartSkipped(Line, frozen=True, tag="agent.restart.skipped"):
    """No restart, and why: `reason` is budget, held, busy, fresh_beat, paused, unreadable, asked_for_help, dry_run, daemon_only
    (a process that only a daemon starts) or no_memory (a sweep without a usable state folder, which cannot know what restarts
    have cost).
    """

    level: Literal["info"]
    agent: str
    reason: Literal[
        "budget", "held", "busy", "fresh_beat", "paused", "unreadable", "asked_for_help", "dry_run", "daemon_only", "no_memory"
    ]


class Prepared(Line, frozen=True):
    """What is told of a step before a restart."""

    agent: str
    attempt: Count
    action_id: str
    step: Literal["abort", "new_session"]


class AgentRestartPrepared(Prepared, frozen=True, tag="agent.restart.prepared"):
    """Before the restart a hung turn was aborted, or a new session begun."""

    level: Literal["info"]


class AgentRestartPrepareFailed(Prepared, frozen=True, tag="agent.restart.prepare_failed"):
    """That could not be done, and the restart is tried all the same."""

    level: Literal["warning"]
    reason: str
    exit_code: int | None
    output: str


class AgentRestartSurvivors(Line, frozen=True, tag="agent.restart.survivors"):
    """Processes that could not be ended."""

    level: Literal["error"]
    agent: str
    pids: str
