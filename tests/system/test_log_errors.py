"""Exceptions as values."""

from collections.abc import Callable
from typing import NoReturn

import msgspec
import pytest

from collections_supervisor.system.log_budget import Budget
from collections_supervisor.system.log_errors import CAUSE_FRAMES, MAX_CAUSES, MAX_FRAMES, error_text, error_value


def raised(make: Callable[[], object]) -> Exception:
    try:
        make()
    except Exception as error:  # noqa: BLE001 - whatever the test wants to look at
        return error
    pytest.fail("nothing was raised")


def inner(password: str) -> NoReturn:
    raise ValueError("bad value")


def outer() -> NoReturn:
    inner("hunter2")


def chained() -> NoReturn:
    try:
        outer()
    except ValueError as error:
        raise LookupError("not found") from error


def value_of(error: BaseException) -> dict[str, object]:
    return msgspec.convert(error_value(error, Budget(8000)), dict[str, object])


def frames_of(error: BaseException) -> list[dict[str, object]]:
    return msgspec.convert(value_of(error)["frames"], list[dict[str, object]])


def test_it_says_what_and_where_innermost_first() -> None:
    error = raised(outer)
    value = value_of(error)
    assert list(value) == ["type", "message", "frames"]
    assert (value["type"], value["message"]) == ("ValueError", "bad value")
    frames = frames_of(error)
    assert [frame["function"] for frame in frames] == ["inner", "outer", "raised"]
    assert frames[0] == {"file": __file__, "line": inner.__code__.co_firstlineno + 1, "function": "inner"}


def test_variables_are_never_shown() -> None:
    assert b"hunter2" not in msgspec.json.encode(error_value(raised(chained), Budget(8000)))


def test_a_type_outside_the_builtins_is_named_with_its_module() -> None:
    assert value_of(msgspec.ValidationError("x"))["type"] == "msgspec.ValidationError"


def test_the_cause_stands_behind_it() -> None:
    value = value_of(raised(chained))
    assert value["type"] == "LookupError"
    causes = msgspec.convert(value["causes"], list[dict[str, object]])
    assert [(cause["type"], cause["message"]) for cause in causes] == [("ValueError", "bad value")]


def test_a_suppressed_context_stays_away() -> None:
    def quiet() -> NoReturn:
        try:
            outer()
        except ValueError:
            raise LookupError("not found") from None

    assert "causes" not in value_of(raised(quiet))


def test_the_members_of_a_group_are_shown() -> None:
    group = BaseExceptionGroup("two", [ValueError("a"), ExceptionGroup("nested", [KeyError("b")])])
    causes = msgspec.convert(value_of(group)["causes"], list[dict[str, object]])
    assert [cause["type"] for cause in causes] == ["ValueError", "ExceptionGroup", "KeyError"]


def test_causes_and_frames_are_bounded() -> None:
    def deep(depth: int) -> NoReturn:
        if depth:
            deep(depth - 1)
        raise ValueError("deep")

    error = raised(lambda: deep(100))
    for _ in range(100):
        nested = raised(lambda: deep(50))
        nested.__cause__ = error
        error = nested
    causes = msgspec.convert(value_of(error)["causes"], list[dict[str, object]])
    assert len(frames_of(error)) == MAX_FRAMES
    assert [len(msgspec.convert(cause["frames"], list[object])) for cause in causes] == [CAUSE_FRAMES] * MAX_CAUSES


def test_causes_in_a_circle_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    causes = msgspec.convert(value_of(first)["causes"], list[dict[str, object]])
    assert [cause["message"] for cause in causes] == ["b"]


def test_a_message_that_raises_is_replaced() -> None:
    class BrokenError(Exception):
        def __str__(self) -> NoReturn:
            raise RuntimeError("no")

    assert value_of(BrokenError())["message"] == "<message that cannot be shown>"


def test_a_text_has_the_same_shape() -> None:
    assert error_text("exit status 1", Budget(8000)) == {"type": "", "message": "exit status 1", "frames": []}
