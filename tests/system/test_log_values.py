"""Whatever a caller logs becomes something JSON can carry."""

import json
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath
from typing import NoReturn

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.system.log_budget import MAX_NODES, Budget
from collections_supervisor.system.log_values import MAX_DEPTH, MAX_KEY, free_name, key_text, plain


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


class Point(msgspec.Struct):
    x: int
    where: Path


@dataclass
class Shown:
    n: int


class Loud(str):
    def __str__(self) -> NoReturn:
        raise RuntimeError("no")

    def __len__(self) -> NoReturn:
        raise RuntimeError("no")


class Broken:
    def __repr__(self) -> NoReturn:
        raise RuntimeError("no")


class Liar:
    """Fails as soon as anybody asks what it is."""

    def _refuse(self) -> NoReturn:
        raise RuntimeError("no")

    __class__ = property(_refuse)


def shown(value: object, longest: int = 8000) -> object:
    return plain(value, Budget(longest))


FORMS: list[tuple[object, object]] = [
    (None, None),
    (True, True),
    (3, 3),
    (2**63 - 1, 2**63 - 1),
    (2**63, str(2**63)),
    (-(2**63) - 1, str(-(2**63) - 1)),
    (10**5000, "<integer of 16610 bits>"),
    (0.1, 0.1),
    (float("nan"), "NaN"),
    (float("inf"), "Infinity"),
    (float("-inf"), "-Infinity"),
    ("a\nb", "a\nb"),
    ("/tmp/\udce9", "/tmp/\\udce9"),
    (Loud("text"), "text"),
    (b"ok\xff", "ok\\xff"),
    (bytearray(b"ok"), "ok"),
    (memoryview(b"ok"), "ok"),
    (Decimal("1250.00"), "1250.00"),
    (Decimal("sNaN"), "sNaN"),
    (PurePosixPath("/a/b"), "/a/b"),
    (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
    (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-5))), "2026-01-02T08:04:05.000000Z"),
    (datetime.fromisoformat("2026-01-02T03:04:05"), "2026-01-02T03:04:05.000000"),
    (date(2026, 1, 2), "2026-01-02"),
    (time(3, 4), "03:04:00"),
    (timedelta(minutes=1, milliseconds=500), 60.5),
    (Colour.RED, "red"),
    (Number.ONE, 1),
    ((1, "b"), [1, "b"]),
    (deque([1, 2]), [1, 2]),
    ({"b", "a"}, ["a", "b"]),
    (frozenset({1}), [1]),
    (OrderedDict(b=1, a={"c": None}), {"b": 1, "a": {"c": None}}),
    ({1: "a", "1": "b", None: "c"}, {"1": "a", "1_": "b", "None": "c"}),
    (Point(x=1, where=Path("/p")), {"x": 1, "where": "/p"}),
    (Shown(n=3), "Shown(n=3)"),
    (Broken(), "<Broken that cannot be shown>"),
    (Liar(), "<Liar that cannot be shown>"),
    ([Broken()], ["<Broken that cannot be shown>"]),
]


@pytest.mark.parametrize(
    ("value", "expected"), FORMS, ids=[f"{number}-{type(value).__name__}" for number, (value, _) in enumerate(FORMS)]
)
def test_each_kind_of_value_has_its_form(value: object, expected: object) -> None:
    assert shown(value) == expected


def test_an_exception_keeps_its_shape_wherever_it_is() -> None:
    assert shown([ValueError("bad")]) == [{"type": "ValueError", "message": "bad", "frames": []}]


def test_a_cycle_is_named() -> None:
    loop: list[object] = [1]
    loop.append({"again": loop})
    assert shown(loop) == [1, {"again": "<cycle>"}]


def test_the_same_object_twice_is_no_cycle() -> None:
    twice = [1]
    assert shown([twice, twice]) == [[1], [1]]


@pytest.mark.parametrize(
    "wrap", [lambda inner: [inner], lambda inner: {"k": inner}, lambda inner: (inner,)], ids=["list", "dict", "tuple"]
)
def test_nesting_ends_somewhere(wrap: Callable[[object], object]) -> None:
    value: object = "deep"
    for _ in range(5000):
        value = wrap(value)
    budget = Budget(8000)
    text = json.dumps(plain(value, budget))
    assert text.count("[") + text.count("{") == MAX_DEPTH
    assert "nested too deeply" in text
    assert budget.truncated


@pytest.mark.parametrize(
    "value",
    [list(range(10**6)), set(range(10**5)), dict.fromkeys(range(10**5)), [[1] * 100] * 100],
    ids=["list", "set", "dict", "nested"],
)
def test_members_are_bounded(value: object) -> None:
    budget = Budget(8000)
    assert len(json.dumps(plain(value, budget)).split(",")) <= MAX_NODES
    assert budget.truncated


def test_texts_are_bounded_one_by_one_and_together() -> None:
    budget = Budget(100)
    result = plain(["x" * 1000] * 20, budget)
    assert isinstance(result, list)
    assert [len(str(text)) for text in result[:4]] == [100, 100, 100, 100]
    assert all(len(str(text)) <= 64 for text in result[4:])
    assert str(result[0]).endswith("…")
    assert budget.truncated


def test_long_binary_data_is_cut_before_it_is_decoded() -> None:
    budget = Budget(8000)
    assert len(str(plain(b"x" * 10**7, budget))) < 8000
    assert budget.truncated


def test_long_keys_are_cut() -> None:
    assert len(key_text("k" * 1000, Budget(8000))) == MAX_KEY


def test_a_taken_name_gets_a_suffix() -> None:
    assert free_name("a", {"a": 1, "a_": 2}) == "a__"


hashable = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary()
leaves = hashable | st.decimals() | st.datetimes() | st.datetimes(timezones=st.timezones()) | st.timedeltas() | st.sets(hashable)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(hashable, inner), max_leaves=10
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a shared machine may be slow
@given(anything)
def test_whatever_it_is_strict_json_in_utf8_can_carry_it(value: object) -> None:
    encoded = msgspec.json.encode(plain(value, Budget(200)))
    assert json.loads(encoded) == json.loads(json.dumps(plain(value, Budget(200)), allow_nan=False))
