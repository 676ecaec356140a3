"""What is told to have happened between two reports."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collections_supervisor.coordination.changes import LONGEST, Known, changes, known_of, noted, readable
from collections_supervisor.messages import (
    AgentReport,
    BooksReport,
    Finding,
    IncidentReport,
    QueueReport,
    QueuesReport,
    Report,
)

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
MakeReport = Callable[..., AgentReport]


def report(*agents: AgentReport, **changes: Any) -> Report:
    known = {"schema": 1, "generated_at": EPOCH, "run_id": "r", "version": "1", "verdict": "healthy", "incidents": ()}
    return Report(agents=agents, **{**known, **changes})


def told(before: Report, *after: Report) -> list[str]:
    """What is told at the last report."""
    known = known_of(before)
    for one in after[:-1]:
        known = noted(known, one, one.agents)
    last = noted(known, after[-1], after[-1].agents)
    return [f"{subject} {what}" for subject, what in changes(known, last, EPOCH + timedelta(hours=2, minutes=5))]


def incident(**changes: Any) -> IncidentReport:
    known: dict[str, Any] = {"id": "1", "kind": "agent", "agent": "mailer", "reason": "silent since noon", "opened_at": EPOCH}
    unknown: dict[str, Any] = {"missed": 2, "acknowledged_until": None, "delivered": False, "attempts": 0, "next_at": None}
    return IncidentReport(**{**known, **unknown, "subject": "mailer", **changes})


def books(*errors: str) -> BooksReport:
    findings = tuple(
        Finding(kind="amount_mismatch", severity="error", path=None, invoice=number, detail="10.00 and 12.00")
        for number in errors
    )
    warning = Finding(kind="left_over_temp", severity="warning", path="x", invoice=None, detail="left")
    return BooksReport(
        checked_at=EPOCH,
        consistent=not errors,
        totals=None,
        ledger=None,
        findings=(*findings, warning),
        finding_counts={},
        files_read=1,
        duration_s=0.1,
    )


def queue(name: str = "mail", reason: str = "") -> QueueReport:
    return QueueReport(name=name, depth=1, oldest_age_s=None, invalid=0, healthy=not reason, reason=reason)


def queues(*items: QueueReport) -> QueuesReport:
    return QueuesReport(healthy=all(item.healthy for item in items), limit=100, items=items)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"status": "restarting"}, {"status": "escalated"}, ["mailer is escalated, was restarting"]),
        ({"status": "healthy"}, {"status": "late"}, []),
        ({"status": "late"}, {"status": "healthy"}, []),
        ({"status": "late"}, {"status": "unhealthy"}, ["mailer is unhealthy, was late"]),
        ({"restarts": 1}, {"restarts": 2}, ["mailer is being restarted"]),
        ({"restarts": 1}, {"restarts": 4}, ["mailer was restarted 3 times"]),
        ({"restarts": 4}, {"restarts": 0}, []),
        ({"outcomes": {"failed": 1}}, {"outcomes": {"failed": 1, "succeeded": 1}}, ["mailer is back after its restart"]),
        ({"outcomes": {"failed": 1}}, {"outcomes": {"failed": 2}}, ["mailer is not back: its restart failed"]),
        ({}, {"outcomes": {"timed_out": 1}}, ["mailer is not back: its restart took too long"]),
        (
            {"status": "restarting"},
            {"outcomes": {"interrupted": 1}, "restarts": 1, "status": "restarting"},
            ["mailer is not back: its restart was interrupted", "mailer is being restarted"],
        ),
    ],
)
def test_agents(make_report: MakeReport, before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    assert told(report(make_report(**before)), report(make_report(**after))) == expected


def test_who_is_new_or_gone_is_no_news(make_report: MakeReport) -> None:
    first, second = report(make_report("a", status="escalated")), report(make_report("b", status="escalated"))
    assert told(first, second) == []
    assert told(first, second, first) == [], "and what it was before it was removed is forgotten"


def test_incidents() -> None:
    quiet, loud = report(), report(incidents=(incident(),))
    assert told(quiet, loud) == ["mailer needs a human: silent since noon"]
    assert told(loud, loud) == []
    assert told(loud, quiet) == ["mailer does not need a human any more, after 2 h 05 min"]


def test_an_incident_that_goes_on_as_one_of_many_is_not_over() -> None:
    many = incident(id="2", kind="host", agent=None, agents=("mailer", "watcher"), subject="web-1", reason="2 of 3 are silent")
    assert told(report(incidents=(incident(),)), report(incidents=(many,))) == ["host web-1 needs a human: 2 of 3 are silent"]


def test_books() -> None:
    agree, differ = report(books=books()), report(books=books("INV-1", "INV-2"))
    assert told(report(), agree) == []
    assert told(report(), differ) == ["bookkeeping does not agree: INV-1: 10.00 and 12.00"]
    assert told(differ, report(books=books("INV-3"))) == []
    assert told(differ, report(), agree) == ["bookkeeping agrees again"], "before the first audit nobody knows"
    gone = report(books_reason="there is no folder")
    assert told(differ, gone) == ["bookkeeping is not there any more: there is no folder"]
    assert told(differ, gone, gone) == []


def test_queues() -> None:
    well, full = report(queues=queues(queue())), report(queues=queues(queue(reason="150 messages wait")))
    assert told(report(), well) == []
    assert told(well, full) == told(report(), full) == ["queue mail is unhealthy: 150 messages wait"]
    assert told(full, report(), well) == ["queue mail is healthy again"]
    assert told(full, report(queues=queues(queue("pay")))) == ["queue mail is gone"]
    assert told(well, report(queues=queues())) == []


def test_texts_are_kept_in_one_line_that_can_be_written() -> None:
    assert readable("a\nb\ud800<script>") == "a b\N{REPLACEMENT CHARACTER}<script>"
    assert len(readable("x" * 10_000)) == LONGEST
    msgspec.json.encode(readable("\ud800"))
    assert readable("short") == "short"


def test_nothing_known_is_no_news(make_report: MakeReport) -> None:
    after = known_of(report(make_report(status="escalated")))
    assert list(changes(Known(), after, EPOCH)) == []
