"""What the coordinator is told of an agent."""

from collections.abc import Callable
from typing import Any

import pytest

from collections_supervisor.agents.state import HeartbeatRead
from collections_supervisor.agents.telling import SHOWN_LINES, changed
from collections_supervisor.config.schema import TouchSource
from collections_supervisor.messages import ActionOutcome, AgentChanged, Evidence, StaleLine

Make = Callable[..., Any]

HOUR = 3600.0
MISS = 1000.0 + HOUR


def told(world: Any) -> AgentChanged:
    return changed(world.policy, world.state, world.clock())


@pytest.fixture
def dead(make_world: Make) -> Make:
    def made(**settings: Any) -> Any:
        world = make_world(**settings)
        world.beat(1000.0)
        return world

    return made


def test_when_it_missed_and_when_that_becomes_trouble(dead: Make) -> None:
    world = dead(restart={"kind": "none"})
    world.run(MISS - 1)
    assert (told(world).missed_at, told(world).opens_at) == (None, world.wall(MISS + 900))
    world.run(MISS)
    assert (told(world).missed_at, told(world).opens_at, told(world).trouble) == (
        world.wall(MISS),
        world.wall(MISS + 900),
        None,
    )
    world.run(MISS + 900)
    assert (told(world).missed_at, told(world).opens_at) == (world.wall(MISS), None)
    assert told(world).trouble == world.state.trouble
    assert told(world).report == world.report()
    world.beat()
    world.run(world.now + 1)
    assert (told(world).missed_at, told(world).opens_at) == (None, None), "its trouble still stands"


def test_both_are_the_same_after_a_crash_of_ours_and_a_boot(dead: Make) -> None:
    for away in ("die", "boot"):
        world = dead(restart={"kind": "none"})
        world.run(MISS + 10)
        before = told(world)
        getattr(world, away)(5.0)
        assert (told(world).missed_at, told(world).opens_at) == (before.missed_at, before.opens_at)


def test_stale_lines_of_another_tool_are_no_deadline_of_ours(dead: Make) -> None:
    world = dead(restart={"kind": "none"})
    world.run(1100.0)
    world.lines = [StaleLine(stamp=world.wall(1050.0), ours=False)]
    world.run(1102.0)
    assert (world.report().missed, told(world).missed_at) == (1, None)
    assert told(world).opens_at == world.wall(MISS + 900)


@pytest.mark.parametrize("status", ["unreadable", "missing"])
def test_of_what_cannot_be_judged_nothing_is_foretold(dead: Make, status: str) -> None:
    world = dead()
    world.run(1100.0)
    world.status = status
    world.run(1300.0)
    assert (told(world).opens_at is None) == (status == "unreadable")


def test_silence_never_is_the_trouble_of_a_process_that_is_not_up(make_world: Make) -> None:
    world = make_world(restart={"kind": "process", "command": ("worker",)})
    world.run(1010.0)
    assert told(world).opens_at is not None
    world._run = lambda _: None
    world.exit_child(1020.0)
    world.run(1021.0)
    assert told(world).opens_at is None
    silent = make_world(restart={"kind": "process", "command": ("worker",)}, sources=())
    silent.run(1020.0)
    assert (told(silent).opens_at, told(silent).missed_at) == (None, None)


def test_a_restart_is_under_way_until_its_command_is_over(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=10.0))
    world.run(MISS - 1)
    assert not told(world).acting
    at, world.at = world.at, lambda *_: None
    world.now = MISS
    world.handle(HeartbeatRead(reading=world.reading()))
    assert (told(world).acting, world.state.attempt.phase) == (True, "waiting")
    world.at = at
    world.state = dead().state
    world.run(MISS + 5)
    assert (told(world).acting, world.state.attempt.phase) == (True, "running")
    world.run(MISS + 11)
    assert (told(world).acting, world.state.attempt.phase) == (False, "proving")


def test_what_was_seen_is_the_log_in_words_and_how_the_restart_failed(dead: Make, script: Any) -> None:
    outcome = ActionOutcome(
        result="failed",
        cause="exit status 3",
        exit_code=3,
        output_tail="no luck",
        task="main: running since noon",
        duration_s=1.0,
    )
    world = dead(does=script(outcome=outcome), restart={"attempts_per_incident": 1}, miss_interval=100.0)
    assert told(world).evidence == Evidence()
    world.run(MISS + 150)
    assert told(world).evidence == Evidence(
        lines=(
            "2026-11-22T12:16:40.000000Z: miss 1, recorded by us",
            "2026-11-22T12:18:20.000000Z: miss 2, recorded by us",
        ),
        cause="exit status 3",
        exit_code=3,
        output_tail="no luck",
        task="main: running since noon",
    )
    world.run(MISS + 1001)
    assert len(told(world).evidence.lines) == SHOWN_LINES
    assert told(world).evidence.lines[-1].endswith("miss 11, recorded by us")
    world.lines = [StaleLine(stamp=None, ours=False)]
    world.run(world.now + 2)
    assert told(world).evidence.lines == ("without a time: a miss, recorded by another program",)


def test_how_an_earlier_restart_failed_is_no_evidence_of_a_later_silence(dead: Make, script: Any) -> None:
    failed = ActionOutcome(result="failed", cause="exit status 3")
    world = dead(does=script(outcome=failed), miss_interval=1e6)
    world.run(MISS + 5)
    assert told(world).evidence.cause == "exit status 3"
    world.beat()
    world.run(world.now + 5)
    assert told(world).evidence == Evidence()


def test_nothing_is_recorded_where_nothing_can_be(make_world: Make) -> None:
    world = make_world(sources=(TouchSource(path="/x"),), restart={"kind": "none"})
    world.records = False
    world.beat(1000.0)
    world.run(MISS + 1000)
    assert (world.report().missed, told(world).evidence) == (2, Evidence())
