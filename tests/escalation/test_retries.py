"""When a delivery that failed is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation.retries import retry_delay


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 5), (2, 10), (3, 20), (8, 640), (9, 900), (10, 900), (10**9, 900)])
def test_it_doubles_up_to_a_quarter_of_an_hour(attempts: int, seconds: float) -> None:
    assert retry_delay(attempts, 0.5) == pytest.approx(seconds)


@given(st.integers(min_value=1), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_it_is_spread_by_a_fifth_either_way(attempts: int, jitter: float) -> None:
    middle = retry_delay(attempts, 0.5)
    assert 0.8 * middle - 1e-9 <= retry_delay(attempts, jitter) <= 1.2 * middle + 1e-9


def test_chance_makes_a_difference() -> None:
    assert retry_delay(3, 0.0) == pytest.approx(16)
    assert retry_delay(3, 0.999) == pytest.approx(24, abs=0.01)


@pytest.mark.parametrize(("asked", "seconds"), [(0, 5), (4, 5), (60, 60), (1e9, 900)])
def test_the_other_side_may_ask_for_more_time(asked: float, seconds: float) -> None:
    assert retry_delay(1, 0.5, asked) == pytest.approx(seconds)
