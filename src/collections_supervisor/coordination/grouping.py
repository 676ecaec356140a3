"""When the opening of incidents is told, and which openings are told as one. Pure.

An opening waits only while another agent may be about to open one too: a lone dead agent is told of at once.
"""

from datetime import timedelta

import msgspec

from collections_supervisor.coordination.bookkeeping import IMPACT_WAIT, NO_IMPACTS, Impacts, awaits_impact
from collections_supervisor.coordination.incident import Incident, Subject, is_told, with_notice
from collections_supervisor.coordination.silence import is_silence
from collections_supervisor.coordination.state import Facts, Fleet, FleetState, covered, key_of
from collections_supervisor.messages import Now

MOST = 100
"""Incidents in one notice; more become several notices."""


def announce(fleet: Fleet, state: FleetState, facts: Facts, now: Now, impacts: Impacts = NO_IMPACTS) -> FleetState:
    """The state with a notice for every opening that need not wait any longer."""
    waiting = [incident for incident in _waiting(state) if not awaits_impact(fleet, incident, impacts, now.mono)]
    told: dict[str, Incident] = {}
    for incident in waiting:
        if not fleet.groups or is_silence(incident):
            told[key_of(incident)] = _alone(incident, facts, now)
    group = [incident for incident in waiting if key_of(incident) not in told]
    if group and not _may_grow(fleet, state, facts, group[0], now):
        for start in range(0, len(group), MOST):
            told |= {key_of(one): one for one in _together(group[start : start + MOST], facts, now)}
    return msgspec.structs.replace(state, open={**state.open, **told}) if told else state


def waits_until(fleet: Fleet, state: FleetState) -> tuple[float, ...]:
    """The monotonic instants at which openings that still wait are told, whatever happens."""
    waiting = _waiting(state)
    if not waiting:
        return ()
    group = waiting[0].told_at + fleet.group_wait
    return (group, *(incident.told_at + IMPACT_WAIT for incident in waiting)) if fleet.books else (group,)


def _waiting(state: FleetState) -> list[Incident]:
    waiting = (incident for incident in state.open.values() if not is_told(incident) and not incident.paused)
    return sorted(waiting, key=lambda incident: (incident.told_at, incident.id))


def _may_grow(fleet: Fleet, state: FleetState, facts: Facts, first: Incident, now: Now) -> bool:
    """Whether another agent may open an incident within the time for which the first one waits."""
    if now.mono >= first.told_at + fleet.group_wait:
        return False
    end = now.wall + timedelta(seconds=first.told_at + fleet.group_wait - now.mono)
    muted = covered(state)
    others = (name for name in fleet.names if f"agent/{name}" not in state.open and name not in muted)
    for name in others:
        changed = facts.get(name)
        if changed is None or changed.acting or (changed.opens_at is not None and changed.opens_at <= end):
            return True
    return False


def _subject(incident: Incident, facts: Facts) -> Subject:
    changed = facts.get(incident.agent) if incident.agent is not None else None
    return Subject(kind=incident.kind, name=incident.subject, report=changed.report if changed is not None else None)


def _alone(incident: Incident, facts: Facts, now: Now) -> Incident:
    return with_notice(incident, "opened", _subject(incident, facts), now.wall)


def _together(group: list[Incident], facts: Facts, now: Now) -> list[Incident]:
    first, *others = group
    if not others:
        return [_alone(first, facts, now)]
    told = with_notice(first, "opened", _subject(first, facts), now.wall, group=group)
    key = (told.dedup_key, told.sequence)
    return [told, *(msgspec.structs.replace(other, told_with=key) for other in others)]
