"""Delays and budgets."""

from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.agents.backoff import DAY, HOUR, budget_left, budget_opens_at, delay, recent
from collections_supervisor.config.schema import Backoff, RestartPolicy

backoffs = st.builds(
    Backoff,
    initial=st.floats(0.01, 600),
    factor=st.floats(1, 1e6),
    max=st.floats(600, 86400),
    jitter=st.floats(0, 10),
)


def test_first_attempt_is_made_at_once_and_the_next_ones_wait_longer() -> None:
    backoff = Backoff(initial=30, factor=2, max=3600, jitter=0.5)
    assert [delay(backoff, attempt, 0.0) for attempt in range(1, 11)] == [0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_jitter_only_lengthens() -> None:
    assert delay(Backoff(initial=30, jitter=0.5), 2, 0.5) == 37.5


@given(backoffs, st.integers(2, 10**9), st.floats(0, 0.999999))
def test_delay_is_monotone_capped_and_never_shortened(backoff: Backoff, attempt: int, jitter: float) -> None:
    plain = delay(backoff, attempt, 0.0)
    assert delay(backoff, attempt - 1, 0.0) <= plain <= backoff.max
    assert plain <= delay(backoff, attempt, jitter) <= plain * (1 + backoff.jitter)


def test_budget_opens_when_the_oldest_start_of_the_full_window_leaves_it() -> None:
    policy = RestartPolicy(per_hour=2, per_day=3)
    assert budget_opens_at(policy, (), 0.0) is None
    assert budget_opens_at(policy, (0.0, 10.0), 20.0) == HOUR
    assert budget_opens_at(policy, (0.0, 10.0), HOUR) is None
    assert budget_opens_at(policy, (0.0, 10.0, HOUR), HOUR + 11) == DAY
    assert budget_left(policy, (0.0, 10.0, HOUR), HOUR + 11) == 0
    assert budget_left(policy, (0.0, 10.0, HOUR), DAY) == 1


def test_zero_means_unlimited() -> None:
    policy = RestartPolicy(per_hour=0, per_day=0)
    assert budget_opens_at(policy, tuple(float(n) for n in range(1000)), 1000.0) is None
    assert budget_left(policy, (1.0,), 2.0) is None


@given(st.integers(0, 5), st.integers(0, 8), st.lists(st.floats(0, 2 * HOUR), max_size=80))
def test_no_rolling_window_ever_holds_more_than_the_budget(per_hour: int, per_day: int, waits: list[float]) -> None:
    policy = RestartPolicy(per_hour=per_hour, per_day=per_day)
    now = 0.0
    kept: tuple[float, ...] = ()
    every: list[float] = []
    for wait in waits:
        now += wait
        if budget_opens_at(policy, kept, now) is None:
            kept = (*recent(kept, now), now)
            every.append(now)
    for start in every:
        if per_hour:
            assert sum(1 for other in every if other <= start < other + HOUR) <= per_hour
        if per_day:
            assert sum(1 for other in every if other <= start < other + DAY) <= per_day
