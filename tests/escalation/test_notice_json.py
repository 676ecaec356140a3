"""The notice as programs get it."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation.notice_json import encode_notice, message
from collections_supervisor.messages import Notice

Make = Callable[..., Notice]


def test_the_members_and_their_values(make_notice: Make) -> None:
    encoded = encode_notice(make_notice(sequence=3, notice="reminder"), attempt=4, recipient="caine", host="box")
    assert json.loads(encoded) == {
        "type": "AGENT_ESCALATION",
        "agent": "payment-watcher",
        "missed_heartbeats": 2,
        "timestamp": "2026-11-22T11:00:00.000000Z",
        "action_required": "A person must look at it",
        "schema": 1,
        "notice": "reminder",
        "incident_id": "0-payment-watcher",
        "dedup_key": "agent/payment-watcher/0",
        "sequence": 3,
        "since": "2026-11-22T09:00:00.000000Z",
        "last_heartbeat": "2026-11-22T08:00:00.000000Z",
        "restarts": 1,
        "reason": "no heartbeat for 3 h",
        "host": "box",
        "text": "payment-watcher needs you.",
        "kind": "agent",
        "recipient": "caine",
        "attempt": 4,
        "merged": False,
    }


def test_what_is_not_known_is_null(make_notice: Make) -> None:
    told = json.loads(encode_notice(make_notice(agent=None, last_heartbeat=None), attempt=1, recipient="c", host="h"))
    assert told["agent"] is None
    assert told["last_heartbeat"] is None


def test_nothing_is_required_of_who_reads_that_it_is_over(make_notice: Make) -> None:
    told = json.loads(encode_notice(make_notice(notice="resolved", merged=True), attempt=1, recipient="c", host="h"))
    assert (told["merged"], told["action_required"]) == (True, "None, it is over")


@given(st.text())
def test_it_is_one_line_whatever_an_agent_says(text: str) -> None:
    made = notice_about(text)
    encoded = encode_notice(made, attempt=1, recipient="caine", host="box")
    assert b"\n" not in encoded
    assert json.loads(encoded)["type"] == "AGENT_ESCALATION"


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\0" * 1_000_000, '"\\' * 500_000, "\U0001f4a5" * 500_000, "\ud800" * 500_000])
def test_however_long_a_text_it_fits_one_argument_of_a_command(text: str) -> None:
    escaped_again = json.dumps(message(notice_about(text), attempt=1, recipient="caine", host="box"), ensure_ascii=False)
    assert len(escaped_again.encode()) < 100_000


def test_a_message_is_the_text_for_people_followed_by_the_rest_as_json(make_notice: Make) -> None:
    text, _, fields = message(make_notice(), attempt=2, recipient="caine", host="box").partition("\n\n")
    assert text == "payment-watcher needs you."
    assert json.loads(fields)["attempt"] == 2
    assert "text" not in json.loads(fields)


def notice_about(text: str) -> Notice:
    """A notice full of it. A function and not the fixture: one fixture would serve all examples of a property."""
    from datetime import UTC, datetime

    at = datetime(2026, 11, 22, tzinfo=UTC)
    return Notice(
        dedup_key="agent/a/1",
        sequence=1,
        notice="opened",
        incident_id="1",
        kind="agent",
        agent="a",
        missed=2,
        created_at=at,
        since=at,
        last_heartbeat=None,
        restarts=0,
        reason=text,
        text=text,
    )
