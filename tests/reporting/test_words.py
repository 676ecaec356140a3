"""What the page says in words."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.messages import AgentReport, BooksReport, Held, IncidentReport, QueueReport, QueuesReport, Report
from collections_supervisor.reporting import words

MakeReport = Callable[..., Report]
MakeAgent = Callable[..., AgentReport]


@pytest.mark.parametrize(
    ("verdict", "agents", "headline", "tone"),
    [
        ("healthy", [("a", "healthy")], "a is healthy", "good"),
        ("healthy", [("a", "healthy"), ("b", "healthy")], "All 2 agents are healthy", "good"),
        ("healthy", [("a", "healthy"), ("b", "late"), ("c", "paused")], "No trouble: 1 late, 1 paused, 1 healthy", "good"),
        ("healthy", [], "No agents are watched", "idle"),
        ("unknown", [], "No agents are watched", "idle"),
        ("unknown", [("a", "unknown")], "The state of a is unknown", "idle"),
        ("unknown", [("a", "unknown"), ("b", "unknown"), ("c", "late")], "2 unknown of 3 agents", "idle"),
        ("unknown", [("a", "healthy")], "Cannot tell how things are", "idle"),
        ("degraded", [("a", "healthy"), ("b", "restarting")], "b is restarting (1 of 2 agents)", "bad"),
        ("degraded", [("a", "escalated"), ("b", "unhealthy")], "1 escalated, 1 unhealthy of 2 agents", "alarm"),
        ("degraded", [("a", "healthy")], "Degraded: see the open incidents", "bad"),
        ("degraded", [("<b>\u202e\n", "escalated")], "<b>\N{REPLACEMENT CHARACTER} is escalated", "alarm"),
    ],
)
def test_the_state_of_everything_in_one_sentence(
    make_report: MakeReport, make_agent: MakeAgent, verdict: str, agents: list[tuple[str, str]], headline: str, tone: str
) -> None:
    report = make_report(*(make_agent(name, status) for name, status in agents), verdict=verdict)
    assert (words.headline(report), words.verdict_tone(report)) == (headline, tone)


def test_a_stop_outweighs_everything(make_report: MakeReport, make_agent: MakeAgent, now: datetime) -> None:
    report = make_report(make_agent(), stopped_at=now)
    assert words.headline(report) == "Stopped at 11:01:44 UTC: nothing is being watched"
    assert words.verdict_tone(report) == "stopped"
    assert words.condition(report) == "payment-watcher is healthy"


def test_the_worst_come_first_and_the_others_stay_in_order(make_report: MakeReport, make_agent: MakeAgent) -> None:
    statuses = ["healthy", "late", "healthy", "escalated", "unknown", "escalated"]
    report = make_report(*(make_agent(str(number), status) for number, status in enumerate(statuses)))
    assert [agent.name for agent in words.worst_first(report)] == ["3", "5", "4", "1", "0", "2"]
    assert words.counts(report) == [("escalated", 2), ("unknown", 1), ("late", 1), ("healthy", 2)]


def test_what_is_wrong_beside_the_agents(make_report: MakeReport, make_agent: MakeAgent, now: datetime) -> None:
    books = BooksReport(
        checked_at=now,
        consistent=False,
        totals=None,
        ledger=None,
        findings=(),
        finding_counts={},
        files_read=0,
        duration_s=0.0,
    )
    well, bad = (QueueReport(name=name, depth=0, oldest_age_s=None, invalid=0, healthy=name == "a") for name in ("a", "b<"))
    queues = QueuesReport(healthy=False, limit=100, items=(well, bad))
    agent = make_agent("x", "healthy")
    both = make_report(agent, verdict="degraded", books=books, queues=queues)
    assert words.headline(both) == "Degraded: the books do not agree, queue b< is unhealthy"
    assert words.headline(make_report(make_agent("x", "unknown"), verdict="degraded", books=books)) == (
        "The state of x is unknown; the books do not agree"
    )
    good = msgspec.structs.replace(books, consistent=True)
    assert words.headline(make_report(agent, verdict="degraded", books=good)) == "Degraded: see the open incidents"


def test_what_an_incident_is_about(make_incident: Callable[..., IncidentReport]) -> None:
    assert words.subject(make_incident(agent="mailer")) == "mailer"
    assert words.subject(make_incident(agent=None, kind="queue", subject="mailer")) == "queue mailer"
    assert words.subject(make_incident(agent=None, kind="books", subject="books")) == "bookkeeping"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"delivered": True, "attempts": 1}, "a human was told"),
        ({"delivered": True, "attempts": 3}, "a human was told, after 3 tries"),
        (
            {"delivered": True, "attempts": 3, "error": "down."},
            "a human was told; what was new since could not be delivered: down",
        ),
        ({}, "caine is not told yet (about to be sent)"),
        (
            {"attempts": 1, "error": "openclaw: down.", "next_in": 200},
            "could not tell caine since 09:01:44 UTC: openclaw: down (1 try, next at 11:05:04 UTC, in 3 min 20 s)",
        ),
        (
            {"attempts": 7, "error": "missing"},
            "could not tell caine since 09:01:44 UTC: missing (7 tries, no further try is planned)",
        ),
        ({"attempts": 7}, "could not tell caine since 09:01:44 UTC: no reason known (7 tries, no further try is planned)"),
        (
            {"attempts": 2, "error": "down", "next_in": 9, "stopped": True},
            "could not tell caine since 09:01:44 UTC: down (2 tries, tried again by the next run)",
        ),
        # What a single sweep could not deliver is due at once, for the next one.
        (
            {"attempts": 1, "error": "down", "next_in": 0},
            "could not tell caine since 09:01:44 UTC: down (1 try, tried again now or by the next run)",
        ),
        (
            {"attempts": 1, "error": "down", "next_in": 0, "stopped": True},
            "could not tell caine since 09:01:44 UTC: down (1 try, tried again by the next run)",
        ),
        (
            {"attempts": 1, "error": "refused", "stopped": True},
            "could not tell caine since 09:01:44 UTC: refused (1 try, no further try is planned)",
        ),
        ({"stopped": True}, "caine is not told yet (left to the next run)"),
        ({"error": "no channel configured"}, "could not tell caine since 09:01:44 UTC: no channel configured"),
        ({"error": "no channel configured", "stopped": True}, "could not tell caine since 09:01:44 UTC: no channel configured"),
    ],
)
def test_whether_a_human_knows(
    make_report: MakeReport,
    make_incident: Callable[..., IncidentReport],
    now: datetime,
    changes: dict[str, object],
    said: str,
) -> None:
    next_in, stopped = changes.pop("next_in", None), changes.pop("stopped", False)
    next_at = now + timedelta(seconds=next_in) if isinstance(next_in, int) else None
    report = make_report(stopped_at=now if stopped else None)
    assert words.told(make_incident(next_at=next_at, **changes), "caine", report) == said


@pytest.mark.parametrize(
    ("changes", "of_agent", "said"),
    [
        ({}, {}, "it waits for a person"),
        ({"stopped": True}, {"next_in": 45}, "none: nothing is being watched"),
        ({}, {"next_in": 45}, "restart at 11:02:29 UTC, in 45 s"),
        ({}, {"next_in": -5}, "restart now"),
        ({"agent": None, "agents": ("payment-watcher",)}, {"next_in": 45}, "restart of payment-watcher at 11:02:29 UTC, in 45 s"),
        ({"next_in": 90}, {}, "another try to deliver it at 11:03:14 UTC, in 1 min 30 s"),
        ({"next_in": 90, "delivered": True}, {}, "it waits for a person"),
        ({"next_in": 90, "delivered": True, "error": "down"}, {}, "another try to deliver it at 11:03:14 UTC, in 1 min 30 s"),
        ({"recovered": True, "delivered": True}, {}, "it closes once the beats stay regular"),
        ({}, {"held": Held(reason="budget")}, "no restart until it recovers or a person acts"),
        ({}, {"held_for": 60}, "no restart until 11:02:44 UTC"),
        ({"agent": None, "agents": ()}, {"next_in": 45}, "it waits for a person"),
    ],
)
def test_what_happens_next(
    make_report: MakeReport,
    make_agent: MakeAgent,
    make_incident: Callable[..., IncidentReport],
    now: datetime,
    changes: dict[str, object],
    of_agent: dict[str, object],
    said: str,
) -> None:
    def later(seconds: object) -> datetime | None:
        return now + timedelta(seconds=seconds) if isinstance(seconds, int) else None

    changes, of_agent = dict(changes), dict(of_agent)
    stopped = now if changes.pop("stopped", False) else None
    recovered = now if changes.pop("recovered", False) else None
    incident = make_incident(next_at=later(changes.pop("next_in", None)), recovered_at=recovered, **changes)
    attempt, held_until = later(of_agent.pop("next_in", None)), later(of_agent.pop("held_for", None))
    held = Held(reason="flapping", until=held_until) if held_until is not None else of_agent.get("held")
    agent = make_agent(next_attempt_at=attempt, held=held)
    assert words.next_step(incident, make_report(agent, stopped_at=stopped)) == said


def test_misses_stand_beside_how_many_are_told(make_agent: MakeAgent) -> None:
    assert words.misses(make_agent(missed=1, miss_threshold=2)) == "1 of 2"
    assert words.misses(make_agent(missed=1)) == "1"


def test_details_keep_their_name(make_agent: MakeAgent) -> None:
    names = {words.details_id(make_agent(name)) for name in ("a", "b", "<b>\udcff")}
    assert len(names) == 3
    assert all(re.fullmatch("errors-[0-9a-f]{8}", name) for name in names)
    assert words.details_id(make_agent("a", "escalated")) == words.details_id(make_agent("a"))


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "now"), (0.4, "now"), (30, "30 s ago"), (-30, "in 30 s"), (7500, "2 h 05 min ago")]
)
def test_how_far_away_an_instant_is(now: datetime, seconds: float, said: str) -> None:
    assert words.ago(now - timedelta(seconds=seconds), now) == said


def test_another_day_is_said(now: datetime) -> None:
    assert words.clock(now - timedelta(hours=1), now) == "10:01:44"
    assert words.clock(now - timedelta(hours=12), now) == "2026-11-21 23:01:44"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        (" a\r\n\tb\x00\x1b[31m\x85c ", "a b [31m c"),
        ("a\u202eb\u2066c\u200f", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"),
        ("\udcff", "\N{REPLACEMENT CHARACTER}"),
        ("since 2026-11-22T08:01:12.000000Z, 3 missed", "since 2026-11-22 08:01:12 UTC, 3 missed"),
        ("שלום مرحبا 日本", "שלום مرحبا 日本"),
        ("x" * 301, "x" * 299 + "…"),
        ("\n" * 5000, "…"),
    ],
)
def test_text_from_outside_is_one_harmless_line(text: str, shown: str) -> None:
    assert words.clean(text) == shown


@given(st.text(max_size=2000))
def test_no_text_is_too_strange(text: str) -> None:
    shown = words.clean(text)
    assert len(shown) <= 300
    assert len(shown.splitlines()) <= 1
    shown.encode()  # does not raise


@pytest.mark.parametrize(
    ("interval", "refresh", "stale"), [(60, 30, 120), (0.5, 5, 15.5), (10, 5, 25), (3600, 1800, 7200), (61, 31, 122)]
)
def test_a_page_that_is_renewed_in_time_is_never_out_of_date(interval: float, refresh: int, stale: float) -> None:
    assert (words.refresh_after(interval), words.stale_after(interval)) == (refresh, stale)
    assert interval + refresh < stale
    assert words.lost_after(interval) - stale >= interval
