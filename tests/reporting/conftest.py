"""Reports to render."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collections_supervisor.messages import (
    AgentReport,
    BooksReport,
    IncidentReport,
    LedgerTotals,
    QueueReport,
    QueuesReport,
    Report,
    Total,
    Totals,
)

NOW = datetime(2026, 11, 22, 11, 1, 44, 250_000, tzinfo=UTC)


def agent(name: str = "payment-watcher", status: str = "healthy", **changes: Any) -> AgentReport:
    """A report of one agent, well unless said otherwise."""
    fields: dict[str, Any] = {
        "name": name,
        "status": status,
        "detail": "",
        "missed": 0,
        "last_heartbeat": NOW - timedelta(seconds=30),
        "next_deadline": NOW + timedelta(minutes=59),
        "restarts": 0,
        "restarts_24h": 0,
        "budget_left_24h": 12,
        "errors": (),
        "incident": None,
        "last_exit": None,
        "paused": False,
        "held": None,
        "next_attempt_at": None,
    }
    return AgentReport(**{**fields, **changes})


def incident(**changes: Any) -> IncidentReport:
    """An open incident that nobody was told of yet."""
    fields: dict[str, Any] = {
        "id": "1-payment-watcher",
        "kind": "agent",
        "agent": "payment-watcher",
        "reason": "no heartbeat for 3 h",
        "opened_at": NOW - timedelta(hours=2),
        "missed": 3,
        "acknowledged_until": None,
        "delivered": False,
        "attempts": 0,
        "next_at": None,
    }
    return IncidentReport(**{**fields, **changes})


def report(*agents: AgentReport, **changes: Any) -> Report:
    """A report of these agents."""
    fields: dict[str, Any] = {
        "schema": 1,
        "generated_at": NOW,
        "run_id": "run-1",
        "version": "0.1.0",
        "verdict": "healthy",
        "agents": agents,
        "incidents": (),
    }
    return Report(**{**fields, **changes})


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def make_agent() -> Callable[..., AgentReport]:
    return agent


@pytest.fixture
def make_incident() -> Callable[..., IncidentReport]:
    return incident


@pytest.fixture
def make_report() -> Callable[..., Report]:
    return report


@pytest.fixture
def full_books() -> dict[str, Any]:
    """What a report says of books and queues where all of them could be read."""
    usd = Total(count=1, amounts={"USD": "5.00"})
    books = BooksReport(
        checked_at=NOW,
        consistent=True,
        totals=Totals(unpaid=usd),
        ledger=LedgerTotals(unpaid=usd.amounts),
        findings=(),
        finding_counts={},
        files_read=1,
        duration_s=0.1,
    )
    queue = QueueReport(name="payment_queue", depth=1, oldest_age_s=None, invalid=0, healthy=True)
    return {"books": books, "queues": QueuesReport(healthy=True, limit=100, items=(queue,))}
