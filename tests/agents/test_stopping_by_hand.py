"""A process of ours that a person stops and starts, told as stories under made-up time."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.agents.health import next_due
from collections_supervisor.agents.saved import decode, dormant, encode
from collections_supervisor.agents.state import Answer, ChildExited, EndChild, Resumed
from collections_supervisor.agents.telling import changed
from collections_supervisor.config.schema import Backoff, LogSource
from collections_supervisor.messages import ActionOutcome, AgentCommand

Make = Callable[..., Any]

START = 1000.0
STOP = AgentCommand(what="stop", reason="a new release")
GO = AgentCommand(what="start")


@pytest.fixture
def make(make_world: Make, script: Any) -> Make:
    def made(*, does: Any = None, restart: dict[str, Any] | None = None, **agent: Any) -> Any:
        plan = {
            "kind": "process",
            "command": ("worker",),
            "attempts_per_incident": 0,
            "per_hour": 0,
            "per_day": 0,
            "backoff": Backoff(initial=1.0, max=300.0, jitter=0.0),
            **(restart or {}),
        }
        settled = {"sources": (), "startup_grace": 30.0, "timeout": 60.0, "miss_interval": 60.0, **agent}
        return make_world(does=does or script(duration=0.0), restart=plan, **settled)

    return made


def test_a_stopped_one_is_ended_and_stays_so_and_nothing_is_wrong_with_it(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(STOP)
    assert world.ended_by_hand == [START + 100]
    world.run(START + 100_000)
    report = world.report()
    assert (report.status, report.paused, report.missed, report.restarts, report.errors) == ("paused", True, 0, 0, ())
    assert report.detail.startswith("stopped by hand at 2026-")
    assert report.detail.endswith(": a new release")
    assert world.starts == [START]
    assert world.of("agent.stopped")[0].fields["reason"] == "a new release"


def test_a_stopped_one_is_not_judged_by_its_silence(make: Make, script: Any) -> None:
    world = make(sources=(LogSource(path=Path("/nowhere/worker.log")),), does=script(duration=0.0, beat_after=1.0))
    world.run(START + 20)
    world.handle(STOP)
    world.run(START + 5000)
    told = changed(world.policy, world.state, world.clock())
    assert (world.lines, told.trouble, told.missed_at, told.opens_at, told.report.next_deadline) == ([], None, None, None, None)
    world.handle(GO)
    world.run(START + 5000 + 15)
    assert (world.report().status, world.report().missed, len(world.starts)) == ("healthy", 0, 2)


def test_it_sleeps_until_it_is_started(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(STOP)
    assert next_due(world.policy, world.state, world.clock()) == math.inf
    world.run(START + 100 + 86_400)
    world.handle(GO)
    world.run(world.now + 1)
    assert world.starts[1:] == [START + 100 + 86_400]


def test_started_by_hand_is_no_restart_and_costs_none(make: Make) -> None:
    world = make(restart={"per_hour": 1})
    world.run(START + 100)
    for _ in range(3):
        world.handle(STOP)
        world.handle(GO)
        world.run(world.now + 20)
    assert len(world.starts) == 4
    assert (world.report().status, world.report().restarts, world.report().held) == ("healthy", 0, None)
    assert len(world.of("agent.started")) == 4


def test_a_stop_forgives_all_that_was_wrong(make: Make) -> None:
    world = make(restart={"no_restart_exit_codes": (78,)}, glance=10.0)
    world.exit_child(START + 100, exit_code=78)
    world.run(START + 200)
    assert world.report().status == "escalated"
    world.handle(STOP)
    assert (world.report().status, world.report().held, world.state.trouble) == ("paused", None, None)


@pytest.mark.parametrize("exit_code", [0, 78])
def test_a_start_outranks_whatever_keeps_it_down(make: Make, exit_code: int) -> None:
    world = make(restart={"no_restart_exit_codes": (78,), "ok_exit_codes": (0,)}, glance=10.0)
    world.exit_child(START + 100, exit_code=exit_code)
    world.run(START + 200)
    assert world.starts == [START]
    world.handle(GO)
    world.run(START + 220)
    assert world.starts == [START, START + 200]
    assert world.report().status == "healthy"


def test_a_start_does_not_wait_for_the_next_attempt(make: Make) -> None:
    world = make(restart={"backoff": Backoff(initial=200.0, max=300.0, jitter=0.0)})
    world.exit_child(START + 2)
    world.exit_child(START + 3)
    world.run(START + 10)
    assert len(world.starts) == 2
    assert world.state.next_attempt_at == START + 203
    world.handle(GO)
    assert world.starts[2:] == [START + 10]


def test_a_start_of_one_that_runs_changes_nothing_and_says_so(make: Make) -> None:
    world = make()
    world.run(START + 100)
    assert world.handle(GO) == [Answer(ok=True, sentence=f"{world.policy.name} runs already")]
    world.run(START + 200)
    assert world.starts == [START]


def test_a_second_stop_changes_nothing(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(STOP)
    since = world.state.stopped.since
    world.now += 5
    assert world.handle(AgentCommand(what="stop", reason="again")) == [
        Answer(ok=True, sentence=f"{world.policy.name} is stopped already")
    ]
    assert world.state.stopped.since == since


def test_a_stop_in_the_midst_of_a_start_ends_what_comes_of_it(make: Make, script: Any) -> None:
    world = make(does=script(duration=5.0))
    world.run(START + 1)
    assert world.state.attempt.phase == "running"
    assert [effect for effect in world.handle(STOP) if isinstance(effect, EndChild)]
    world.run(START + 60)
    assert (world.starts, world.state.child, world.report().status) == ([START], None, "paused")
    assert world.of("agent.restart.failed") == []


def test_its_own_end_in_the_moment_of_its_stop_is_no_failure(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(STOP)
    world.handle(ChildExited(exit_code=1, signal=None, uptime_s=100.0))
    world.run(START + 200)
    assert (world.report().errors, world.report().status, world.starts) == ((), "paused", [START])
    assert len(world.of("agent.exited")) == 1


def test_it_stays_stopped_over_our_own_ends_and_a_boot(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(STOP)
    world.die(10.0)
    world.run(world.now + 1000)
    world.boot(10.0)
    world.run(world.now + 1000)
    assert world.starts == [START]
    assert world.report().status == "paused"
    world.handle(GO)
    world.run(world.now + 20)
    assert (len(world.starts), world.report().status) == (2, "healthy")


def test_it_stays_stopped_while_nobody_watches_it(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(STOP)
    resting = decode(encode(dormant(world.state, world.now)), 0.0)
    assert resting.stopped == world.state.stopped


def test_a_pause_leaves_it_running_and_does_not_start_it_again(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(AgentCommand(what="pause"))
    assert world.ended_by_hand == []
    world.run(START + 200)
    assert world.state.child is not None
    world.exit_child(START + 200)
    world.run(START + 5000)
    assert (world.starts, world.report().status) == ([START], "paused")
    world.handle(AgentCommand(what="resume"))
    world.run(START + 5020)
    assert (world.starts, world.report().status) == ([START, START + 5000], "healthy")


def test_a_start_is_obeyed_in_a_pause_and_the_pause_goes_on(make: Make) -> None:
    world = make()
    world.handle(AgentCommand(what="pause"))
    world.run(START + 100)
    assert world.starts == []
    world.handle(GO)
    world.run(START + 200)
    assert (world.starts, world.report().status) == ([START + 100], "paused")
    assert world.state.child is not None


def test_a_resumed_one_that_is_stopped_stays_stopped(make: Make) -> None:
    world = make()
    world.run(START + 100)
    world.handle(STOP)
    world.handle(AgentCommand(what="pause"))
    world.handle(AgentCommand(what="resume"))
    world.run(START + 1000)
    assert (world.starts, world.report().status) == ([START], "paused")


@pytest.mark.parametrize("what", ["stop", "start"])
def test_what_is_no_process_of_ours_can_be_neither(make_world: Make, what: Any) -> None:
    world = make_world()
    before = world.state
    world.handle(AgentCommand(what=what))
    assert world.of("agent.command.refused")[0].fields["command"] == what
    assert (world.state.stopped, world.state.attempt, world.ended_by_hand) == (None, before.attempt, [])


def test_a_failed_start_by_hand_is_tried_again_like_any_other(make: Make, script: Any) -> None:
    failed = ActionOutcome(result="failed", cause="out of memory")
    world = make(does=lambda n: script(duration=0.0, outcome=failed if n == 1 else ActionOutcome(result="ok")))
    world.run(START + 100)
    world.handle(STOP)
    world.handle(GO)
    world.run(START + 200)
    assert (len(world.starts), world.report().status) == (3, "healthy")


def test_one_that_we_died_before_ending_is_ended_when_it_is_found(make: Make, script: Any) -> None:
    world = make()
    world.run(START + 100)
    record = world.record()
    world.handle(STOP)
    world.state = decode(encode(world.state), 0.0)
    effects = world.handle(Resumed(record=record, running=True))
    assert [effect for effect in effects if isinstance(effect, EndChild)]
    world.run(START + 300)
    assert (world.starts, world.state.child, world.report().status) == ([START], None, "paused")
