"""How attempts end, where the stories of `test_health` and of owned processes do not tell it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.outcomes import MOST_TOKENS
from collections_supervisor.agents.saved import decode, encode
from collections_supervisor.agents.state import ActionEnded, Resumed
from collections_supervisor.config.schema import Backoff
from collections_supervisor.messages import ActionOutcome

Make = Callable[..., Any]

HOUR = 3600.0
MISS = 1000.0 + HOUR
"""When the agent of each story, which beat at 1000, has missed its first deadline."""

FAILED = ActionOutcome(result="failed", cause="exit status 1")


@pytest.fixture
def dead(make_world: Make) -> Make:
    def made(**settings: Any) -> Any:
        world = make_world(**{"miss_interval": 1e6, **settings})
        world.beat(1000.0)
        return world

    return made


def test_an_end_without_an_attempt_changes_nothing(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    before = world.state
    world.handle(ActionEnded(outcome=FAILED))
    assert world.state == before


def test_a_deadline_passed_is_an_event_of_its_own(dead: Make, script: Any) -> None:
    late = ActionOutcome(
        result="timed_out", cause="it did not end within 2 min", hung=True, duration_s=120.0, output_tail="thinking"
    )
    world = dead(does=script(duration=120.0, outcome=late))
    world.run(MISS + 121)
    [entry] = world.of("agent.restart.timed_out")
    assert entry.fields["duration_ms"] == 120_000
    assert entry.fields["output"] == "thinking"
    assert entry.message == "restarting payment-watcher timed out: it did not end within 2 min"
    assert world.report().errors[-1].reason == "restart timed out: it did not end within 2 min"
    assert "agent.restart.failed" not in world.names()


def test_what_a_turn_cost_is_told_with_its_proof_and_added_up(dead: Make, script: Any) -> None:
    costs = (2468, None, 1234)

    def does(number: int) -> Any:
        return script(outcome=ActionOutcome(result="ok", tokens=costs[number]), beat_after=20.0)

    world = dead(does=does, restart={"attempts_per_incident": 0})
    world.run(MISS + 2 * HOUR + 120)
    told = [(entry.fields["tokens"], entry.fields["tokens_total"]) for entry in world.of("agent.restart.succeeded")]
    assert told == [(2468, 2468), (None, 2468), (1234, 3702)]
    assert world.report().tokens_total == 3702


def test_a_turn_that_failed_cost_its_tokens_too(dead: Make, script: Any) -> None:
    refused = ActionOutcome(result="failed", cause="context_overflow", tokens=700)
    world = dead(does=script(outcome=refused))
    world.run(MISS + 2)
    [entry] = world.of("agent.restart.failed")
    assert (entry.fields["tokens"], entry.fields["tokens_total"], world.report().tokens_total) == (700, 700, 700)


def test_a_turn_without_a_proof_is_told_with_its_cost_and_counted_once(dead: Make, script: Any) -> None:
    world = dead(does=script(outcome=ActionOutcome(result="ok", tokens=700)), restart={"verify_within": 60.0})
    world.run(MISS + 62)
    [entry] = world.of("agent.restart.failed")
    assert "no heartbeat within" in entry.fields["reason"]
    assert (entry.fields["tokens"], entry.fields["tokens_total"], world.report().tokens_total) == (700, 700, 700)


def test_tokens_are_counted_no_further_than_can_be_saved(dead: Make, script: Any) -> None:
    world = dead(does=script(outcome=ActionOutcome(result="failed", cause="no", tokens=10**9)))
    world.run(MISS - 1)
    world.state = msgspec.structs.replace(world.state, tokens_total=MOST_TOKENS - 5)
    world.run(MISS + 2)
    assert decode(encode(world.state), 0.0).tokens_total == MOST_TOKENS


def test_an_unknown_outcome_is_an_error_on_the_page_and_may_still_be_proven(dead: Make, script: Any) -> None:
    world = dead(does=script(outcome=ActionOutcome(result="unknown", cause="the connection was lost"), beat_after=20.0))
    world.run(MISS + 10)
    assert world.report().errors[-1].reason == "restart with unknown outcome: the connection was lost"
    assert world.report().status == "restarting"
    world.run(MISS + 22)
    assert "agent.restart.succeeded" in world.names()


def test_a_refused_key_is_left_alone_for_a_minute(dead: Make, script: Any) -> None:
    refused = ActionOutcome(result="failed", cause="HTTP 401", classified="auth")
    for initial, pause in ((1.0, 60.0), (100.0, 100.0)):
        world = dead(does=script(outcome=refused), restart={"backoff": Backoff(initial=initial, jitter=0.0)})
        world.run(MISS + 150)
        assert world.starts == [MISS, MISS + 1 + pause]


def test_what_the_other_side_asks_for_lengthens_the_pause(dead: Make, script: Any) -> None:
    told = ActionOutcome(result="failed", cause="HTTP 503", retry_after=90.0)
    world = dead(does=script(outcome=told))
    world.run(MISS + 150)
    assert world.starts == [MISS, MISS + 1 + 90]


def test_a_shared_cause_without_a_time_waits_ten_minutes(dead: Make, script: Any) -> None:
    world = dead(does=script(outcome=ActionOutcome(result="failed", cause="quota", classified="shared")))
    world.run(MISS + 10)
    assert world.report().held.until == world.wall(MISS + 1 + 600)


def test_busy_without_a_time_is_looked_at_again_soon(dead: Make, script: Any) -> None:
    busy = ActionOutcome(result="busy", cause="works")
    calls: list[float] = []

    def does(_: int) -> Any:
        calls.append(world.now)
        return script(duration=1.0, outcome=busy)

    world = dead(does=does)
    world.run(MISS + 20)
    assert calls == [MISS, MISS + 11]
    assert (world.report().restarts, world.report().budget_left_24h) == (0, 12)


# --- A failure at a moment when nothing can be judged ---


def test_backoff_holds_also_when_the_attempt_failed_while_the_file_could_not_be_read(dead: Make, script: Any) -> None:
    plan = {"attempts_per_incident": 0, "backoff": Backoff(initial=300.0, jitter=0.0)}
    world = dead(does=script(duration=10.0, outcome=FAILED), restart=plan)
    world.run(MISS + 5)
    world.status = "unreadable"
    world.run(MISS + 20)
    world.status = None
    world.run(MISS + 400)
    assert world.starts == [MISS, MISS + 10 + 300]


def test_a_configuration_error_is_held_also_when_the_file_could_not_be_read(dead: Make, script: Any) -> None:
    wrong = ActionOutcome(result="failed", cause="program 'openclaw' is not found", classified="configuration")
    world = dead(does=script(duration=10.0, outcome=wrong))
    world.run(MISS + 5)
    world.status = "unreadable"
    world.run(MISS + 20)
    world.status = None
    world.run(MISS + 400)
    assert world.starts == [MISS]
    assert "is not found" in world.report().held.reason


def test_a_failure_of_an_agent_that_is_back_already_holds_nothing(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=10.0, beat_after=3.0, outcome=FAILED), restart={"attempts_per_incident": 1})
    world.run(MISS + 20)
    assert world.of("agent.restart.failed")
    assert (world.report().status, world.report().held, world.report().next_attempt_at) == ("healthy", None, None)


# --- Our own end and beginning ---


def test_an_interrupted_restart_is_paid_for_and_may_still_be_proven(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=30.0, beat_after=60.0))
    world.run(MISS + 10)
    world.handle(Resumed())
    [entry] = world.of("agent.restart.interrupted")
    assert entry.fields["action_id"] == world.state.attempt.request.action_id
    assert (world.state.attempt.phase, world.report().restarts) == ("proving", 1)
    world.run(MISS + 62)
    assert "agent.restart.succeeded" in world.names()
    assert world.starts == [MISS]


def test_a_restart_that_waited_for_its_slot_is_asked_for_anew(dead: Make) -> None:
    world = dead()
    world.at = lambda *_: None
    world.now = MISS
    world.beats.append(world_beat(world))
    from collections_supervisor.agents.state import HeartbeatRead

    world.handle(HeartbeatRead(reading=world.reading()))
    first = world.state.attempt.request
    world.now = MISS + 5
    world.handle(Resumed())
    assert not world.state.attempt, "what is known is old by now: the first reading judges"
    world.handle(HeartbeatRead(reading=world.reading()))
    assert world.state.attempt.phase == "waiting"
    assert world.state.attempt.request.attempt == first.attempt == 1
    assert world.state.restarts == 0


def world_beat(world: Any) -> Any:
    from collections_supervisor.messages import Beat

    return Beat(stamp=world.wall(1000.0))


def test_the_time_for_a_proof_goes_on_over_a_crash_of_ours(dead: Make, script: Any) -> None:
    world = dead(does=script(), restart={"verify_within": 60.0})
    world.run(MISS + 30)
    before = world.state.attempt
    world.handle(Resumed())
    assert world.state.attempt == before
    world.run(MISS + 62)
    assert world.of("agent.restart.failed")


def test_a_crash_while_nothing_was_under_way_changes_nothing(dead: Make) -> None:
    world = dead()
    world.run(1100.0)
    before = world.state
    world.handle(Resumed())
    assert world.state == before
