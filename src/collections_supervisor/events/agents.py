"""Events of the watched agents: signs of life, states, owned processes, incidents."""

from typing import Literal

from collections_supervisor.events.line import Count, Line, Stamp
from collections_supervisor.messages import BeatStatus, Status


class AgentHeartbeatSeen(Line, frozen=True, tag="agent.heartbeat.seen"):
    """A beat."""

    level: Literal["debug"]
    agent: str
    last_heartbeat: Stamp
    beat_status: BeatStatus
    age_s: float


class AgentHeartbeatMissed(Line, frozen=True, tag="agent.heartbeat.missed"):
    """A deadline passed without one, with the count in `missed`."""

    level: Literal["warning"]
    agent: str
    missed: Count
    miss_threshold: Count
    last_heartbeat: Stamp | None
    age_s: float | None


class AgentHeartbeatInvalid(Line, frozen=True, tag="agent.heartbeat.invalid"):
    """So many lines (`invalid`) of a heartbeat log make no sense and were skipped, once each."""

    level: Literal["warning"]
    agent: str
    invalid: Count


class AgentHeartbeatUnreadable(Line, frozen=True, tag="agent.heartbeat.unreadable"):
    """The heartbeat cannot be read, so the agent is not judged."""

    level: Literal["warning"]
    agent: str
    reason: str


class AgentHeartbeatUnwritable(Line, frozen=True, tag="agent.heartbeat.unwritable"):
    """Misses cannot be recorded there, but they count all the same."""

    level: Literal["warning"]
    agent: str
    reason: str


class AgentStateChanged(Line, frozen=True, tag="agent.state_changed"):
    """From `previous` to `state`."""

    level: Literal["info", "warning"]
    agent: str
    state: Status
    previous: Status


class AgentRecovered(Line, frozen=True, tag="agent.recovered"):
    """It beats again, `by_itself` or after an attempt."""

    level: Literal["info"]
    agent: str
    missed: Count
    by_itself: bool
    down_s: float | None


class AgentFlappingStarted(Line, frozen=True, tag="agent.flapping.started"):
    """It goes up and down all the time."""

    level: Literal["warning"]
    agent: str
    change_percent: int


class AgentFlappingStopped(Line, frozen=True, tag="agent.flapping.stopped"):
    """It is steady again."""

    level: Literal["info"]
    agent: str
    change_percent: int


class AgentPaused(Line, frozen=True, tag="agent.paused"):
    """A person wants it left alone, or all of them (then without an `agent`)."""

    level: Literal["info"]
    agent: str | None
    until: Stamp | None
    reason: str | None


class AgentResumed(Line, frozen=True, tag="agent.resumed"):
    """It is watched again, or all are, because a person said so or the pause is over."""

    level: Literal["info"]
    agent: str | None
    reason: str


class AgentAcknowledged(Line, frozen=True, tag="agent.acknowledged"):
    """A person knows of the incident, which is not reminded of meanwhile."""

    level: Literal["info"]
    agent: str | None
    incident: str
    until: Stamp
    reason: str | None


class AgentEscalated(Line, frozen=True, tag="agent.escalated"):
    """A human must know of one agent."""

    level: Literal["critical"]
    agent: str
    incident: str
    reason: str
    missed: Count
    since: Stamp
    restarts: Count


class HostEscalated(Line, frozen=True, tag="host.escalated"):
    """A human must know of the host or provider that many agents (`names`) depend on."""

    level: Literal["critical"]
    names: str
    incident: str
    reason: str
    missed: Count
    since: Stamp
    restarts: Count | None


class IncidentResolved(Line, frozen=True, tag="incident.resolved"):
    """What a human had to know of is over."""

    level: Literal["info"]
    agent: str | None
    incident: str
    open_s: float


class AgentStarted(Line, frozen=True, tag="agent.started"):
    """An owned process was started for the first time."""

    level: Literal["info"]
    agent: str
    action_id: str


class AgentExited(Line, frozen=True, tag="agent.exited"):
    """An owned process ended, and with it a restart of it that no heartbeat had proven yet."""

    level: Literal["warning"]
    agent: str
    exit_code: int | None
    signal: str | None
    uptime_s: float
    adopted: bool


class AgentStopped(Line, frozen=True, tag="agent.stopped"):
    """A person had an owned process ended, and it stays so until it is started by hand."""

    level: Literal["info"]
    agent: str
    reason: str | None


class AgentCommandRefused(Line, frozen=True, tag="agent.command.refused"):
    """A person's word that is of no use for this agent."""

    level: Literal["warning"]
    agent: str
    command: str


class AgentMemoryExceeded(Line, frozen=True, tag="agent.memory.exceeded"):
    """An owned process uses more memory than `restart.max_rss` and is started anew."""

    level: Literal["warning"]
    agent: str
    rss_bytes: Count
    max_rss_bytes: Count


class AgentOutdated(Line, frozen=True, tag="agent.outdated"):
    """An owned process of an earlier life runs with other settings than now: it is ended and started anew."""

    level: Literal["info"]
    agent: str
    pid: Count | None


class AgentLeftBehind(Line, frozen=True, tag="agent.left_behind"):
    """Something that an earlier life began still runs for an agent that is configured no longer: an owned process is `ended`, a
    restart is left to its end.
    """

    level: Literal["warning"]
    agent: str
    pid: Count | None
    action_id: str
    ended: bool


class AgentOutputUnrotated(Line, frozen=True, tag="agent.output.unrotated"):
    """The file that an owned process writes into cannot be rotated and grows on."""

    level: Literal["warning"]
    agent: str
    path: str
    reason: str


class AgentOutput(Line, frozen=True, tag="agent.output"):
    """A line that an owned process wrote."""

    level: Literal["info"]
    agent: str


class AgentOutputSkipped(Line, frozen=True, tag="agent.output.skipped"):
    """It wrote more than a hundred lines a second, and the rest (`dropped`) was only counted."""

    level: Literal["warning"]
    agent: str
    dropped: Count
