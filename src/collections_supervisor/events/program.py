"""Events of the program itself: its life, its memory, its settings, its log."""

from typing import Literal

from msgspec import UNSET, UnsetType

from collections_supervisor.events.line import Count, Error, Line, OfNoAgent, Stamp
from collections_supervisor.messages import Level, Verdict


class SupervisorStarted(Line, frozen=True, tag="supervisor.started"):
    """The program begins to supervise."""

    level: Literal["info"]
    pid: int
    config: str | None
    agents: Count
    dashboard: str | None
    python: str
    dry_run: bool


class SupervisorReady(Line, frozen=True, tag="supervisor.ready"):
    """Every agent was looked at once."""

    level: Literal["info"]
    agents: Count
    verdict: Verdict


class SupervisorStopping(Line, frozen=True, tag="supervisor.stopping"):
    """It was asked to stop, and ends what runs within `grace_s`."""

    level: Literal["info"]
    signal: str
    grace_s: float


class SupervisorStopped(Line, frozen=True, tag="supervisor.stopped"):
    """It has stopped: nothing comes after this."""

    level: Literal["info"]


class SupervisorActorCrashed(Line, frozen=True, tag="supervisor.actor_crashed"):
    """A bug of ours ended one task, which begins again by itself."""

    level: Literal["critical"]
    actor: str
    agent: str | None
    crashes: Count
    """How many in a row."""
    error: Error


class SupervisorEscalated(OfNoAgent, frozen=True, tag="supervisor.escalated"):
    """A human is told of a task that keeps crashing."""

    level: Literal["critical"]


class SupervisorCrashed(Line, frozen=True, tag="supervisor.crashed"):
    """A bug of ours ends the program."""

    level: Literal["critical"]
    error: Error


class SupervisorStoreFailed(Line, frozen=True, tag="supervisor.store_failed"):
    """Something cannot be written, told once."""

    level: Literal["error"]
    path: str
    reason: str


class SupervisorStoreResumed(Line, frozen=True, tag="supervisor.store_resumed"):
    """It can be written again."""

    level: Literal["info"]
    path: str
    failed_s: float | UnsetType = UNSET


class SupervisorStateSetAside(Line, frozen=True, tag="supervisor.state_set_aside"):
    """A file, or what was kept of an agent, could not be read and is kept under another name."""

    level: Literal["warning", "error"]
    path: str | None
    reason: str
    kept_as: str | UnsetType | None = UNSET
    agent: str | UnsetType = UNSET
    agents: Count | UnsetType = UNSET
    lines: Count | UnsetType | None = UNSET


class SupervisorUnlocked(Line, frozen=True, tag="supervisor.unlocked"):
    """Nothing keeps a second supervisor away."""

    level: Literal["warning", "error"]
    path: str
    reason: str


class SupervisorStateRemoved(Line, frozen=True, tag="supervisor.state_removed"):
    """Somebody removed the state folder: it is made again, with all that is known."""

    level: Literal["warning"]
    path: str


class SupervisorReplaced(Line, frozen=True, tag="supervisor.replaced"):
    """Another supervisor works in the state folder by now, and this one stops."""

    level: Literal["critical"]
    path: str
    pid: int | None


class SupervisorClockJumped(Line, frozen=True, tag="supervisor.clock_jumped"):
    """The machine slept (`slept_s`), or its wall clock was set (`stepped_s`)."""

    level: Literal["warning"]
    slept_s: float
    stepped_s: float


class SupervisorStack(Line, frozen=True, tag="supervisor.stack"):
    """Answer to SIGUSR1, one for each task."""

    level: Literal["info"]
    task: str
    stack: str


class ConfigLoaded(Line, frozen=True, tag="config.loaded"):
    """The configuration was read, at the start or for a reload, and this is questionable about it (`warnings`)."""

    level: Literal["info"]
    path: str | None
    """None where there is no file."""
    agents: Count
    warnings: tuple[str, ...]


class ConfigRejected(Line, frozen=True, tag="config.rejected"):
    """It cannot be used (`faults`), and the one in force stays."""

    level: Literal["error"]
    path: str | None
    reason: str
    """The first fault."""
    faults: tuple[str, ...]


class SupervisorReloaded(Line, frozen=True, tag="supervisor.reloaded"):
    """What is different now is in force, but for what is `restart_needed` for."""

    level: Literal["info"]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """Agents, the first fifty of each."""
    keys: tuple[str, ...]
    """The keys whose values differ."""
    restart_needed: tuple[str, ...]
    duration_ms: float


class ConfigTokenMissing(Line, frozen=True, tag="config.token_missing"):
    """The environment has no such `variable`, whose token these `channels` need: nobody is told through them."""

    level: Literal["warning"]
    variable: str
    channels: tuple[str, ...]
    """Their keys in the configuration."""


class ControlRequest(Line, frozen=True, tag="control.request"):
    """A person asked for something (debug, if it only looks)."""

    level: Literal["info", "debug"]
    op: str
    agent: str | None
    """An agent, `*` for all of them, or with `ack` whatever else an incident is about."""
    uid: int | None
    """The user who asked; None where the system does not tell."""
    until: Stamp | None
    reason: str | None


class ControlFailed(Line, frozen=True, tag="control.failed"):
    """It was not done, or was no request at all, or nobody can be heard."""

    level: Literal["warning", "error", "critical"]
    error: Error
    path: str | UnsetType = UNSET
    op: str | UnsetType = UNSET
    agent: str | UnsetType | None = UNSET
    uid: int | UnsetType | None = UNSET
    until: Stamp | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET


class FileWritten(Line, frozen=True):
    """What is told of a file that shows how things are."""

    level: Literal["info", "debug"]
    path: str
    size_bytes: Count
    duration_ms: float


class FileFailed(Line, frozen=True):
    """What is told where there is none."""

    level: Literal["error"]
    path: str
    error: Error


class DashboardWritten(FileWritten, frozen=True, tag="dashboard.written"):
    """The page was written (debug, but for the first time and the first after a failure)."""


class DashboardFailed(FileFailed, frozen=True, tag="dashboard.failed"):
    """The page cannot be written, or not by the template that is set, told once for each cause."""


class MetricsWritten(FileWritten, frozen=True, tag="metrics.written"):
    """The metrics file was written (debug, but for the first time and the first after a failure)."""


class MetricsFailed(FileFailed, frozen=True, tag="metrics.failed"):
    """The metrics file cannot be written, told once for each cause."""


class DeadmanFailed(Line, frozen=True, tag="deadman.failed"):
    """The outside monitor of `[deadman]` could not be told that this program lives, told once for each change."""

    level: Literal["error"]
    way: Literal["url", "command"]
    reason: str


class DeadmanResumed(Line, frozen=True, tag="deadman.resumed"):
    """It is told again."""

    level: Literal["info"]
    way: Literal["url", "command"]


class LogDropped(Line, frozen=True, tag="log.dropped"):
    """So many lines (`dropped`) were lost to a slow or full target, right here."""

    level: Literal["warning"]
    dropped: Count


class LogSinkFailed(Line, frozen=True, tag="log.sink_failed"):
    """The log cannot be written where it should be: once nobody reads standard output any more, it goes on in `fallback.log` of
    the state folder.
    """

    level: Literal["error"]
    path: str
    error: Error


class PythonLog(Line, frozen=True, tag="python.log"):
    """Whatever else in the process speaks: logging, warnings, exceptions that nobody caught."""

    level: Level
    logger: str
    error: Error | UnsetType = UNSET
    path: str | UnsetType = UNSET
    """Of a warning: the file that it is about."""
    line: int | UnsetType = UNSET
    thread: str | UnsetType = UNSET
    object: str | UnsetType = UNSET
    """Of an exception that could not be raised: where it was ignored."""
    context: str | UnsetType = UNSET
    """Of an error in the event loop: what it happened to."""
