"""What a person would want to know happened between two reports, in words. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from collections_supervisor.messages import AgentReport, BooksReport, IncidentReport, QueueReport, Report, RestartOutcome
from collections_supervisor.system.clock import span
from collections_supervisor.system.naming import spoken
from collections_supervisor.system.visible import one_line

LONGEST = 300
"""Characters of a text."""

_QUIET = frozenset({"healthy", "late"})
"""From one of these to the other is no news: it comes and goes with every beat that is a little late."""

_ENDS: dict[RestartOutcome, str] = {
    "succeeded": "is back after its restart",
    "failed": "is not back: its restart failed",
    "timed_out": "is not back: its restart took too long",
    "interrupted": "is not back: its restart was interrupted",
}

Said = tuple[str, str]
"""The subject of a sentence, and its end."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What was known last of each thing, by whichever report said it."""

    agents: dict[str, AgentReport] = {}
    incidents: dict[str, IncidentReport] = {}
    """By id."""
    books: BooksReport | None = None
    why_no_books: str = ""
    queues: dict[str, QueueReport] = {}


def known_of(report: Report) -> Known:
    """What one report says."""
    return noted(Known(), report, report.agents)


def noted(known: Known, report: Report, heard: Iterable[AgentReport]) -> Known:
    """What is known after a report; of agents only what was `heard`, and of the books nothing before the first audit."""
    watched = {agent.name for agent in report.agents}
    before = {name: agent for name, agent in known.agents.items() if name in watched}
    audited = report.books is not None or bool(report.books_reason)
    return Known(
        agents={**before, **{agent.name: agent for agent in heard}},
        incidents={incident.id: incident for incident in report.incidents},
        books=report.books if audited else known.books,
        why_no_books=report.books_reason if audited else known.why_no_books,
        queues={queue.name: queue for queue in report.queues.items} if report.queues is not None else known.queues,
    )


def changes(before: Known, after: Known, now: datetime) -> Iterator[Said]:
    """What became different, causes before what follows from them."""
    for name, agent in after.agents.items():
        was = before.agents.get(name)
        if was is not None and was is not agent:
            yield from _of_agent(was, agent)
    yield from _of_books(before, after)
    yield from _of_queues(before.queues, after.queues)
    for key, incident in before.incidents.items():
        if key not in after.incidents and not _is_covered(incident, after):
            yield _who(incident), f"does not need a human any more, after {_lasted(incident, now)}"
    for key, incident in after.incidents.items():
        if key not in before.incidents:
            yield _who(incident), f"needs a human: {incident.reason}"


def readable(text: str) -> str:
    """A text as it is kept: one line, not long, and such that it can be written."""
    line = one_line(text[: 4 * LONGEST])
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _of_agent(was: AgentReport, agent: AgentReport) -> Iterator[Said]:
    for outcome, words in _ENDS.items():
        if agent.outcomes.get(outcome, 0) > was.outcomes.get(outcome, 0):
            yield agent.name, words
    begun = agent.restarts - was.restarts
    if begun > 0:
        yield agent.name, "is being restarted" if begun == 1 else f"was restarted {begun} times"
    if agent.status != was.status and not {agent.status, was.status} <= _QUIET:
        yield agent.name, f"is {agent.status}, was {was.status}"


def _of_books(before: Known, after: Known) -> Iterator[Said]:
    name = spoken("books", "books")
    if after.books is None:
        if before.books is not None:
            yield name, f"is not there any more: {after.why_no_books}"
        return
    agreed = before.books is None or before.books.consistent
    if agreed and not after.books.consistent:
        errors = [finding for finding in after.books.findings if finding.severity == "error"]
        first = f": {errors[0].invoice or errors[0].kind}: {errors[0].detail}" if errors else ""
        yield name, f"does not agree{first}"
    elif after.books.consistent and not agreed:
        yield name, "agrees again"


def _of_queues(before: dict[str, QueueReport], after: dict[str, QueueReport]) -> Iterator[Said]:
    for name, queue in after.items():
        was_well = name not in before or before[name].healthy
        if was_well != queue.healthy:
            yield spoken("queue", name), "is healthy again" if queue.healthy else f"is unhealthy: {queue.reason}"
    for name, gone in before.items():
        if name not in after and not gone.healthy:
            yield spoken("queue", name), "is gone"


def _is_covered(incident: IncidentReport, after: Known) -> bool:
    """Whether it goes on as part of an incident of many."""
    return any(incident.agent in many.agents for many in after.incidents.values() if many.kind == "host")


def _who(incident: IncidentReport) -> str:
    return spoken(incident.kind, incident.subject, incident.agent)


def _lasted(incident: IncidentReport, now: datetime) -> str:
    return span(max(0.0, (now - incident.opened_at) / timedelta(seconds=1)))
