"""The one snapshot that everything a person sees is rendered from. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.incidents import is_acknowledged
from collections_supervisor.coordination.state import SHARED, FleetState
from collections_supervisor.messages import (
    AgentReport,
    BooksAudited,
    Durations,
    EscalationOutcome,
    IncidentReport,
    Report,
    Source,
    Verdict,
)

SCHEMA = 1

SWITCHED_OFF = "books.enabled is false"
"""Why there are no books where nobody is to look at them."""


def verdict(agents: Iterable[AgentReport], incidents: Iterable[Incident], audited: BooksAudited | None = None) -> Verdict:
    """One word for all: degraded if anything needs attention, unknown if anything cannot be told, else healthy."""
    known = {agent.status for agent in agents}
    if known & {"escalated", "restarting", "unhealthy"} or any(incident.kind == "supervisor" for incident in incidents):
        return "degraded"
    if audited is not None and not _is_well(audited):
        return "degraded"
    return "unknown" if not known or "unknown" in known else "healthy"


def _is_well(audited: BooksAudited) -> bool:
    books, queues = audited.books, audited.queues
    return (books is None or books.consistent) and (queues is None or queues.healthy)


def blind(known: AgentReport | None, name: str, why: str | None, before: AgentReport | None = None) -> AgentReport:
    """An agent as it was last told, or unknown where nobody has looked yet, or its watcher is gone.

    `before` is what an earlier life of ours told of it: what is counted for ever goes on from there.
    """
    if known is not None:
        return known if why is None else msgspec.structs.replace(known, status="unknown", detail=why)
    return AgentReport(
        name=name,
        status="unknown",
        detail=why or "not looked at yet",
        missed=0,
        last_heartbeat=None,
        next_deadline=None,
        restarts=before.restarts if before is not None else 0,
        restarts_24h=0,
        budget_left_24h=None,
        errors=(),
        incident=None,
        last_exit=None,
        paused=False,
        held=None,
        next_attempt_at=None,
        outcomes=before.outcomes if before is not None else {},
        durations=before.durations if before is not None else Durations(),
    )


def incident_report(incident: Incident, at: datetime) -> IncidentReport:
    """An incident as people and machines see it."""
    return IncidentReport(
        id=incident.id,
        kind=incident.kind,
        agent=incident.agent,
        reason=incident.reason,
        opened_at=incident.opened_at,
        missed=incident.missed,
        acknowledged_until=incident.acknowledged_until if is_acknowledged(incident, at) else None,
        delivered=incident.delivered,
        attempts=incident.attempts,
        next_at=incident.next_at,
        error=incident.error,
        recovered_at=incident.recovered_at,
        subject=incident.subject,
        agents=incident.agents,
        evidence=incident.evidence,
        impact=incident.impact,
    )


def _named(agent: AgentReport, incident: str | None, escalations: Mapping[EscalationOutcome, int]) -> AgentReport:
    # Most agents have no incident, and a fleet is reported many times a second while it is restarted.
    if agent.incident == incident and agent.escalations == escalations:
        return agent
    return msgspec.structs.replace(agent, incident=incident, escalations=dict(escalations))


def build(
    agents: Iterable[AgentReport],
    state: FleetState,
    *,
    at: datetime,
    run_id: str,
    version: str,
    stopped: bool = False,
    books: bool = True,
    audited: BooksAudited | None = None,
    sources: Iterable[Source] = (),
) -> Report:
    """The report of the fleet at one instant; `books`: whether they are looked at."""
    opened = sorted(state.open.values(), key=lambda incident: incident.id)
    of_agent = {name: incident.id for incident in opened for name in incident.agents}
    of_agent |= {incident.agent: incident.id for incident in opened if incident.kind == "agent" and incident.agent is not None}
    named = tuple(_named(agent, of_agent.get(agent.name), state.escalations.get(agent.name, {})) for agent in agents)
    return Report(
        schema=SCHEMA,
        generated_at=at,
        run_id=run_id,
        version=version,
        verdict=verdict(named, opened, audited),
        agents=named,
        incidents=tuple(incident_report(incident, at) for incident in opened),
        stopped_at=at if stopped else None,
        undelivered=state.undelivered,
        proven=state.proven,
        books=audited.books if audited is not None else None,
        books_reason=audited.why_not if audited is not None else "" if books else SWITCHED_OFF,
        queues=audited.queues if audited is not None else None,
        metrics=audited.activity if audited is not None else None,
        sources=(*sources, *(audited.sources if audited is not None else ())),
        escalations=state.escalations.get(SHARED, {}),
    )
