"""Going on where an earlier life of ours ended: nothing is forgotten, nothing begun or paid for twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.health import first_state, step
from collections_supervisor.agents.resuming import PREPARATION, ended, record_of
from collections_supervisor.agents.state import (
    ActionEnded,
    ActionRecord,
    ActionStarted,
    HeartbeatRead,
    Hold,
    Resumed,
    RunAction,
)
from collections_supervisor.config.schema import Backoff
from collections_supervisor.messages import ActionOutcome

Make = Callable[..., Any]

HOUR = 3600.0
MISS = 1000.0 + HOUR
"""When the agent of each story, which beat at 1000, has missed its first deadline."""

FAILED = ActionOutcome(result="failed", cause="exit status 1")


class Story:
    """A world that is killed, with what its journal and its snapshot hold at that moment."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.record: ActionRecord | None = None
        self.snapshot = world.state
        handle = world.handle

        def written(event: Any) -> Any:
            if isinstance(event, ActionEnded) and self.record is not None:
                self.record = ended(self.record)
            effects = handle(event)
            if isinstance(event, ActionStarted):
                self.record = record_of(world.policy, world.state, ("restart",), "boot", world.clock())
            return effects

        world.handle = written

    def until(self, instant: float) -> None:
        self.world.run(instant)
        self.snapshot = self.world.state

    def killed(self, away: float = 1.0, *, running: bool = False, lost: bool = False, journal: Any = "same") -> None:
        """Start again from the last snapshot, which is older than the record; or without any."""
        world = self.world
        world.state = first_state(world.clock()) if lost else self.snapshot
        record = self.record if journal == "same" else journal
        if not running:
            world.lose_action()
        world.die(away, record=record, running=running)


@pytest.fixture
def dead(make_world: Make) -> Callable[..., Story]:
    def made(**settings: Any) -> Story:
        world = make_world(**{"miss_interval": 1e6, "glance": 0.0, **settings})
        world.beat(1000.0)
        return Story(world)

    return made


def test_what_is_written_down_of_an_action(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=100.0), restart={"timeout": 120.0})
    story.until(MISS - 1)
    world = story.world
    before = story.record
    assert before is None
    world.run(MISS + 1)
    record = story.record
    assert record == ActionRecord(
        request=world.state.attempt.request,
        argv=("restart",),
        boot_id="boot",
        started=world.wall(MISS),
        deadline=MISS + PREPARATION + 120.0,
        attempts=1,
        restarts=1,
        starts=(world.wall(MISS),),
    )
    assert ended(record, FAILED) == msgspec.structs.replace(record, ended=True, outcome=FAILED)
    assert record_of(world.policy, story.snapshot, (), "boot", world.clock()) is None, "nothing has begun"


def test_no_record_of_an_attempt_that_only_waits(dead: Any) -> None:
    story = dead()
    story.until(MISS - 1)
    story.world.at = lambda *_: None
    story.world.now = MISS
    story.world.handle(HeartbeatRead(reading=story.world.reading()))
    assert story.world.state.attempt.phase == "waiting"
    assert record_of(story.world.policy, story.world.state, (), "boot", story.world.clock()) is None


PAID = ActionOutcome(result="failed", cause="no", tokens=700)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("away", [1.0, 2 * HOUR])
def test_what_earlier_turns_cost_is_known_without_any_state(dead: Any, script: Any, away: float, lost: bool) -> None:
    story = dead(does=script(outcome=PAID), restart={"attempts_per_incident": 0, "backoff": Backoff(initial=30.0, jitter=0.0)})
    story.until(MISS + 15)
    assert story.record.tokens_total == 0
    story.world.run(MISS + 32)
    assert (story.record.tokens_total, len(story.world.starts)) == (700, 2)
    story.killed(away, lost=lost, journal=ended(story.record, PAID))
    assert story.world.report().tokens_total == 1400


@pytest.mark.parametrize("lost", [False, True])
def test_an_action_that_is_newer_than_the_state_counts_and_may_be_proven(dead: Any, script: Any, lost: bool) -> None:
    story = dead(does=script(duration=100.0), restart={"verify_within": 60.0})
    story.until(MISS - 1)
    story.world.run(MISS + 10)
    story.killed(lost=lost)
    state, report = story.world.state, story.world.report()
    assert (report.restarts, report.restarts_24h, report.budget_left_24h) == (1, 1, 11)
    assert (state.attempts, state.starts) == (1, (MISS,))
    assert (state.attempt.phase, state.attempt.started) == ("proving", story.record.started)
    [said] = story.world.of("agent.restart.interrupted")
    assert (said.fields["action_id"], said.fields["reason"]) == (
        story.record.request.action_id,
        "this program ended while it ran",
    )
    story.world.beat()
    story.world.run(MISS + 20)
    assert (len(story.world.starts), story.world.names().count("agent.restart.succeeded")) == (1, 1)


def test_without_a_proof_it_has_failed_and_the_next_one_is_the_second(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=100.0), restart={"verify_within": 60.0, "backoff": Backoff(initial=40.0, jitter=0.0)})
    story.until(MISS - 1)
    story.world.run(MISS + 10)
    story.killed()
    story.world.run(MISS + 11 + 60 + 39)
    assert len(story.world.starts) == 1
    story.world.run(MISS + 11 + 60 + 41)
    assert len(story.world.starts) == 2
    assert story.world.state.attempt.request.attempt == 2


def test_an_action_that_still_runs_is_watched_again_and_judged(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=100.0, outcome=FAILED), restart={"attempts_per_incident": 1})
    story.until(MISS - 1)
    story.world.run(MISS + 10)
    story.killed(running=True)
    [said] = story.world.of("agent.restart.adopted")
    assert (said.level, said.fields["attempt"], said.fields["action_id"]) == ("warning", 1, story.record.request.action_id)
    assert story.world.state.attempt.phase == "running"
    assert story.world.report().detail == "attempt 1 runs (openclaw)"
    story.world.run(MISS + 99)
    assert (len(story.world.starts), story.world.state.attempt.phase) == (1, "running")
    story.world.run(MISS + 200)
    assert [entry.fields["reason"] for entry in story.world.of("agent.restart.failed")] == ["exit status 1"]
    assert (len(story.world.starts), story.world.report().held is not None) == (1, True)
    assert "agent.restart.interrupted" not in story.world.names()


def test_an_action_that_runs_and_was_in_the_snapshot_is_watched_too(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=100.0, beat_after=90.0))
    story.until(MISS + 10)
    story.killed(running=True)
    story.world.run(MISS + 150)
    assert (len(story.world.starts), story.world.report().restarts) == (1, 1)
    assert story.world.names().count("agent.restart.succeeded") == 1


def test_one_that_was_said_to_be_interrupted_is_not_said_to_be_again(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=100.0))
    story.until(MISS + 10)
    # Our own stop said it, and its end was not written down.
    story.killed()
    assert len(story.world.of("agent.restart.interrupted")) == 1
    proof = story.world.state.attempt.prove_by
    story.snapshot = story.world.state
    story.killed()
    story.killed()
    assert len(story.world.of("agent.restart.interrupted")) == 1
    assert story.world.state.attempt.prove_by == proof, "the time for its proof does not begin anew"
    assert len(story.world.starts) == 1


def test_one_that_ended_unseen_has_its_time_for_a_proof(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=5.0), restart={"verify_within": 60.0})
    story.until(MISS - 1)
    story.world.run(MISS + 6)
    story.killed(journal=ended(story.record))
    assert (story.world.state.attempt.phase, story.world.report().restarts) == ("proving", 1)
    [said] = story.world.of("agent.restart.interrupted")
    assert said.fields["reason"] == "this program ended before it was judged"
    story.world.run(MISS + 60)
    assert len(story.world.starts) == 1, "a second turn was paid for before the first could prove itself"


def test_one_that_ended_long_ago_has_nothing_left_to_prove(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=5.0), restart={"verify_within": 60.0})
    story.until(MISS - 1)
    story.world.run(MISS + 6)
    story.killed(HOUR, journal=ended(story.record))
    assert "agent.restart.interrupted" not in story.world.names()
    assert story.world.report().restarts == 1
    story.world.run(story.world.now + 1)
    assert (len(story.world.starts), story.world.state.attempts) == (2, 2)


def test_an_old_record_changes_nothing(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=5.0, outcome=FAILED))
    story.until(MISS + 7)
    assert story.world.state.attempt is None
    for record in (ended(story.record), story.record):
        story.killed(0.5, journal=record)
        assert (story.world.state.attempt, story.world.state.next_attempt_at) == (None, story.snapshot.next_attempt_at)
        assert "agent.restart.interrupted" not in story.world.names()


def test_an_attempt_that_waited_is_asked_for_anew(dead: Any) -> None:
    story = dead()
    world = story.world
    story.until(MISS - 1)
    at, world.at = world.at, lambda *_: None
    world.now = MISS
    world.look()
    story.snapshot, world.at = world.state, at
    assert story.snapshot.attempt.phase == "waiting"
    story.killed()
    assert world.state.attempt.phase == "waiting"
    world.run(world.now + 1)
    assert (len(world.starts), world.report().restarts) == (1, 1)


def test_a_budget_that_is_used_up_stays_so_without_any_state(dead: Any, script: Any) -> None:
    plan = {"per_hour": 2, "attempts_per_incident": 0, "backoff": Backoff(initial=10.0, max=10.0, jitter=0.0)}
    story = dead(does=script(outcome=FAILED), restart=plan)
    story.until(MISS + 60)
    assert len(story.world.starts) == 2
    story.killed(lost=True, journal=ended(story.record))
    story.world.run(MISS + 400)
    assert (len(story.world.starts), story.world.report().restarts_24h) == (2, 2)
    story.world.run(MISS + HOUR - 1)
    assert len(story.world.starts) == 2
    story.world.run(MISS + HOUR + 2)
    assert len(story.world.starts) == 3


def test_a_start_is_never_in_the_future_though_the_clock_was_set_back(dead: Any, script: Any) -> None:
    story = dead(does=script(outcome=FAILED))
    story.until(MISS + 60)
    story.world.set_clock(-10 * HOUR)
    story.killed(lost=True, journal=ended(story.record))
    assert story.world.state.starts
    assert max(story.world.state.starts) <= story.world.now


def test_a_boot_ends_what_ran_and_forgets_no_start(dead: Any, script: Any) -> None:
    story = dead(does=script(duration=100.0))
    story.until(MISS - 1)
    story.world.run(MISS + 10)
    story.world.state = story.snapshot
    story.world.lose_action()
    story.world.boot(HOUR, record=story.record)
    assert story.world.state.attempt.phase == "proving"
    [start] = story.world.state.starts
    assert story.world.wall(start) == story.record.started


def test_a_process_of_ours_is_started_anew_and_owes_no_proof(make_world: Make) -> None:
    world = make_world(restart={"kind": "process", "command": ("worker",)}, sources=())
    story = Story(world)
    story.until(1020.0)
    assert world.state.child is not None
    world.state = story.snapshot
    world.die(1.0, record=story.record)
    world.run(world.now + 1)
    assert [entry.fields["attempt"] for entry in world.of("agent.restart.started")] == [1]
    assert len(world.starts) == 2


def test_a_process_of_ours_that_was_being_started_is_interrupted(make_world: Make, script: Any) -> None:
    world = make_world(restart={"kind": "process", "command": ("worker",)}, sources=(), does=script(duration=5.0))
    story = Story(world)
    world.run(1001.0)
    world.lose_action()
    world.handle(Resumed(record=story.record))
    assert (world.state.attempt, world.state.child) == (None, None)
    assert len(world.of("agent.restart.interrupted")) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0.1, 400.0), st.floats(0.1, 100.0), st.booleans(), st.booleans()), min_size=1, max_size=5),
    st.sampled_from([2.0, 60.0]),
    st.booleans(),
)
def test_killed_again_and_again_it_pays_no_turn_twice(
    make_world: Make, script: Any, kills: list[tuple[float, float, bool, bool]], duration: float, fails: bool
) -> None:
    outcome = FAILED if fails else ActionOutcome(result="ok")
    plan = {"per_hour": 3, "attempts_per_incident": 0, "verify_within": 120.0, "backoff": Backoff(initial=30.0, jitter=0.0)}
    world = make_world(does=script(duration=duration, outcome=outcome), restart=plan, miss_interval=1e6, glance=30.0)
    world.beat(1000.0)
    story = Story(world)
    story.until(MISS - 1)
    for wait, away, survives, saved in kills:
        world.run(world.now + wait)
        if saved:
            story.snapshot = world.state
        attempt = world.state.attempt
        runs = survives and attempt is not None and attempt.phase == "running"
        story.killed(away, running=runs and world.now + away < world.starts[-1] + duration)
    world.run(world.now + 1000)
    for earlier, later in zip(world.starts, world.starts[1:], strict=False):
        assert later - earlier >= 30.0, "the backoff was forgotten"
    for start in world.starts:
        assert sum(1 for other in world.starts if other <= start < other + HOUR) <= 3
    assert world.report().restarts == len(world.starts)
    assert world.state.starts == tuple(pytest.approx(at) for at in world.starts)


def test_a_step_that_resumes_judges_nothing(dead: Any) -> None:
    story = dead()
    story.until(1100.0)
    now = msgspec.structs.replace(story.world.clock(), mono=MISS + 5, wall=story.world.clock().wall + timedelta(hours=1))
    state, effects = step(story.world.policy, story.world.state, Resumed(), now, 0.0)
    assert (state, effects) == (story.world.state, [])


def test_an_end_that_was_written_down_is_judged_as_it_was(dead: Any) -> None:
    story = dead()
    story.until(MISS - 1)
    story.world.run(MISS + 6)
    refused = ActionOutcome(result="failed", cause="no such agent", classified="configuration")
    story.killed(journal=ended(story.record, refused))
    world = story.world
    world.run(world.now + 1.0)
    assert world.state.hold.kind == "configuration"
    assert len(world.starts) == 1


@pytest.mark.parametrize("kind", ["attempts", "configuration", "terminal", "overflow", "budget", "shared"])
def test_a_hold_ends_when_somebody_changes_how_it_is_restarted(make_world: Make, kind: Any) -> None:
    world = make_world(restart={"attempts_per_incident": 1})
    world.beat(1000.0)
    world.run(1000.0 + HOUR + 400.0)
    assert world.state.hold is not None
    held = msgspec.structs.replace(world.state, hold=msgspec.structs.replace(world.state.hold, kind=kind))
    for change, ends in (({}, False), ({"message": "wake up"}, kind not in ("budget", "shared"))):
        policy = msgspec.structs.replace(world.policy, restart=msgspec.structs.replace(world.policy.restart, **change))
        after, _ = step(policy, held, Resumed(), world.clock(), 0.0)
        assert (after.hold is None) == ends
        assert after.attempts == (0 if ends else held.attempts)


def test_a_process_of_ours_is_started_with_us_whatever_was_before(make_world: Make) -> None:
    world = make_world(restart={"kind": "process", "command": ("worker",)}, sources=())
    world.run(1001.0)
    hold = Hold(kind="configuration", reason="exit code 78", since=world.clock().wall)
    for before in ({"hold": hold}, {"ended": True}):
        state = msgspec.structs.replace(world.state, child=None, attempt=None, **before)
        after, _ = step(world.policy, state, Resumed(), world.clock(), 0.0)
        after, effects = step(world.policy, after, HeartbeatRead(reading=world.reading()), world.clock(), 0.0)
        assert [effect for effect in effects if isinstance(effect, RunAction)]


def test_attempts_of_long_ago_are_no_row_any_more(dead: Any) -> None:
    story = dead()
    story.until(MISS - 1)
    story.world.run(MISS + 6)
    old = msgspec.structs.replace(story.record, started=story.record.started - timedelta(days=2))
    story.killed(lost=True, journal=ended(old))
    assert (story.world.state.attempts, story.world.state.restarts) == (0, 1)


def test_attempts_taken_over_are_forgiven_by_steady_beats(make_world: Make) -> None:
    world = make_world()
    world.state = msgspec.structs.replace(world.state, attempts=2)
    for number in range(4):
        world.beat(1000.0 + 300.0 * number)
    world.run(2000.0)
    assert world.state.attempts == 0
