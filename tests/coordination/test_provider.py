"""A provider that refuses all: one notice for all who suffer from it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collections_supervisor.messages import Held, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)

World = Any
MakeWorld = Callable[..., World]
MakeTrouble = Callable[..., Trouble]


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


@pytest.fixture
def refuse(make_trouble: MakeTrouble) -> Callable[..., None]:
    """Has the restarts of an agent refused for a cause that is not its own."""

    def do(world: World, name: str, reason: str = "no more automatic restarts: a bill", since: float = 0.0) -> None:
        trouble = make_trouble(held=True, hold="shared", silent=False, missed=1, reason=reason, since=at(since))
        world.hear(name, trouble=trouble, held=Held(reason="a bill", until=at(600)), missed_at=EPOCH)

    return do


@pytest.mark.parametrize("settings", [{}, {"group_wait": 0.0}, {"once": True}])
def test_several_refused_agents_are_one_notice(make_world: MakeWorld, refuse: Any, settings: dict[str, Any]) -> None:
    world = make_world("a", "b", "c", **settings)
    refuse(world, "b")
    world.look()
    [notice] = world.owed
    assert (notice.kind, notice.agent, notice.dedup_key) == ("host", "b", "host/provider/2026-11-22T11:00:00.000000Z")
    assert notice.text.startswith("b needs you: no more automatic restarts: a bill.")
    assert "look at the account" in notice.text
    world.deliver()
    refuse(world, "a", since=5)
    world.look(60.0)
    assert world.words == []
    [incident] = world.state.open.values()
    assert (incident.agent, incident.agents) == (None, ("b", "a"))
    assert incident.reason == "2 agents cannot be restarted: b, a; no more automatic restarts: a bill"
    assert world.restraint.held == frozenset()


def test_its_notice_waits_for_others_that_may_follow(make_world: MakeWorld, refuse: Any) -> None:
    world = make_world("a", "b", "c")
    world.hear("b", acting=True)
    refuse(world, "a")
    world.look()
    assert world.words == []
    refuse(world, "b")
    world.look(1.0)
    assert world.words == [("opened", None)]
    assert world.owed[0].text.startswith("the model provider needs you: 2 agents cannot be restarted: a, b")


def test_it_is_over_when_all_are_well(make_world: MakeWorld, refuse: Any, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b", "c")
    refuse(world, "a")
    refuse(world, "b")
    world.look()
    world.deliver()
    world.hear("a", missed=1, missed_at=EPOCH, status="restarting", acting=True)
    world.hear("b", trouble=make_trouble(), missed_at=EPOCH)
    world.look(600.0)
    [incident] = world.state.open.values()
    assert "not all agents are back" in incident.reason
    world.hear("a", trouble=None)
    world.hear("b", trouble=make_trouble(recovered_at=at(700)), missed=0)
    world.look(100.0)
    [incident] = world.state.open.values()
    assert (incident.recovered_at, incident.agent) == (at(700), "b")
    world.hear("b")
    world.look(60.0)
    [notice] = world.owed
    assert notice.text.startswith("the model provider takes requests again. It was") or notice.text.startswith("b takes")


def test_one_given_up_for_another_reason_gets_an_incident_of_its_own(
    make_world: MakeWorld, refuse: Any, make_trouble: MakeTrouble
) -> None:
    world = make_world("a", "b")
    refuse(world, "a")
    world.look()
    world.deliver()
    world.hear("a", trouble=make_trouble(held=True, hold="attempts"), missed_at=EPOCH, held=Held(reason="used up"))
    world.look(600.0)
    assert sorted(world.words) == [("opened", "a"), ("resolved", "a")]
    assert list(world.state.open) == ["agent/a"]


def test_what_an_agent_was_told_of_before_stays_open_in_silence(
    make_world: MakeWorld, refuse: Any, make_trouble: MakeTrouble
) -> None:
    world = make_world("a", "b")
    world.hear("a", trouble=make_trouble())
    world.look()
    world.deliver()
    refuse(world, "a")
    world.look(60.0)
    assert world.deliver() == [("opened", "a")]
    assert sorted(world.state.open) == ["agent/a", "host/provider"]
    world.look(5 * 3600.0)
    assert [notice.kind for notice in world.owed] == ["host"]


def test_a_later_life_waits_until_it_has_looked_and_who_is_gone_is_gone(
    make_world: MakeWorld, refuse: Any, make_fleet: Any
) -> None:
    world = make_world("a", "b", "c")
    refuse(world, "a")
    refuse(world, "b")
    world.look()
    world.deliver()
    world.live_again()
    world.look()
    assert world.state.open["host/provider"].agents == ("a", "b")
    world.fleet = make_fleet("b", "c")
    world.hear("b", paused=True, status="paused")
    world.look()
    assert world.state.open["host/provider"].agents == ("b",)
    assert (world.words, world.pressing) == ([], frozenset()), "whom a person paused nobody is told of"
    world.fleet = make_fleet("c")
    world.look()
    assert world.words == [("resolved", None)]
