"""What the notifier and a person say of incidents."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collections_supervisor.coordination.deliveries import acknowledge, attempted, delivered, expired, is_known, named
from collections_supervisor.coordination.state import COUNTED, UNDELIVERED
from collections_supervisor.messages import Acknowledge, NoticeAttempted, NoticeDelivered, NoticeExpired, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)

World = Any
MakeWorld = Callable[..., World]
MakeTrouble = Callable[..., Trouble]


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


@pytest.fixture
def world(make_world: MakeWorld, make_trouble: MakeTrouble) -> World:
    """Two told of together, and a host."""
    world = make_world("a", "b", "c", "d", "e")
    for name in "ab":
        world.hear(name, trouble=make_trouble(silent=False))
    world.look()
    world.silent("c", "d", "e")
    world.look(60.0)
    return world


def test_the_last_delivery_of_each_channel_is_remembered(world: World) -> None:
    for channel, seconds in (("0", 5.0), ("1", 7.0), ("0", 3.0)):
        word = NoticeDelivered(dedup_key="gone", sequence=1, channel=channel, attempts=1, at=at(seconds))
        world.state = delivered(world.state, word)
    assert world.state.proven == {"0": at(5.0), "1": at(7.0)}
    assert len(world.owed) == 2


def test_how_a_notice_fares_is_known_of_all_that_it_tells_of(world: World) -> None:
    key = world.owed[0].dedup_key
    tried = NoticeAttempted(dedup_key=key, sequence=1, attempts=2, error="exit status 1", next_at=at(9.0))
    world.state = attempted(world.state, tried)
    for name in "ab":
        one = world.state.open[f"agent/{name}"]
        assert (one.attempts, one.error, one.next_at, one.delivered) == (2, "exit status 1", at(9.0), False)
    assert world.state.open["host/web-1"].attempts == 0


def test_what_nobody_could_be_told_is_kept_once(world: World) -> None:
    notice = world.owed[0]
    word = NoticeExpired(dedup_key=notice.dedup_key, sequence=1, attempts=9, error="exit status 1")
    for _ in range(3):
        world.state = expired(world.state, word, at(9.0))
    [lost] = world.state.undelivered
    assert (lost.dedup_key, lost.sequence, lost.incident_id) == (notice.dedup_key, 1, notice.incident_id)
    assert (lost.text, lost.error, lost.at) == (notice.text, "exit status 1", at(9.0))
    assert world.state.open["agent/b"].error == "exit status 1"
    assert len(world.owed) == 1


def test_only_the_newest_are_kept(world: World) -> None:
    for number in range(UNDELIVERED + 5):
        world.look(4 * 3600.0 if number < 3 else 24 * 3600.0)
        for notice in world.owed:
            word = NoticeExpired(dedup_key=notice.dedup_key, sequence=notice.sequence, attempts=9, error=str(number))
            world.state = expired(world.state, word, world.now.wall)
    assert len(world.state.undelivered) == UNDELIVERED
    assert world.state.undelivered[-1].error == str(UNDELIVERED + 4)


# --- How often ---


def test_a_notice_is_delivered_once_however_often_that_is_said(world: World) -> None:
    first, host = world.owed
    for notice in (first, host):
        for channel in "010":
            word = NoticeDelivered(
                dedup_key=notice.dedup_key, sequence=notice.sequence, channel=channel, attempts=1, at=world.now.wall
            )
            world.state = delivered(world.state, word)
    once = {"delivered": 1}
    assert world.state.escalations == {"a": once, "b": once, "": once}, "one told of two agents, one of a host"


def test_what_a_person_has_is_not_given_up_as_well(world: World) -> None:
    notice = world.owed[0]
    said = {"dedup_key": notice.dedup_key, "sequence": notice.sequence, "attempts": 1}
    gone = NoticeExpired(**said, error="x")
    world.state = delivered(world.state, NoticeDelivered(**said, channel="0", at=world.now.wall))
    world.state = expired(world.state, gone, world.now.wall)
    assert world.state.escalations["a"] == {"delivered": 1}
    assert world.state.undelivered == ()


def test_each_try_that_failed_counts_and_what_nobody_got_counts_once(world: World) -> None:
    first, host = world.owed
    for notice, tries in ((first, 3), (host, 1)):
        said = {"dedup_key": notice.dedup_key, "sequence": notice.sequence, "error": "x"}
        for attempt in range(tries):
            world.state = attempted(world.state, NoticeAttempted(**said, attempts=attempt, next_at=None))
        for _ in range(2):
            world.state = expired(world.state, NoticeExpired(**said, attempts=tries), world.now.wall)
    failed = {"failed": 3, "expired": 1}
    assert world.state.escalations == {"a": failed, "b": failed, "": {"failed": 1, "expired": 1}}


def test_a_second_channel_that_fails_says_nothing_of_the_incident(world: World) -> None:
    notice = world.owed[0]
    said = {"dedup_key": notice.dedup_key, "sequence": notice.sequence}
    world.state = delivered(world.state, NoticeDelivered(**said, channel="0", attempts=1, at=world.now.wall))
    before = world.state.open
    word = NoticeAttempted(**said, attempts=2, error="1: exit status 1", next_at=at(9.0), taken=True)
    world.state = attempted(world.state, word)
    assert world.state.open == before
    assert world.state.escalations["a"] == {"delivered": 1, "failed": 1}


def test_of_what_is_over_it_is_known_by_its_name_whom_it_was_about(make_world: MakeWorld) -> None:
    world = make_world("a")
    for key in ("agent/a/2026", "books/state/2026", "host/a/2026"):
        world.state = attempted(world.state, NoticeAttempted(dedup_key=key, sequence=1, attempts=1, error="x", next_at=None))
    assert world.state.escalations == {"a": {"failed": 1}, "": {"failed": 2}}


def test_what_was_counted_outlives_us_and_stays_bounded(world: World) -> None:
    notice = world.owed[0]
    said = {"dedup_key": notice.dedup_key, "sequence": notice.sequence}
    world.state = delivered(world.state, NoticeDelivered(**said, channel="0", attempts=1, at=world.now.wall))
    world.live_again()
    assert world.state.escalations["b"] == {"delivered": 1}
    for number in range(COUNTED):
        word = NoticeAttempted(dedup_key=f"agent/x{number}/2026", sequence=1, attempts=1, error="x", next_at=None)
        world.state = attempted(world.state, word)
        world.state = attempted(world.state, msgspec.structs.replace(word, dedup_key="agent/b/2026"))
    assert len(world.state.escalations) == COUNTED
    assert "a" not in world.state.escalations
    assert world.state.escalations["b"] == {"delivered": 1, "failed": COUNTED}


# --- A person ---


@pytest.mark.parametrize(
    ("subject", "known"),
    [
        ("a", ("agent/a",)),
        ("20261122T110000000000Z-agent-b", ("agent/b",)),
        ("web-1", ("host/web-1",)),
        ("d", ("host/web-1",)),
        ("nobody", ()),
        ("", ()),
    ],
)
def test_an_incident_is_found_by_agent_id_or_subject(world: World, subject: str, known: tuple[str, ...]) -> None:
    assert named(world.state, subject) == known
    assert is_known(world.state, subject) == bool(known)
    world.state = acknowledge(world.state, Acknowledge(subject=subject, until=at(9.0)))
    assert {key for key, one in world.state.open.items() if one.acknowledged_until} == set(known)


def test_a_reminder_that_is_owed_is_not_needed_any_more_but_the_alarm_is(world: World) -> None:
    world.look(4 * 3600.0)
    assert world.words.count(("reminder", "b")) == 1
    world.state = acknowledge(world.state, Acknowledge(subject="b", until=at(99999.0)))
    world.state = acknowledge(world.state, Acknowledge(subject="a", until=at(99999.0)))
    assert world.words == [("opened", "a"), ("opened", None), ("reminder", None)]


def test_being_held_is_no_news_to_who_has_acknowledged(world: World, make_trouble: MakeTrouble) -> None:
    world.deliver()
    world.state = acknowledge(world.state, Acknowledge(subject="a", until=at(3600.0)))
    for name in "ab":
        world.hear(name, trouble=make_trouble(silent=False, held=True, hold="attempts"))
    world.look(1.0)
    assert world.deliver() == [("reminder", "b")]
    world.look(3600.0)
    assert world.words == [], "nor when it expires: the next reminder says it"
