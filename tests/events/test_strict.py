"""The check that every line of every acceptance run goes through can fail."""

from typing import Any

import pytest
from tests.events.strict import fault

LINE = {
    "timestamp": "2026-11-22T11:01:44.000000Z",
    "level": "warning",
    "event": "agent.heartbeat.missed",
    "message": "mailer missed 1 heartbeat",
    "schema": 1,
    "service": "collections-supervisor",
    "version": "0.1.0",
    "run_id": "r",
    "seq": 3,
    "agent": "mailer",
    "missed": 1,
    "miss_threshold": 2,
    "last_heartbeat": None,
    "age_s": None,
}


def test_a_line_as_it_should_be() -> None:
    assert fault(LINE) == ""
    assert fault(LINE | {"age_s": 3, "last_heartbeat": "2026-11-22T11:01:44.000001Z"}) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"event": "agent.heartbeat.mist"},
        {"level": "info"},
        {"extra": 1},
        {"missed": "1"},
        {"missed": 1.5},
        {"missed": -1},
        {"agent": None},
        {"seq": 0},
        {"schema": 2},
        {"last_heartbeat": "2026-11-22T11:01:44Z"},
        {"last_heartbeat": "2026-11-22T11:01:44.000001+00:00"},
        {"truncated": True, "missed": "1"},
        {"truncated": True, "extra": 1},
    ],
    ids=str,
)
def test_a_line_that_is_otherwise(change: dict[str, Any]) -> None:
    assert fault(LINE | change) != ""


@pytest.mark.parametrize("name", ["agent", "age_s", "message", "level", "run_id"])
def test_a_field_that_is_missing(name: str) -> None:
    assert fault({key: value for key, value in LINE.items() if key != name}) != ""


def test_a_line_that_was_cut_may_lack_its_own_fields() -> None:
    cut = {**LINE, "truncated": True}
    del cut["agent"]
    assert fault(cut) == ""
    del cut["run_id"]
    assert fault(cut) != ""
