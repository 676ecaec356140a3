"""What the heartbeat files say, where the stories of `test_health` do not tell it."""

from collections.abc import Callable
from typing import Any

from collections_supervisor.agents.health import first_state, step
from collections_supervisor.agents.state import HeartbeatRead
from collections_supervisor.messages import Beat, Emit, Reading

Make = Callable[..., Any]

HOUR = 3600.0


def test_invalid_lines_are_counted_in_words(make_world: Make) -> None:
    world = make_world()
    state = first_state(world.clock())
    said = []
    for invalid in (1, 3, 0):
        reading = Reading(status="ok", beat=Beat(stamp=world.wall(900.0)), invalid=invalid)
        state, effects = step(world.policy, state, HeartbeatRead(reading=reading), world.clock(), 0.0)
        said += [effect for effect in effects if isinstance(effect, Emit) and effect.event == "agent.heartbeat.invalid"]
    assert [(entry.level, entry.fields["invalid"]) for entry in said] == [("warning", 1), ("warning", 3)]
    assert said[0].message.startswith("skipped 1 unreadable line in the heartbeat log")
    assert said[1].message.startswith("skipped 3 unreadable lines in the heartbeat log")


def test_where_the_log_holds_no_beat_any_more_our_own_line_still_knows_it(make_world: Make) -> None:
    world = make_world()
    last = world.wall(1000.0 - HOUR - 10)
    reading = Reading(status="ok", recorded_last_heartbeat=last)
    state, _ = step(world.policy, first_state(world.clock()), HeartbeatRead(reading=reading), world.clock(), 0.0)
    assert (state.beat, state.missed) == (Beat(stamp=last), 1)
    older = Reading(status="ok", recorded_last_heartbeat=world.wall(0.0))
    state, _ = step(world.policy, state, HeartbeatRead(reading=older), world.clock(), 0.0)
    assert state.beat == Beat(stamp=last), "what is known is not unlearned"


def test_a_log_put_back_to_an_older_state_is_no_sign_of_life(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beats = [Beat(stamp=world.wall(1000.0 - HOUR - 1900))]
    world.run(1001.0)
    assert world.report().missed == 3
    world.beats = [Beat(stamp=world.wall(1000.0 - HOUR - 2000))]
    world.run(1010.0)
    assert world.report().status == "escalated"
    assert "agent.recovered" not in world.names()


def test_what_stands_before_a_beat_from_ahead_is_older_than_what_is_known(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    for at in range(0, 7201, 600):
        world.beat(1000.0 + at)
    world.run(1000.0 + 7210)
    world.set_clock(-HOUR)
    world.look()
    assert (world.report().status, world.report().missed) == ("unknown", 0)
    world.die(30.0)
    assert (world.report().status, world.report().missed, world.lines) == ("unknown", 0, [])
    world.run(1000.0 + 7200 + HOUR + 10)
    assert world.report().missed == 1, "nobody was heard of for an hour"


def test_a_beat_from_ahead_that_is_reached_by_the_clock_is_no_health(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.future = Beat(stamp=world.wall(1000.0 + 100))
    world.run(1000.0 + 200)
    assert world.report().status == "unknown"
    world.future = None
    world.beat()
    world.run(world.now + 1)
    assert world.report().status == "healthy"


def test_a_file_that_was_unreadable_and_then_gone_is_judged_by_its_last_beat(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, timeout=120.0)
    world.beat(1000.0)
    world.run(1010.0)
    world.status = "unreadable"
    world.run(1050.0)
    world.status = "missing"
    world.run(1119.0)
    assert world.report().missed == 0
    world.run(1121.0)
    assert world.report().missed == 1


def test_a_file_that_comes_back_is_well_again(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0)
    world.run(1010.0)
    world.status = "missing"
    world.run(1030.0)
    assert (world.report().status, world.report().detail) == ("unknown", "its heartbeat file is gone")
    world.status = None
    world.run(1032.0)
    assert world.report().status == "healthy"
    assert world.state.vanished_at is None
