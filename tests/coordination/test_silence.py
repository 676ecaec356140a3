"""A host on which many fall silent together: one notice, one restart before all others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from collections_supervisor.coordination.cluster import Restraint
from collections_supervisor.coordination.incident import Incident
from collections_supervisor.coordination.judgement import judge
from collections_supervisor.coordination.silence import silence, silent_host
from collections_supervisor.messages import Held, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
FIVE = ("a", "b", "c", "d", "e")

World = Any
MakeWorld = Callable[..., World]
MakeTrouble = Callable[..., Trouble]


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def one(world: World) -> Incident:
    found = silent_host(world.state)
    assert found is not None
    return found


@pytest.fixture
def host(make_world: MakeWorld) -> World:
    """Five agents that fell silent together, and all have been told of."""
    world = make_world(*FIVE)
    world.silent(*FIVE)
    world.look()
    world.deliver()
    world.events()
    return world


# --- When it is one ---


@pytest.mark.parametrize(
    ("watched", "missed", "is_one"),
    [
        (2, (0, 0), False),
        (3, (0, 0), False),
        (3, (0, 0, 0), True),
        (5, (0, 0, 0), True),
        (6, (0, 0, 0), True),
        (7, (0, 0, 0), False),
        (7, (0, 0, 0, 0), True),
        (3, (0, 15, 30), True),
        (3, (0, 15, 30.001), False),
        (4, (0, 40, 60, 70), True),
    ],
)
def test_at_least_three_and_half_of_all_within_the_wait(
    make_world: MakeWorld, watched: int, missed: tuple[float, ...], is_one: bool
) -> None:
    world = make_world(*(f"agent-{number}" for number in range(watched)))
    for number, seconds in enumerate(missed):
        world.silent(f"agent-{number}", at=at(seconds))
    world.look()
    assert (silent_host(world.state) is not None) == is_one
    assert (world.restraint.one_at_a_time, bool(world.restraint.held)) == (is_one, is_one)


@pytest.mark.parametrize("settings", [{"group_wait": 0.0}, {"once": True}])
def test_never_without_grouping(make_world: MakeWorld, settings: dict[str, Any]) -> None:
    world = make_world(*FIVE, **settings)
    world.silent(*FIVE)
    world.look()
    assert world.state.open == {}


def test_it_is_named_after_the_deadline_that_made_them_enough_however_late_we_look(make_world: MakeWorld) -> None:
    keys = set()
    for order in permutations(range(5)):
        world = make_world(*FIVE)
        for name, place in zip(FIVE, order, strict=True):
            world.silent(name, at=at(place))
        world.look(sum(order[:2]) * 100.0)
        keys.add(next(iter(world.state.open.values())).dedup_key)
    assert keys == {"host/web-1/2026-11-22T11:00:02.000000Z"}


def test_its_notice_goes_at_once_and_says_who(make_world: MakeWorld) -> None:
    world = make_world(*FIVE, "f")
    world.hear("f", opens_at=at(10))
    world.silent(*FIVE, missed=1)
    world.look()
    [notice] = world.owed
    assert (notice.kind, notice.agent, notice.notice) == ("host", None, "opened")
    assert notice.reason == "5 of 6 agents are silent since the same time: a, b, c, d, e"
    assert notice.text.startswith("host web-1 needs you: 5 of 6")
    assert world.events() == ["host.escalated"]


def test_no_more_than_ten_are_named(make_world: MakeWorld) -> None:
    names = tuple(f"agent-{number:02}" for number in range(20))
    world = make_world(*names)
    world.silent(*names)
    world.look()
    assert world.owed[0].reason.endswith("agent-08, agent-09 and 10 more")


def test_a_host_with_the_name_of_the_other_cause_is_another_subject(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world(*FIVE, host="provider")
    world.silent(*FIVE)
    world.hear("e", trouble=make_trouble(held=True, hold="shared"), held=Held(reason="a bill", until=at(600)), missed_at=EPOCH)
    world.look()
    assert sorted(world.state.open) == ["host/provider", "host/provider (host)"]


# --- Who belongs to it ---


def test_its_agents_are_not_told_of_by_themselves(host: World, make_trouble: MakeTrouble) -> None:
    for name in FIVE:
        host.hear(name, trouble=make_trouble(), missed_at=EPOCH)
    host.look(900.0)
    assert [incident.kind for incident in host.state.open.values()] == ["host"]
    assert host.words == []


def test_but_of_what_else_is_wrong_with_them(host: World, make_trouble: MakeTrouble) -> None:
    host.hear("b", trouble=make_trouble(silent=False, reason="it is stuck"), missed_at=EPOCH)
    host.look()
    assert host.words == [("opened", "b")]


def test_who_falls_silent_while_no_trial_has_succeeded_joins(make_world: MakeWorld) -> None:
    world = make_world(*FIVE, "f")
    world.silent(*FIVE)
    world.look()
    world.deliver()
    world.silent("f", at=at(3000))
    world.look(3000.0)
    assert one(world).agents == (*FIVE, "f")
    assert (world.words, world.restraint.held) == ([], frozenset("bcdef"))


def test_after_a_trial_succeeded_only_who_fell_silent_with_them_joins(make_world: MakeWorld) -> None:
    world = make_world(*FIVE, "f", "g")
    world.silent(*FIVE)
    world.look()
    world.hear("a", last_heartbeat=at(60))
    world.look(60.0)
    world.silent("f", at=at(29))
    world.silent("g", at=at(61))
    world.look(1.0)
    assert one(world).agents == ("b", "c", "d", "e", "f")


def test_what_an_agent_was_told_of_before_stays_open_in_silence(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world(*FIVE)
    ill = {"trouble": make_trouble(silent=False), "missed_at": EPOCH}
    world.hear("a", trouble=make_trouble(silent=False))
    world.look()
    world.deliver()
    world.hear("a", **ill)
    world.silent("b", "c", "d", "e")
    world.look(60.0)
    assert world.deliver() == [("opened", None)]
    world.look(3 * 3600.0 + 3500)
    world.hear("a", **{**ill, "trouble": make_trouble(silent=False, held=True)}, held=Held(reason="a budget", until=at(99999)))
    world.look(200.0)
    assert world.words == [("reminder", None)]
    assert "agent/a" in world.state.open
    assert world.pressing == {"host/web-1/2026-11-22T11:00:00.000000Z"}


def test_an_opening_that_still_waited_is_replaced_by_that_of_the_host(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world(*FIVE)
    world.hear("a", trouble=make_trouble(missed=1), missed_at=EPOCH)
    world.hear("b", opens_at=at(5))
    world.look()
    assert ("agent/a" in world.state.open, world.words) == (True, [])
    world.silent("b", "c", "d", "e", at=at(5))
    world.look(5.0)
    assert world.words == [("opened", None)]
    assert list(world.state.open) == ["host/web-1"]


def test_one_that_settles_yet_gets_no_incident_of_its_own(host: World, make_trouble: MakeTrouble) -> None:
    host.hear("a", trouble=make_trouble(missed=2, recovered_at=at(60)), missed=0, status="healthy", last_heartbeat=at(60))
    host.look(60.0)
    assert (host.words, list(host.state.open)) == ([], ["host/web-1"])
    host.hear("a", last_heartbeat=at(120))
    host.look(60.0)
    assert one(host).agents == ("b", "c", "d", "e")


def test_one_given_up_gets_an_incident_of_its_own_and_is_not_counted_again(host: World, make_trouble: MakeTrouble) -> None:
    used_up = make_trouble(held=True, hold="attempts", silent=False)
    for name in FIVE:
        host.hear(name, trouble=used_up, missed_at=EPOCH, held=Held(reason="attempts used up"))
        host.look(1.0)
    assert silent_host(host.state) is None
    assert host.deliver() == [*[("opened", name) for name in FIVE], ("resolved", None)]
    for name in FIVE:
        host.hear(name, trouble=make_trouble(), missed_at=EPOCH)
    host.look(1.0)
    assert (silent_host(host.state), host.words) == (None, []), "a person gave them new attempts: still the same silence"
    for name in FIVE:
        host.hear(name, last_heartbeat=at(60))
    host.look(1.0)
    host.deliver()
    host.silent(*FIVE, at=at(5000))
    host.look(5000.0)
    assert silent_host(host.state) is not None


# --- How it ends ---


def test_it_is_over_when_nobody_is_left(host: World) -> None:
    for name in FIVE:
        assert silent_host(host.state) is not None
        host.hear(name, last_heartbeat=at(60))
        host.look(10.0)
    [notice] = host.owed
    assert (notice.notice, notice.kind, notice.merged) == ("resolved", "host", False)
    assert notice.text == "host web-1 has its agents back. It was in trouble from 2026-11-22T11:00:00.000000Z for 50 s."
    assert host.events() == ["incident.resolved"]


def test_it_says_who_did_not_come_back(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b", "c")
    world.silent("a", "b", "c")
    world.look()
    world.deliver()
    world.hear("a", last_heartbeat=at(60))
    world.hear("b", last_heartbeat=at(60))
    world.hear("c", trouble=make_trouble(held=True), missed_at=EPOCH, held=Held(reason="used up"))
    world.look(60.0)
    assert [notice.text.partition(". It was")[0] for notice in world.owed if notice.notice == "resolved"] == [
        "host web-1 has its agents back, except those told of separately: c"
    ]


def test_one_that_is_judged_afresh_has_not_come_back(host: World) -> None:
    for name in FIVE:
        host.hear(name)
    host.look()
    assert one(host).agents == FIVE
    assert not one(host).proven


def test_who_is_not_watched_any_more_does_not_count(host: World, make_fleet: Any) -> None:
    host.fleet = make_fleet("b", "c", "d", "e", host="renamed")
    host.look()
    assert one(host).agents == ("b", "c", "d", "e"), "and a machine may be called otherwise later"


def test_those_whom_a_person_paused_do_not_count_unless_nobody_else_is_left(host: World) -> None:
    host.hear("a", paused=True, status="paused")
    host.look()
    assert one(host).agents == ("b", "c", "d", "e")
    for name in FIVE:
        host.hear(name, paused=True, status="paused")
    host.look(24 * 3600.0)
    assert (host.words, host.pressing, one(host).agents) == ([], frozenset(), ("b", "c", "d", "e"))
    assert not host.restraint.one_at_a_time
    host.silent("b")
    host.look()
    assert host.words == [("reminder", None)]


def test_one_look_at_everything_keeps_what_is_there_but_adds_nobody(host: World, make_fleet: Any) -> None:
    host.fleet = make_fleet(*FIVE, "f", once=True)
    host.silent("f")
    host.hear("a", last_heartbeat=at(60))
    host.look(60.0)
    assert one(host).agents == ("b", "c", "d", "e")


@pytest.mark.parametrize("alone", [{"once": True}, {"group_wait": 0.0}])
def test_who_does_not_group_holds_nobody_back(host: World, make_fleet: Any, alone: dict[str, Any]) -> None:
    assert host.restraint.held
    host.fleet = make_fleet(*FIVE, **alone)
    host.look(60.0)
    assert len(one(host).agents) == 5
    assert host.restraint == Restraint()


def test_who_fell_silent_close_to_one_who_joins_joins_too(make_world: MakeWorld) -> None:
    names = tuple(f"agent-{number:02}" for number in range(20))
    world = make_world(*names)
    world.silent(*names[:10], at=at(100))
    world.look()
    for number, name in enumerate(names[10:15]):
        world.silent(name, at=at(120 + 20 * number))
    for number, name in enumerate(names[15:19]):
        world.silent(name, at=at(80 - 20 * number))
    world.silent(names[19], at=at(231))
    world.hear(names[0], last_heartbeat=at(150))
    world.look()
    assert one(world).proven
    assert one(world).agents == names[1:19]


def test_a_later_life_waits_until_it_has_looked(host: World) -> None:
    host.live_again()
    host.look()
    assert one(host).agents == FIVE
    assert host.restraint.held == frozenset("bcde")
    host.silent("b", restarts=0)
    host.look()
    assert host.restraint.held == frozenset("bcde"), "the one on trial was not looked at yet"


# --- The trial ---


def test_the_trial_is_whoever_is_restarted_already(make_world: MakeWorld) -> None:
    world = make_world(*FIVE)
    world.look()
    world.silent("a", "b", "c", "d", "e", acting=True)
    world.silent("d", acting=True, restarts=1)
    world.look()
    assert world.restraint.held == frozenset("abce"), "the others only wait for their turn"


def test_else_it_is_who_waits_for_a_turn_and_else_the_first(make_world: MakeWorld) -> None:
    world = make_world(*FIVE)
    world.silent(*FIVE)
    world.silent("c", acting=True)
    world.look()
    assert world.restraint.held == frozenset("abde")


def test_who_turns_out_to_be_restarted_takes_the_place_of_who_only_waits(host: World) -> None:
    assert host.restraint.held == frozenset("bcde")
    host.silent("d", acting=True, restarts=1)
    host.look()
    assert host.restraint.held == frozenset("abce")


def test_it_stays_the_same_between_two_attempts(host: World) -> None:
    for acting, restarts in ((True, 1), (False, 1), (True, 2), (False, 2)):
        host.silent("a", acting=acting, restarts=restarts)
        host.silent("b", acting=True)
        host.look(30.0)
        assert host.restraint.held == frozenset("bcde")


def test_it_stays_the_same_whoever_else_waits_or_was_tried(host: World) -> None:
    host.silent("b", acting=True)
    host.look()
    assert host.restraint.held == frozenset("bcde"), "nobody was restarted yet, and one is enough"
    host.silent("b", acting=True, restarts=1)
    host.look()
    assert host.restraint.held == frozenset("acde")
    host.silent("a", acting=True, restarts=1)
    host.look()
    assert host.restraint.held == frozenset("acde")


@pytest.mark.parametrize(
    "cannot",
    [
        {"held": Held(reason="a budget", until=at(600))},
        {"held": Held(reason="used up")},
        {"restartable": False},
        {"paused": True},
    ],
)
def test_the_next_one_is_tried_when_it_cannot_be_restarted(host: World, cannot: dict[str, Any]) -> None:
    host.silent("a", restarts=1, **cannot)
    host.look()
    assert host.restraint.held - {"a"} == frozenset("cde")


def test_nobody_is_restarted_when_nobody_can_be(host: World) -> None:
    host.silent(*FIVE, held=Held(reason="a budget", until=at(600)))
    host.look()
    assert host.restraint.held == frozenset(FIVE)


def test_all_others_follow_one_by_one_when_one_is_back(host: World) -> None:
    host.hear("a", last_heartbeat=at(60), restarts=1)
    host.look(60.0)
    assert (host.restraint.held, host.restraint.one_at_a_time) == (frozenset(), True)
    host.silent("a", at=at(4000))
    host.look(4000.0)
    assert host.restraint.held == frozenset(), "what was proven stays so"


def test_the_judgement_does_not_touch_what_it_was_given(host: World) -> None:
    before = host.state
    copy = dict(before.open)
    host.hear("a", last_heartbeat=at(60))
    judge(host.fleet, host.state, host.facts, host.now)
    assert (host.state is before, dict(before.open) == copy) == (True, True)
    found = silence(host.fleet, {}, host.state)
    assert found is not None
    assert found.members == FIVE
