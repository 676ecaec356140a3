"""When a human must know, and when it is over, where the stories of `test_health` do not tell it."""

from collections.abc import Callable
from typing import Any

from collections_supervisor.messages import ActionOutcome, StaleLine

Make = Callable[..., Any]

HOUR = 3600.0
FAILED = ActionOutcome(result="failed", cause="exit status 1")


def test_a_relapse_before_the_incident_is_closed_is_the_same_trouble(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, timeout=100.0, miss_interval=100.0, period=1000.0)
    world.beat(1000.0)
    world.run(1201.0)
    since = world.state.trouble.since
    assert since == world.wall(1200.0)
    world.beat(1250.0)
    world.run(1251.0)
    assert (world.report().status, world.state.trouble.recovered_at) == ("healthy", world.wall(1250.0))
    world.run(1351.0)
    assert (world.report().status, world.state.trouble.since) == ("escalated", since)
    assert world.state.trouble.recovered_at is None
    assert world.report().missed == 1, "one miss is enough as long as the incident is open"
    for at in (1400.0, 1410.0):
        world.beat(at)
    world.run(1420.0)
    assert world.state.trouble is None
    assert len(world.of("agent.recovered")) == 2


def test_a_held_agent_that_recovers_is_held_no_more_and_relapses_held(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=FAILED), restart={"attempts_per_incident": 1}, timeout=100.0, miss_interval=1e6)
    world.beat(1000.0)
    world.run(1110.0)
    assert world.state.trouble.held
    world.beat(1120.0)
    world.run(1121.0)
    assert (world.report().held, world.state.trouble.held) == (None, False)
    world.run(1230.0)
    assert world.state.trouble.held
    assert len(world.starts) == 1


def test_all_that_is_wrong_is_in_the_reason_and_the_oldest_instant_counts(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=FAILED), restart={"attempts_per_incident": 1}, timeout=100.0, miss_interval=50.0)
    world.beat(1000.0, status="fail", message="mailbox full")
    world.run(1200.0)
    trouble = world.state.trouble
    assert trouble.since == world.wall(1000.0)
    assert trouble.reason.split("; ") == [
        "no heartbeat since 2026-11-22T11:16:40.000000Z, 3 misses",
        "it says that it failed: mailbox full",
        "no more automatic restarts: 1 restart attempt in a row did not bring it back",
    ]


def test_lines_of_another_tool_without_a_time_count_from_now(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(990.0)
    world.run(1000.0)
    world.lines = [StaleLine(stamp=None, ours=False)] * 2
    world.run(1001.0)
    assert world.state.trouble.since in (world.wall(1000.0), world.wall(1001.0))


def test_misses_of_both_kinds_together_reach_the_threshold(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 10)
    assert world.report().missed == 1
    world.lines.append(StaleLine(stamp=world.clock().wall, ours=False))
    world.run(1000.0 + HOUR + 12)
    assert world.report().missed == 2
    assert world.report().status == "escalated"


def test_a_word_that_all_is_well_again_ends_what_an_earlier_word_began(make_world: Make) -> None:
    world = make_world(period=600.0, timeout=900.0)
    world.beat(1000.0, status="stuck", message="no login")
    world.beat(1010.0)
    world.run(1011.0)
    assert (world.report().status, world.report().detail) == (
        "healthy",
        "beats again; its incident is closed when it keeps doing so",
    )
    world.beat(1020.0)
    world.run(1021.0)
    assert world.state.trouble is None


def test_every_trouble_ends_after_beats_whatever_began_it(make_world: Make, script: Any) -> None:
    for classified in ("configuration", "terminal", "shared", "overflow", "auth", ""):
        outcome = ActionOutcome(result="failed", cause="words", classified=classified)
        world = make_world(does=script(outcome=outcome), restart={"fresh": "never", "attempts_per_incident": 1}, glance=60.0)
        world.beat(1000.0)
        world.run(1000.0 + 2 * HOUR)
        assert world.report().status == "escalated", classified
        world.beat(world.now + 1)
        world.beat(world.now + 100)
        world.run(world.now + 200)
        assert (world.state.trouble, world.state.hold, world.report().status) == (None, None, "healthy"), classified


def test_a_heartbeat_that_can_be_read_again_and_is_in_time_ends_the_trouble_of_not_reading_it(make_world: Make) -> None:
    world = make_world(glance=10.0)
    world.beat(1000.0)
    world.run(1010.0)
    world.status = "unreadable"
    world.run(1010.0 + 60 + 59)
    assert not world.state.trouble
    world.run(1010.0 + 60 + 75)
    assert "cannot be read" in world.state.trouble.reason
    assert (world.report().status, world.report().missed, world.starts) == ("unknown", 0, [])
    world.status = None
    world.run(1200.0)
    assert world.report().status == "healthy"
    assert not world.state.trouble or world.state.trouble.recovered_at
    world.beat(1300.0)
    world.beat(1400.0)
    world.run(1410.0)
    assert world.state.trouble is None


def test_a_dead_agent_whose_heartbeat_cannot_be_read_any_more_stays_escalated(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, glance=10.0)
    world.beat(1000.0)
    world.run(1000.0 + 2 * HOUR)
    assert world.report().status == "escalated"
    since = world.state.trouble.since
    world.status = "unreadable"
    world.run(1000.0 + 3 * HOUR)
    assert world.report().status == "escalated"
    assert world.state.trouble.since == since
