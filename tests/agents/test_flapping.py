"""An agent that goes up and down all the time: one trouble over all of it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.agents.flapping import ENDS, REMEMBERED, STARTS, change, flaps, remember
from collections_supervisor.agents.telling import changed

Make = Callable[..., Any]

verdicts = st.lists(st.booleans(), max_size=REMEMBERED).map(tuple)

UP, DOWN = True, False


def test_what_is_forgotten_is_the_oldest() -> None:
    assert remember((UP,), DOWN, UP) == (UP, DOWN, UP)
    full = (DOWN, *[UP] * (REMEMBERED - 1))
    assert remember(full, DOWN) == (*full[1:], DOWN)


@pytest.mark.parametrize(
    ("last", "percent"),
    [
        ((), 0.0),
        ((UP,) * 21, 0.0),
        ((DOWN,) * 21, 0.0),
        ((DOWN,), 6.25),  # the newest change weighs most
        ((DOWN, *[UP] * 20), 3.75),  # and the oldest least
        ((UP, DOWN) * 10 + (UP,), 100.0),
    ],
)
def test_how_much_of_it_is_change(last: tuple[bool, ...], percent: float) -> None:
    assert change(last) == pytest.approx(percent)


@given(verdicts)
def test_it_is_a_percentage_and_agrees_with_what_it_means(last: tuple[bool, ...]) -> None:
    percent = change(last)
    assert 0.0 <= percent <= 100.0 + 1e-9
    assert flaps(last, already=False) == (percent >= STARTS)
    assert flaps(last, already=True) == (percent >= ENDS)
    assert flaps(last, already=True) or not flaps(last, already=False), "what would start would not end"


# --- In the judgement ---


def troubles(world: Any) -> list[Any]:
    """Every trouble that the world was in from now on, and None for the times between, as it passes."""
    seen: list[Any] = []
    handle = world.handle

    def watched(event: Any) -> None:
        handle(event)
        seen.append((world.state.trouble, world.report().status, world.state.missed))

    world.handle = watched
    return seen


@pytest.fixture
def unsteady(make_world: Make) -> Any:
    """Beats every 60 s for half an hour; then only every second one for an hour; then every one again."""
    world = make_world(restart={"kind": "none"}, period=60.0, timeout=90.0, miss_interval=20.0, glance=5.0)
    for at in (*range(1000, 2800, 60), *range(2800, 6400, 120), *range(6400, 20000, 60)):
        world.beat(float(at))
    return world


def test_one_trouble_stands_over_all_the_ups_and_downs_and_ends_when_it_is_steady(unsteady: Any) -> None:
    unsteady.run(2799.0)
    assert (unsteady.state.trouble, unsteady.state.flapping) == (None, None)
    while unsteady.state.flapping is None:
        unsteady.run(unsteady.now + 10)
    [begun] = unsteady.of("agent.flapping.started")
    assert (begun.level, begun.fields["change_percent"] >= STARTS) == ("warning", True)
    since = unsteady.state.trouble.since
    seen = troubles(unsteady)
    unsteady.run(6401.0)
    assert {trouble.since for trouble, _, _ in seen if trouble} == {since}
    assert all(trouble for trouble, _, _ in seen)
    for trouble, status, missed in seen:
        assert (trouble.recovered_at is None, status == "escalated") == (bool(missed), bool(missed))
        assert missed or status in ("healthy", "late")
    assert {bool(missed) for _, _, missed in seen} == {True, False}
    unsteady.run(9000.0)
    [over] = unsteady.of("agent.flapping.stopped")
    assert over.fields["change_percent"] <= ENDS
    assert (unsteady.state.trouble, unsteady.state.flapping, unsteady.report().status) == (None, None, "healthy")
    assert len(unsteady.of("agent.flapping.started")) == 1


def test_it_does_not_end_the_moment_it_is_less(unsteady: Any) -> None:
    unsteady.run(6400.0)
    while change(unsteady.state.verdicts) >= STARTS:
        unsteady.run(unsteady.now + 60)
    assert change(unsteady.state.verdicts) >= ENDS
    assert unsteady.state.flapping is not None
    assert unsteady.state.trouble is not None
    assert unsteady.of("agent.flapping.stopped") == []


def test_one_that_dies_in_the_middle_of_it_is_told_as_dead_in_the_same_trouble(unsteady: Any) -> None:
    unsteady.run(6100.0)
    assert unsteady.state.flapping is not None
    since = unsteady.state.trouble.since
    unsteady._queue = []
    unsteady.run(8000.0)
    trouble = unsteady.state.trouble
    assert (trouble.since, trouble.missed > 2, trouble.recovered_at) == (since, True, None)
    assert trouble.reason.startswith("no heartbeat since")
    assert changed(unsteady.policy, unsteady.state, unsteady.clock()).trouble == trouble


def test_single_misses_are_said_and_are_no_trouble(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, timeout=100.0, miss_interval=1e6)
    for at in range(1000, 4000, 200):
        world.beat(float(at))
    world.run(3900.0)
    assert len(world.of("agent.flapping.started")) == 1
    assert world.state.trouble is None
    assert {status for _, status in world.statuses} == {"unknown", "healthy", "unhealthy"}


def test_all_of_it_survives_our_own_end(unsteady: Any) -> None:
    unsteady.run(4000.0)
    before = (unsteady.state.flapping, unsteady.state.verdicts, unsteady.state.trouble)
    assert before[0] is not None
    unsteady.die(0.5)
    assert (unsteady.state.flapping, unsteady.state.verdicts, unsteady.state.trouble) == before
    assert len(unsteady.of("agent.flapping.started")) == 1
