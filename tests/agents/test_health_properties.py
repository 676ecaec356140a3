"""What must hold whatever happens: budget, single flight, backoff, and every trouble ending with recovery."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.backoff import DAY, HOUR
from collections_supervisor.config.schema import Backoff
from collections_supervisor.messages import ActionOutcome

Make = Callable[..., Any]

outcomes = st.sampled_from(
    [
        ActionOutcome(result="ok"),
        ActionOutcome(result="ok"),
        ActionOutcome(result="failed", cause="exit code 1"),
        ActionOutcome(result="timed_out", cause="no answer", hung=True),
        ActionOutcome(result="unknown", cause="lost"),
        ActionOutcome(result="interrupted", cause="stopped"),
        ActionOutcome(result="busy", cause="works", retry_after=30.0),
        ActionOutcome(result="failed", cause="billing", classified="shared", retry_after=700.0),
        ActionOutcome(result="failed", cause="overflow", classified="overflow"),
        ActionOutcome(result="failed", cause="refused", classified="auth"),
    ]
)
durations = st.sampled_from([0.0, 0.5, 7.0, 120.0, 1000.0])
beats_after = st.one_of(st.none(), st.none(), st.sampled_from([0.0, 0.1, 3.0, 90.0, 2000.0]))
scripts = st.lists(st.tuples(durations, outcomes, beats_after), min_size=1, max_size=8)
policies = st.fixed_dictionaries(
    {
        "per_hour": st.integers(0, 5),
        "per_day": st.integers(0, 12),
        "attempts_per_incident": st.integers(0, 4),
        "verify_within": st.sampled_from([1.0, 300.0]),
        "fresh": st.sampled_from(["overflow", "last", "never"]),
        "backoff": st.builds(Backoff, initial=st.sampled_from([5.0, 60.0]), max=st.just(900.0), jitter=st.floats(0, 1)),
    }
)
own_beats = st.lists(st.floats(1000, 1000 + 26 * HOUR), max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policies, scripts, own_beats, st.sampled_from([600.0, 3600.0]), st.floats(0, 0.99))
def test_budget_single_flight_backoff_and_recovery(
    make_world: Make,
    script: Any,
    policy: dict[str, Any],
    plan: list[tuple[float, ActionOutcome, float | None]],
    beats: list[float],
    timeout: float,
    jitter: float,
) -> None:
    made = iter(range(10**9))

    def does(_: int) -> Any:
        duration, outcome, beat_after = plan[next(made) % len(plan)]
        return script(duration=duration, outcome=outcome, beat_after=beat_after)

    world = make_world(does=does, restart=policy, timeout=timeout, jitter=jitter, glance=300.0)
    for at in beats:
        world.beat(at)
    world.run(1000.0 + 27 * HOUR)
    assert not world.overlapped
    for limit, window in ((policy["per_hour"], HOUR), (policy["per_day"], DAY)):
        for start in world.starts:
            assert not limit or sum(1 for other in world.starts if other <= start < other + window) <= limit
    # Two steady beats end every trouble, whatever it was; one that went up and down all the time takes a little more.
    for number in range(22):
        world.beat(world.now + 1.0 + 60.0 * number)
    world.run(world.now + 22 * 60.0)
    assert world.report().status == "healthy"
    assert world.state.missed == 0
    assert world.state.trouble is None
    assert world.state.hold is None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 5), st.floats(0, 0.99), st.sampled_from([1.0, 30.0]))
def test_a_dead_agent_is_in_trouble_once_and_its_attempts_spread_out(
    make_world: Make, script: Any, threshold: int, jitter: float, initial: float
) -> None:
    plan = {
        "attempts_per_incident": 0,
        "per_hour": 0,
        "per_day": 0,
        "backoff": Backoff(initial=initial, factor=2, max=1800, jitter=0.5),
    }
    failed = ActionOutcome(result="failed", cause="exit code 1")
    world = make_world(
        does=script(outcome=failed), restart=plan, miss_threshold=threshold, timeout=600.0, jitter=jitter, glance=300.0
    )
    world.beat(1000.0)
    world.run(1000.0 + 12 * HOUR)
    assert [status for _, status in world.statuses].count("escalated") == 1
    waits = [later - earlier - 1.0 for earlier, later in zip(world.starts, world.starts[1:], strict=False)]
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(waits))
    assert all(wait <= 1800 * 1.5 + 1e-6 for wait in waits)
