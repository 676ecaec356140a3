"""The one snapshot that everything is rendered from."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.coordination.audits import audited

from collections_supervisor.coordination.incidents import Subject, open_incident
from collections_supervisor.coordination.report import blind, build, verdict
from collections_supervisor.coordination.state import FleetState, key_of
from collections_supervisor.messages import AgentReport, BooksAudited, Durations, Report, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
MakeReport = Callable[..., AgentReport]


def incident(kind: Any = "agent", name: str = "mailer", at: float = 0.0) -> Any:
    trouble = Trouble(since=EPOCH + timedelta(seconds=at), reason="dead", missed=2)
    return open_incident(Subject(kind=kind, name=name), trouble, EPOCH, 0.0)


def state(*incidents: Any) -> FleetState:
    return FleetState(open={key_of(one): one for one in incidents})


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ((), "unknown"),
        (("healthy",), "healthy"),
        (("healthy", "late", "paused"), "healthy"),
        (("healthy", "unknown"), "unknown"),
        (("unknown", "unhealthy"), "degraded"),
        (("healthy", "restarting"), "degraded"),
        (("healthy", "escalated"), "degraded"),
    ],
)
def test_one_word_for_all(make_report: MakeReport, statuses: tuple[Any, ...], word: str) -> None:
    assert verdict([make_report(f"a{n}", status=status) for n, status in enumerate(statuses)], []) == word


def test_a_fault_of_our_own_degrades_a_healthy_fleet(make_report: MakeReport) -> None:
    assert verdict([make_report()], [incident("supervisor", "reporter")]) == "degraded"
    assert verdict([make_report()], [incident("agent", "mailer")]) == "healthy", "it works again, its incident is not closed yet"


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (audited(EPOCH, queues={"payments": ""}), "healthy"),
        (audited(EPOCH, "bad_amount"), "degraded"),
        (audited(EPOCH, queues={"payments": "150 waiting"}), "degraded"),
        (BooksAudited(at=EPOCH, why_not="there are none"), "healthy"),
    ],
)
def test_books_and_queues_have_their_say(make_report: MakeReport, seen: BooksAudited, word: str) -> None:
    report = build([make_report()], state(), at=EPOCH, run_id="r", version="1", audited=seen)
    assert report.verdict == word
    assert (report.books, report.queues, report.books_reason) == (seen.books, seen.queues, seen.why_not)
    known = build([make_report(status="unknown")], state(), at=EPOCH, run_id="r", version="1", audited=seen)
    assert known.verdict == ("degraded" if word == "degraded" else "unknown")


def test_incidents_are_in_order_and_named_at_their_agents(make_report: MakeReport) -> None:
    later, earlier, own = incident("agent", "a", 10.0), incident("agent", "b", 5.0), incident("supervisor", "reporter", 7.0)
    report = build(
        [make_report("a"), make_report("b"), make_report("c")], state(later, earlier, own), at=EPOCH, run_id="r", version="1"
    )
    assert [one.id for one in report.incidents] == [earlier.id, own.id, later.id]
    assert [agent.incident for agent in report.agents] == [later.id, earlier.id, None]
    assert [agent.name for agent in report.agents] == ["a", "b", "c"]
    assert report.stopped_at is None


def test_an_incident_says_how_its_notice_fares(make_report: MakeReport) -> None:
    known = msgspec.structs.replace(
        incident(), attempts=3, next_at=EPOCH + timedelta(seconds=20), error="exit status 1", recovered_at=EPOCH
    )
    [shown] = build([make_report()], state(known), at=EPOCH, run_id="r", version="1").incidents
    assert (shown.delivered, shown.attempts, shown.error) == (False, 3, "exit status 1")
    assert shown.next_at == EPOCH + timedelta(seconds=20)
    assert shown.recovered_at == EPOCH
    assert (shown.kind, shown.agent, shown.missed, shown.reason) == ("agent", "mailer", 2, "dead")


def test_an_agent_nobody_has_looked_at_is_unknown() -> None:
    shown = blind(None, "mailer", None)
    assert (shown.name, shown.status, shown.detail) == ("mailer", "unknown", "not looked at yet")
    assert verdict([shown], []) == "unknown"


def test_an_agent_whose_watcher_is_gone_is_unknown_with_all_that_was_known(make_report: MakeReport) -> None:
    known = make_report(status="healthy", restarts=3)
    shown = blind(known, "mailer", "the task that watches it crashed: x")
    assert (shown.status, shown.detail, shown.restarts) == ("unknown", "the task that watches it crashed: x", 3)
    assert blind(known, "mailer", None) == known


def test_the_last_report_says_when_it_stopped(make_report: MakeReport) -> None:
    assert build([make_report()], state(), at=EPOCH, run_id="r", version="1", stopped=True).stopped_at == EPOCH


def test_the_report_survives_a_round_through_json(make_report: MakeReport) -> None:
    report = build([make_report()], state(incident()), at=EPOCH, run_id="r", version="1")
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_what_became_of_notices_is_said_of_each_agent_and_of_all_else(make_report: MakeReport) -> None:
    known = FleetState(escalations={"a": {"delivered": 2}, "": {"failed": 1}, "gone": {"expired": 1}})
    report = build([make_report("a"), make_report("b")], known, at=EPOCH, run_id="r", version="1")
    assert [agent.escalations for agent in report.agents] == [{"delivered": 2}, {}]
    assert report.escalations == {"failed": 1}


def test_what_is_counted_for_ever_goes_on_before_anybody_has_looked(make_report: MakeReport) -> None:
    durations = Durations(counts=(0, 1, *(0,) * 8), sum_s=1.5)
    before = make_report("a", restarts=3, outcomes={"failed": 2, "succeeded": 1}, durations=durations, missed=4, timeout_s=60.0)
    now = blind(None, "a", None, before)
    assert (now.restarts, now.outcomes, now.durations) == (3, before.outcomes, durations)
    assert (now.status, now.missed, now.timeout_s, now.miss_threshold, now.last_heartbeat) == ("unknown", 0, None, None, None)
    looked = make_report("a", restarts=4)
    assert blind(looked, "a", None, before) is looked
