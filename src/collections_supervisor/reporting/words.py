"""What the page says in words. Pure: every age is reckoned from the instant of the report, never from a clock."""

import math
from collections import Counter
from datetime import datetime
from typing import Literal
from zlib import crc32

from collections_supervisor.messages import AgentError, AgentReport, IncidentReport, Report, Status
from collections_supervisor.system.clock import span
from collections_supervisor.system.naming import spoken
from collections_supervisor.system.visible import dated, one_line

Tone = Literal["alarm", "bad", "warn", "idle", "good", "stopped"]

WORST_FIRST: tuple[Status, ...] = ("escalated", "unhealthy", "restarting", "unknown", "late", "paused", "healthy")
_IN_TROUBLE = WORST_FIRST[:4]

_TONES: dict[Status, Tone] = {
    "escalated": "alarm",
    "unhealthy": "bad",
    "restarting": "warn",
    "late": "warn",
    "unknown": "idle",
    "paused": "idle",
    "healthy": "good",
}
_MARKS: dict[Tone, str] = {"alarm": "✖", "bad": "▲", "warn": "▲", "idle": "?", "good": "✔", "stopped": "■"}

STALE = "Nothing newer is known: by now it may be different."

_LONGEST_TEXT = 300
_STEPS = 3
"""Of an incident of many agents: more would be a table."""


def clean(text: str, limit: int = _LONGEST_TEXT) -> str:
    """Text from outside as one line of at most `limit` characters that cannot disturb its surroundings; stamps made readable."""
    line = dated(one_line(text[: 4 * limit]))
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 1]}…"


def clock(instant: datetime, now: datetime) -> str:
    """The time of day in UTC, with the date if it is another day than `now`."""
    return instant.strftime("%H:%M:%S" if instant.date() == now.date() else "%Y-%m-%d %H:%M:%S")


def ago(instant: datetime, now: datetime) -> str:
    """How far away an instant is: `3 min 20 s ago`, `in 52 min`, `now`."""
    seconds = round((now - instant).total_seconds())
    if seconds == 0:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def tone(status: Status) -> Tone:
    """Which of the page's colours and shapes goes with a status."""
    return _TONES[status]


def counts(report: Report) -> list[tuple[Status, int]]:
    """How many agents are in each status that occurs, the worst first."""
    found = Counter(agent.status for agent in report.agents)
    return [(status, found[status]) for status in WORST_FIRST if found[status]]


def worst_first(report: Report) -> list[AgentReport]:
    """The agents, those that need a person on top, otherwise as configured."""
    return sorted(report.agents, key=lambda agent: WORST_FIRST.index(agent.status))


def verdict_tone(report: Report) -> Tone:
    """The colour and shape of the whole page."""
    if report.stopped_at is not None:
        return "stopped"
    match report.verdict:
        case "healthy":
            return "good" if report.agents else "idle"
        case "unknown":
            return "idle"
        case "degraded":  # pragma: no branch - there is no other
            return "alarm" if any(agent.status == "escalated" for agent in report.agents) else "bad"


def mark(report: Report) -> str:
    """The symbol in the title, for a row of browser tabs."""
    return _MARKS[verdict_tone(report)]


def headline(report: Report) -> str:
    """The state of everything in one sentence."""
    if report.stopped_at is not None:
        return f"Stopped at {clock(report.stopped_at, report.generated_at)} UTC: nothing is being watched"
    return condition(report)


def condition(report: Report) -> str:
    """What the report found, whether or not anybody still looks."""
    agents, beside = _of_agents(report), _beside_the_agents(report)
    if not beside:
        return agents
    return f"{agents}; {beside}" if any(agent.status in _IN_TROUBLE for agent in report.agents) else f"Degraded: {beside}"


def _of_agents(report: Report) -> str:
    total = len(report.agents)
    if not total:
        return "No agents are watched"
    troubled = [agent for agent in report.agents if agent.status in _IN_TROUBLE]
    if len(troubled) == 1:
        share = f" (1 of {total} agents)" if total > 1 else ""
        name = clean(troubled[0].name, 80)
        subject = f"The state of {name}" if troubled[0].status == "unknown" else name
        return f"{subject} is {troubled[0].status}{share}"
    if troubled:
        return f"{_listed(report, _IN_TROUBLE)} of {total} agents"
    match report.verdict:
        case "degraded":
            return "Degraded: see the open incidents"
        case "unknown":
            return "Cannot tell how things are"
        case "healthy":  # pragma: no branch - there is no other
            return _no_trouble(report)


def _beside_the_agents(report: Report) -> str:
    """What is wrong with books and queues."""
    said = ["the books do not agree"] if report.books is not None and not report.books.consistent else []
    if report.queues is not None:
        said += [f"queue {clean(queue.name, 80)} is unhealthy" for queue in report.queues.items if not queue.healthy][:3]
    return ", ".join(said)


def _no_trouble(report: Report) -> str:
    total = len(report.agents)
    if any(agent.status != "healthy" for agent in report.agents):
        return f"No trouble: {_listed(report, WORST_FIRST)}"
    return f"All {total} agents are healthy" if total > 1 else f"{clean(report.agents[0].name, 80)} is healthy"


def _listed(report: Report, wanted: tuple[Status, ...]) -> str:
    return ", ".join(f"{count} {status}" for status, count in counts(report) if status in wanted)


def subject(incident: IncidentReport) -> str:
    """What an incident is about."""
    return spoken(incident.kind, incident.subject, incident.agent)


def told(incident: IncidentReport, recipient: str, report: Report) -> str:
    """Whether a human knows of an incident, and if not, since when, why and what happens next."""
    tries = f"{incident.attempts} {'try' if incident.attempts == 1 else 'tries'}"
    error = clean(incident.error).rstrip(".")
    if incident.delivered:
        lost = f"; what was new since could not be delivered: {error}" if error else ""
        # By whichever channel: only the first one goes by the recipient.
        return "a human was told" + (f", after {tries}" if incident.attempts > 1 and not error else "") + lost
    if not incident.attempts and not error:
        return f"{recipient} is not told yet ({'left to the next run' if report.stopped_at is not None else 'about to be sent'})"
    # Nobody was told ever since it was opened.
    since = f"could not tell {recipient} since {clock(incident.opened_at, report.generated_at)} UTC"
    if not incident.attempts:
        return f"{since}: {error}"
    return f"{since}: {error or 'no reason known'} ({tries}, {_next_try(incident, report)})"


def _next_try(incident: IncidentReport, report: Report) -> str:
    now = report.generated_at
    if incident.next_at is None:
        return "no further try is planned"
    if report.stopped_at is not None:
        return "tried again by the next run"
    if incident.next_at <= now:
        # A single sweep leaves it to the next one; a daemon is about to do it.
        return "tried again now or by the next run"
    return f"next at {clock(incident.next_at, now)} UTC, {ago(incident.next_at, now)}"


def next_step(incident: IncidentReport, report: Report) -> str:
    """What happens next to an incident if nobody does anything."""
    if report.stopped_at is not None:
        return "none: nothing is being watched"
    if report.stale:
        return "not known: nothing newer was told"
    concerned = {incident.agent, *incident.agents}
    agents = [agent for agent in report.agents if agent.name in concerned]
    steps = [
        f"{_restart_of(agent, incident)} {_when(agent.next_attempt_at, report)}" for agent in agents if agent.next_attempt_at
    ]
    if incident.next_at is not None and (incident.error or not incident.delivered):
        steps.append(f"another try to deliver it {_when(incident.next_at, report)}")
    if incident.recovered_at is not None:
        steps.append("it closes once the beats stay regular")
    held = next((agent.held for agent in agents if agent.held is not None), None)
    if held is not None:
        until = (
            f"until {clock(held.until, report.generated_at)} UTC"
            if held.until is not None
            else "until it recovers or a person acts"
        )
        steps.append(f"no restart {until}")
    return "; ".join(steps[:_STEPS]) or "it waits for a person"


def _restart_of(agent: AgentReport, incident: IncidentReport) -> str:
    return "restart" if agent.name == incident.agent else f"restart of {clean(agent.name, 80)}"


def _when(instant: datetime | None, report: Report) -> str:
    if instant is None or instant <= report.generated_at:
        return "now"
    return f"at {clock(instant, report.generated_at)} UTC, {ago(instant, report.generated_at)}"


def comes(instant: datetime | None, report: Report) -> datetime | None:
    """The instant of what is to happen to an agent; None where nothing is, or where nobody is there to do it."""
    return None if report.stopped_at is not None or report.stale else instant


def misses(agent: AgentReport) -> str:
    """How many misses, and at how many a human is told."""
    return str(agent.missed) if agent.miss_threshold is None else f"{agent.missed} of {agent.miss_threshold}"


def newest_errors(agent: AgentReport) -> list[AgentError]:
    """What went wrong with it, the newest first."""
    return sorted(agent.errors, key=lambda error: error.timestamp, reverse=True)


def details_id(agent: AgentReport) -> str:
    """A name for a part of the page that is the same in every edition and safe wherever it stands."""
    return f"errors-{crc32(agent.name.encode(errors='replace')):08x}"


def refresh_after(interval: float) -> int:
    """Seconds after which a browser loads the page again, for a page that is written every `interval` seconds.

    Twice as often as it is written: what is seen is then at most one and a half intervals old, and a page that is renewed in
    time is never taken for out of date.
    """
    return max(5, math.ceil(interval / 2))


def stale_after(interval: float) -> float:
    """Seconds after which a page that was not renewed is out of date: two intervals, and time for a browser to reload it."""
    return max(2 * interval, interval + 15)


def lost_after(interval: float) -> float:
    """Seconds after which it is no delay any more: three intervals."""
    return stale_after(interval) + max(interval, 15.0)
