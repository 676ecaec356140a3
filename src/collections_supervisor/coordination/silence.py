"""A host on which many agents fall silent together: one trouble, and one trial before all are restarted. Pure."""

from datetime import datetime

from collections_supervisor.coordination import cluster
from collections_supervisor.coordination.cluster import Cluster, for_good, is_back
from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.state import Facts, Fleet, FleetState
from collections_supervisor.coordination.wording import listed
from collections_supervisor.messages import AgentChanged
from collections_supervisor.system.naming import PROVIDER

LEAST = 3
"""Agents that have to fall silent together before it is called a host's trouble; and at least half of all."""


def is_silence(incident: Incident) -> bool:
    """Whether it is the incident of a silent host. Not told by its name, which machines change."""
    return incident.kind == "host" and incident.subject != PROVIDER


def silent_host(state: FleetState) -> Incident | None:
    """The open incident of that kind."""
    return next((incident for incident in state.open.values() if is_silence(incident)), None)


def silence(fleet: Fleet, facts: Facts, state: FleetState) -> Cluster | None:
    """The agents that fell silent together, now or before; None if there never were enough."""
    before = silent_host(state)
    return _first(fleet, facts, state) if before is None else _further(before, fleet, facts, state)


def _first(fleet: Fleet, facts: Facts, state: FleetState) -> Cluster | None:
    silent = _silent(facts, state)
    found = _found(fleet, silent)
    if found is None:
        return None
    since, founders = found
    members = _joined(founders, silent, fleet.group_wait)
    return Cluster(
        subject=fleet.host if fleet.host != PROVIDER else f"{fleet.host} (host)",
        members=members,
        trouble=cluster.trouble(members, facts, since, _reason(members, fleet)),
        canary=_canary("", members, facts, state),
    )


def _further(before: Incident, fleet: Fleet, facts: Facts, state: FleetState) -> Cluster:
    since = before.opened_at
    members = tuple(name for name in before.agents if _stays(name, fleet, facts, since))
    proven = before.proven or any(_came_back(facts[name], since) for name in before.agents if name in facts)
    if fleet.groups or not before.agents:
        silent = _silent(facts, state)
        members = _joined(members, silent, fleet.group_wait) if proven else tuple(sorted({*members, *silent}))
    left = members or cluster.paused(before, fleet, facts)
    was = cluster.trouble(left, facts, since, _reason(left, fleet)) if left else cluster.unseen(before, fleet, facts)
    return Cluster(
        subject=before.subject,
        members=left,
        trouble=was,
        ending=_ending(before, facts),
        paused=bool(left) and not members,
        canary=_canary(before.canary, members, facts, state),
        proven=proven,
    )


def _reason(members: tuple[str, ...], fleet: Fleet) -> str:
    return f"{len(members)} of {len(fleet.names)} agents are silent since the same time: {listed(members)}"


def _silent(facts: Facts, state: FleetState) -> dict[str, datetime]:
    """When each agent fell silent that counts as silent with others."""
    apart = {incident.agent for incident in state.open.values() if incident.apart}
    return {
        name: changed.missed_at
        for name, changed in facts.items()
        if changed.missed_at is not None and name not in apart and not changed.report.paused and not for_good(changed)
    }


def _found(fleet: Fleet, silent: dict[str, datetime]) -> tuple[datetime, tuple[str, ...]] | None:
    """The deadline that made them enough, and who they are: the same again however late we look."""
    enough = max(LEAST, (len(fleet.names) + 1) // 2)
    if not fleet.groups:
        return None
    missed = sorted((at, name) for name, at in silent.items())
    for first, last in zip(missed, missed[enough - 1 :], strict=False):
        if (last[0] - first[0]).total_seconds() <= fleet.group_wait:
            return last[0], tuple(name for at, name in missed if first[0] <= at <= last[0])
    return None


def _joined(members: tuple[str, ...], silent: dict[str, datetime], wait: float) -> tuple[str, ...]:
    """The members, and whoever fell silent close to one of them."""
    joined = set(members)
    line = sorted(silent.items(), key=lambda item: item[1])
    for ordered in (line, line[::-1]):
        last: datetime | None = None
        for name, at in ordered:
            if name in joined or (last is not None and abs((at - last).total_seconds()) <= wait):
                joined.add(name)
                last = at
    return tuple(sorted(joined))


def _stays(name: str, fleet: Fleet, facts: Facts, since: datetime) -> bool:
    if name not in fleet.names:
        return False
    changed = facts.get(name)
    # One that was not looked at yet in this life may be as it was.
    return changed is None or not (changed.report.paused or for_good(changed) or _is_over(changed, since))


def _is_over(changed: AgentChanged, since: datetime) -> bool:
    # One that only settles yet would open an incident of its own.
    return _came_back(changed, since) and not (changed.trouble is not None and changed.trouble.silent)


def _came_back(changed: AgentChanged, since: datetime) -> bool:
    """Whether it beats again. Nothing missed is not enough: one that is judged afresh has missed nothing yet."""
    report = changed.report
    if report.paused or report.missed or changed.missed_at is not None:
        return False
    return is_back(report, since)


def _ending(before: Incident, facts: Facts) -> str:
    alone = [name for name in before.agents if name in facts and for_good(facts[name])]
    return f"has its agents back, except those told of separately: {listed(alone)}" if alone else "has its agents back"


def _canary(known: str, members: tuple[str, ...], facts: Facts, state: FleetState) -> str:
    """The one that may be restarted: whoever is at it already, else the first that can be. It stays the one while it can be."""
    if known in members and known not in facts:
        return known
    able = [name for name in members if name in facts and _can_act(facts[name])]
    tried = [name for name in able if facts[name].report.restarts > state.calm.get(name, 0)]
    if known in able and (known in tried or not tried):
        return known
    acting = [name for name in able if facts[name].acting]
    return next(iter([*(name for name in acting if name in tried), *tried, *acting, *able]), "")


def _can_act(changed: AgentChanged) -> bool:
    report = changed.report
    return report.missed > 0 and report.restartable and report.held is None
