"""A notice as a person reads it: the trouble, its age, the restarts made so far, and the next step. Pure."""

from collections_supervisor.messages import AgentReport, Notice
from collections_supervisor.system.clock import span, stamp


def notice_text(notice: Notice, report: AgentReport | None) -> str:
    """The notice as a few plain sentences."""
    who = notice.agent or notice.dedup_key.split("/")[1]
    lasted = span(max(0.0, (notice.created_at - notice.since).total_seconds()))
    match notice.notice:
        case "opened":
            head = f"{who} needs you: {notice.reason}. In trouble since {stamp(notice.since)} ({lasted})."
        case "reminder":
            head = f"{who} still needs you after {lasted}: {notice.reason}."
        case "resolved" if notice.merged:
            return f"{who} was in trouble from {stamp(notice.since)} for {lasted} and works again: {notice.reason}."
        case "resolved":
            return f"{who} works again. It was in trouble from {stamp(notice.since)} for {lasted}{_tried(notice)}."
    return " ".join([head, _state(notice, report), _advice(notice, report)]).strip()


def _tried(notice: Notice) -> str:
    return f"; {notice.restarts} restart{'s' if notice.restarts != 1 else ''} so far" if notice.agent else ""


def _state(notice: Notice, report: AgentReport | None) -> str:
    if report is None:
        return ""
    said = [f"Restarts so far: {notice.restarts}."]
    if report.errors:
        said.append(f"Last error: {report.errors[-1].reason}.")
    return " ".join(said)


def _advice(notice: Notice, report: AgentReport | None) -> str:
    if report is None:
        return "Read the supervisor's log: this is a fault of its own."
    if report.held is not None and report.held.until is None:
        return (
            f"Nothing more happens by itself: look at {notice.agent} and its last error; a fresh heartbeat closes this incident."
        )
    if report.held is not None and report.held.until is not None:
        return f"Automatic restarts go on at {stamp(report.held.until)}; look at {notice.agent} if that is too late."
    if not report.restartable:
        return f"It is not restarted by itself: look at {notice.agent}; a fresh heartbeat closes this incident."
    return f"Automatic restarts go on within the budget; look at {notice.agent} and its last lines of output."
