"""Agents that are in trouble for one reason, of which a human is told once. Pure."""

from datetime import datetime

import msgspec

from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.state import Facts, Fleet
from collections_supervisor.messages import AgentChanged, AgentReport, Trouble


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """What one thing is wrong with, and who suffers from it."""

    subject: str
    members: tuple[str, ...]
    trouble: Trouble | None
    """None once no agent is left to whom it applies."""
    ending: str = ""
    paused: bool = False
    """A person has paused every agent that is left: nobody is told anything meanwhile."""
    canary: str = ""
    proven: bool = False


class Restraint(msgspec.Struct, frozen=True, kw_only=True):
    """Who may not be restarted now, and whether the others may only be one after the other."""

    held: frozenset[str] = frozenset()
    one_at_a_time: bool = False


def restraint(fleet: Fleet, silence: Cluster | None) -> Restraint:
    """What a silent host means for restarts: one trial, and no crowd after it. One look by itself cannot wait for a trial."""
    if not fleet.groups or silence is None or silence.trouble is None or silence.paused:
        return Restraint()
    held = frozenset() if silence.proven else frozenset(silence.members) - {silence.canary}
    return Restraint(held=held, one_at_a_time=True)


def covers(trouble: Trouble) -> bool:
    """Whether what is wrong with an agent is what is wrong with all of them."""
    return trouble.silent or trouble.held or trouble.hold == "shared"


def is_back(report: AgentReport, since: datetime) -> bool:
    """Whether it has been well after that instant. What never beats is well while it lives."""
    if report.last_heartbeat is None:
        return report.status == "healthy"
    return report.last_heartbeat > since


def is_unclear(before: Incident, changed: AgentChanged) -> bool:
    """Whether an incident that only the outbox told of may concern an agent of which nothing is known yet."""
    report = changed.report
    return before.rebuilt and changed.trouble is None and not report.missed and report.status == "unknown"


def for_good(changed: AgentChanged) -> bool:
    """Whether nothing more is tried with this agent until a person acts or it comes back."""
    held = changed.report.held
    return held is not None and held.until is None


def paused(before: Incident, fleet: Fleet, facts: Facts) -> tuple[str, ...]:
    """Which of them a person has paused."""
    return tuple(name for name in before.agents if name in fleet.names and name in facts and facts[name].report.paused)


def trouble(members: tuple[str, ...], facts: Facts, since: datetime, reason: str) -> Trouble:
    """The trouble of all of them as one."""
    known = [facts[name] for name in members if name in facts]
    back = [at for changed in known if changed.trouble is not None and (at := changed.trouble.recovered_at) is not None]
    return Trouble(
        since=since,
        reason=reason,
        missed=max((changed.report.missed for changed in known), default=0),
        recovered_at=max(back) if members and len(back) == len(members) else None,
    )


def unseen(before: Incident | None, fleet: Fleet, facts: Facts) -> Trouble | None:
    """The trouble as it was, as long as it is not known whom it is about and not everybody was looked at and is known."""
    if before is None or before.agents or all(name in facts and not is_unclear(before, facts[name]) for name in fleet.names):
        return None
    return Trouble(since=before.opened_at, reason=before.reason, missed=before.missed)
