"""Clocks that are set, machines that sleep, our own standstills and restarts: none of them makes a miss or hides one."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.health import next_due
from collections_supervisor.agents.signs import LONGEST_EXCUSE
from collections_supervisor.config.schema import TouchSource
from collections_supervisor.messages import ActionOutcome, Beat

Make = Callable[..., Any]

HOUR = 3600.0
PLAN = {"kind": "none"}


def sleep(world: Any, seconds: float, *, told: bool) -> None:
    """The machine is suspended; not every system tells for how long."""
    before = world.slept
    world.sleep(seconds)
    world.slept = world.slept if told else before


# --- The machine sleeps ---


@pytest.mark.parametrize("told", [True, False])
def test_a_night_asleep_makes_no_miss_and_the_deadline_keeps_its_distance(make_world: Make, told: bool) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 600)
    sleep(world, 10 * HOUR, told=told)
    world.run(world.now + 599)
    assert (world.report().status, world.report().missed, world.lines) == ("healthy", 0, [])
    world.run(world.now + 3)
    assert world.report().missed == 1, "the sleep hides no death"


@pytest.mark.parametrize("told", [True, False])
def test_a_beat_right_before_the_sleep_is_as_young_as_it_was(make_world: Make, told: bool) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 60)
    at = world.now + 10
    world.beats.append(Beat(stamp=world.wall(at)))
    world.now = at + 5
    sleep(world, 10 * HOUR, told=told)
    world.look()
    assert (world.report().status, world.report().missed) == ("healthy", 0)
    assert world.state.beat_at == pytest.approx(at)
    world.run(at + HOUR - 1)
    assert world.report().missed == 0
    world.run(at + HOUR + 1)
    assert world.report().missed == 1


def test_so_it_is_if_we_die_after_the_sleep_before_we_have_seen_it(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 60)
    at = world.now + 10
    world.beats.append(Beat(stamp=world.wall(at)))
    world.now = at + 5
    world.sleep(10 * HOUR)
    world.die(5.0)
    assert (world.report().status, world.report().missed) == ("healthy", 0)
    assert world.state.beat_at == pytest.approx(at)


@pytest.mark.parametrize("told", [True, False])
def test_a_sleep_in_the_middle_of_a_restart_makes_no_second_one(make_world: Make, script: Any, told: bool) -> None:
    world = make_world(does=script(duration=20.0, beat_after=5.0), restart={"verify_within": 60.0})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 4)
    # It beat, and slept before anybody saw that.
    world.now += 1.2
    world.beats.append(Beat(stamp=world.wall(world.now)))
    world.lines.clear()
    sleep(world, 10 * HOUR, told=told)
    world.run(world.now + 1000)
    assert len(world.starts) == 1
    assert (world.report().status, world.report().missed) == ("healthy", 0)


# --- The wall clock is set ---


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_setting_the_clock_makes_no_miss(make_world: Make, by: float) -> None:
    world = make_world(restart=PLAN, period=600.0, timeout=900.0)
    for number in range(12):
        world.beat(1000.0 + 600 * number)
    world.run(1000.0 + 620.0)
    world.set_clock(by)
    world.run(1000.0 + 6900.0)
    assert world.lines == []
    assert world.report().missed == 0
    assert world.report().status == "healthy"
    world.run(1000.0 + 6600.0 + 899)
    assert world.report().missed == 0
    world.run(1000.0 + 6600.0 + 901)
    assert world.report().missed == 1, "and hides none"


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_miss_that_falls_due_as_the_clock_is_set_is_counted_a_moment_later(make_world: Make, by: float) -> None:
    world = make_world(restart=PLAN, glance=1e6)
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 1)
    world.set_clock(by)
    world.now = 1000.0 + HOUR
    world.look()
    assert world.report().missed == 0, "not in the look that sees both times"
    assert next_due(world.policy, world.state, world.clock()) == world.now + 1.0
    world.run(1000.0 + HOUR + 5)
    assert world.report().missed == 1


@pytest.mark.parametrize("by", [HOUR, -HOUR, 3.0, -3.0])
@pytest.mark.parametrize("proving", [True, False])
def test_a_beat_after_the_clock_was_set_still_proves_the_restart(make_world: Make, script: Any, by: float, proving: bool) -> None:
    world = make_world(does=script(duration=1.0 if proving else 200.0), restart={"verify_within": 300.0})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 10)
    world.set_clock(by)
    world.run(world.now + 5)
    world.beat()
    world.run(world.now + 400)
    assert (len(world.starts), world.names().count("agent.restart.succeeded")) == (1, 1)
    assert world.of("agent.recovered")[0].fields["by_itself"] is False
    assert world.report().status == "healthy"


def test_a_beat_of_before_the_clock_was_set_forward_is_as_young_as_it_was(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(2000.0)
    world.beats.append(Beat(stamp=world.wall(2010.0)))
    world.now = 2015.0
    world.set_clock(10 * HOUR)
    world.look()
    assert world.state.beat_at == pytest.approx(2010.0)


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_process_of_ours_that_has_beaten_has_beaten_whatever_the_clock_says(make_world: Make, by: float) -> None:
    world = make_world(restart={"kind": "process", "command": ("worker",)}, startup_grace=100.0, timeout=1000.0)
    world.run(1010.0)
    world.set_clock(by)
    world.run(1020.0)
    world.beat()
    world.run(1300.0)
    assert (len(world.starts), world.report().status) == (1, "healthy")


def test_beats_that_nobody_could_read_when_the_clock_was_set_are_as_young_as_they_are(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1060.0)
    world.status = "unreadable"
    world.run(1100.0)
    world.beats.append(Beat(stamp=world.wall(1100.0)))
    world.set_clock(24 * HOUR)
    world.run(1110.0)
    world.status = None
    world.run(1120.0)
    assert (world.report().status, world.report().missed) == ("healthy", 0)
    assert world.state.beat_at == pytest.approx(1100.0)


def test_beats_that_nobody_could_read_since_the_boot_are_as_young_as_they_are_after_a_sleep(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1010.0)
    world.status = "unreadable"
    world.run(1100.0)
    world.boot(60.0)
    world.run(world.now + 600)
    beat = world.now
    world.beats.append(Beat(stamp=world.wall(beat)))
    world.run(beat + 20)
    world.die(5.0)
    world.sleep(9 * HOUR)
    world.run(world.now + 30)
    world.status = None
    world.run(world.now + 90)
    assert (world.report().status, world.report().missed) == ("healthy", 0)
    assert world.state.beat_at == pytest.approx(beat)


# --- We stand still ---


def test_who_fell_due_while_we_stood_still_gets_two_minutes_or_half_its_timeout(make_world: Make) -> None:
    for timeout, grace in ((HOUR, LONGEST_EXCUSE), (100.0, 50.0)):
        world = make_world(restart=PLAN, timeout=timeout)
        world.beat(1000.0)
        world.run(1000.0 + timeout - 10)
        world.stand_still(60.0)
        thaw = world.now
        assert (world.report().missed, world.lines) == (0, [])
        assert world.report().next_deadline == world.wall(thaw + grace)
        world.run(thaw + grace - 1)
        assert world.report().missed == 0
        world.run(thaw + grace)
        assert world.report().missed == 1
        world.run(thaw + grace + 900)
        assert world.report().missed == 2, "the later ones follow at their distance"
        assert world.state.trouble.since == world.wall(thaw + grace + 900), "nobody was in trouble before"


def test_who_beat_meanwhile_needs_no_time(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 10)
    beat = world.now + 20
    world.beat(beat)
    world.stand_still(60.0)
    assert (world.state.pardon, world.report().next_deadline) == (0.0, world.wall(beat + HOUR))


@pytest.mark.parametrize(("late", "missed"), [(4.9, 1), (5.1, 0)])
def test_a_look_that_is_a_little_late_excuses_nobody(make_world: Make, late: float, missed: int) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 1)
    world.now = 1000.0 + HOUR + late
    world.look(late=late)
    assert world.report().missed == missed


def test_who_was_not_due_gets_nothing(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(2000.0)
    world.stand_still(600.0)
    assert (world.state.pardon, world.state.grace_until) == (0.0, None)
    world.run(1000.0 + HOUR)
    assert world.report().missed == 1


def test_a_dead_agent_stays_dead_over_a_standstill_and_its_next_miss_waits(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 890)
    assert world.report().missed == 1
    world.stand_still(60.0)
    assert world.report().missed == 1
    world.run(world.now + LONGEST_EXCUSE - 1)
    assert world.report().missed == 1
    world.run(world.now + 1)
    assert world.report().missed == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["pass", "still", "sleep", "set", "die", "boot"]), st.floats(0.5, 5000)), min_size=1, max_size=8
    ),
    st.sampled_from([20.0, 900.0]),
    st.booleans(),
)
@example([("pass", 3700.0), ("still", 2000.0)], 20.0, False)
@example([("pass", 4000.0), ("boot", 10.0), ("pass", 1.0), ("boot", 10.0)], 20.0, False)
def test_no_miss_of_a_silence_is_ever_taken_back(
    make_world: Make, course: list[tuple[str, float]], interval: float, records: bool
) -> None:
    # Files that are only touched hold no record of the misses, so nothing else would bring them back.
    world = make_world(restart=PLAN, miss_interval=interval, glance=600.0, sources=(TouchSource(path="/x"),))
    world.records = records
    world.beat(1000.0)
    world.run(1001.0)
    missed = 0
    for what, seconds in course:
        match what:
            case "pass":
                world.run(world.now + seconds)
            case "still":
                world.stand_still(seconds)
            case "sleep":
                world.sleep(seconds)
                world.look()
            case "set":
                world.set_clock(seconds)
                world.look()
            case "die":
                world.die(seconds)
            case _:
                world.boot(seconds)
        assert world.report().missed >= missed
        missed = world.report().missed


# --- We were away ---


def test_our_own_restart_hides_no_death(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 10)
    world.die(30.0)
    assert (world.report().missed, world.report().status) == (1, "unhealthy")
    world.die(900.0)
    assert world.report().status == "escalated"
    assert world.state.trouble.since == world.wall(1000.0 + HOUR + 900)


def test_a_beat_written_while_we_were_away_counts_from_its_stamp(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1100.0)
    world.beat(1200.0)
    world.die(500.0)
    assert world.report().next_deadline == world.wall(1200.0 + HOUR)


@pytest.mark.parametrize(
    ("settings", "grace"),
    [
        ({}, 120.0),
        ({"timeout": 60.0}, 60.0),
        ({"period": 1200.0, "timeout": 1800.0}, 1500.0),
        ({"period": 1700.0, "timeout": 1800.0}, 1800.0),
        ({"period": 40.0, "timeout": 1800.0}, 120.0),
    ],
)
def test_after_a_boot_everybody_gets_time_to_beat(make_world: Make, settings: dict[str, Any], grace: float) -> None:
    world = make_world(restart=PLAN, **settings)
    world.beat(1000.0)
    world.run(1001.0)
    world.boot(8 * HOUR)
    begun = world.now
    assert (world.report().missed, world.lines) == (0, [])
    world.run(begun + grace - 1)
    assert world.report().missed == 0
    world.run(begun + grace)
    assert world.report().missed == 1
    world.run(begun + grace + world.policy.miss_interval)
    assert world.state.trouble.since == world.wall(begun + grace + world.policy.miss_interval)


def test_a_deadline_later_than_that_stays_where_it_was(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1001.0)
    due = world.wall(1000.0 + HOUR)
    world.boot(600.0)
    assert world.report().next_deadline == due
    world.run(200.0)
    assert (world.report().next_deadline, world.state.pardon, world.state.grace_until) == (due, 0.0, None)


def test_a_boot_brings_no_storm_and_hides_no_death_for_long(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=ActionOutcome(result="failed", cause="exit code 1")), period=600.0, timeout=900.0)
    world.beat(1000.0)
    world.run(1010.0)
    world.boot(2 * HOUR)
    world.run(world.now + 700.0)
    assert (world.starts, world.report().missed) == ([], 0)
    world.run(world.now + 60.0)
    assert (len(world.starts), world.report().missed) == (1, 1)


def test_who_was_dead_before_the_boot_is_dead_after_it_with_the_same_trouble(make_world: Make) -> None:
    world = make_world(restart=PLAN, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + 2 * HOUR)
    trouble = world.state.trouble
    missed = world.report().missed
    world.boot(HOUR)
    assert (world.report().status, world.report().missed) == ("escalated", missed)
    assert world.state.trouble == trouble


def test_a_boot_in_the_middle_of_a_grace_gives_a_new_one_and_beats_end_it(make_world: Make) -> None:
    world = make_world(restart=PLAN)
    world.beat(1000.0)
    world.run(1001.0)
    world.boot(2 * HOUR)
    world.run(world.now + 60)
    world.boot(600.0)
    begun = world.now
    world.run(begun + 119)
    assert world.report().missed == 0
    world.beat()
    world.run(begun + 130)
    assert (world.state.pardon, world.state.grace_until) == (0.0, None)
    assert world.report().next_deadline == world.wall(begun + 119 + HOUR)
