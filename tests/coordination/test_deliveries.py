"""What the notifier and a person say of incidents."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collections_supervisor.coordination.deliveries import acknowledge, attempted, delivered, expired, is_known, named
from collections_supervisor.coordination.state import UNDELIVERED
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
