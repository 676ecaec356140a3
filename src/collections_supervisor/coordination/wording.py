"""A notice as a person reads it: the trouble, its age, the restarts made so far, and the next step. Pure."""

from collections.abc import Sequence

from collections_supervisor.messages import AgentReport, Notice
from collections_supervisor.system.clock import span, stamp
from collections_supervisor.system.naming import PROVIDER, spoken_of, subject_of

NAMED = 10
"""Names in one sentence."""


def listed(names: Sequence[str]) -> str:
    """Names for a sentence, the first ten of them."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def notice_text(notice: Notice, report: AgentReport | None, ending: str = "works again") -> str:
    """The notice as a few plain sentences; `ending` says how the trouble ended."""
    who = spoken_of(notice.dedup_key, notice.agent)
    lasted = _lasted(notice)
    match notice.notice:
        case "opened":
            head = f"{who} needs you: {notice.reason}. In trouble since {stamp(notice.since)} ({lasted})."
        case "reminder":
            head = f"{who} still needs you after {lasted}: {notice.reason}."
        case "resolved" if notice.merged:
            return f"{who} was in trouble from {stamp(notice.since)} for {lasted} and {ending}: {notice.reason}."
        case "resolved":  # pragma: no branch - there is no other
            return f"{who} {ending}. It was in trouble from {stamp(notice.since)} for {lasted}{_tried(notice)}.{_cost(notice)}"
    cost = _cost(notice).lstrip()
    return " ".join(part for part in [head, cost, _state(notice, report), _advice(notice, report), _seen(notice)] if part)


def group_text(notice: Notice) -> str:
    """One notice about the opening of several incidents; what is wrong with each stands in `grouped`."""
    names = listed([spoken_of(one.dedup_key, one.agent) for one in notice.grouped])
    first = f"The first is in trouble since {stamp(notice.since)} ({_lasted(notice)}): {notice.reason}."
    return f"{len(notice.grouped)} need you at once: {names}. {first} Look at what they share before looking at each."


def _lasted(notice: Notice) -> str:
    return span(max(0.0, (notice.created_at - notice.since).total_seconds()))


def _counted(number: int, thing: str, plural: str) -> str:
    return f"{number} {thing if number == 1 else plural}"


def _tried(notice: Notice) -> str:
    if notice.kind != "agent":
        return ""
    missed, tried = _counted(notice.missed, "miss", "misses"), _counted(notice.restarts, "restart", "restarts")
    return f"; {missed}, {tried} tried"


def _state(notice: Notice, report: AgentReport | None) -> str:
    if report is None:
        return ""
    said = [f"Restarts so far: {notice.restarts}."]
    if report.errors:
        said.append(f"Last error: {report.errors[-1].reason.rstrip('.')}.")
    return " ".join(said)


def _advice(notice: Notice, report: AgentReport | None) -> str:
    if notice.kind == "host" and subject_of(notice.dedup_key) == PROVIDER:
        return "Restarts go on when requests are taken again: look at the account, its bill and its limits."
    if notice.kind == "host":
        return (
            "One of them is restarted first, the others one by one when it is back: look at the host, its network "
            "and the gateway."
        )
    if notice.kind == "supervisor":
        return "Read the supervisor's log: this is a fault of its own."
    if notice.kind == "books":
        return "Each finding in the report says what to do; nobody but a person puts the books right."
    if notice.kind == "queue":
        return "Look at the agent that takes from it."
    if report is None:
        return f"{notice.agent} was not looked at since the supervisor was started: read the supervisor's log."
    if report.held is not None and report.held.until is None:
        return (
            f"Nothing more happens by itself: look at {notice.agent} and its last error; a fresh heartbeat closes this incident."
        )
    if report.held is not None and report.held.until is not None:
        return f"Automatic restarts go on at {stamp(report.held.until)}; look at {notice.agent} if that is too late."
    if not report.restartable:
        return f"It is not restarted by itself: look at {notice.agent}; a fresh heartbeat closes this incident."
    return f"Automatic restarts go on within the budget; look at {notice.agent} and its last lines of output."


def _cost(notice: Notice) -> str:
    return f" {notice.impact.text.rstrip('.')}." if notice.impact is not None and notice.impact.text else ""


def _seen(notice: Notice) -> str:
    return f"What was seen: {notice.evidence}." if notice.evidence else ""
