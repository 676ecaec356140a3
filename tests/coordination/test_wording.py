"""What a notice says to a person."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collections_supervisor.coordination.wording import group_text, listed, notice_text
from collections_supervisor.messages import AgentError, AgentReport, Grouped, Held, Notice

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)

NOTICE = Notice(
    dedup_key="agent/mailer/2026-11-22T11:00:00.000000Z",
    sequence=1,
    notice="opened",
    incident_id="x",
    kind="agent",
    agent="mailer",
    missed=2,
    created_at=EPOCH + timedelta(hours=2),
    since=EPOCH,
    last_heartbeat=EPOCH - timedelta(hours=1),
    restarts=1,
    reason="no heartbeat since 10:00, 2 misses",
    text="",
)

MakeReport = Callable[..., AgentReport]


def notice(**changes: Any) -> Notice:
    return msgspec.structs.replace(NOTICE, **changes)


def test_an_alarm_says_what_since_when_what_was_tried_and_what_to_do(make_report: MakeReport) -> None:
    report = make_report(
        errors=(AgentError(timestamp=EPOCH, reason="older"), AgentError(timestamp=EPOCH, reason="exit status 1"))
    )
    assert notice_text(notice(), report) == (
        "mailer needs you: no heartbeat since 10:00, 2 misses. In trouble since 2026-11-22T11:00:00.000000Z (2 h 00 min). "
        "Restarts so far: 1. Last error: exit status 1. "
        "Automatic restarts go on within the budget; look at mailer and its last lines of output."
    )


def test_the_full_stop_of_an_error_is_not_doubled(make_report: MakeReport) -> None:
    report = make_report(errors=(AgentError(timestamp=EPOCH, reason="Request timed out. Please try again."),))
    assert "Last error: Request timed out. Please try again. Automatic" in notice_text(notice(), report)


def test_a_reminder_says_how_long_it_has_lasted(make_report: MakeReport) -> None:
    text = notice_text(notice(notice="reminder", created_at=EPOCH + timedelta(days=2)), make_report())
    assert text.startswith("mailer still needs you after 2 d 0 h: no heartbeat since 10:00, 2 misses.")
    assert "Last error" not in text


def test_held_for_good_says_that_nothing_more_happens(make_report: MakeReport) -> None:
    text = notice_text(notice(), make_report(held=Held(reason="used up")))
    assert "Nothing more happens by itself" in text
    assert "mailer" in text.split("Nothing more")[1]


def test_held_for_a_while_says_until_when(make_report: MakeReport) -> None:
    text = notice_text(notice(), make_report(held=Held(reason="used up", until=EPOCH + timedelta(hours=3))))
    assert "Automatic restarts go on at 2026-11-22T14:00:00.000000Z" in text


def test_where_nothing_is_restarted_nothing_is_promised(make_report: MakeReport) -> None:
    text = notice_text(notice(), make_report(restartable=False))
    assert "It is not restarted by itself: look at mailer" in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "mailer works again. It was in trouble from 2026-11-22T11:00:00.000000Z for 2 h 00 min; 2 misses, 1 restart tried."),
        (
            {"restarts": 2},
            "mailer works again. It was in trouble from 2026-11-22T11:00:00.000000Z for 2 h 00 min; 2 misses, 2 restarts tried.",
        ),
        (
            {"merged": True},
            (
                "mailer was in trouble from 2026-11-22T11:00:00.000000Z for 2 h 00 min and works again: "
                "no heartbeat since 10:00, 2 misses."
            ),
        ),
    ],
)
def test_the_end_says_how_long_it_lasted(make_report: MakeReport, changes: dict[str, Any], text: str) -> None:
    assert notice_text(notice(notice="resolved", **changes), make_report()) == text


def test_a_fault_of_our_own_is_no_agents(make_report: MakeReport) -> None:
    own = {"dedup_key": "supervisor/reporter/2026-11-22T11:00:00.000000Z", "agent": None, "kind": "supervisor"}
    text = notice_text(notice(**own), None)
    assert text.startswith("reporter needs you")
    assert "the supervisor's log" in text
    assert "Restarts" not in text
    assert notice_text(notice(**own, notice="resolved"), None) == (
        "reporter works again. It was in trouble from 2026-11-22T11:00:00.000000Z for 2 h 00 min."
    )


def test_a_clock_that_went_back_makes_no_negative_duration(make_report: MakeReport) -> None:
    assert "(0 s)" in notice_text(notice(created_at=EPOCH - timedelta(hours=1)), make_report())


# --- What concerns many ---

HOST = {"dedup_key": "host/web-1/2026-11-22T11:00:00.000000Z", "agent": None, "kind": "host", "reason": "5 of 6 are silent"}
PROVIDER = {"dedup_key": "host/provider/2026-11-22T11:00:00.000000Z", "agent": None, "kind": "host", "reason": "a bill"}
BOOKS = {"dedup_key": "books/books/2026-11-22T11:00:00.000000Z", "agent": None, "kind": "books", "reason": "1 bad_amount"}
QUEUE = {"dedup_key": "queue/payments/2026-11-22T11:00:00.000000Z", "agent": None, "kind": "queue", "reason": "150 waiting"}


@pytest.mark.parametrize(
    ("changes", "begins", "ends"),
    [
        (HOST, "host web-1 needs you: 5 of 6 are silent.", "look at the host, its network and the gateway."),
        (PROVIDER, "the model provider needs you: a bill.", "look at the account, its bill and its limits."),
        ({**PROVIDER, "agent": "mailer"}, "mailer needs you: a bill.", "look at the account, its bill and its limits."),
        ({**BOOKS, "missed": 0}, "bookkeeping needs you: 1 bad_amount.", "nobody but a person puts the books right."),
        ({**QUEUE, "missed": 0}, "queue payments needs you: 150 waiting.", "Look at the agent that takes from it."),
        ({**HOST, "notice": "reminder"}, "host web-1 still needs you after 2 h 00 min: 5 of 6", "the gateway."),
    ],
)
def test_what_concerns_many_says_where_to_look(changes: dict[str, Any], begins: str, ends: str) -> None:
    text = notice_text(notice(**changes), None)
    assert text.startswith(begins)
    assert text.endswith(ends)


def test_a_notice_of_many_tells_a_queue_from_the_agent_of_its_name() -> None:
    keys = {"agent/mailer/x": "mailer", "queue/mailer/x": None, "books/books/x": None}
    group = tuple(Grouped(incident_id="i", dedup_key=key, agent=agent, missed=0, reason="r") for key, agent in keys.items())
    assert group_text(notice(grouped=group)).startswith("3 need you at once: mailer, queue mailer, bookkeeping. ")


def test_the_end_of_what_concerned_many_says_how_it_ended() -> None:
    text = notice_text(notice(**HOST, notice="resolved"), None, "has its agents back")
    assert text == "host web-1 has its agents back. It was in trouble from 2026-11-22T11:00:00.000000Z for 2 h 00 min."
    text = notice_text(notice(**PROVIDER, notice="resolved", merged=True), None, "takes requests again")
    assert text.endswith("for 2 h 00 min and takes requests again: a bill.")


def test_where_more_is_written_is_named(make_report: MakeReport) -> None:
    seen = {"evidence": "incidents/x.json"}
    assert notice_text(notice(**seen), make_report()).endswith("What was seen: incidents/x.json.")
    assert notice_text(notice(**seen, notice="reminder"), make_report()).endswith("What was seen: incidents/x.json.")
    assert "incidents/x.json" not in notice_text(notice(**seen, notice="resolved"), make_report())


def test_ten_names_are_enough() -> None:
    assert listed([]) == ""
    assert listed(list("abcdefghij")) == "a, b, c, d, e, f, g, h, i, j"
    assert listed(list("abcdefghijkl")) == "a, b, c, d, e, f, g, h, i, j and 2 more"


def test_a_key_that_is_none_of_ours_is_no_crash() -> None:
    odd = {"agent": None, "kind": "supervisor", "notice": "reminder"}
    assert notice_text(notice(dedup_key="", **odd), None).startswith(" still needs you")
