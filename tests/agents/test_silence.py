"""How long an agent may be silent, where the stories of `test_health` do not tell it."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collections_supervisor.agents import silence
from collections_supervisor.agents.silence import deadline_stamp, recorded_lines, stale_lines
from collections_supervisor.agents.state import AgentState
from collections_supervisor.config.schema import AgentConfig, LogSource, RestartPolicy
from collections_supervisor.messages import Beat, Now, StaleLine

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def policy(**agent: Any) -> AgentConfig:
    return AgentConfig(name="mailer", **{"sources": (LogSource(path=Path("/nowhere/mailer.log")),), **agent})


def state(**known: Any) -> AgentState:
    return AgentState(known_at=100.0, known=EPOCH, **known)


def at(instant: float) -> Now:
    return Now(mono=instant, wall=EPOCH + timedelta(seconds=instant - 100.0))


def first_deadline(settings: AgentConfig, known: AgentState) -> float | None:
    return silence.first_deadline(settings, known, at(0.0))


def deadlines_passed(settings: AgentConfig, known: AgentState, now: float) -> int:
    return silence.deadlines_passed(settings, known, at(now))


def next_deadline(settings: AgentConfig, known: AgentState, now: float) -> float | None:
    return silence.next_deadline(settings, known, at(now))


def test_an_agent_never_seen_has_its_startup_grace() -> None:
    assert first_deadline(policy(startup_grace=50.0, timeout=7.0), state()) == 150.0
    assert next_deadline(policy(startup_grace=50.0, miss_interval=10.0), state(), 171.0) == 180.0


def test_an_agent_without_sources_is_never_judged_by_silence() -> None:
    assert first_deadline(policy(sources=()), state(beat_at=1.0)) is None
    assert deadlines_passed(policy(sources=()), state(beat_at=1.0), 1e9) == 0
    assert next_deadline(policy(sources=()), state(beat_at=1.0), 1e9) is None


def test_a_process_of_ours_is_judged_from_its_start_on() -> None:
    ours = policy(restart=RestartPolicy(kind="process"), timeout=60.0)
    assert first_deadline(ours, state(beat_at=100.0)) is None
    assert first_deadline(ours, state(beat_at=100.0, ready_by=130.0)) == 160.0
    assert first_deadline(ours, state(beat_at=100.0, ready_by=1000.0)) == 1000.0


def test_contact_from_the_future_counts_from_when_it_was_first_seen() -> None:
    assert first_deadline(policy(timeout=60.0), state(beat_at=100.0, contact_at=150.0)) == 210.0
    assert first_deadline(policy(timeout=60.0), state(contact_at=150.0)) == 210.0


def test_busy_never_brings_the_deadline_nearer_and_ends_with_newer_contact() -> None:
    beat = Beat(stamp=EPOCH, status="busy", until=EPOCH + timedelta(seconds=10))
    assert first_deadline(policy(timeout=60.0), state(beat=beat, beat_at=100.0)) == 160.0
    later = Beat(stamp=EPOCH, status="busy", until=EPOCH + timedelta(seconds=200))
    assert first_deadline(policy(timeout=60.0), state(beat=later, beat_at=100.0)) == 300.0
    assert first_deadline(policy(timeout=60.0), state(beat=later, beat_at=100.0, contact_at=150.0)) == 210.0
    no_end = Beat(stamp=EPOCH, status="busy")
    assert first_deadline(policy(timeout=60.0), state(beat=no_end, beat_at=100.0)) == 160.0


@given(
    st.floats(0, 1e6),
    st.floats(0.1, 1e5),
    st.floats(0.1, 1e5),
    st.integers(0, 2000),
)
@example(0.0, 1.0, 63.1, 0)
@example(10003.355794185962, 99996.35579418596, 4112.0, 37)
def test_each_deadline_is_passed_exactly_when_it_was_said_to_be(
    beat_at: float, timeout: float, miss_interval: float, number: int
) -> None:
    settings = policy(timeout=timeout, miss_interval=miss_interval)
    silent = state(beat=Beat(stamp=EPOCH), beat_at=beat_at)
    first = first_deadline(settings, silent)
    assert first is not None
    now = first + number * miss_interval
    passed = deadlines_passed(settings, silent, now)
    due = next_deadline(settings, silent, now)
    assert due is not None
    assert due > now, "a deadline that is said to be due now, and does not count yet, would be slept through"
    assert deadlines_passed(settings, silent, due) == passed + 1


@pytest.mark.parametrize(("first", "interval", "number"), [(6704.116, 4130.8, 384), (8957.23, 900.1, 1072), (60.0, 15.0, 1)])
def test_a_deadline_is_not_passed_a_moment_too_early(first: float, interval: float, number: int) -> None:
    settings = policy(timeout=first, miss_interval=interval)
    silent = state(beat=Beat(stamp=EPOCH), beat_at=0.0)
    due = first + number * interval
    assert deadlines_passed(settings, silent, math.nextafter(due, 0.0)) == number
    assert deadlines_passed(settings, silent, due) == number + 1


@pytest.mark.parametrize(("kind", "counted"), [("openclaw", 3), ("process", 2)])
def test_which_lines_of_the_log_count(kind: Any, counted: int) -> None:
    beat = Beat(stamp=EPOCH)
    lines = (
        StaleLine(stamp=EPOCH, ours=False),
        StaleLine(stamp=EPOCH, ours=True, missed=9, last_heartbeat=EPOCH - timedelta(hours=1)),
        StaleLine(stamp=EPOCH, ours=True, missed=1, last_heartbeat=EPOCH),
        StaleLine(stamp=None, ours=False),
    )
    silent = state(beat=beat, beat_at=100.0, trailing=lines)
    assert stale_lines(policy(restart=RestartPolicy(kind=kind)), silent) == counted
    assert recorded_lines(silent) == 1


def test_lines_about_an_agent_never_seen() -> None:
    lines = tuple(StaleLine(stamp=EPOCH, ours=True, missed=n) for n in (1, 2))
    assert (stale_lines(policy(), state(trailing=lines)), recorded_lines(state(trailing=lines))) == (2, 2)
    assert recorded_lines(state()) == 0


def test_a_deadline_as_a_stamp_is_the_same_for_every_clock_reading() -> None:
    settings = policy(timeout=60.0, miss_interval=10.0)
    seen = [deadline_stamp(settings, state(beat=Beat(stamp=EPOCH), beat_at=at), 2) for at in (100.0, 100.000_000_1, 12345.678901)]
    assert seen == [EPOCH + timedelta(seconds=70)] * 3
    assert deadline_stamp(policy(startup_grace=50.0, miss_interval=10.0), state(), 1) == EPOCH + timedelta(seconds=50)
    assert deadline_stamp(policy(sources=(), timeout=60.0), state(), 1) == EPOCH + timedelta(seconds=60)
