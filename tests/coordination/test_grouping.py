"""Openings that are told as one, and those that do not wait."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collections_supervisor.coordination.grouping import MOST, waits_until
from collections_supervisor.coordination.state import note_crash
from collections_supervisor.messages import Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)

World = Any
MakeWorld = Callable[..., World]
MakeTrouble = Callable[..., Trouble]


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def test_a_lone_dead_agent_among_healthy_ones_is_told_of_at_once(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b", "c")
    world.hear("b", opens_at=at(3600))
    world.hear("a", trouble=make_trouble(), acting=True)
    world.look()
    assert (world.words, world.owed[0].grouped) == ([("opened", "a")], ())


@pytest.mark.parametrize("may_follow", [{"opens_at": at(30)}, {"opens_at": at(-5)}, {"acting": True}])
def test_an_opening_waits_for_another_that_may_follow(
    make_world: MakeWorld, make_trouble: MakeTrouble, may_follow: dict[str, Any]
) -> None:
    world = make_world("a", "b")
    world.hear("b", **may_follow)
    world.hear("a", trouble=make_trouble())
    world.look()
    assert world.words == []
    assert waits_until(world.fleet, world.state) == (1030.0,)
    world.hear("b")
    world.look(1.0)
    assert world.words == [("opened", "a")], "and no longer once it cannot"


def test_one_that_was_not_looked_at_yet_may_follow(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b")
    del world.facts["b"]
    world.hear("a", trouble=make_trouble())
    world.look()
    assert world.words == []


@pytest.mark.parametrize("settings", [{"group_wait": 0.0}, {"once": True}])
def test_nothing_waits_without_grouping(make_world: MakeWorld, make_trouble: MakeTrouble, settings: dict[str, Any]) -> None:
    world = make_world("a", "b", "c", **settings)
    world.hear("c", acting=True)
    world.hear("a", trouble=make_trouble())
    world.hear("b", trouble=make_trouble())
    world.look()
    assert [(notice.agent, notice.grouped) for notice in world.owed] == [("a", ()), ("b", ())]


def test_it_never_waits_longer_than_the_first_one_may(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b", "c")
    world.hear("c", acting=True)
    world.hear("a", trouble=make_trouble())
    world.look()
    world.look(20.0)
    world.hear("b", trouble=make_trouble())
    world.look(9.9)
    assert world.words == []
    world.look(0.1)
    [notice] = world.owed
    assert [one.agent for one in notice.grouped] == ["a", "b"]


@pytest.fixture
def group(make_world: MakeWorld, make_trouble: MakeTrouble) -> World:
    """Three that were told of together; nobody has heard it yet."""
    world = make_world("a", "b", "c", "d")
    for number, name in enumerate(("b", "a", "c")):
        world.hear(name, trouble=make_trouble(since=at(number), reason=f"reason {name}", missed=2 + number, silent=False))
    world.look(10.0)
    return world


def test_one_notice_with_the_keys_of_the_first_tells_of_all(group: World) -> None:
    [notice] = group.owed
    first = group.state.open["agent/b"]
    assert (notice.agent, notice.dedup_key, notice.incident_id, notice.sequence) == ("b", first.dedup_key, first.id, 1)
    assert [(one.agent, one.missed, one.reason) for one in notice.grouped] == [
        ("b", 2, "reason b"),
        ("a", 3, "reason a"),
        ("c", 4, "reason c"),
    ]
    assert {one.dedup_key for one in notice.grouped} == group.pressing
    assert notice.text == (
        "3 need you at once: b, a, c. The first is in trouble since 2026-11-22T11:00:00.000000Z (10 s): reason b. "
        "Look at what they share before looking at each."
    )
    assert group.events() == ["agent.escalated"] * 3


def test_what_becomes_of_it_becomes_of_all(group: World) -> None:
    group.deliver()
    assert all(incident.delivered for incident in group.state.open.values())
    assert group.words == []
    group.look(4 * 3600.0)
    assert sorted(group.deliver()) == [("reminder", "a"), ("reminder", "b"), ("reminder", "c")]
    for name in "abc":
        group.hear(name)
    group.look(60.0)
    assert sorted((notice.notice, notice.agent, notice.merged) for notice in group.owed) == [
        ("resolved", name, False) for name in "abc"
    ]


def test_the_first_one_being_over_does_not_take_the_alarm_of_the_others_away(group: World) -> None:
    group.hear("b")
    group.look(5.0)
    assert [(notice.notice, len(notice.grouped), notice.merged) for notice in group.owed] == [
        ("opened", 3, False),
        ("resolved", 0, False),
    ]
    assert len(group.pressing) == 2
    group.deliver()
    assert [group.state.open[f"agent/{name}"].delivered for name in "ac"] == [True, True]
    assert group.state.closing == {}


def test_one_that_is_over_before_the_alarm_was_heard_is_told_in_one_notice(group: World) -> None:
    group.hear("a")
    group.look(5.0)
    assert [(notice.notice, notice.agent, notice.merged) for notice in group.owed] == [
        ("opened", "b", False),
        ("resolved", "a", True),
    ]


def test_a_fault_of_our_own_waits_and_is_told_with_the_others(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a")
    world.state = note_crash(world.state, "reporter", "x", world.now.mono, EPOCH)
    world.hear("a", trouble=make_trouble(since=at(1)))
    world.look()
    [notice] = world.owed
    assert [one.agent for one in notice.grouped] == [None, "a"]
    assert notice.text.startswith("2 need you at once: reporter, a. ")


def test_very_many_become_several_notices(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    names = tuple(f"agent-{number:04}" for number in range(2 * MOST + 1))
    world = make_world(*names)
    for name in names:
        world.hear(name, trouble=make_trouble(silent=False))
    world.look()
    assert [len(notice.grouped) for notice in world.owed] == [MOST, MOST, 0]
    assert len(world.state.open) == len(names)


def test_agents_of_a_silent_host_keep_nobody_waiting(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b", "c", "d", "e")
    world.silent("a", "b", "c", acting=True)
    world.look()
    world.deliver()
    world.hear("e", trouble=make_trouble(silent=False))
    world.look(60.0)
    assert world.words == [("opened", "e")]
