"""All events, in the order and the company in which people read of them."""

from collections.abc import Mapping

import msgspec

from collections_supervisor.events import agents, outside, program, restarts
from collections_supervisor.events.line import Line

ROWS: tuple[tuple[type[Line], ...], ...] = (
    (program.SupervisorStarted, program.SupervisorReady, program.SupervisorStopping, program.SupervisorStopped),
    (program.SupervisorActorCrashed, program.SupervisorEscalated, program.SupervisorCrashed),
    (program.SupervisorStoreFailed, program.SupervisorStoreResumed, program.SupervisorStateSetAside, program.SupervisorUnlocked),
    (program.SupervisorStateRemoved, program.SupervisorReplaced),
    (program.SupervisorClockJumped,),
    (program.SupervisorStack,),
    (program.ConfigLoaded, program.ConfigRejected, program.SupervisorReloaded),
    (program.ConfigTokenMissing,),
    (program.ControlRequest, program.ControlFailed),
    (agents.AgentHeartbeatSeen, agents.AgentHeartbeatMissed),
    (agents.AgentHeartbeatInvalid, agents.AgentHeartbeatUnreadable, agents.AgentHeartbeatUnwritable),
    (agents.AgentStateChanged,),
    (
        restarts.AgentRestartStarted,
        restarts.AgentRestartSucceeded,
        restarts.AgentRestartFailed,
        restarts.AgentRestartTimedOut,
        restarts.AgentRestartInterrupted,
    ),
    (restarts.AgentRestartAdopted,),
    (restarts.AgentRestartSkipped,),
    (restarts.AgentRestartPrepared, restarts.AgentRestartPrepareFailed),
    (restarts.AgentRestartSurvivors,),
    (agents.AgentRecovered,),
    (agents.AgentEscalated, agents.HostEscalated, agents.IncidentResolved),
    (outside.BooksAudited, outside.BooksFinding, outside.BooksEscalated),
    (outside.QueueUnhealthy, outside.QueueEscalated),
    (agents.AgentFlappingStarted, agents.AgentFlappingStopped),
    (agents.AgentPaused, agents.AgentResumed, agents.AgentAcknowledged),
    (agents.AgentStarted, agents.AgentExited, agents.AgentStopped, agents.AgentCommandRefused),
    (agents.AgentMemoryExceeded, agents.AgentOutdated, agents.AgentLeftBehind),
    (agents.AgentOutput, agents.AgentOutputSkipped, agents.AgentOutputUnrotated),
    (
        outside.EscalationDelivered,
        outside.EscalationFailed,
        outside.EscalationExpired,
        outside.EscalationUndelivered,
        outside.EscalationSkipped,
    ),
    (program.DashboardWritten, program.DashboardFailed),
    (program.MetricsWritten, program.MetricsFailed),
    (program.DeadmanFailed, program.DeadmanResumed),
    (program.LogDropped, program.LogSinkFailed),
    (program.PythonLog,),
)


def name_of(event: type[Line]) -> str:
    """The name that stands in the log."""
    return str(event.__struct_config__.tag)


EVENTS: Mapping[str, type[Line]] = {name_of(event): event for row in ROWS for event in row}


def own_fields(event: type[Line]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields that not every line has, `level` left out too."""
    always = set(Line.__struct_fields__) | {"level"}
    return tuple(field for field in msgspec.structs.fields(event) if field.name not in always)
