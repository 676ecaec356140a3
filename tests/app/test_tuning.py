"""The search for better settings."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.history import History
from collections_supervisor.app.tuning import search
from collections_supervisor.config.schema import AgentConfig, RestartPolicy

HOUR = 3600.0


def agent(**changes: Any) -> AgentConfig:
    return AgentConfig(**{"name": "a", "period": HOUR, "timeout": 1.5 * HOUR, "miss_interval": HOUR, **changes})


def history(*odd: float, steady: int = 2000) -> History:
    """Hourly beats, with these silences (in hours) spread among them."""
    gaps = [HOUR] * steady
    for number, gap in enumerate(odd):
        gaps.insert((number + 1) * steady // (len(odd) + 1) + number, gap * HOUR)
    return History(period=HOUR, gaps=tuple(gaps), days=sum(gaps) / 86_400)


def first_ragged(period: float, ragged_gaps: int = 120) -> History:
    """Ragged for a while, then steady: one deadline for both is a bad one for one of them."""
    draw = random.Random(7)
    ragged = [draw.choice((0.4, 1.0, 1.6, 2.4)) * period for _ in range(ragged_gaps)]
    gaps = (*ragged, *[period] * round(3000 * HOUR / period))
    return History(period=period, gaps=gaps, days=sum(gaps) / 86_400)


def test_the_least_time_is_found_that_keeps_what_is_allowed() -> None:
    # 86 days: two false escalations at 1 in 30 days.
    found = search(agent(), history(3.9, 3.5, 2.7, 2.3, 9.0), 1.0)
    assert found.allowed == 2
    fixed = found.fixed
    # Just longer than 2.7 h in minutes, all but the 7 that a restart needs before the first miss.
    assert (fixed.policy.timeout, fixed.policy.miss_interval) == (163 * 60 - 420, 420)
    assert fixed.quality.detection == pytest.approx(163 * 60 - HOUR / 2)
    assert (fixed.quality.false_escalations, fixed.quality.seen, fixed.quality.outages) == (2, 1, 1)
    assert found.present.quality.detection == 2 * HOUR
    assert found.present.quality.false_escalations == 3


def test_none_allowed_outlasts_every_silence_that_was_no_outage() -> None:
    found = search(agent(), history(3.9, 2.3, 9.0), 0.0)
    assert found.fixed.quality.false_escalations == 0
    assert found.fixed.policy.timeout + 420 == 235 * 60
    assert found.fixed.quality.seen == 1


def test_a_steady_agent_is_still_given_its_period_and_a_restart_its_time() -> None:
    found = search(agent(), history(9.0), 1.0)
    assert (found.fixed.policy.timeout, found.fixed.policy.miss_interval) == (1.2 * HOUR, 420)
    assert found.learned.policy.miss_interval == 420


def test_a_quick_agent_is_not_restarted_for_seconds() -> None:
    quick = History(period=10.0, gaps=(10.0,) * 5000, days=50_000 / 86_400)
    found = search(agent(period=10.0), quick, 1.0)
    assert (found.fixed.policy.timeout, found.fixed.policy.miss_interval) == (300, 420)
    found = search(agent(period=10.0, restart=RestartPolicy(kind="none")), quick, 1.0)
    assert (found.fixed.policy.timeout, found.fixed.policy.miss_interval) == (12, 1)


def test_one_miss_is_all_there_is_with_a_threshold_of_one() -> None:
    found = search(agent(miss_threshold=1), history(3.5, 2.7), 0.0)
    assert found.fixed.policy.timeout == 211 * 60
    assert found.fixed.quality.false_escalations == 0
    # A learned deadline has nothing else to keep a promise with.
    assert found.learned.quality.false_escalations == 2
    assert found.best is found.fixed


def test_more_misses_share_the_wait() -> None:
    found = search(agent(miss_threshold=4), history(3.5), 0.0)
    assert found.fixed.policy.timeout + 3 * found.fixed.policy.miss_interval == 211 * 60
    assert found.learned.quality.false_escalations == 0


def test_a_learned_deadline_is_proposed_where_it_is_sooner() -> None:
    found = search(agent(), first_ragged(HOUR), 0.0)
    assert found.best is found.learned
    assert found.learned.policy.adaptive
    assert found.learned.quality.false_escalations == 0
    assert (found.learned.quality.detection or 0) < (found.fixed.quality.detection or 0)


def test_present_settings_that_will_do_are_left_alone() -> None:
    past = history(3.9, 2.3, 9.0)
    first = search(agent(), past, 1.0)
    assert not first.present_will_do
    assert search(first.best.policy, past, 1.0).present_will_do
    too_soon = search(agent(timeout=1.1 * HOUR, miss_interval=60.0), past, 0.0)
    assert not too_soon.present_will_do


def ragged_minutes() -> History:
    """Sixty seconds apart, and for weeks now and then a silence of up to four minutes."""
    draw = random.Random(3)
    gaps = [60.0 + (draw.uniform(0, 180) if draw.random() < 0.02 else draw.uniform(-2, 2)) for _ in range(30_000)]
    return History(period=60.0, gaps=tuple(gaps), days=sum(gaps) / 86_400)


def test_seconds_are_not_bought_with_hundreds_of_paid_restarts() -> None:
    found = search(agent(period=60.0), ragged_minutes(), 1.0)
    learned = found.learned.quality
    assert (learned.detection or 0) < 0.95 * (found.fixed.quality.detection or 0)
    assert learned.false_misses_per_month > 100
    assert found.best is found.fixed
    assert found.best.quality.false_misses == 0
    # Where a miss costs nothing, sooner is better.
    free = search(agent(period=60.0, restart=RestartPolicy(kind="none")), ragged_minutes(), 1000.0)
    assert free.best.policy.timeout < 300


@pytest.mark.parametrize(("period", "best"), [(230.0, "fixed"), (250.0, "learned")])
def test_a_deadline_is_only_learned_where_it_cannot_be_too_short_for_a_paid_restart(period: float, best: str) -> None:
    found = search(agent(period=period, restart=RestartPolicy(timeout=1, verify_within=1)), first_ragged(period), 0.0)
    assert found.learned.quality.false_misses <= found.allowed_misses
    assert (found.learned.quality.detection or 0) < 0.95 * (found.fixed.quality.detection or 0)
    assert found.best is getattr(found, best)


def test_a_learned_deadline_that_costs_more_than_ten_restarts_in_a_month_is_not_proposed() -> None:
    found = search(agent(), first_ragged(HOUR, 400), 0.0)
    assert found.learned.quality.false_misses_per_month > 10
    assert (found.learned.quality.detection or 0) < 0.95 * (found.fixed.quality.detection or 0)
    assert found.best is found.fixed
    # Who may be woken more often may be cost more turns, too.
    assert found.learned.quality.false_misses < search(agent(), first_ragged(HOUR, 400), 3.0).allowed_misses


def test_false_misses_that_are_paid_are_bounded_also_with_a_fixed_deadline() -> None:
    # Five-minute beats, one in a hundred of them twice as late as usual: a human is told late enough by the wait alone.
    gaps = tuple(700.0 if number % 100 == 0 else 300.0 for number in range(20_000))
    past = History(period=300.0, gaps=gaps, days=sum(gaps) / 86_400)
    paid = search(agent(period=300.0), past, 1.0)
    assert paid.fixed.quality.false_misses <= paid.allowed_misses == pytest.approx(10 * past.days / 30)
    assert paid.fixed.policy.timeout == 705
    free = search(agent(period=300.0, restart=RestartPolicy(kind="process", command=("x",))), past, 1.0)
    assert free.fixed.quality.false_misses > paid.allowed_misses
    # Settings that waste hundreds of turns will not do, however soon they tell.
    wasteful = agent(period=300.0, timeout=360.0, miss_interval=420.0)
    assert not search(wasteful, past, 1.0).present_will_do


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.3, 8), min_size=1, max_size=60),
    st.floats(0, 40),
    st.integers(1, 3),
    st.sampled_from(["openclaw", "none"]),
)
def test_what_is_proposed_keeps_what_is_allowed(odd: list[float], rate: float, threshold: int, kind: Any) -> None:
    past = history(*odd, steady=300)
    found = search(agent(miss_threshold=threshold, restart=RestartPolicy(kind=kind)), past, rate)
    assert found.best.quality.false_escalations <= found.allowed <= rate * past.days / 30 + 1e-6
    assert found.best.quality.false_misses <= found.allowed_misses
    if kind == "none":
        assert found.best.quality.seen == found.best.quality.outages
    if threshold > 1:
        assert found.learned.quality.false_escalations <= found.allowed
