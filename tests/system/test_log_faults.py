"""Which events are heard where somebody only looks."""

from typing import Any

import pytest

from collections_supervisor.system.log_faults import faults_of


@pytest.mark.parametrize(
    ("level", "event", "heard"),
    [
        ("critical", "supervisor.actor_crashed", True),
        ("error", "supervisor.state_set_aside", True),
        ("warning", "python.log", True),
        ("info", "supervisor.ready", False),
        ("critical", "agent.escalated", False),
        ("warning", "agent.heartbeat.missed", False),
        ("error", "books.finding", False),
    ],
)
def test_only_faults_of_our_own_are_heard(log: Any, level: str, event: str, heard: bool) -> None:
    error = ValueError("x")
    getattr(faults_of(log), level)(event, message="m", exc_info=error)
    assert [(entry["event"], entry["message"], entry["exc_info"]) for entry in log.events] == [(event, "m", error)] * heard
