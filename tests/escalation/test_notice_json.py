"""The notice as programs get it."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation.notice_json import LISTED, Envelope, encode_notice, fitted, message, severity
from collections_supervisor.messages import Notice

Make = Callable[..., Notice]

AT_BOX = Envelope(recipient="caine", host="box")


def test_the_members_and_their_values(make_notice: Make) -> None:
    encoded = encode_notice(make_notice(sequence=3, notice="reminder"), AT_BOX, attempt=4)
    assert json.loads(encoded) == {
        "type": "AGENT_ESCALATION",
        "agent": "payment-watcher",
        "missed_heartbeats": 2,
        "timestamp": "2026-11-22T11:00:00.000000Z",
        "action_required": "A person must look at it",
        "schema": 1,
        "notice": "reminder",
        "severity": "warning",
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
        "evidence": None,
        "impact": None,
    }


def test_what_is_not_known_is_null(make_notice: Make) -> None:
    told = json.loads(encode_notice(make_notice(agent=None, last_heartbeat=None), AT_BOX, attempt=1))
    assert told["agent"] is None
    assert told["last_heartbeat"] is None


def test_nothing_is_required_of_who_reads_that_it_is_over(make_notice: Make) -> None:
    told = json.loads(encode_notice(make_notice(notice="resolved", merged=True), AT_BOX, attempt=1))
    assert (told["merged"], told["action_required"]) == (True, "None, it is over")


@given(st.text())
def test_it_is_one_line_whatever_an_agent_says(text: str) -> None:
    made = notice_about(text)
    encoded = encode_notice(made, AT_BOX, attempt=1)
    assert b"\n" not in encoded
    assert json.loads(encoded)["type"] == "AGENT_ESCALATION"


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\0" * 1_000_000, '"\\' * 500_000, "\U0001f4a5" * 500_000, "\ud800" * 500_000])
def test_however_long_a_text_it_fits_one_argument_of_a_command(text: str) -> None:
    escaped_again = json.dumps(message(notice_about(text), AT_BOX, attempt=1), ensure_ascii=False)
    assert len(escaped_again.encode()) < 100_000


def test_a_message_is_the_text_for_people_followed_by_the_rest_as_json(make_notice: Make) -> None:
    text, _, fields = message(make_notice(), AT_BOX, attempt=2).partition("\n\n")
    assert text == "payment-watcher needs you."
    assert json.loads(fields)["attempt"] == 2
    assert "text" not in json.loads(fields)


def test_a_message_without_the_number_of_the_attempt_is_always_the_same(make_notice: Make) -> None:
    assert '"attempt"' not in message(make_notice(), AT_BOX, attempt=None)


@pytest.mark.parametrize(
    ("rung", "held", "notice", "expected"),
    [
        (0, False, "opened", "warning"),
        (0, True, "opened", "error"),
        (1, False, "reminder", "error"),
        (1, True, "reminder", "critical"),
        (2, False, "opened", "critical"),
        (9, True, "opened", "critical"),
        (2, True, "resolved", "info"),
    ],
)
def test_it_is_worse_the_further_up_it_goes(make_notice: Make, rung: int, held: bool, notice: str, expected: str) -> None:
    made = make_notice(notice=notice, held=held)
    assert severity(made, rung) == expected
    envelope = Envelope(recipient="caine", host="box", rung=rung)
    assert json.loads(encode_notice(made, envelope, attempt=1))["severity"] == expected


def test_it_names_where_the_evidence_is(make_notice: Make) -> None:
    made = make_notice(evidence="incidents/1.json")
    assert json.loads(encode_notice(made, AT_BOX, attempt=1))["evidence"] == "incidents/1.json"


def test_people_read_instants_and_files_as_people_write_them(make_notice: Make, make_together: Callable[..., Notice]) -> None:
    reason = "no heartbeat since 2026-11-22T08:00:00.000000Z"
    text = f"a needs you: {reason}. What was seen: incidents/1.json."
    made = make_notice(reason=reason, text=text, evidence="incidents/1.json")
    told = json.loads(encode_notice(made, AT_BOX, attempt=1))
    assert told["text"] == (
        "a needs you: no heartbeat since 2026-11-22 08:00:00 UTC. What was seen: incidents/1.json in the state folder."
    )
    assert (told["reason"], told["since"]) == (reason, "2026-11-22T09:00:00.000000Z")
    together = json.loads(encode_notice(make_together(made, made), AT_BOX, attempt=1))
    assert together["text"].endswith("- payment-watcher: no heartbeat since 2026-11-22 08:00:00 UTC")
    assert together["incidents"][0]["reason"] == reason


def test_no_text_can_make_what_stands_around_it_say_something_else(make_notice: Make) -> None:
    hostile = "gone \u202ednuora s'ti\u202c\u2028\x1b[2J\n"
    told = encode_notice(make_notice(reason=hostile, text=hostile), AT_BOX, attempt=1).decode()
    assert json.loads(told)["text"] == "gone \ufffddnuora s'ti\ufffd  [2J\n"
    assert not set(hostile) - set(" [\n") & set("\u202e\u202c\u2028\x1b") & set(told)


def test_told_together_each_incident_is_named(make_notice: Make, make_together: Callable[..., Notice]) -> None:
    made = make_together(make_notice(agent="a", reason="dead"), make_notice(agent=None, missed=0, reason="gone\0"))
    told = json.loads(encode_notice(made, AT_BOX, attempt=1))
    assert (told["agent"], told["dedup_key"]) == ("a", "agent/a/0")
    assert told["incidents"] == [
        {"incident_id": "0-a", "dedup_key": "agent/a/0", "agent": "a", "missed_heartbeats": 2, "reason": "dead"},
        {"incident_id": "0-None", "dedup_key": "agent/None/0", "agent": None, "missed_heartbeats": 0, "reason": "gone "},
    ]
    assert told["text"] == "payment-watcher needs you.\n\n2 incidents:\n- a: dead\n- agent/None/0: gone "


def test_however_many_are_told_together_it_fits_one_argument_of_a_command(
    make_notice: Make, make_together: Callable[..., Notice]
) -> None:
    every = [make_notice(agent=f"{'a' * 60}{number}", reason="\U0001f4a5" * 5000) for number in range(3000)]
    made = make_together(*every)
    text = message(made, AT_BOX, attempt=1)
    assert len(json.dumps(text, ensure_ascii=False).encode()) < 100_000
    assert len(json.loads(text.rpartition("\n\n")[2])["incidents"]) == LISTED
    told = json.loads(encode_notice(make_together(*every[:100]), AT_BOX, attempt=1))
    assert len(told["incidents"]) == 100
    assert len(told["incidents"][-1]["reason"]) == 1000
    few = make_together(*(make_notice(agent=f"a{number}") for number in range(LISTED + 5)))
    assert json.loads(encode_notice(few, AT_BOX, attempt=1))["text"].endswith("- and 5 more")


def test_what_is_fitted_fits_and_stays(make_notice: Make, make_together: Callable[..., Notice]) -> None:
    made = make_together(make_notice(text="x" * 10_000, reason="\ud800" * 9000), make_notice(agent="b"))
    once = fitted(made)
    assert (len(once.text), len(once.reason)) == (8000, 2000)
    assert fitted(once) == once
    assert encode_notice(once, AT_BOX, attempt=1) == encode_notice(made, AT_BOX, attempt=1)


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
