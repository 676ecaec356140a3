"""How restarts ended: each is counted once, whatever becomes of it and of us."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents import tally
from collections_supervisor.agents.health import first_state
from collections_supervisor.agents.resuming import ended, record_of
from collections_supervisor.agents.state import ActionRecord, ActionStarted, AgentState, Attempt, Resumed
from collections_supervisor.config.schema import Backoff
from collections_supervisor.messages import (
    DURATION_BOUNDS,
    ActionOutcome,
    ActionRequest,
    AgentCommand,
    Beat,
    Durations,
    RestartOutcome,
)

Make = Callable[..., Any]

HOUR = 3600.0
MISS = 1000.0 + HOUR
"""When the agent of each story, which beat at 1000, has missed its first deadline."""

FAILED = ActionOutcome(result="failed", cause="exit status 1")
OUTCOMES = st.sampled_from(
    [
        ActionOutcome(result="ok"),
        FAILED,
        ActionOutcome(result="timed_out", cause="no answer", hung=True),
        ActionOutcome(result="unknown", cause="lost"),
        ActionOutcome(result="interrupted", cause="stopped"),
        ActionOutcome(result="busy", cause="works", retry_after=30.0),
        ActionOutcome(result="failed", cause="billing", classified="shared", retry_after=700.0),
    ]
)


def under_way(state: AgentState) -> int:
    """Restarts whose end is still to be counted."""
    attempt = state.attempt
    return int(attempt is not None and attempt.started is not None and not attempt.first and not attempt.counted)


def assert_each_is_counted_once(state: AgentState) -> None:
    assert sum(state.outcomes.values()) + under_way(state) == state.restarts
    assert sum(state.durations.counts) == state.outcomes.get("succeeded", 0)


@pytest.fixture
def dead(make_world: Make) -> Make:
    def made(**settings: Any) -> Any:
        world = make_world(**{"miss_interval": 1e6, **settings})
        world.beat(1000.0)
        return world

    return made


# --- Every way in which a restart can end ---


@pytest.mark.parametrize(
    ("outcome", "beat_after", "counted"),
    [
        (ActionOutcome(result="ok"), 20.0, {"succeeded": 1}),
        (ActionOutcome(result="unknown", cause="lost"), 20.0, {"succeeded": 1}),
        (ActionOutcome(result="ok"), None, {"failed": 1}),
        (FAILED, None, {"failed": 1}),
        (FAILED, 0.5, {"failed": 1}),
        (ActionOutcome(result="timed_out", cause="no answer"), None, {"timed_out": 1}),
        (ActionOutcome(result="interrupted", cause="stopped"), None, {"interrupted": 1}),
        (ActionOutcome(result="interrupted", cause="stopped"), 20.0, {"interrupted": 1}),
        (ActionOutcome(result="busy", cause="works"), None, {}),
    ],
)
def test_each_end_is_counted_once(
    dead: Make, script: Any, outcome: ActionOutcome, beat_after: float | None, counted: dict[str, int]
) -> None:
    world = dead(does=script(outcome=outcome, beat_after=beat_after), restart={"attempts_per_incident": 1, "verify_within": 60.0})
    world.run(MISS + 0.2)
    assert world.state.outcomes == {}
    world.run(MISS + 300)
    assert world.state.outcomes == world.report().outcomes == counted
    assert_each_is_counted_once(world.state)


def test_how_long_it_took_is_counted_from_its_start_to_its_proof(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=3.0, beat_after=20.25))
    world.run(MISS + 100)
    durations = world.report().durations
    assert durations.sum_s == 20.25
    assert durations.counts.index(1) == DURATION_BOUNDS.index(30.0)
    [entry] = world.of("agent.restart.succeeded")
    assert entry.fields["duration_ms"] == 20250, "the log says the same"


def test_a_duration_belongs_to_the_class_whose_bound_it_reaches() -> None:
    for place, bound in enumerate(DURATION_BOUNDS):
        for seconds, expected in ((bound, place), (bound + 0.001, place + 1)):
            state = tally.with_end(_proving(), "succeeded", seconds)
            assert state.durations.counts.index(1) == expected


def _proving() -> AgentState:
    at = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
    request = ActionRequest(action_id="a-1", agent="a", attempt=1)
    attempt = Attempt(request=request, phase="proving", started=at, prove_by=2000.0)
    return AgentState(known_at=1000.0, known=at, restarts=1, attempt=attempt)


def test_an_agent_that_came_back_by_itself_proves_nothing(dead: Make, script: Any) -> None:
    """Its beat is stamped before the restart began, and was seen after it: nobody will ever know whether it worked."""
    world = dead(does=script(duration=3.0))
    world.run(MISS + 1.0)
    world.beats.append(Beat(stamp=world.wall(MISS - 0.5)))
    world.run(MISS + 100)
    assert world.state.attempt is None
    assert world.state.outcomes == {"interrupted": 1}


def test_a_person_who_pauses_it_ends_the_waiting(dead: Make, script: Any) -> None:
    for at in (MISS + 1.0, MISS + 30.0):
        world = dead(does=script(duration=10.0))
        world.run(at)
        world.handle(AgentCommand(what="pause"))
        world.run(MISS + 60.0)
        assert world.state.outcomes == {"interrupted": 1}
        assert_each_is_counted_once(world.state)


def owned(make_world: Make, script: Any, **restart: Any) -> Any:
    plan = {"kind": "process", "command": ("worker",), "attempts_per_incident": 0, "per_hour": 0, "per_day": 0}
    return make_world(
        does=script(duration=0.0), restart={**plan, "backoff": Backoff(initial=1.0, jitter=0.0), **restart}, sources=()
    )


def test_the_first_start_of_a_process_is_no_restart(make_world: Make, script: Any) -> None:
    world = owned(make_world, script)
    world.run(1100.0)
    assert (world.state.restarts, world.state.outcomes) == (0, {})
    world.exit_child(1200.0)
    world.run(1300.0)
    assert (world.state.restarts, world.state.outcomes) == (1, {"succeeded": 1})


@pytest.mark.parametrize(("exit_code", "counted"), [(1, {"failed": 1}), (0, {"interrupted": 1}), (78, {"failed": 1})])
def test_a_process_that_ends_before_its_proof(make_world: Make, script: Any, exit_code: int, counted: dict[str, int]) -> None:
    world = owned(make_world, script, ok_exit_codes=(0,))
    world.exit_child(1100.0)
    world.exit_child(1105.0, exit_code)
    world.run(1104.0)
    assert (world.state.restarts, world.state.outcomes) == (1, {})
    world.run(1105.5)
    assert world.state.outcomes == counted
    assert_each_is_counted_once(world.state)


def test_a_process_that_ends_with_us_before_its_proof(make_world: Make, script: Any) -> None:
    world = owned(make_world, script)
    world.exit_child(1100.0)
    world.run(1105.0)
    assert under_way(world.state)
    world.die(1.0)
    assert world.state.outcomes == {"interrupted": 1}
    world.run(1200.0)
    assert_each_is_counted_once(world.state)


# --- Over our own end and beginning ---


def test_a_restart_that_was_interrupted_and_proven_is_counted_as_the_former(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=30.0, beat_after=60.0))
    world.run(MISS + 10)
    world.lose_action()
    world.die(1.0)
    assert world.report().outcomes == {"interrupted": 1}
    world.run(MISS + 62)
    assert "agent.restart.succeeded" in world.names()
    assert world.report().outcomes == {"interrupted": 1}
    assert world.report().durations == Durations()


def test_a_proof_that_came_while_nobody_looked_took_no_longer_for_that(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=1.0, beat_after=45.0))
    world.run(MISS + 10)
    world.die(200.0)
    world.run(world.now + 1)
    assert (world.report().outcomes, world.report().durations.sum_s) == ({"succeeded": 1}, 45.0)


class Killed:
    """A world with its journal and the last snapshot of it."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.record: ActionRecord | None = None
        self.snapshot = world.state
        self.ends_at = 0.0
        handle, end, at = world.handle, world._end, world.at

        def handled(event: Any) -> Any:
            effects = handle(event)
            if isinstance(event, ActionStarted):
                self.record = record_of(world.policy, world.state, ("restart",), "boot", world.clock()) or self.record
            return effects

        def ending(script: Any) -> None:
            if self.record is not None and script.outcome.result != "busy":
                self.record = ended(self.record, script.outcome)
            end(script)

        def scheduled(instant: float, happen: Any) -> None:
            if happen is world._ending:
                self.ends_at = instant
            at(instant, happen)

        world.handle, world._end, world.at = handled, ending, scheduled

    def kill(self, away: float, *, running: bool, lost: bool = False) -> None:
        world = self.world
        world.state = first_state(world.clock()) if lost else self.snapshot
        if not running:
            world.lose_action()
        world.die(away, record=self.record, running=running)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.floats(0.1, 900.0), st.floats(0.1, 600.0), st.booleans(), st.sampled_from(["old", "new", "lost"])),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.tuples(st.sampled_from([0.0, 2.0, 60.0]), OUTCOMES, st.sampled_from([None, 0.5, 90.0])), min_size=1, max_size=4),
)
def test_killed_again_and_again_it_counts_each_restart_once(
    make_world: Make, script: Any, kills: list[tuple[float, float, bool, str]], plan: list[tuple[float, Any, float | None]]
) -> None:
    made = iter(range(10**9))

    def does(_: int) -> Any:
        duration, outcome, beat_after = plan[next(made) % len(plan)]
        return script(duration=duration, outcome=outcome, beat_after=beat_after)

    policy = {"per_hour": 0, "per_day": 0, "attempts_per_incident": 0, "verify_within": 120.0, "trial_every": 60.0}
    world = make_world(
        does=does, restart={**policy, "backoff": Backoff(initial=30.0, max=60.0, jitter=0.0)}, timeout=300.0, glance=30.0
    )
    world.beat(1000.0)
    story = Killed(world)
    world.run(1000.0 + 299.0)
    story.snapshot = world.state
    for wait, away, survives, kept in kills:
        world.run(world.now + wait)
        assert_each_is_counted_once(world.state)
        if kept == "new":
            story.snapshot = world.state
        attempt = world.state.attempt
        running = attempt is not None and attempt.phase == "running" and not attempt.counted
        story.kill(away, running=running and survives and world.now + away < story.ends_at, lost=kept == "lost")
        assert_each_is_counted_once(world.state)
        story.snapshot = world.state
    world.run(world.now + 1000.0)
    assert_each_is_counted_once(world.state)
    assert world.state.restarts == len(world.starts)


def test_what_an_older_release_wrote_down_takes_no_count_back(dead: Make, script: Any) -> None:
    world = dead(does=script(outcome=FAILED), restart={"attempts_per_incident": 0, "per_hour": 0})
    story = Killed(world)
    world.run(MISS + 10)
    assert story.record is not None
    story.snapshot = world.state
    world.run(MISS + 60)
    assert world.state.restarts == 2
    story.record = msgspec.structs.replace(story.record, outcomes={}, durations=Durations())
    story.kill(HOUR, running=False)
    assert world.state.outcomes == {"failed": 2}


def test_an_old_record_of_what_is_counted_adds_nothing(dead: Make, script: Any) -> None:
    world = dead(does=script(outcome=FAILED))
    story = Killed(world)
    world.run(MISS + 7)
    for _ in range(3):
        world.handle(Resumed(record=story.record))
    assert world.state.outcomes == {"failed": 1}


def test_a_record_of_a_running_action_whose_end_is_counted_counts_it_no_more() -> None:
    outcomes: dict[RestartOutcome, int] = {"interrupted": 1}
    state = tally.with_interruption(_proving())
    assert state.outcomes == outcomes
    assert tally.with_interruption(state) is state
    assert tally.with_end(state, "failed").outcomes == outcomes
    assert tally.with_end(state, "failed").attempt is None


def test_counts_of_two_histories_are_never_added_up() -> None:
    state = msgspec.structs.replace(_proving(), outcomes={"failed": 3, "succeeded": 1})
    longer = Durations(counts=(0, 2, *(0,) * 8), sum_s=3.0)
    merged = tally.with_at_least(state, {"failed": 2, "succeeded": 2, "timed_out": 1}, longer)
    assert merged.outcomes == {"failed": 3, "succeeded": 2, "timed_out": 1}
    assert merged.durations == longer
    assert tally.with_at_least(merged, {}, Durations()) == merged


def test_an_attempt_before_one_that_ended_long_ago_is_over_too(dead: Make, script: Any) -> None:
    """The snapshot knows the first only, the record the second."""
    world = dead(does=script(duration=1.0), restart={"verify_within": 60.0, "backoff": Backoff(initial=30.0, jitter=0.0)})
    story = Killed(world)
    world.run(MISS + 10)
    story.snapshot = world.state
    assert story.snapshot.attempt is not None
    world.run(MISS + 100)
    assert world.state.restarts == 2
    story.kill(HOUR, running=False)
    assert world.state.outcomes == {"failed": 1, "interrupted": 1}
    assert_each_is_counted_once(world.state)


def test_what_is_said_to_run_after_it_was_interrupted_is_counted_already(dead: Make, script: Any) -> None:
    world = dead(does=script(duration=50.0))
    story = Killed(world)
    world.run(MISS + 10)
    story.snapshot = tally.with_interruption(world.state)
    story.kill(1.0, running=True)
    world.run(MISS + 500)
    assert world.of("agent.restart.failed")
    assert world.state.outcomes["interrupted"] == 1
    assert_each_is_counted_once(world.state)
