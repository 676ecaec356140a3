"""The fleet judged as a whole: whoever is in trouble has one incident, whoever is not has none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.coordination.audits import audited

from collections_supervisor.coordination.judgement import next_timer
from collections_supervisor.coordination.state import CLOSING, UNDELIVERED, key_of, note_crash
from collections_supervisor.messages import Impact, Trouble
from collections_supervisor.system.supervision import STEADY

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HOUR = 3600.0

World = Any
MakeWorld = Callable[..., World]
MakeTrouble = Callable[..., Trouble]


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


@pytest.fixture
def world(make_world: MakeWorld, make_trouble: MakeTrouble) -> World:
    """One agent whose trouble was told, and a healthy one."""
    world = make_world("mailer", "watcher")
    world.hear("mailer", trouble=make_trouble(), restarts=3)
    world.look()
    world.deliver()
    return world


def test_restarts_are_counted_from_when_it_was_last_well(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("mailer")
    world.hear("mailer", restarts=7)
    world.look()
    world.hear("mailer", restarts=8, missed=1, status="restarting", acting=True)
    world.look()
    world.hear("mailer", restarts=8, trouble=make_trouble())
    world.look()
    assert world.owed[0].restarts == 1
    assert "Restarts so far: 1." in world.owed[0].text
    world.deliver()
    world.hear("mailer", restarts=9, trouble=make_trouble(missed=3))
    world.look(60.0)
    world.hear("mailer", restarts=9)
    world.look(60.0)
    assert world.owed[0].text.endswith("for 2 min; 3 misses, 2 restarts tried.")


# --- Paused ---


def test_nobody_is_told_of_an_agent_that_a_person_paused(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("mailer")
    world.hear("mailer", trouble=make_trouble())
    world.look()
    world.hear("mailer", paused=True, status="paused")
    world.look(60.0)
    assert (world.words, world.pressing) == ([], frozenset())
    world.look(100 * HOUR)
    assert (world.words, list(world.state.open)) == ([], ["agent/mailer"])
    world.hear("mailer", trouble=make_trouble())
    world.look(1.0)
    assert world.words == [("opened", "mailer"), ("reminder", "mailer")]


def test_an_incident_ends_with_the_pause_if_it_is_well_then(world: World) -> None:
    world.hear("mailer", paused=True, status="paused")
    world.look(60.0)
    world.hear("mailer", last_heartbeat=at(90))
    world.look(60.0)
    assert world.words == [("resolved", "mailer")]


def test_an_opening_that_waits_is_not_told_during_a_pause(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b")
    world.hear("b", acting=True)
    world.hear("a", trouble=make_trouble())
    world.look()
    world.hear("a", paused=True, status="paused")
    world.look(60.0)
    assert world.words == []
    world.hear("a", trouble=make_trouble())
    world.look(60.0)
    assert world.words == [("opened", "a")]


# --- Who is watched ---


def test_one_that_is_not_watched_any_more_is_said_good_bye(world: World, make_fleet: Any) -> None:
    world.fleet = make_fleet("watcher")
    world.look(60.0)
    [notice] = world.owed
    assert (notice.notice, notice.merged) == ("resolved", False)
    assert notice.text.startswith("mailer is no longer watched. It was in trouble from")
    assert world.events()[-1] == "incident.resolved"


def test_one_that_is_watched_again_is_told_of_under_another_key(world: World, make_fleet: Any, make_trouble: MakeTrouble) -> None:
    [before] = world.state.open.values()
    world.fleet = make_fleet("watcher")
    world.look(60.0)
    world.deliver()
    world.live_again()
    world.fleet = make_fleet("mailer", "watcher")
    world.hear("watcher")
    world.hear("mailer", trouble=make_trouble())
    world.look(60.0)
    [notice] = world.owed
    assert (notice.notice, notice.sequence, notice.since) == ("opened", 1, EPOCH)
    assert notice.dedup_key == "agent/mailer/2026-11-22T11:02:00.000000Z" != before.dedup_key
    assert notice.incident_id == world.state.open["agent/mailer"].id == "20261122T110200000000Z-agent-mailer"
    assert world.state.open["agent/mailer"].dedup_key == notice.dedup_key


def test_one_that_nobody_has_looked_at_yet_is_as_it_was(world: World) -> None:
    world.live_again()
    world.look(60.0)
    assert (list(world.state.open), world.words) == (["agent/mailer"], [])


def test_what_is_said_of_strangers_is_not_heard(world: World, make_trouble: MakeTrouble) -> None:
    world.hear("stranger", trouble=make_trouble())
    world.look()
    assert list(world.state.open) == ["agent/mailer"]


def test_an_incident_of_a_cause_that_no_release_knows_any_more_is_ended(world: World) -> None:
    other = msgspec.structs.replace(
        world.state.open["agent/mailer"], kind="host", subject="other", agent=None, agents=("mailer",)
    )
    first = msgspec.structs.replace(other, subject="first")
    world.state = msgspec.structs.replace(world.state, open={key_of(first): first, key_of(other): other})
    world.look()
    assert "host/other" not in world.state.open


# --- Our own tasks ---


def test_a_crashing_task_outlasts_us_and_is_forgiven_in_time(make_world: MakeWorld) -> None:
    world = make_world("mailer")
    world.state = note_crash(world.state, "reporter", "x", world.now.mono, EPOCH)
    world.look()
    assert world.deliver() == [("opened", None)]
    world.state = note_crash(world.state, "reporter", "y", world.now.mono, at(60))
    world.live_again(by=-500.0)
    world.look(STEADY - 1.0)
    assert world.state.open["supervisor/reporter"].reason.endswith("again and again: y")
    world.look(1.0)
    assert world.deliver() == [("resolved", None)]
    assert world.state.crashes == {}


# --- The books ---


@pytest.fixture
def books(make_world: MakeWorld) -> World:
    """One healthy agent, and books and a queue that were bad in two audits."""
    world = make_world("mailer", books=True, group_wait=0.0)
    for seconds in (0.0, 900.0):
        world.look(seconds)
        world.audit(audited(world.now.wall, "amount_mismatch", queues={"payments": "150 waiting", "mailer": ""}))
    world.look()
    return world


def test_bad_books_and_a_bad_queue_are_told_once_each_and_so_is_their_end(books: World) -> None:
    assert books.events() == ["books.escalated", "queue.escalated"]
    assert [notice.dedup_key for notice in books.owed] == [
        "books/books/2026-11-22T11:00:00.000000Z",
        "queue/payments/2026-11-22T11:00:00.000000Z",
    ]
    bookkeeping, queue = (notice.text for notice in books.owed)
    assert bookkeeping.startswith("bookkeeping needs you: 1 amount_mismatch; the first: INV-0: 1.00 and 2.00.")
    assert bookkeeping.endswith("nobody but a person puts the books right.")
    assert queue.startswith("queue payments needs you: 150 waiting.")
    assert queue.endswith("Look at the agent that takes from it.")
    books.deliver()
    books.audit(audited(at(1800), "bad_amount", queues={"payments": "160 waiting"}))
    books.look(900.0)
    assert (books.events(), books.owed) == ([], ())
    assert books.state.open["books/books"].reason.startswith("1 bad_amount;")
    books.audit(audited(at(2700), queues={"payments": ""}))
    books.look(900.0)
    assert books.events() == ["incident.resolved"] * 2
    assert [notice.text.partition(". ")[0] for notice in books.owed] == [
        "bookkeeping agrees again",
        "queue payments is healthy again",
    ]


def test_told_together_a_queue_is_not_taken_for_the_agent_of_its_name(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("mailer", books=True)
    for seconds in (0.0, 900.0):
        world.look(seconds)
        world.audit(audited(world.now.wall, "amount_mismatch", queues={"mailer": "150 waiting"}))
    world.look()
    [notice] = world.owed
    assert notice.text.startswith("2 need you at once: bookkeeping, queue mailer. The first is in trouble since")


def test_books_that_were_not_looked_at_yet_are_as_they_were(books: World) -> None:
    books.deliver()
    books.live_again()
    books.hear("mailer")
    books.look(60.0)
    assert (list(books.state.open), books.words) == (["books/books", "queue/payments"], [])


def test_books_that_nobody_looks_at_any_more_are_said_good_bye(books: World, make_fleet: Any) -> None:
    books.deliver()
    books.live_again()
    books.fleet = make_fleet("mailer", books=False)
    books.hear("mailer")
    books.look(60.0)
    assert books.state.open == {}
    assert [notice.text.partition(". ")[0] for notice in books.owed] == [
        "bookkeeping is no longer watched",
        "queue payments is no longer watched",
    ]


# --- What an outage costs ---

COST = Impact(role="watcher", since=EPOCH, until=at(60), count=3, amounts={}, text="3 payments waited")


def test_what_an_outage_costs_is_told_with_it_and_as_it_grows(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("mailer", "watcher")
    world.impacts = {"mailer": COST}
    world.hear("mailer", trouble=make_trouble())
    world.hear("watcher", trouble=make_trouble())
    world.look()
    impacts = {incident.agent: incident.impact for incident in world.state.open.values()}
    assert impacts == {"mailer": COST, "watcher": None}
    world.deliver()
    more = msgspec.structs.replace(COST, text="5 payments waited")
    world.impacts = {"mailer": more}
    world.hear("mailer")
    world.look(60.0)
    [over] = world.owed
    assert over.impact == more
    assert over.text.endswith(" 5 payments waited.")


def test_what_cannot_be_told_takes_nothing_away(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("mailer")
    world.impacts = {"mailer": COST}
    world.hear("mailer", trouble=make_trouble())
    world.look()
    world.impacts = {"mailer": None}
    world.look(60.0)
    assert world.state.open["agent/mailer"].impact == COST


def test_a_silent_host_costs_what_its_agents_do(make_world: MakeWorld) -> None:
    world = make_world("a", "b", "c")
    world.impacts = {"b": COST}
    world.silent("a", "b", "c")
    world.look()
    assert world.state.open["host/web-1"].impact == COST


# --- Bounds ---


def test_what_is_over_is_not_owed_without_bound(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("mailer", group_wait=0.0)
    for number in range(CLOSING + UNDELIVERED + 10):
        world.hear("mailer", trouble=make_trouble(since=at(number)))
        world.look(0.5)
        world.hear("mailer")
        world.look(0.5)
    assert len(world.state.closing) == CLOSING
    assert len(world.state.undelivered) == UNDELIVERED
    assert world.state.undelivered[-1].dedup_key == f"agent/mailer/2026-11-22T11:00:{UNDELIVERED + 9:02}.000000Z"


# --- When to look again ---


@pytest.mark.parametrize(
    ("passed", "expected"),
    [(0.0, 60.0), (4 * HOUR - 30.0, 30.0), (4 * HOUR, 60.0), (8 * HOUR - 1.0, 1.0)],
)
def test_a_reminder_is_not_slept_over(world: World, passed: float, expected: float) -> None:
    world.look(passed)
    assert next_timer(world.fleet, world.state, world.now) - world.now.mono == pytest.approx(expected)


def test_what_is_due_and_concerns_nobody_is_not_looked_at_again_and_again(world: World) -> None:
    world.hear("mailer", paused=True, status="paused")
    world.look(100 * HOUR)
    assert next_timer(world.fleet, world.state, world.now) == world.now.mono + 60.0
