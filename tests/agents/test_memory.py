"""A process of ours that may not use more than so much memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.agents.state import MemoryRead
from collections_supervisor.config.schema import Backoff, LogSource
from collections_supervisor.messages import AgentCommand, Beat

Make = Callable[..., Any]

START = 1000.0
MIB = 1 << 20


@pytest.fixture
def world(make_world: Make, script: Any) -> Any:
    return made(make_world, script)


def made(make_world: Make, script: Any, sources: Any = (), **restart: Any) -> Any:
    plan = {
        "kind": "process",
        "command": ("worker",),
        "attempts_per_incident": 0,
        "per_hour": 0,
        "per_day": 0,
        "backoff": Backoff(initial=1.0, max=300.0, jitter=0.0),
        "max_rss": 500 * MIB,
        **restart,
    }
    return make_world(does=script(duration=0.0, beat_after=1.0), restart=plan, sources=sources, timeout=3600.0)


def measure(world: Any, *mib: int) -> None:
    for rss in mib:
        world.run(world.now + 60)
        world.handle(MemoryRead(rss=rss * MIB))
    world.run(world.now + 20)


def test_one_measurement_over_it_is_no_reason(world: Any) -> None:
    measure(world, 100, 600, 500, 600, 100)
    assert world.starts == [START]
    assert world.report().errors == ()


def test_two_in_a_row_are_and_are_said_to_be(world: Any) -> None:
    measure(world, 600, 612)
    assert world.starts == [START, START + 120]
    [exceeded] = world.of("agent.memory.exceeded")
    assert (exceeded.fields["rss_bytes"], exceeded.fields["max_rss_bytes"]) == (612 * MIB, 500 * MIB)
    [started] = world.of("agent.restart.started")
    assert started.message.endswith("it uses more memory than it may")
    assert [error.reason for error in world.report().errors] == ["it uses 612 MiB of memory and may use 500 MiB"]
    assert (world.report().status, world.report().restarts) == ("healthy", 1)


def test_the_next_one_begins_anew(world: Any) -> None:
    measure(world, 600, 600)
    measure(world, 600)
    assert len(world.starts) == 2
    measure(world, 600)
    assert len(world.starts) == 3


def test_an_exit_in_between_begins_anew(world: Any) -> None:
    measure(world, 600)
    world.exit_child(world.now + 1)
    measure(world, 600)
    assert len(world.starts) == 2, "for its exit"


def test_a_pause_only_delays_it(world: Any) -> None:
    world.run(START + 10)
    world.handle(AgentCommand(what="pause"))
    measure(world, 600, 600, 600)
    assert world.starts == [START]
    world.handle(AgentCommand(what="resume"))
    world.run(world.now + 20)
    assert len(world.starts) == 2


def test_one_that_waits_for_a_person_is_left_to_him(make_world: Make, script: Any) -> None:
    world = made(make_world, script, sources=(LogSource(path=Path("/nowhere/worker.log")),))
    world.run(START + 5)
    world.beats.append(Beat(stamp=world.wall(START + 5), status="waiting", message="captcha"))
    measure(world, 600, 600)
    assert world.starts == [START]


def test_without_a_limit_nothing_is_counted(make_world: Make, script: Any) -> None:
    world = made(make_world, script, max_rss=None)
    measure(world, 600, 600)
    assert world.starts == [START]


def test_a_budget_counts_it_like_any_other(make_world: Make, script: Any) -> None:
    world = made(make_world, script, per_hour=1)
    measure(world, 600, 600)
    measure(world, 600, 600)
    assert len(world.starts) == 2
    assert world.report().status == "escalated"
