"""What outlives us."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from collections_supervisor.coordination.incident import FURTHEST
from collections_supervisor.coordination.state import ENDED, Crash, FleetState, forgive_crashes, note_crash, note_end, shifted
from collections_supervisor.messages import Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


@pytest.fixture
def state(make_world: Callable[..., Any], make_trouble: Callable[..., Trouble]) -> FleetState:
    """One of everything that has an instant."""
    world = make_world("a", "b", group_wait=0.0)
    world.state = note_crash(world.state, "reporter", "x", 990.0, EPOCH)
    for name in "ab":
        world.hear(name, trouble=make_trouble())
    world.look()
    world.hear("b")
    world.look(10.0)
    return world.state  # type: ignore[no-any-return]


def test_a_shift_moves_every_monotonic_instant_and_nothing_else(state: FleetState) -> None:
    moved = shifted(state, -400.0)
    assert [one.told_at for one in [*moved.open.values(), *moved.closing.values()]] == [600.0, 600.0, 600.0]
    assert moved.crashes["reporter"].last_at == 590.0
    assert shifted(moved, 400.0) == state
    assert shifted(state, 0.0) == state


def test_nothing_that_has_happened_is_moved_into_the_future(state: FleetState) -> None:
    moved = shifted(state, 500.0, 1495.0)
    assert [one.told_at for one in [*moved.open.values(), *moved.closing.values()]] == [1495.0, 1495.0, 1495.0]
    assert moved.crashes["reporter"].last_at == 1490.0


def test_a_shift_never_leaves_what_can_be_read_again(state: FleetState) -> None:
    for by in (FURTHEST, -FURTHEST):
        moved = shifted(shifted(state, by), by)
        assert msgspec.json.decode(msgspec.json.encode(moved), type=FleetState) == moved


def test_crashes_are_forgiven_one_by_one(state: FleetState) -> None:
    state = note_crash(state, "notifier", "y", 1200.0, EPOCH)
    assert forgive_crashes(state, 1000.0) is state
    assert list(forgive_crashes(state, 1590.0).crashes) == ["notifier"]
    again = note_crash(state, "reporter", "z", 1500.0, datetime(2027, 1, 1, tzinfo=UTC))
    assert (again.crashes["reporter"].since, again.crashes["reporter"].last_at) == (EPOCH, 1500.0), "it began when it began"


@pytest.mark.parametrize(
    "wrong",
    [
        {"told_at": 1e11},
        {"opened_at": "2026-11-22T11:00:00"},
        {"reminders": -1},
        {"sequence": 1e12},
        {"acknowledged_until": "2026-11-22"},
    ],
)
def test_what_we_could_not_have_written_is_refused(state: FleetState, wrong: dict[str, Any]) -> None:
    data = msgspec.to_builtins(state)
    data["open"]["agent/a"].update(wrong)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(data), type=FleetState)


def test_what_is_not_known_yet_is_ignored(state: FleetState) -> None:
    data = msgspec.to_builtins(state)
    data["version"] = 99
    data["weather"] = {"sunny": True}
    data["open"]["agent/a"]["mood"] = "good"
    known = msgspec.json.decode(msgspec.json.encode(data), type=FleetState)
    assert msgspec.structs.replace(known, version=1) == state


def test_a_crash_is_a_trouble_without_misses() -> None:
    trouble = Crash(since=EPOCH, reason="x", last_at=1.0).trouble
    assert (trouble.since, trouble.reason, trouble.missed, trouble.silent) == (EPOCH, "x", 0, False)


def test_the_newest_end_of_each_subject_is_remembered_within_bounds() -> None:
    ended = note_end(note_end({}, "agent/a/2026-11-22T11:00:00.000000Z"), "agent/b/2026-11-22T12:00:00.000000Z")
    ended = note_end(ended, "agent/a/2026-11-22T10:00:00.000000Z")
    assert ended == {"agent/b": "agent/b/2026-11-22T12:00:00.000000Z", "agent/a": "agent/a/2026-11-22T11:00:00.000000Z"}
    for number in range(ENDED - 1):
        ended = note_end(ended, f"agent/{number}/2026-11-22T11:00:00.000000Z")
    assert (len(ended), "agent/b" in ended, "agent/a" in ended) == (ENDED, False, True)
