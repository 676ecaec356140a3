"""Deadlines learned from an agent's own rhythm."""

import math
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.agents.learned import DEVIATIONS, ENOUGH, KEPT, add, deadline, interval_of
from collections_supervisor.config.hours import parse
from collections_supervisor.messages import Beat

HOUR = 3600.0
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def learn(*intervals: float, period: float = HOUR) -> tuple[float, ...]:
    known: tuple[float, ...] = ()
    for interval in intervals:
        known = add(known, interval, period)
    return known


# --- What is learned from --------------------------------------------------------------------------------------------


def test_the_last_intervals_are_kept() -> None:
    known = learn(*(HOUR + number for number in range(KEPT + 3)))
    assert known == tuple(HOUR + number for number in range(3, KEPT + 3))


def test_an_outage_counts_for_three_periods_at_most() -> None:
    assert learn(HOUR, 100 * HOUR, math.inf, 3 * HOUR) == (HOUR, 3 * HOUR, 3 * HOUR, 3 * HOUR)


@pytest.mark.parametrize("interval", [359.9, 0.0, -5.0, math.nan, -math.inf])
def test_a_run_of_beats_and_a_step_back_tell_nothing(interval: float) -> None:
    assert learn(HOUR, interval, 360.0) == (HOUR, 360.0)


def test_an_interval_is_what_passes_between_beats() -> None:
    later = Beat(stamp=NOON + timedelta(hours=26))
    assert interval_of(Beat(stamp=NOON), later, None) == 26 * HOUR
    assert interval_of(Beat(stamp=NOON), later, parse("09:00-13:00 UTC")) == 5 * HOUR
    assert interval_of(later, Beat(stamp=NOON), None) < 0


# --- What is learned -------------------------------------------------------------------------------------------------


def test_a_failure_is_what_comes_once_in_a_hundred_million_intervals() -> None:
    assert NormalDist().cdf(-DEVIATIONS) == pytest.approx(1e-8, rel=1e-9)


def test_until_enough_is_known_it_is_one_and_a_half_periods() -> None:
    assert deadline((), HOUR) == 1.5 * HOUR
    assert deadline((HOUR,) * (ENOUGH - 1), HOUR) == 1.5 * HOUR
    assert deadline((HOUR,) * ENOUGH, HOUR) == 1.25 * HOUR


def test_it_lies_where_phi_reaches_eight() -> None:
    intervals = (3400.0, 3800.0) * 50  # mean 3600, standard deviation 200
    found = deadline(intervals, HOUR)
    assert found == pytest.approx(3600 + 5.612 * 200, abs=0.1)
    longer = 0.5 * math.erfc((found - 3600) / 200 / math.sqrt(2))
    assert -math.log10(longer) == pytest.approx(8.0, abs=1e-6)


def test_a_steady_agent_gets_little_and_an_unsteady_one_much_time_within_bounds() -> None:
    assert deadline((HOUR,) * KEPT, HOUR) == 1.25 * HOUR
    assert deadline((0.4 * HOUR, 1.6 * HOUR) * 100, HOUR) == 2 * HOUR
    assert deadline((360.0,) * KEPT, HOUR) == 1.25 * HOUR
    assert deadline((3 * HOUR,) * KEPT, HOUR) == 2 * HOUR


def test_an_agent_that_beats_half_as_often_from_now_on_is_given_time_after_a_few_beats() -> None:
    steady = [HOUR] * KEPT
    assert deadline(learn(*steady, 2 * HOUR), HOUR) < 1.5 * HOUR
    assert deadline(learn(*steady, *[2 * HOUR] * 8), HOUR) == 2 * HOUR


def test_one_outage_is_forgotten_with_the_interval() -> None:
    known = learn(*[HOUR] * KEPT, 50 * HOUR)
    after_outage = deadline(known, HOUR)
    assert 1.25 * HOUR < after_outage < 2 * HOUR
    assert deadline(learn(*known, *[HOUR] * KEPT), HOUR) == 1.25 * HOUR


@given(st.lists(st.floats(0, 1e7), max_size=300), st.floats(1, 86_400))
def test_it_stays_within_its_bounds_whatever_the_agent_does(intervals: list[float], period: float) -> None:
    known = learn(*intervals, period=period)
    assert len(known) <= KEPT
    assert all(0.1 * period <= interval <= 3 * period for interval in known)
    assert 1.25 * period <= deadline(known, period) <= 2 * period
