"""How well settings detect outages: by replaying beats, and by the formula that stands in for that."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.quality import Quality, estimate, first_deadlines, least_wait, replay, wait
from collections_supervisor.config.hours import parse
from collections_supervisor.config.schema import AgentConfig, RestartPolicy

HOUR = 3600.0
START = 1_700_000_000.0
STEADY = (HOUR,) * 12
"""Long enough for a silence to be the only one among the last judgements that matter."""


def agent(**changes: Any) -> AgentConfig:
    values = {"name": "payment-watcher", "period": HOUR, "timeout": 1.5 * HOUR, "miss_interval": HOUR, "startup_grace": HOUR}
    return AgentConfig(**{**values, **changes})


def replayed(policy: AgentConfig, gaps: Sequence[float]) -> Quality:
    return replay(policy, list(accumulate(gaps, initial=START)), period=HOUR, outage_gap=4 * HOUR)


def estimated(policy: AgentConfig, gaps: Sequence[float]) -> Quality:
    days = sum(gaps) / 86_400
    return estimate(gaps, first_deadlines(policy, gaps), wait(policy), period=HOUR, outage_gap=4 * HOUR, days=days)


# --- Replay ----------------------------------------------------------------------------------------------------------


def test_an_outage_is_seen_two_periods_after_the_crash() -> None:
    found = replayed(agent(), [*STEADY, 10 * HOUR, *STEADY])
    assert (found.outages, found.seen, found.false_escalations, found.false_misses) == (1, 1, 0, 0)
    assert found.detection == found.detection_in_outages == pytest.approx(2 * HOUR)
    assert found.days == pytest.approx(34 / 24)


def test_a_long_silence_that_is_no_outage_is_a_false_escalation() -> None:
    found = replayed(agent(), [*STEADY, 2.6 * HOUR, *STEADY])
    assert (found.outages, found.false_escalations, found.false_misses) == (0, 1, 1)
    assert found.detection_in_outages is None
    assert found.false_escalations_per_month == pytest.approx(30 / found.days)
    assert found.false_misses_per_month == pytest.approx(30 / found.days)


def test_a_shorter_one_is_a_false_miss_alone() -> None:
    found = replayed(agent(), [*STEADY, 2.4 * HOUR, *STEADY, 1.4 * HOUR, *STEADY])
    assert (found.false_escalations, found.false_misses) == (0, 1)


def test_an_outage_that_the_settings_outwait_is_not_seen() -> None:
    found = replayed(agent(timeout=8 * HOUR), [*STEADY, 5 * HOUR, *STEADY, 9.1 * HOUR, *STEADY])
    assert (found.outages, found.seen) == (2, 1)


def test_every_silence_is_judged_by_itself() -> None:
    assert replayed(agent(), [*STEADY, 2.6 * HOUR, *STEADY, 2.6 * HOUR, *STEADY]).false_escalations == 2


def test_an_agent_that_goes_up_and_down_is_told_of_as_often_as_incidents_begin() -> None:
    # The judgement keeps one incident open over all of it.
    found = replayed(agent(), [*STEADY, *[2.6 * HOUR] * 12, *STEADY])
    assert found.false_misses == 12
    assert 1 <= found.false_escalations < 12


def test_the_policy_alone_decides_how_many_misses_it_takes() -> None:
    found = replayed(agent(miss_threshold=1), [*STEADY, 1.6 * HOUR, *STEADY])
    assert found.false_escalations == 1
    assert found.detection == pytest.approx(HOUR)


def test_a_learned_deadline_gives_a_steady_agent_less_time() -> None:
    steady = [HOUR] * 40
    fixed, learned = replayed(agent(), [*steady, 10 * HOUR]), replayed(agent(adaptive=True), [*steady, 10 * HOUR])
    assert fixed.detection_in_outages == pytest.approx(2 * HOUR)
    assert learned.detection_in_outages == pytest.approx(1.75 * HOUR)


def test_the_night_is_no_outage_of_an_agent_that_is_off() -> None:
    # Beats on the hour from 07:00 to 21:00; 1,700,031,600 is 07:00 UTC.
    days = [1_700_031_600.0 + day * 86_400 + hour * HOUR for day in range(4) for hour in range(15)]
    always = replay(agent(), days, period=HOUR, outage_gap=4 * HOUR)
    off = replay(agent(active_hours=parse("06:30-21:30 UTC")), days, period=HOUR, outage_gap=4 * HOUR)
    assert (always.outages, always.seen) == (3, 3)
    assert (off.outages, off.seen, off.false_escalations, off.false_misses) == (0, 0, 0, 0)


def test_neither_restarts_nor_how_it_is_watched_matter() -> None:
    gaps = [*STEADY, 10 * HOUR, *STEADY, 2.6 * HOUR]
    owned = agent(restart=RestartPolicy(kind="process", command=("x",)), sources=())
    assert replayed(owned, gaps) == replayed(agent(), gaps)


# --- The formula -----------------------------------------------------------------------------------------------------

# Far enough apart for each silence to be judged alone, and never a tie with a deadline.
silences = st.lists(st.sampled_from([1.1, 1.4, 1.63, 2.2, 2.45, 2.77, 3.3, 6.2, 30.0]), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(silences, st.booleans(), st.integers(1, 3), st.sampled_from([1.32, 1.5, 1.97]))
def test_it_says_what_a_replay_finds(odd: list[float], adaptive: bool, threshold: int, timeout: float) -> None:
    policy = agent(adaptive=adaptive, miss_threshold=threshold, timeout=timeout * HOUR)
    gaps = [gap * HOUR for silence in odd for gap in (*[1.0] * 25, silence)] + [HOUR] * 3
    by_replay, by_formula = replayed(policy, gaps), estimated(policy, gaps)
    for measure in ("detection", "detection_in_outages"):
        assert (getattr(by_formula, measure) or 0.0) == pytest.approx(getattr(by_replay, measure) or 0.0, rel=1e-6)
    for measure in ("false_escalations", "false_misses", "outages", "seen"):
        assert getattr(by_formula, measure) == getattr(by_replay, measure), measure


def test_a_deadline_is_learned_from_the_silences_before_it() -> None:
    found = first_deadlines(agent(adaptive=True, timeout=9 * HOUR), [HOUR] * 30)
    assert found == [9 * HOUR] + [1.5 * HOUR] * 19 + [1.25 * HOUR] * 10
    assert first_deadlines(agent(timeout=7.0), [1.0, 2.0]) == [7.0, 7.0]
    assert first_deadlines(agent(adaptive=True, period=None, timeout=7.0), [1.0]) == [7.0]


def test_nothing_to_detect_with_is_said() -> None:
    assert estimate([], [], 1.0, period=HOUR, outage_gap=4 * HOUR, days=1.0).detection is None


def test_the_wait_is_all_misses_but_the_first() -> None:
    assert wait(agent(miss_threshold=1)) == 0
    assert wait(agent(miss_threshold=3)) == 2 * HOUR


@given(st.lists(st.floats(1, 10), min_size=1, max_size=50), st.integers(0, 60), st.floats(0.5, 2))
def test_just_beyond_the_least_wait_no_more_than_allowed_are_told(gaps: list[float], allowed: int, deadline: float) -> None:
    deadlines = [deadline] * len(gaps)
    least = least_wait(gaps, deadlines, outage_gap=4.0, allowed=allowed)

    def told(waited: float) -> int:
        return estimate(gaps, deadlines, waited, period=1.0, outage_gap=4.0, days=1.0).false_escalations

    assert told(least + 1e-6) <= allowed
    if least > 0:
        assert told(least - 1e-6) > allowed


def test_pairs_of_beats_are_replayed_as_they_come() -> None:
    # A job that beats when it starts and when it ends must not look late, nor teach a deadline of seconds.
    gaps = [gap for _ in range(40) for gap in (2.0, HOUR - 2.0)]
    found = replayed(agent(adaptive=True), gaps)
    assert (found.false_misses, found.outages) == (0, 0)
