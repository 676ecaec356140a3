"""The settings as the program uses them: every value resolved, every duration in seconds, every path absolute.

Attribute names are the keys of `supervisor.toml`. Reading and checking the file is the loader's work.
"""

from pathlib import Path
from typing import Literal

import msgspec

Role = Literal["mailer", "watcher", ""]
RestartKind = Literal["openclaw", "command", "process", "none"]
Fresh = Literal["overflow", "last", "never"]


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Delays between attempts: `initial * factor ** (n - 2)` seconds before attempt n, at most `max`, times 1 to 1 + `jitter`."""

    initial: float = 30.0
    factor: float = 2.0
    max: float = 3600.0
    jitter: float = 0.5


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How one agent is restarted, and at most how often. Durations in seconds; 0 means unlimited for the counts."""

    kind: RestartKind = "openclaw"
    message: str = "restart"
    openclaw: str = "openclaw"
    abort_first: bool = True
    busy_within: float = 300.0
    busy_limit: float = 1500.0
    fresh: Fresh = "overflow"
    command: tuple[str, ...] = ()
    timeout: float = 120.0
    verify_within: float = 300.0
    backoff: Backoff = Backoff()
    attempts_per_incident: int = 2
    trial_every: float | None = None
    per_hour: int = 4
    per_day: int = 12
    no_restart_exit_codes: tuple[int, ...] = (78,)
    env: dict[str, str] = {}
    # Only kind = "process":
    cwd: Path | None = None
    ok_exit_codes: tuple[int, ...] = ()
    stop_signal: str = "TERM"
    stop_grace: float = 10.0
    output: Literal["log", "path"] = "log"
    max_rss: str = ""


class LogSource(msgspec.Struct, frozen=True, kw_only=True, tag="log", tag_field="kind"):
    """JSON lines that the agent appends to."""

    path: Path


class TouchSource(msgspec.Struct, frozen=True, kw_only=True, tag="touch", tag_field="kind"):
    """A file, or a glob of files, whose newest mtime is the beat."""

    path: str


Source = LogSource | TouchSource


class ActiveHours(msgspec.Struct, frozen=True, kw_only=True):
    """The hours of a day in which an agent is expected to beat, on the clocks of `zone`; past midnight where `end` <= `start`."""

    start: int
    """Minutes after midnight."""
    end: int
    zone: str
    """An IANA name such as `America/Bogota`."""


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One watched agent with every default filled in. Durations in seconds."""

    name: str
    role: Role = ""
    period: float | None = None
    timeout: float = 3600.0
    miss_threshold: int = 2
    miss_interval: float = 900.0
    startup_grace: float = 3600.0
    future_tolerance: float = 5.0
    adaptive: bool = False
    active_hours: ActiveHours | None = None
    sources: tuple[Source, ...] = ()
    """Where its signs of life are; empty only for an owned process that is judged by being alive."""
    restart: RestartPolicy = RestartPolicy()
    cycle: float = 60.0
    """Seconds within which it is looked at again, whatever else happens; not a key of its own, see `Config.cycle`."""
    settles: bool = True
    """Whether an incident stays open for a while after recovery; not a key of its own: a single sweep has nothing to wait for."""


class OpenClawChannel(msgspec.Struct, frozen=True, kw_only=True, tag="openclaw", tag_field="kind"):
    """A turn of an OpenClaw agent, who passes the notice on."""

    via: Literal["cli", "hooks", "tools"] = "cli"
    url: str = ""
    token_env: str = ""
    agent: str = "caine"
    openclaw: str = "openclaw"
    timeout: float = 60.0
    after: float = 0.0


class CommandChannel(msgspec.Struct, frozen=True, kw_only=True, tag="command", tag_field="kind"):
    """A command that reads the notice as one JSON line on its standard input."""

    command: tuple[str, ...]
    timeout: float = 30.0
    after: float = 0.0


class WebhookChannel(msgspec.Struct, frozen=True, kw_only=True, tag="webhook", tag_field="kind"):
    """An HTTP POST of the notice as JSON."""

    url: str
    token_env: str = ""
    timeout: float = 10.0
    after: float = 0.0


Channel = OpenClawChannel | CommandChannel | WebhookChannel


class SupervisorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[supervisor]`. Durations in seconds."""

    state_dir: Path
    check_interval: float = 900.0
    shutdown_grace: float = 10.0


class LoggingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[logging]`. An empty `file` means standard output."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    format: Literal["auto", "json", "ecs", "gcp", "console"] = "auto"
    file: Path | None = None
    max_event_bytes: int = 8000


class EscalationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[escalation]`. Durations in seconds."""

    recipient: str = "caine"
    group_wait: float = 30.0
    repeat_after: float = 14400.0
    ack_for: float = 86400.0
    give_up_after: float = 86400.0
    channels: tuple[Channel, ...] = (OpenClawChannel(),)


class BooksConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[books]`. Durations in seconds."""

    enabled: bool = True
    state_dir: Path
    ledger: Path
    queue_dir: Path
    cache_dir: Path
    queue_limit: int = 100
    queue_max_age: float = 3600.0
    degraded_mode: bool = False
    verify_checksums: bool = False
    currency: str = "USD"
    configured: bool = False
    """Whether they lie elsewhere than they do by default; not a key of its own: in the usual place there need not be any."""


class DashboardConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[dashboard]`. No path, no page. `interval` in seconds."""

    path: Path | None
    interval: float = 60.0
    title: str = "NovotEcho Collections"
    template: Path | None = None
    """A jinja2 template in place of the program's own."""


class MetricsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[metrics]`. No path, no file. `window` in seconds."""

    path: Path | None = None
    window: float = 86400.0


class DeadmanConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[deadman]`: an outside monitor to be told that this program lives."""

    url: str = ""
    command: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in force, however it was set."""

    path: Path | None
    """The file it came from; None for built-in defaults."""
    supervisor: SupervisorConfig
    logging: LoggingConfig
    escalation: EscalationConfig
    books: BooksConfig
    dashboard: DashboardConfig
    metrics: MetricsConfig
    deadman: DeadmanConfig
    agents: tuple[AgentConfig, ...]
    max_concurrent: int = 1
    """Automatic restart actions at one time, over all agents."""

    @property
    def cycle(self) -> float:
        """Seconds within which every agent is judged and the report published anew."""
        return min(60.0, self.supervisor.check_interval)
