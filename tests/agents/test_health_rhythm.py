"""Deadlines that are learned from an agent's own beats, and those that stand still outside of its hours."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents import learned
from collections_supervisor.agents.active_hours import active_seconds, after, is_active
from collections_supervisor.agents.silence import deadline_stamp, next_deadline
from collections_supervisor.agents.telling import changed
from collections_supervisor.config.schema import ActiveHours

Make = Callable[..., Any]

HOUR = 3600.0
DAY = 24 * HOUR
PLAN = {"kind": "none"}
BOGOTA = ActiveHours(start=7 * 60, end=22 * 60, zone="America/Bogota")  # 12:00 to 03:00 UTC
BERLIN = ActiveHours(start=7 * 60, end=22 * 60, zone="Europe/Berlin")


# --- Learned ---


def test_a_steady_agent_is_missed_sooner_than_by_the_rule(make_world: Make) -> None:
    world = make_world(restart=PLAN, adaptive=True, period=600.0, timeout=900.0, miss_interval=600.0)
    for number in range(learned.ENOUGH + 1):
        world.beat(1000.0 + 600 * number)
    last = 1000.0 + 600 * learned.ENOUGH
    world.run(last - 1)
    assert world.state.learned == 900.0, "until enough is known it is the rule"
    world.run(last + 1)
    assert (world.state.learned, len(world.state.intervals)) == (750.0, learned.ENOUGH)
    assert world.report().next_deadline == world.wall(last + 750)
    world.run(last + 740)
    assert world.report().status == "late"
    assert world.report().detail == "no beat within its period of 10 min; it counts as missed after 12 min 30 s"
    world.run(last + 749)
    assert world.report().missed == 0
    world.run(last + 750)
    assert world.report().missed == 1
    world.run(last + 750 + 600)
    assert world.state.trouble.since == world.wall(last + 750 + 600)


def test_an_unsteady_one_gets_more_time(make_world: Make) -> None:
    world = make_world(restart=PLAN, adaptive=True, period=600.0, timeout=900.0)
    at = 1000.0
    for number in range(60):
        world.beat(at)
        at += 600.0 + (250 if number % 2 else -250)
    world.run(at - 1000)
    assert world.state.learned == 1200.0
    assert "agent.heartbeat.missed" not in world.names()


def test_what_is_learned_survives_our_own_end(make_world: Make) -> None:
    world = make_world(restart=PLAN, adaptive=True, period=600.0, timeout=900.0)
    for number in range(30):
        world.beat(1000.0 + 600 * number)
    world.run(1000.0 + 29 * 600 + 1)
    intervals = world.state.intervals
    world.die(5.0)
    assert (world.state.intervals, world.state.learned) == (intervals, 750.0)
    world.boot(60.0)
    assert (world.state.intervals, world.state.learned) == (intervals, 750.0)


def test_nothing_is_learned_where_nobody_asked_for_it(make_world: Make) -> None:
    for how in ({"period": 600.0}, {"adaptive": True}):
        world = make_world(restart=PLAN, timeout=900.0, **how)
        for number in range(30):
            world.beat(1000.0 + 600 * number)
        world.run(1000.0 + 29 * 600 + 1)
        assert (world.state.intervals, world.state.learned) == ((), None)
        assert world.report().next_deadline == world.wall(1000.0 + 29 * 600 + 900)


def test_what_was_learned_counts_no_more_when_it_is_switched_off(make_world: Make) -> None:
    world = make_world(restart=PLAN, period=600.0, timeout=900.0)
    world.state = type(world.state)(known_at=1000.0, known=world.wall(1000.0), learned=750.0, intervals=(600.0,) * 30)
    world.beat(1000.0)
    world.run(1001.0)
    assert world.report().next_deadline == world.wall(1900.0)


def test_every_beat_of_one_that_is_learned_from_is_seen(make_world: Make) -> None:
    world = make_world(restart=PLAN, adaptive=True, period=40.0, timeout=300.0)
    for number in range(30):
        world.beat(1000.0 + 40 * number)
    world.run(1000.0 + 30 * 40)
    assert len(world.state.intervals) == 29
    assert set(world.state.intervals) == {40.0}


# --- Hours ---


def at(world: Any, instant: datetime) -> float:
    """The monotonic instant of a wall one."""
    return float(world.now + (instant - world.clock().wall).total_seconds())


def test_deadlines_stand_still_outside_of_its_hours(make_world: Make) -> None:
    world = make_world(restart=PLAN, active_hours=BOGOTA, glance=600.0)
    beat = at(world, datetime(2026, 11, 23, 2, 30, tzinfo=UTC))  # 21:30 in Bogota
    world.beat(beat)
    world.run(beat + 60)
    assert world.report().next_deadline == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    world.run(at(world, datetime(2026, 11, 23, 6, 0, tzinfo=UTC)))
    assert world.report().detail == "outside of its hours until 2026-11-23T12:00:00.000000Z"
    assert (world.report().status, world.report().missed) == ("healthy", 0)
    world.run(at(world, datetime(2026, 11, 23, 12, 29, 59, tzinfo=UTC)))
    assert world.report().missed == 0
    world.run(at(world, datetime(2026, 11, 23, 12, 30, tzinfo=UTC)))
    assert world.report().missed == 1


def test_misses_are_counted_within_its_hours_only(make_world: Make) -> None:
    world = make_world(restart=PLAN, active_hours=BOGOTA, glance=600.0)
    world.offset += 14 * HOUR
    world.beat(at(world, datetime(2026, 11, 23, 1, 40, tzinfo=UTC)))
    world.run(at(world, datetime(2026, 11, 23, 2, 56, tzinfo=UTC)))
    assert world.report().missed == 2
    world.run(at(world, datetime(2026, 11, 23, 11, 59, tzinfo=UTC)))
    assert world.report().missed == 2
    assert world.report().next_deadline == datetime(2026, 11, 23, 12, 10, tzinfo=UTC)
    world.run(at(world, datetime(2026, 11, 23, 12, 10, tzinfo=UTC)))
    assert world.report().missed == 3
    assert [line.missed for line in world.lines] == [1, 2, 3]
    assert world.state.trouble.since == datetime(2026, 11, 23, 2, 55, tzinfo=UTC)


def test_late_too_is_told_within_its_hours_only(make_world: Make) -> None:
    world = make_world(restart=PLAN, active_hours=BOGOTA, period=HOUR, timeout=2 * HOUR, glance=600.0)
    world.beat(at(world, datetime(2026, 11, 23, 2, 30, tzinfo=UTC)))
    world.run(at(world, datetime(2026, 11, 23, 12, 29, 59, tzinfo=UTC)))
    assert world.report().status == "healthy"
    world.run(at(world, datetime(2026, 11, 23, 12, 30, tzinfo=UTC)))
    assert world.report().status == "late"


@pytest.mark.parametrize(
    ("beat", "due"),
    [
        # The clocks go forward in the night to 29 March 2026, and back in the night to 25 October.
        (datetime(2026, 3, 28, 20, 30, tzinfo=UTC), datetime(2026, 3, 29, 5, 30, tzinfo=UTC)),
        (datetime(2026, 10, 24, 19, 30, tzinfo=UTC), datetime(2026, 10, 25, 6, 30, tzinfo=UTC)),
    ],
)
def test_the_night_on_which_the_clocks_are_set_is_as_long_as_it_is(make_world: Make, beat: datetime, due: datetime) -> None:
    world = make_world(restart=PLAN, active_hours=BERLIN, glance=600.0)
    world.offset += (beat - world.clock().wall).total_seconds() - 10.0
    world.beat(1010.0)
    world.run(1011.0)
    assert world.report().next_deadline == due
    world.run(at(world, due) - 1)
    assert world.report().missed == 0
    world.run(at(world, due))
    assert world.report().missed == 1


def test_what_is_learned_leaves_the_nights_out(make_world: Make) -> None:
    world = make_world(restart=PLAN, active_hours=BOGOTA, adaptive=True, period=HOUR, timeout=1.5 * HOUR, glance=HOUR)
    first = at(world, datetime(2026, 11, 22, 12, 30, tzinfo=UTC))
    for number in range(3 * 24):
        if is_active(BOGOTA, world.wall(first + number * HOUR)):
            world.beat(first + number * HOUR)
    world.run(first + 3 * DAY)
    assert set(world.state.intervals) == {HOUR}
    assert world.state.learned == 1.25 * HOUR
    assert "agent.heartbeat.missed" not in world.names()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.sampled_from(["America/Bogota", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.integers(60, 10 * 3600),
    st.integers(60, 3600),
    st.integers(0, 365 * 86400),
    st.integers(0, 4 * 86400),
)
def test_a_miss_is_counted_exactly_when_enough_of_its_hours_have_passed(
    make_world: Make,
    start: int,
    end: int,
    zone: str,
    timeout: int,
    interval: int,
    beat: int,
    silent: int,
) -> None:
    hours = ActiveHours(start=start, end=end, zone=zone)
    world = make_world(restart=PLAN, active_hours=hours, timeout=float(timeout), miss_interval=float(interval))
    world.records = False
    stamp = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=beat)
    world.offset += (stamp - world.clock().wall).total_seconds()
    world.beat(world.now)
    world.run(world.now)
    world.now += silent
    world.look()
    passed = active_seconds(hours, stamp, world.clock().wall)
    expected = 0 if passed < timeout else 1 + int((passed - timeout) // interval)
    # An instant that falls on a deadline to the microsecond may be taken either way.
    assert abs(world.report().missed - expected) <= (1 if min(passed % 1, 1 - passed % 1) < 1e-3 else 0)
    due = next_deadline(world.policy, world.state, world.clock())
    assert due is not None
    assert due > world.now
    number = world.report().missed + 1
    assert abs((deadline_stamp(world.policy, world.state, number) - world.wall(due)).total_seconds()) < 1e-3
    assert abs((after(hours, stamp, timeout + (number - 1) * interval) - world.wall(due)).total_seconds()) < 1e-3
    told = changed(world.policy, world.state, world.clock())
    assert (told.missed_at is not None) == (world.report().missed > 0)
    assert told.opens_at is None or timedelta(0) <= told.opens_at - world.clock().wall
