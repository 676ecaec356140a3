"""Books and queues in trouble, and what an outage of an agent costs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.coordination.audits import audited

from collections_supervisor.coordination.bookkeeping import (
    awaits_impact,
    ending,
    ends_with_impact,
    note_audit,
    outages,
    troubles,
)
from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.state import Fleet, FleetState
from collections_supervisor.messages import (
    AgentChanged,
    AgentReport,
    BooksAudited,
    Impact,
    Outage,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

Make = Callable[..., Any]


def test_one_bad_audit_is_no_trouble_and_two_are_since_the_first() -> None:
    first, second = audited(NOON, "amount_mismatch"), audited(NOON + HOUR, "amount_mismatch", "amount_mismatch")
    state = note_audit(FleetState(), first)
    assert troubles(state, first) == {}
    state = note_audit(state, second)
    [(key, trouble)] = troubles(state, second).items()
    assert (key, trouble.since, trouble.silent) == ("books/books", NOON, False)
    assert trouble.reason == "2 amount_mismatch; the first: INV-0: 1.00 and 2.00"


def test_a_good_audit_between_two_bad_ones_begins_anew() -> None:
    state = FleetState()
    for hours, kinds in enumerate([["bad_amount"], [], ["bad_amount"]]):
        last = audited(NOON + hours * HOUR, *kinds)
        state = note_audit(state, last)
        assert troubles(state, last) == {}
    assert state.suspected == {"books/books": NOON + 2 * HOUR}
    assert note_audit(state, last) is state


def test_each_queue_is_in_trouble_by_itself() -> None:
    state = FleetState()
    for hours in range(2):
        last = audited(NOON + hours * HOUR, queues={"mailer": "150 waiting", "watcher": ""})
        state = note_audit(state, last)
    assert {key: trouble.reason for key, trouble in troubles(state, last).items()} == {"queue/mailer": "150 waiting"}


def test_many_kinds_are_counted_and_the_first_three_named() -> None:
    last = audited(NOON + HOUR, "bad_amount", "corrupt_file", "bad_amount", "ledger_missing", "unknown_status", "state_missing")
    state = note_audit(note_audit(FleetState(), audited(NOON, "bad_amount")), last)
    [trouble] = troubles(state, last).values()
    assert trouble.reason.startswith("2 bad_amount, 1 corrupt_file, 1 ledger_missing and 2 other kinds; the first: INV-0")


@pytest.mark.parametrize(("path", "named"), [("/books/x.json", "/books/x.json: "), (None, "")])
def test_a_finding_about_no_invoice_names_its_file(path: str | None, named: str) -> None:
    bad = audited(NOON, "state_missing")
    assert bad.books is not None
    [finding] = bad.books.findings
    books = msgspec.structs.replace(
        bad.books, findings=(msgspec.structs.replace(finding, invoice=None, path=path, detail="gone"),)
    )
    last = msgspec.structs.replace(bad, books=books)
    state = msgspec.structs.replace(FleetState(), suspected={"books/books": NOON - HOUR})
    assert troubles(state, last)["books/books"].reason == f"1 state_missing; the first: {named}gone"


def test_where_nothing_was_looked_at_nothing_is_bad() -> None:
    nothing = BooksAudited(at=NOON, why_not="there are none")
    state = msgspec.structs.replace(FleetState(), suspected={"books/books": NOON - HOUR})
    assert note_audit(state, nothing).suspected == {}
    assert troubles(state, nothing) == {}


@pytest.mark.parametrize(
    ("kind", "subject", "seen", "words"),
    [
        ("books", "books", audited(NOON), "agrees again"),
        ("books", "books", BooksAudited(at=NOON, why_not="no folder"), "is not there any more: no folder"),
        ("books", "books", None, "is no longer watched"),
        ("queue", "mailer", audited(NOON, queues={"mailer": ""}), "is healthy again"),
        ("queue", "mailer", audited(NOON, queues={"watcher": ""}), "is gone"),
        ("queue", "mailer", BooksAudited(at=NOON), "is gone"),
    ],
)
def test_the_end_is_told_in_words_that_fit(kind: Any, subject: str, seen: BooksAudited | None, words: str) -> None:
    assert ending(incident(kind=kind, subject=subject, agent=None), seen) == words


# --- The incidents of books and queues ---


def hung(at: datetime) -> BooksAudited:
    """An audit of a disk that does not answer."""
    return msgspec.structs.replace(audited(at, "unreadable_file"), queues=None)


def test_books_that_do_not_agree_twice_are_told_of_and_that_they_agree_again(make_world: Make) -> None:
    world = make_world("mailer", books=True)
    for minutes, kinds in ((0, ["bad_amount"]), (15, ["bad_amount", "corrupt_file"])):
        assert world.owed == ()
        world.audit(audited(NOON + timedelta(minutes=minutes), *kinds))
        world.look(900.0)
    [opened] = world.owed
    assert (opened.notice, opened.kind, opened.agent, opened.since, opened.missed) == ("opened", "books", None, NOON, 0)
    assert opened.text.startswith("bookkeeping needs you: 1 bad_amount, 1 corrupt_file; the first: INV-0")
    assert [(said.event, said.message[:25]) for said in world.said] == [("books.escalated", "bookkeeping needs a human")]
    world.deliver()
    world.audit(audited(NOON + HOUR))
    world.look(900.0)
    [resolved] = world.owed
    assert (resolved.notice, resolved.dedup_key) == ("resolved", opened.dedup_key)
    assert resolved.text.startswith("bookkeeping agrees again.")
    assert world.state.open == {}


def test_each_bad_queue_has_an_incident_of_its_own(make_world: Make) -> None:
    world = make_world("mailer", books=True)
    for hours in range(2):
        world.audit(audited(NOON + hours * HOUR, queues={"mailer": "150 wait", "watcher": "1 is no message", "x": ""}))
        world.look(900.0)
    assert sorted(world.state.open) == ["queue/mailer", "queue/watcher"]
    assert "queue.escalated" in world.events()
    world.deliver()
    world.audit(audited(NOON + 2 * HOUR, queues={"mailer": ""}))
    world.look()
    assert [notice.text.partition(".")[0] for notice in world.owed] == ["queue mailer is healthy again", "queue watcher is gone"]


def test_two_sweeps_in_two_lives_open_an_incident(make_world: Make) -> None:
    world = make_world("mailer", books=True, once=True)
    world.audit(audited(NOON, "bad_amount"))
    world.look()
    world.live_again()
    world.look(3600.0)
    assert world.owed == (), "nobody has looked at the books in this life"
    world.audit(audited(NOON + HOUR, "bad_amount"))
    world.look()
    assert [notice.since for notice in world.owed] == [NOON]
    world.live_again()
    world.look(3600.0)
    assert list(world.state.open) == ["books/books"], "before the first audit it is as it was"


def test_what_was_not_looked_at_is_neither_well_nor_gone(make_world: Make) -> None:
    world = make_world("mailer", books=True)
    for hours in range(2):
        world.audit(audited(NOON + hours * HOUR, queues={"mailer": "150 wait"}))
        world.look(900.0)
    world.deliver()
    for hours in (2, 3):
        world.audit(hung(NOON + hours * HOUR))
        world.look(900.0)
    assert sorted(world.state.open) == ["books/books", "queue/mailer"]
    assert world.state.suspected["queue/mailer"] == NOON
    world.audit(BooksAudited(at=NOON + 4 * HOUR, why_not="there are none"))
    world.look()
    assert world.state.open == {}
    assert world.state.suspected == {}


def test_an_incident_of_books_that_are_not_looked_at_any_more_is_over(make_world: Make) -> None:
    world = make_world("mailer", books=True)
    for hours in range(2):
        world.audit(audited(NOON + hours * HOUR, "bad_amount"))
        world.look(900.0)
    world.deliver()
    world.fleet = msgspec.structs.replace(world.fleet, books=False)
    world.live_again()
    world.look()
    assert [notice.text.partition(".")[0] for notice in world.owed] == ["bookkeeping is no longer watched"]


# --- What an outage costs ---


FLEET = Fleet(
    names=("mailer", "watcher", "reader"),
    repeat_after=3600.0,
    group_wait=0.0,
    cycle=60.0,
    host="vm",
    run_id="r",
    version="0",
    books=True,
    roles={"mailer": "mailer", "watcher": "watcher"},
)


def incident(**known: Any) -> Incident:
    return Incident(
        **{
            "id": "x",
            "dedup_key": "agent/mailer/x",
            "kind": "agent",
            "subject": "mailer",
            "agent": "mailer",
            "reason": "silent",
            "missed": 2,
            "opened_at": NOON,
            "told_at": 100.0,
            "silent_since": NOON - 2 * HOUR,
            **known,
        }
    )


def changed(name: str, *, missed: int = 0, paused: bool = False, last: datetime | None = NOON - 2 * HOUR) -> AgentChanged:
    report = AgentReport(
        name=name,
        status="healthy",
        detail="",
        missed=missed,
        last_heartbeat=last,
        next_deadline=None,
        restarts=0,
        restarts_24h=0,
        budget_left_24h=None,
        errors=(),
        incident=None,
        last_exit=None,
        paused=paused,
        held=None,
        next_attempt_at=None,
    )
    return AgentChanged(report=report, trouble=None)


def asked(state: FleetState | None = None, fleet: Fleet = FLEET, **facts: AgentChanged) -> dict[str, Outage]:
    return outages(fleet, state or FleetState(), facts)


def test_what_it_costs_is_asked_from_the_first_miss_on() -> None:
    silent = changed("mailer", missed=1)
    assert asked(mailer=silent) == {"mailer": Outage(role="mailer", since=NOON - 2 * HOUR)}
    assert asked(mailer=changed("mailer")) == {}
    assert asked(reader=changed("reader", missed=3)) == {}, "who has no part in it costs nothing"
    assert asked(mailer=changed("mailer", missed=1, last=None)) == {}, "who never beat has no outage that began"
    assert asked(mailer=changed("mailer", missed=1, paused=True)) == {}
    assert asked(fleet=msgspec.structs.replace(FLEET, books=False), mailer=silent) == {}


def test_of_an_incident_it_is_asked_from_the_beat_before_it_to_its_end() -> None:
    known = msgspec.structs.replace(FleetState(), open={"agent/watcher": incident(subject="watcher", agent="watcher")})
    back = msgspec.structs.replace(known, open={"agent/watcher": incident(agent="watcher", recovered_at=NOON + HOUR)})
    well = changed("watcher", last=NOON + HOUR)
    assert asked(known, watcher=changed("watcher", missed=2)) == {"watcher": Outage(role="watcher", since=NOON - 2 * HOUR)}
    assert asked(back, watcher=well)["watcher"].until == NOON + HOUR


def test_an_opening_waits_a_moment_for_what_it_costs() -> None:
    def waits(fleet: Fleet = FLEET, impacts: dict[str, Impact | None] | None = None, mono: float = 104.9, **known: Any) -> bool:
        return awaits_impact(fleet, incident(**known), impacts or {}, mono)

    assert waits()
    assert not waits(mono=105.0)
    assert not waits(impacts={"mailer": None}), "it is known that nobody can tell"
    assert not waits(fleet=msgspec.structs.replace(FLEET, books=False))
    assert not waits(agent="watcher"), "what the other costs is known at its end only"
    assert not waits(agent=None)
    assert not waits(silent_since=None)


def test_in_a_sweep_an_end_waits_a_moment_for_what_it_cost() -> None:
    once = msgspec.structs.replace(FLEET, once=True)

    def waits(fleet: Fleet = once, impacts: dict[str, Impact | None] | None = None, **known: Any) -> bool:
        return ends_with_impact(fleet, incident(**known), impacts or {})

    assert waits()
    assert waits(agent="watcher")
    assert not waits(fleet=FLEET), "a daemon has the time in which the agent settles"
    assert not waits(fleet=msgspec.structs.replace(once, books=False))
    assert not waits(agent="reader")
    assert not waits(agent=None)
    assert not waits(silent_since=None)
    assert not waits(impacts={"mailer": None}), "it is known that nobody can tell"
