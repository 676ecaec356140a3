"""When the books and the queues are in trouble, and whose outage costs what. Pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.state import Facts, Fleet, FleetState
from collections_supervisor.messages import BooksAudited, Finding, Impact, Outage, Trouble

BOOKS = "books"
"""The one subject of its kind."""

IMPACT_WAIT = 5.0
"""Seconds that the opening of an incident waits to be told together with what it costs; in a single sweep its end, too."""

SHOWN = 3
"""Kinds of findings that a reason names."""

Impacts = Mapping[str, Impact | None]
"""By agent, what its present outage costs; None where that was asked and nobody can tell."""

NO_IMPACTS: Impacts = MappingProxyType({})


def note_audit(state: FleetState, audited: BooksAudited) -> FleetState:
    """The state after an audit: since when each of books and queues is bad."""
    suspected = {key: state.suspected.get(key, audited.at) for key in _bad(audited)}
    if not knows_queues(audited):
        suspected |= {key: at for key, at in state.suspected.items() if key.startswith("queue/")}
    return state if suspected == state.suspected else msgspec.structs.replace(state, suspected=suspected)


def troubles(state: FleetState, audited: BooksAudited) -> dict[str, Trouble]:
    """By kind and subject, what was bad in two audits at least: one may have come between two writes of one operation."""
    return {
        key: Trouble(since=state.suspected[key], reason=reason, missed=0, silent=False)
        for key, reason in _bad(audited).items()
        if state.suspected.get(key, audited.at) != audited.at
    }


def knows_queues(audited: BooksAudited) -> bool:
    """Whether the queues were looked at; on a disk that does not answer nobody can say that one is well or gone."""
    return audited.queues is not None or audited.books is None


def ending(incident: Incident, audited: BooksAudited | None) -> str:
    """How the trouble of books or a queue ended."""
    if audited is None:
        return "is no longer watched"
    if incident.kind == "books":
        return "agrees again" if audited.books is not None else f"is not there any more: {audited.why_not}"
    known = audited.queues is not None and any(queue.name == incident.subject for queue in audited.queues.items)
    return "is healthy again" if known else "is gone"


def _bad(audited: BooksAudited) -> dict[str, str]:
    bad: dict[str, str] = {}
    if audited.books is not None and not audited.books.consistent:
        bad[f"books/{BOOKS}"] = _reason(audited.books.findings, audited.books.finding_counts)
    if audited.queues is not None:
        bad |= {f"queue/{queue.name}": queue.reason for queue in audited.queues.items if not queue.healthy}
    return bad


def _reason(findings: Iterable[Finding], counts: Mapping[str, int]) -> str:
    errors = [finding for finding in findings if finding.severity == "error"]
    kinds = list(dict.fromkeys(finding.kind for finding in errors))
    named = ", ".join(f"{counts[kind]} {kind}" for kind in kinds[:SHOWN])
    more = f" and {len(kinds) - SHOWN} other kinds" if len(kinds) > SHOWN else ""
    first = errors[0]
    # Of a file that cannot be read nothing but its path is known.
    whose = next((f"{name}: " for name in (first.invoice, first.path) if name is not None), "")
    return f"{named}{more}; the first: {whose}{first.detail}"


# --- What an outage costs ----------------------------------------------------------------------------------------------


def outages(fleet: Fleet, state: FleetState, facts: Facts) -> dict[str, Outage]:
    """By agent, the outages whose cost is worth knowing now."""
    if not fleet.books:
        return {}
    found: dict[str, Outage] = {}
    for name, role in fleet.roles.items():
        changed, incident = facts.get(name), state.open.get(f"agent/{name}")
        if changed is None or changed.report.paused:
            continue
        last = changed.report.last_heartbeat
        if incident is not None and incident.silent_since is not None:
            found[name] = Outage(role=role, since=incident.silent_since, until=incident.recovered_at)
        elif changed.report.missed and last is not None:
            # Before anybody is told: when it comes to that, what it costs is known already.
            found[name] = Outage(role=role, since=last)
    return found


def ends_with_impact(fleet: Fleet, incident: Incident, impacts: Impacts) -> bool:
    """Whether the end of an incident is to be told together with what the outage cost, and that is not known yet.

    While an agent settles there is time enough to find out; a single sweep sees its trouble end at once.
    """
    agent = incident.agent
    if not fleet.once or not fleet.books or agent not in fleet.roles or incident.silent_since is None:
        return False
    return agent not in impacts


def awaits_impact(fleet: Fleet, incident: Incident, impacts: Impacts, mono: float) -> bool:
    """Whether the opening is to be told together with what it costs, and that is not known yet."""
    agent = incident.agent
    if not fleet.books or agent is None or fleet.roles.get(agent) != "mailer" or incident.silent_since is None:
        return False
    return agent not in impacts and mono < incident.told_at + IMPACT_WAIT
