"""What was known when an incident was opened, kept for whoever looks into it later. Pure."""

from datetime import datetime

import msgspec

from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.report import incident_report
from collections_supervisor.coordination.state import Facts
from collections_supervisor.messages import AgentChanged, AgentReport, Evidence, IncidentReport, Now, Trouble
from collections_supervisor.system.plain import plain

SHOWN = 50
"""Agents in one file; of a host with more, those whose names come first."""


class _Agent(msgspec.Struct, frozen=True, kw_only=True):
    report: AgentReport
    trouble: Trouble | None
    evidence: Evidence


class _Evidence(msgspec.Struct, frozen=True, kw_only=True):
    seen_at: datetime
    incident: IncidentReport
    agents: tuple[_Agent, ...]


def evidence(incident: Incident, facts: Facts, now: Now) -> bytes:
    """The incident, and of each agent that it is about its report, its trouble and what was seen of it, as JSON."""
    names = incident.agents if incident.kind == "host" else (incident.agent,)
    known = [facts[name] for name in names[:SHOWN] if name is not None and name in facts]
    return msgspec.json.encode(
        plain(_Evidence(seen_at=now.wall, incident=incident_report(incident, now.wall), agents=tuple(map(_agent, known))))
    )


def _agent(changed: AgentChanged) -> _Agent:
    return _Agent(report=changed.report, trouble=changed.trouble, evidence=changed.evidence)


def with_evidence(incident: Incident, path: str) -> Incident:
    """The incident that names the file, and so does every notice that is made of it from now on."""
    return msgspec.structs.replace(incident, evidence=path)
