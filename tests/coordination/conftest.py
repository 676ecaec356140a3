"""Agents' reports and troubles, as their tasks would tell them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collections_supervisor.messages import AgentReport, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)

REPORT = AgentReport(
    name="mailer",
    status="healthy",
    detail="",
    missed=0,
    last_heartbeat=EPOCH - timedelta(minutes=5),
    next_deadline=EPOCH + timedelta(minutes=55),
    restarts=0,
    restarts_24h=0,
    budget_left_24h=12,
    errors=(),
    incident=None,
    last_exit=None,
    paused=False,
    held=None,
    next_attempt_at=None,
)


@pytest.fixture
def make_report() -> Callable[..., AgentReport]:
    """An agent's report: its name, and what is not as it is in health."""

    def make(name: str = "mailer", **changes: Any) -> AgentReport:
        return msgspec.structs.replace(REPORT, name=name, **changes)

    return make


@pytest.fixture
def make_trouble() -> Callable[..., Trouble]:
    """A trouble that began at the epoch."""

    def make(**changes: Any) -> Trouble:
        return Trouble(**{"since": EPOCH, "reason": "no heartbeat since noon, 2 misses", "missed": 2, **changes})

    return make
