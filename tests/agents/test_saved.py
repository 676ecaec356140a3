"""What is kept of an agent, and its return into the clocks of a later life of ours."""

import types
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Union

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents.health import first_state, step
from collections_supervisor.agents.saved import decode, dormant, encode
from collections_supervisor.agents.state import AgentState, HeartbeatRead
from collections_supervisor.agents.telling import changed
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.messages import DURATION_BOUNDS, Beat, Durations, Now, Reading

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
NOW = Now(mono=1000.0, wall=EPOCH)

DURATIONS = {"pardon", "intervals", "learned", "outcome.retry_after", "outcome.duration_s", "durations.sum_s"}
"""Seconds that are no instants. Every other float is one, and has to be moved from boot to boot."""

# Eighths of a second are exact, so that an instant and its shift add up exactly.
seconds = st.integers(-(2**33), 2**33).map(lambda eighths: eighths / 8)
stamps = st.integers(0, 10**15).map(lambda micros: EPOCH + timedelta(microseconds=micros - 5 * 10**14))


CLASSES = len(DURATION_BOUNDS) + 1


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Every value of an annotation as the structs have them."""
    if kind is Durations:
        counts = st.lists(st.integers(0, 9), min_size=CLASSES, max_size=CLASSES).map(tuple)
        return st.builds(Durations, counts=counts, sum_s=seconds)
    simple = {float: seconds, int: st.integers(0, 2**31), bool: st.booleans(), str: st.text(max_size=5), datetime: stamps}
    if kind in simple:
        return simple[kind]
    if kind is types.NoneType:
        return st.none()
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([anything(one) for one in inner])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        assert inner[1:] == (...,), f"what is a {kind}?"
        return st.lists(anything(inner[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(anything(inner[0]), anything(inner[1]))
    return st.builds(kind, **{name: anything(one) for name, one in typing.get_type_hints(kind).items()})


states = st.deferred(lambda: anything(AgentState))


def members(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value in a state, by the names that lead to it."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from members(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, tuple):
        for member in value:
            yield from members(member, path)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from members(member, f"{path}.{key}")
    else:
        yield path, value


@settings(max_examples=40)
@given(states)
def test_what_was_kept_comes_back_as_it_was(state: AgentState) -> None:
    assert decode(encode(state), 0.0) == state
    assert decode(msgspec.Raw(encode(state)), 0.0) == state


def test_what_is_no_text_is_kept_as_far_as_it_can_be_written() -> None:
    error = "cannot read /home/\udcff/a.log"
    state = AgentState(known_at=1000.0, known=EPOCH, source="unreadable", source_error=error, beat=Beat(stamp=EPOCH), beat_at=1.5)
    again = decode(encode(state), 0.0)
    assert again == msgspec.structs.replace(state, source_error="cannot read /home/?/a.log")


@settings(max_examples=40)
@given(states, seconds)
def test_every_instant_is_moved_and_nothing_else(state: AgentState, shift: float) -> None:
    known = msgspec.structs.replace(state, looked=None) if shift else state
    moved = list(members(decode(encode(state), shift)))
    for (path, before), (_, after) in zip(members(known), moved, strict=True):
        is_instant = isinstance(before, float) and path not in DURATIONS
        assert after == (before + shift if is_instant else before), path


def _fullest() -> Any:
    """A state in which every member has a value."""

    def full(kind: Any) -> Any:
        plain: dict[Any, Any] = {float: 1.0, int: 1, bool: True, str: "x", datetime: EPOCH}
        if kind in plain:
            return plain[kind]
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if origin in (Union, types.UnionType):
            return full(next(one for one in inner if one is not types.NoneType))
        if origin is Literal:
            return inner[0]
        if origin is tuple:
            return (full(inner[0]),)
        if origin is dict:
            return {full(inner[0]): full(inner[1])}
        if kind is Durations:
            return Durations(counts=(1,) * CLASSES, sum_s=1.0)
        return kind(**{name: full(one) for name, one in typing.get_type_hints(kind).items()})

    return full(AgentState)


def _elsewhere() -> AgentState:
    """The same in another boot, whose clocks cannot be compared with any of before."""
    full: AgentState = _fullest()
    return msgspec.structs.replace(full, looked=None)


def test_each_instant_is_moved_also_those_that_are_rarely_there() -> None:
    before, after = _elsewhere(), decode(encode(_fullest()), 5.0)
    assert {path for path, value in members(before) if isinstance(value, float)} > DURATIONS
    for (path, value), (_, moved) in zip(members(before), members(after), strict=True):
        assert moved == (6.0 if isinstance(value, float) and path not in DURATIONS else value), path


AHEAD = {"attempt.prove_by", "next_attempt_at", "hold.until", "ready_by", "grace_until", "pause.until", "pause_all.until"}
"""Instants that are waited for; all others have passed."""


def test_nothing_has_happened_later_than_now() -> None:
    before, after = _elsewhere(), decode(encode(_fullest()), 5.0, 3.0)
    for (path, value), (_, moved) in zip(members(before), members(after), strict=True):
        if isinstance(value, float) and path not in DURATIONS:
            assert moved == (6.0 if path in AHEAD else 3.0), path
        else:
            assert moved == value, path


def test_of_who_is_not_watched_any_more_its_attempts_are_forgiven_from_now_on() -> None:
    full = _fullest()
    assert dormant(full, 500.0).well_since == 1.0
    unwell = msgspec.structs.replace(full, well_since=None)
    assert dormant(unwell, 500.0).well_since == 500.0
    assert dormant(msgspec.structs.replace(unwell, attempts=0), 500.0).well_since is None
    assert dormant(dormant(unwell, 500.0), 600.0) == dormant(unwell, 500.0)
    assert (dormant(full, 500.0).tokens_total, full.tokens_total > 0) == (full.tokens_total, True)
    assert (dormant(full, 500.0).pause, dormant(full, 500.0).trouble, dormant(full, 500.0).attempt) == (full.pause, None, None)


def test_how_many_restarts_of_an_agent_there_were_is_known_when_it_is_watched_again() -> None:
    full = _fullest()
    under_way = msgspec.structs.replace(full, attempt=msgspec.structs.replace(full.attempt, first=False, counted=False))
    rested = dormant(under_way, 500.0)
    assert (rested.restarts, rested.durations) == (1, full.durations)
    assert rested.outcomes == {"succeeded": 1, "interrupted": 1}, "nobody waits for the proof of the one under way"
    assert dormant(rested, 500.0).outcomes == rested.outcomes


def test_durations_in_other_classes_than_ours_are_counted_anew() -> None:
    kept = b'{"known_at": 1.5, "known": "2026-11-22T11:00:00Z", "outcomes": {"succeeded": 3}, "durations": %b}'
    state = decode(kept % b'{"counts": [1, 2], "sum_s": 9.5}', 0.0)
    assert (state.outcomes, state.durations) == ({"succeeded": 3}, Durations())


def test_what_a_later_release_added_is_ignored() -> None:
    state = _fullest()
    plain = msgspec.json.decode(encode(state))
    plain["added_later"] = {"deep": [1, 2]}
    plain["attempt"]["added_later"] = 1
    plain["attempt"]["request"]["added_later"] = "x"
    assert decode(msgspec.json.encode(plain), 0.0) == state


def test_what_an_earlier_release_did_not_keep_has_its_default() -> None:
    assert decode(b'{"known_at": 1.5, "known": "2026-11-22T11:00:00Z"}', 0.5) == AgentState(known_at=2.0, known=EPOCH)


@pytest.mark.parametrize(
    ("garbage", "cause"),
    [
        (b"", "truncated"),
        (b"null", "Expected `object`"),
        (b"[" * 100_000, ""),
        (b'{"known_at": 1, "known": "2026-11-22T11:00:00Z", "x": ' + b"[" * 100_000, ""),
        (b'{"known_at": 1, "known": "2026-11-22T11:00:00Z", "last_exit": "\xff"}', ""),
        (b'{"known_at": 1}', "known"),
        (b'{"known_at": 1, "known": "2026-11-22T11:00:00"}', "has no time zone"),
        (b'{"known_at": 1, "known": "2026-11-22T11:00:00Z", "afresh": "2026-11-22T11:00:00"}', "has no time zone"),
        (b'{"known_at": 1e300, "known": "2026-11-22T11:00:00Z"}', "beyond all"),
        (b'{"known_at": 1e999, "known": "2026-11-22T11:00:00Z"}', ""),
        (b'{"known_at": 1, "known": "2026-11-22T11:00:00Z", "starts": [1, -1e12]}', "beyond all"),
        (b'{"known_at": 1, "known": "2026-11-22T11:00:00Z", "outcomes": {"failed": 4' + b"0" * 20 + b"}}", "beyond all"),
        (b'{"known_at": NaN, "known": "2026-11-22T11:00:00Z"}', ""),
        (b'{"known_at": 1, "known": "2026-11-22T11:00:00Z", "missed": 1' + b"0" * 500 + b"}", "beyond all"),
    ],
)
def test_anything_else_is_refused_in_words(garbage: bytes, cause: str) -> None:
    with pytest.raises(msgspec.DecodeError, match=cause or None):
        decode(garbage, 0.0)


@given(st.binary(max_size=60))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(noise, 0.0)


@settings(max_examples=40)
@given(st.data(), st.binary(min_size=1, max_size=3))
def test_a_state_with_a_hole_in_it_is_refused_or_can_be_worked_with(data: Any, noise: bytes) -> None:
    whole = encode(_fullest())
    at = data.draw(st.integers(0, len(whole) - 1))
    try:
        state = decode(whole[:at] + noise + whole[at + len(noise) :], 0.0)
    except msgspec.DecodeError:
        return
    works_with(state)


@settings(max_examples=40)
@given(states)
@example(first_state(NOW))
def test_whatever_was_kept_can_be_worked_with(state: AgentState) -> None:
    works_with(state)


def works_with(state: AgentState) -> None:
    policy = AgentConfig(name="mailer", sources=(LogSource(path="/nowhere"),))  # type: ignore[arg-type]
    judged, _ = step(policy, state, HeartbeatRead(reading=Reading(status="ok")), NOW, 0.0)
    assert changed(policy, judged, NOW).report.name == "mailer"


Make = Callable[..., Any]


def test_a_boot_keeps_every_instant_at_its_place_on_the_wall(make_world: Make) -> None:
    world = make_world(restart={"kind": "none"}, glance=60.0)
    world.beat(1000.0)
    world.run(1000.0 + 2 * 3600)
    before = world.report()
    world.boot(3600.0)
    after = world.report()
    assert (after.last_heartbeat, after.missed) == (before.last_heartbeat, before.missed)
    assert world.wall(world.state.beat_at) == before.last_heartbeat
    assert world.wall(world.state.known_at) == world.state.known
