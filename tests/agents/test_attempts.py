"""Whether a restart is made, where the stories of `test_health` do not tell it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.health import step
from collections_supervisor.agents.state import ActionStarted, AskForSlot, GiveSlotBack, HeartbeatRead, RunAction, SlotGranted
from collections_supervisor.config.schema import Backoff
from collections_supervisor.messages import ActionOutcome, Beat, Emit

Make = Callable[..., Any]

HOUR = 3600.0
FAILED = ActionOutcome(result="failed", cause="exit status 1")


@pytest.fixture
def waiting(make_world: Make) -> Any:
    """A world whose agent has missed a heartbeat and waits for a slot."""
    world = make_world()
    world.beat(1000.0)
    world.run(1000.0 + HOUR - 1)
    world.at = lambda *_: None
    world.now = 1000.0 + HOUR
    world.handle(HeartbeatRead(reading=world.reading()))
    assert world.state.attempt.phase == "waiting"
    return world


def grant(world: Any) -> list[Any]:
    attempt = world.state.attempt
    granted = SlotGranted(action_id=attempt.request.action_id if attempt is not None else "another")
    world.state, effects = step(world.policy, world.state, granted, world.clock(), 0.0)
    return list(effects)


def reasons(effects: list[Any]) -> list[Any]:
    return [one.fields["reason"] for one in effects if isinstance(one, Emit) and one.event == "agent.restart.skipped"]


def test_a_slot_is_used_for_what_it_was_asked_for(waiting: Any) -> None:
    request = waiting.state.attempt.request
    assert grant(waiting) == [RunAction(request=request)]
    assert (request.attempt, request.agent, request.reason) == (1, "payment-watcher", "1 missed heartbeat")
    assert request.last_heartbeat == "2026-11-22T11:16:40.000000Z"


def test_a_slot_that_nobody_waits_for_is_given_back(make_world: Make) -> None:
    world = make_world()
    world.beat(1000.0)
    world.run(1100.0)
    assert grant(world) == [GiveSlotBack()]


def test_a_slot_of_an_attempt_that_was_dropped_leaves_the_present_one_in_the_line(waiting: Any) -> None:
    before = waiting.state
    state, effects = step(waiting.policy, before, SlotGranted(action_id="another"), waiting.clock(), 0.0)
    assert (state, effects) == (before, [])


def test_a_slot_that_comes_while_an_action_runs_is_given_back(waiting: Any) -> None:
    grant(waiting)
    waiting.handle(ActionStarted(at=waiting.clock().wall))
    effects = grant(waiting)
    assert effects == [GiveSlotBack()]
    assert waiting.state.attempt.phase == "running"


@pytest.mark.parametrize(("word", "told"), [("ok", "fresh_beat"), ("stuck", "held"), ("waiting", "held")])
def test_what_the_agent_said_while_the_slot_was_waited_for_saves_the_restart(waiting: Any, word: Any, told: str) -> None:
    waiting.beats.append(Beat(stamp=waiting.clock().wall, status=word))
    waiting.handle(HeartbeatRead(reading=waiting.reading()))
    effects = grant(waiting)
    assert GiveSlotBack() in effects
    assert not [effect for effect in effects if isinstance(effect, RunAction)]
    assert waiting.state.attempt is None
    if word == "ok":
        assert reasons(effects) == [told]
    else:
        # It did beat, but it asked for a person: "it beat again" would be only half of the truth.
        assert reasons(effects) != []


def test_nothing_is_restarted_that_cannot_be_read(waiting: Any) -> None:
    waiting.status = "unreadable"
    waiting.handle(HeartbeatRead(reading=waiting.reading()))
    effects = grant(waiting)
    assert GiveSlotBack() in effects
    assert waiting.state.attempt is None
    assert reasons(effects) != ["fresh_beat"], "no beat was seen"


def test_an_action_that_begins_for_an_attempt_given_up_changes_nothing(make_world: Make) -> None:
    world = make_world()
    world.beat(1000.0)
    world.run(1100.0)
    before = world.state
    world.handle(ActionStarted(at=world.clock().wall))
    assert world.state == before


@pytest.mark.parametrize(
    ("fresh", "expected"),
    [("last", [False, False, True]), ("never", [False, False, False]), ("overflow", [False, False, False])],
)
def test_when_a_new_session_is_begun(make_world: Make, script: Any, fresh: str, expected: list[bool]) -> None:
    world = make_world(does=script(outcome=FAILED), restart={"fresh": fresh, "attempts_per_incident": 3}, miss_interval=1e6)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 300)
    assert world.fresh == expected


def test_a_command_of_the_users_own_knows_no_sessions(make_world: Make, script: Any) -> None:
    plan = {"kind": "command", "command": ("bring-back",), "fresh": "last", "attempts_per_incident": 1}
    world = make_world(does=script(outcome=FAILED), restart=plan, miss_interval=1e6)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 10)
    assert world.fresh == [False]


def test_an_agent_of_kind_none_is_never_restarted(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + 2 * HOUR)
    assert (world.starts, world.report().status) == ([], "escalated")


def test_a_hold_is_said_once_and_is_one_while_it_lasts(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=FAILED), restart={"attempts_per_incident": 1}, glance=300.0)
    world.beat(1000.0)
    world.run(1000.0 + 12 * HOUR)
    assert [entry.fields["reason"] for entry in world.of("agent.restart.skipped")] == ["held"]
    assert world.report().held.reason == "1 restart attempt in a row did not bring it back"


def test_a_hold_by_the_budget_names_the_limits_that_are_set(make_world: Make, script: Any) -> None:
    for plan, words in (
        ({"per_hour": 1, "per_day": 0}, "the restart budget (1 an hour) is used up"),
        ({"per_hour": 0, "per_day": 1}, "the restart budget (1 a day) is used up"),
        ({"per_hour": 1, "per_day": 1}, "the restart budget (1 an hour, 1 a day) is used up"),
    ):
        world = make_world(does=script(outcome=FAILED), restart={"attempts_per_incident": 0, **plan})
        world.beat(1000.0)
        world.run(1000.0 + HOUR + 100)
        assert world.report().held.reason == words
        assert len(world.starts) == 1


def test_the_hold_of_a_budget_ends_with_recovery_too(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=FAILED), restart={"attempts_per_incident": 0, "per_hour": 1})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 100)
    assert world.report().held is not None
    world.beat()
    world.run(world.now + 5)
    assert (world.report().held, world.report().status) == (None, "healthy")


def test_a_hold_whose_time_has_come_is_gone_also_when_nothing_is_to_be_restarted(make_world: Make, script: Any) -> None:
    world = make_world(does=script(outcome=FAILED), restart={"attempts_per_incident": 0, "per_hour": 1}, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 100)
    until = world.report().held.until
    world.beat(status="waiting", message="captcha")
    world.run(1000.0 + 4 * HOUR)
    held = world.report().held
    assert held is None or held.until > world.clock().wall, f"held until {until}, which is over"


def test_backoff_is_kept_and_asked_for_once(make_world: Make, script: Any) -> None:
    plan = {"attempts_per_incident": 0, "backoff": Backoff(initial=100.0, max=100.0, jitter=0.0)}
    world = make_world(does=script(outcome=FAILED), restart=plan)
    world.beat(1000.0)
    asked: list[float] = []
    handle = world.handle

    def counted(event: Any) -> None:
        before = world.state.attempt
        handle(event)
        if before is None and world.state.attempt is not None:
            asked.append(world.now)

    world.handle = counted
    world.run(1000.0 + HOUR + 250)
    assert asked == world.starts == [1000.0 + HOUR, 1000.0 + HOUR + 101, 1000.0 + HOUR + 202]
    assert world.report().next_attempt_at == world.wall(1000.0 + HOUR + 303)


def test_no_slot_is_asked_for_by_an_agent_that_is_well(make_world: Make) -> None:
    world = make_world()
    world.beat(1000.0)
    world.run(1001.0)
    _, effects = step(world.policy, world.state, HeartbeatRead(reading=world.reading()), world.clock(), 0.0)
    assert not [effect for effect in effects if isinstance(effect, AskForSlot)]


def test_a_held_agent_gets_one_trial_at_a_time_where_that_is_wanted(make_world: Make, script: Any) -> None:
    plan = {"attempts_per_incident": 2, "trial_every": 2 * HOUR, "backoff": Backoff(initial=30.0, jitter=0.0)}
    world = make_world(does=script(outcome=FAILED), restart=plan, miss_interval=1e6, glance=60.0)
    world.beat(1000.0)
    begun = 1000.0 + HOUR
    world.run(begun + 100)
    assert world.report().held.until == world.wall(begun + 32 + 2 * HOUR)
    world.run(begun + 5 * HOUR)
    assert [at - begun for at in world.starts] == [0.0, 31.0, 32.0 + 2 * HOUR, 33.0 + 4 * HOUR]
    assert [entry.fields["attempt"] for entry in world.of("agent.restart.started")] == [1, 2, 2, 2]
    assert world.report().held.until == world.wall(begun + 34 + 6 * HOUR)
    assert world.state.trouble.held


def test_a_trial_is_made_within_the_budget(make_world: Make, script: Any) -> None:
    plan = {"attempts_per_incident": 1, "trial_every": 600.0, "per_hour": 2, "per_day": 0}
    world = make_world(does=script(outcome=FAILED), restart=plan, miss_interval=1e6, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 1900)
    assert len(world.starts) == 2
    assert "budget" in world.report().held.reason


def test_a_trial_after_the_limit_was_lifted_is_an_attempt_like_any_other(make_world: Make, script: Any) -> None:
    plan = {"attempts_per_incident": 1, "trial_every": 600.0}
    world = make_world(does=script(outcome=FAILED), restart=plan, miss_interval=1e6, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 10)
    world.policy = msgspec.structs.replace(
        world.policy, restart=msgspec.structs.replace(world.policy.restart, attempts_per_incident=0)
    )
    world.run(1000.0 + HOUR + 620)
    assert [entry.fields["attempt"] for entry in world.of("agent.restart.started")] == [1, 1]
