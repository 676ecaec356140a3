"""The report for a terminal: the verdict first, then what needs a person, then one row for each agent. Pure."""

from collections.abc import Iterator
from datetime import datetime

from collections_supervisor.messages import AgentReport, IncidentReport, Report, Undelivered
from collections_supervisor.reporting import words
from collections_supervisor.reporting.book_table import book_lines
from collections_supervisor.reporting.text import GAP, columns_of, filled, wrap
from collections_supervisor.reporting.text import clean as _clean

NARROWEST = 40
"""Columns that lines are made for at least."""

_HEADINGS = ("STATE", "AGENT", "LAST BEAT", "MISSED", "RESTARTS IN 24 H", "NEXT")
_SHORT_HEADINGS = ("STATE", "AGENT", "LAST BEAT", "MISS", "RESTARTS", "NEXT")
_RESET = "\x1b[0m"
_COLORS: dict[words.Tone, str] = {
    "alarm": "\x1b[1;31m",
    "bad": "\x1b[31m",
    "warn": "\x1b[33m",
    "idle": "\x1b[36m",
    "good": "\x1b[32m",
    "stopped": "\x1b[36m",
}


def format_report(report: Report, width: int, color: bool) -> str:
    """The report as lines of at most `width` columns (never made for fewer than 40), each with its newline.

    Without `color` there are no escape codes, and what is not ASCII comes from the texts of agents alone. Any text is safe in
    any member; ages are reckoned from `generated_at`.
    """
    width = max(width, NARROWEST)
    lines = [*_verdict(report, width, color), *_incidents(report, width)]
    if report.agents:
        lines += ["", *_agents(report, width, color)]
    lines += book_lines(report, width)
    if report.undelivered:
        lines += ["", *wrap("Nobody could be told:", width)]
        lines += [line for lost in report.undelivered for line in _undelivered(lost, report, width)]
    return "".join(f"{line}\n" for line in lines)


def _verdict(report: Report, width: int, color: bool) -> Iterator[str]:
    word = "STOPPED" if report.stopped_at is not None else report.verdict.upper()
    stale = ", STALE" if report.stale else ""
    first, *rest = wrap(f"{word}{stale}, as of {_instant(report.generated_at)}: {words.condition(report)}", width)
    yield _paint(first[: len(word)], words.verdict_tone(report), color) + first[len(word) :]
    yield from rest
    if report.stopped_at is not None:
        yield from wrap(f"{words.headline(report)}.", width)
    if report.stale:
        yield from wrap(words.STALE, width)


# --- Incidents ---------------------------------------------------------------------------------------------------------


def _incidents(report: Report, width: int) -> Iterator[str]:
    if not report.incidents:
        return
    yield ""
    yield "Open incidents:"
    for incident in report.incidents:
        yield from wrap(_incident(incident, report), width, indent=2)
        yield from wrap(_clean(words.told(incident, "a human", report)), width, indent=4)


def _incident(incident: IncidentReport, report: Report) -> str:
    now = report.generated_at
    # Of a host's incident the agents say more than the name of the host.
    whom = _clean(", ".join(incident.agents)) or _clean(words.subject(incident))
    missed = f", {incident.missed} missed" if incident.missed else ""
    said = [f"{whom}: {_clean(incident.reason)} (since {_at(incident.opened_at, now)}{missed})"]
    if incident.acknowledged_until is not None:
        said.append(f"acknowledged until {_at(incident.acknowledged_until, now)}")
    if incident.impact is not None and incident.impact.text:
        said.append(_clean(incident.impact.text).rstrip("."))
    if incident.recovered_at is not None:
        said.append(f"beats again since {_at(incident.recovered_at, now)}")
    return "; ".join(said)


def _undelivered(lost: Undelivered, report: Report, width: int) -> Iterator[str]:
    yield from wrap(f"{_at(lost.at, report.generated_at)}: {_clean(lost.text)}", width, indent=2)
    yield from wrap(f"given up: {_clean(lost.error) or 'no reason known'}", width, indent=4)


# --- Agents ------------------------------------------------------------------------------------------------------------


def _agents(report: Report, width: int, color: bool) -> Iterator[str]:
    agents = words.worst_first(report)
    for headings in (_HEADINGS, _SHORT_HEADINGS):
        rows = [_cells(agent, report, short=headings is _SHORT_HEADINGS) for agent in agents]
        columns = [max(columns_of(cell) for cell in column) for column in zip(headings, *rows, strict=True)]
        if sum(columns) + len(GAP) * (len(columns) - 1) <= width:
            yield filled(headings, columns)
            drawn = [[filled(row, columns)] for row in rows]
            break
    else:
        drawn = [_stacked(_cells(agent, report, short=False), width) for agent in agents]
    for agent, (first, *rest) in zip(agents, drawn, strict=True):
        # Painted last: escape codes take no columns.
        state = len(agent.status)
        yield _paint(first[:state], words.tone(agent.status), color) + first[state:]
        yield from rest
        yield from _remarks(agent, report, width)


def _cells(agent: AgentReport, report: Report, *, short: bool) -> tuple[str, ...]:
    beat, now = agent.last_heartbeat, report.generated_at
    at = "" if beat is None or short else f"{words.clock(beat, now)}, "
    left = f", {agent.budget_left_24h} left" if agent.budget_left_24h is not None else ""
    return (
        agent.status,
        _clean(agent.name),
        f"{at}{words.ago(beat, now)}" if beat is not None else "never",
        str(agent.missed),
        f"{agent.restarts_24h}{left}",
        _next(agent, report),
    )


def _next(agent: AgentReport, report: Report) -> str:
    """What happens to it next, if nothing else comes between."""
    attempt, deadline = (words.comes(instant, report) for instant in (agent.next_attempt_at, agent.next_deadline))
    if attempt is not None:
        return f"restart {_when(attempt, report.generated_at)}"
    if deadline is not None and not agent.paused:
        return f"miss {_when(deadline, report.generated_at)}"
    return "-"


def _when(instant: datetime, now: datetime) -> str:
    return "due" if instant < now else words.ago(instant, now)


def _stacked(cells: tuple[str, ...], width: int) -> list[str]:
    state, name, beat, missed, restarts, then = cells
    coming = f"; next: {then}" if then != "-" else ""
    facts = f"last beat {beat}; missed {missed}; restarts in 24 h: {restarts}{coming}"
    return [*wrap(f"{state} {name}", width), *wrap(facts, width, indent=2)]


def _remarks(agent: AgentReport, report: Report, width: int) -> Iterator[str]:
    """Why it is as it is, where that needs words."""
    if agent.detail:
        yield from wrap(_clean(agent.detail), width, indent=2)
    held = agent.held
    if held is not None:
        until = (
            f"until {_at(held.until, report.generated_at)}" if held.until is not None else "until it recovers or a person acts"
        )
        reason = f": {_clean(held.reason)}" if held.reason not in agent.detail else ""
        yield from wrap(f"not restarted automatically {until}{reason}", width, indent=2)


# --- Text --------------------------------------------------------------------------------------------------------------


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _at(instant: datetime, now: datetime) -> str:
    return f"{words.clock(instant, now)} UTC, {words.ago(instant, now)}"


def _paint(text: str, tone: words.Tone, color: bool) -> str:
    return f"{_COLORS[tone]}{text}{_RESET}" if color else text
