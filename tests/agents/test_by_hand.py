"""A restart that a person wants outranks all automation."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.state import ActionRecord, Resumed, SlotGranted
from collections_supervisor.messages import ActionOutcome, AgentCommand

Make = Callable[..., Any]

HOUR = 3600.0
MISS = 1000.0 + HOUR
RESTART = AgentCommand(what="restart", reason="it looks odd")
FAILED = ActionOutcome(result="failed", cause="exit status 1")


@pytest.fixture
def agent(make_world: Make) -> Make:
    def made(**settings: Any) -> Any:
        world = make_world(**settings)
        world.beat(1000.0)
        return world

    return made


def test_one_that_is_well_is_restarted_at_once_and_proven_by_a_beat(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=10.0, beat_after=20.0))
    world.run(1100.0)
    world.handle(RESTART)
    assert [(answer.ok, answer.sentence) for answer in world.answers] == [(True, "payment-watcher is being restarted")]
    assert world.starts == [1100.0]
    report = world.report()
    assert (report.status, report.detail, report.restarts) == ("restarting", "a restart by hand runs (openclaw)", 1)
    world.run(1130.0)
    assert world.of("agent.restart.succeeded")[0].fields["duration_ms"] == 20000
    assert (world.report().status, world.report().missed) == ("healthy", 0)
    started = world.of("agent.restart.started")[0]
    assert started.message == "restarting payment-watcher by hand: it looks odd"
    assert (started.fields["by_hand"], started.fields["action_id"]) == (True, world.answers[0].action_id)


def test_one_that_is_well_and_does_not_beat_after_it_is_not_restarted_again(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=10.0))
    world.run(1100.0)
    world.handle(RESTART)
    world.run(1100.0 + 20 * 60)
    assert "no heartbeat within 5 min 10 s" in world.of("agent.restart.failed")[0].message
    assert (len(world.starts), world.report().status, world.report().held) == (1, "healthy", None)


def test_it_is_outside_of_the_budget_and_counts_all_the_same(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=1.0, outcome=FAILED), restart={"per_hour": 1, "attempts_per_incident": 0})
    world.run(MISS + 60)
    report = world.report()
    assert (report.restarts, report.restarts_24h) == (1, 1)
    assert report.held is not None
    world.handle(RESTART)
    assert world.report().held is None, "the breaker is reset"
    report = world.report()
    assert (len(world.starts), report.restarts, report.restarts_24h, report.budget_left_24h) == (2, 2, 1, 11)


def test_the_attempts_begin_anew_with_it(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=1.0, outcome=FAILED))
    world.run(MISS + 10 * 60)
    assert (len(world.starts), world.report().held is not None) == (2, True)
    world.handle(RESTART)
    world.run(world.now + 10 * 60)
    assert len(world.starts) == 4, "this one and one of its own, then it is held again"
    assert world.report().held is not None
    assert [entry.fields.get("by_hand", False) for entry in world.of("agent.restart.started")] == [False, False, True, False]


def test_it_does_not_wait_for_the_backoff(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=1.0, outcome=FAILED), restart={"attempts_per_incident": 0})
    world.run(MISS + 2)
    assert world.state.next_attempt_at is not None
    world.handle(RESTART)
    assert world.starts == [MISS, MISS + 2]


def test_while_one_runs_there_is_no_second_one(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=60.0))
    world.run(MISS + 1)
    world.handle(RESTART)
    [answer] = world.answers
    assert not answer.ok
    assert answer.sentence.startswith("a restart of payment-watcher runs already since 2026-11-22T12:16:40")
    world.run(MISS + 90)
    assert (len(world.starts), world.overlapped) == (1, False)


def test_a_turn_that_was_granted_to_the_one_before_it_is_not_given_back(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=60.0))
    world.at = lambda *_: None  # nobody says that it has its turn, as yet
    world.run(MISS + 1)
    waiting = world.state.attempt.request.action_id
    del world.at
    world.handle(RESTART)
    assert world.state.attempt.phase == "running"
    assert world.handle(SlotGranted(action_id=waiting)) == [], "the slot is that of the restart that runs"


def test_the_wait_for_a_proof_gives_way_to_it(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=1.0))
    world.run(MISS + 60)
    assert world.state.attempt.phase == "proving"
    world.handle(RESTART)
    assert len(world.starts) == 2


def test_one_that_is_only_told_about_is_not_restarted(agent: Make) -> None:
    world = agent(restart={"kind": "none"})
    world.handle(RESTART)
    [answer] = world.answers
    assert (answer.ok, "restart.kind is none" in answer.sentence, world.starts) == (False, True, [])


@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize("beats", [True, False])
def test_it_is_allowed_under_a_pause_and_proven_there(agent: Make, script: Any, everyone: bool, beats: bool) -> None:
    world = agent(does=script(duration=5.0, beat_after=8.0 if beats else None))
    world.run(1100.0)
    world.handle(AgentCommand(what="pause", everyone=everyone))
    world.handle(RESTART)
    world.run(1109.0)
    assert (len(world.starts), world.report().status) == (1, "paused")
    assert bool(world.of("agent.restart.succeeded")) == beats
    world.run(1000.0 + 9 * HOUR)
    assert bool(world.of("agent.restart.failed")) != beats
    assert (len(world.starts), world.report().paused, world.report().missed, world.state.trouble) == (1, True, 0, None)


def test_a_pause_after_it_is_the_last_word(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=5.0))
    world.run(1100.0)
    world.handle(RESTART)
    world.run(1106.0)
    world.handle(AgentCommand(what="pause"))
    assert world.state.attempt is None
    world.run(1000.0 + 2 * HOUR)
    assert world.of("agent.restart.failed") == []


def test_of_one_that_was_well_nothing_is_missed_after_a_crash_of_ours(agent: Make, script: Any) -> None:
    world = agent(does=script(duration=50.0))
    world.run(1100.0)
    world.handle(RESTART)
    attempt = world.state.attempt
    record = ActionRecord(
        request=attempt.request,
        argv=("openclaw",),
        boot_id="boot",
        started=attempt.started,
        deadline=world.now + 150,
        attempts=1,
        restarts=1,
        pid=4711,
        start_time=1,
    )
    world.state = msgspec.structs.replace(world.state, attempt=None, restarts=0)
    world.handle(Resumed(record=record, running=True))
    assert (world.state.missed, world.report().status, world.report().restarts) == (0, "restarting", 1)


def test_an_owned_process_is_started_anew(make_world: Make, script: Any) -> None:
    world = make_world(does=script(duration=0.0), restart={"kind": "process"}, sources=())
    world.run(1100.0)
    assert len(world.starts) == 1
    world.handle(RESTART)
    assert (len(world.starts), world.report().restarts, world.report().restarts_24h) == (2, 1, 0)
    world.run(1120.0)
    assert world.of("agent.restart.succeeded")
