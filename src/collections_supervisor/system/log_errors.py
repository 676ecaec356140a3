"""Exceptions as values: what happened and where, without the variables."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from traceback import walk_tb
from types import TracebackType

import msgspec

from collections_supervisor.system.log_budget import Budget, Plain

MAX_FRAMES = 16
MAX_CAUSES = 4
CAUSE_FRAMES = 4


def error_value(error: BaseException, budget: Budget) -> dict[str, Plain]:
    """`{type, message, frames}`, innermost frame first, and `causes` with what led to it or what a group holds.

    Frames name file, line and function, never a variable: variables hold secrets.
    """
    first, *causes = islice(_causes(error), 1 + MAX_CAUSES)
    shown = _one_error(first, budget, MAX_FRAMES)
    if causes:
        shown["causes"] = [_one_error(cause, budget, CAUSE_FRAMES) for cause in causes]
    return shown


def error_text(text: str, budget: Budget) -> dict[str, Plain]:
    """An error of which only a text is known, in the same shape: a field has one type in every log store."""
    return {"type": "", "message": budget.text(text), "frames": []}


def described(error: Plain) -> tuple[str, str, str]:
    """Type, message and stack trace of an error in this shape; of anything else its text is the message."""
    if not isinstance(error, dict) or "frames" not in error:
        return "", error if isinstance(error, str) else msgspec.json.encode(error).decode(), ""
    causes = error.get("causes")
    errors = [error, *(each for each in causes if isinstance(each, dict))] if isinstance(causes, list) else [error]
    trace = "\ncaused by:\n".join(map(_trace, errors)) if error["frames"] or causes else ""
    return str(error.get("type", "")), str(error.get("message", "")), trace


def _trace(error: dict[str, Plain]) -> str:
    """As Python writes it, which is what tools look for: the innermost frame last."""
    frames = error.get("frames")
    places = [
        f'  File "{frame.get("file")}", line {frame.get("line")}, in {frame.get("function")}\n'
        for frame in reversed(frames if isinstance(frames, list) else [])
        if isinstance(frame, dict)
    ]
    return f"Traceback (most recent call last):\n{''.join(places)}{error.get('type')}: {error.get('message')}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, the members of groups, and what each was raised from; nearest first, each once."""
    waiting = deque([error])
    seen: set[int] = set()
    while waiting:
        current = waiting.popleft()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions[:MAX_CAUSES])
        cause = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if cause is not None:
            waiting.append(cause)


def _one_error(error: BaseException, budget: Budget, most_frames: int) -> dict[str, Plain]:
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the `__str__` of a foreign exception may raise anything
        message = "<message that cannot be shown>"
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {
        "type": budget.text(name),
        "message": budget.text(message),
        "frames": _frames(error.__traceback__, budget, most_frames),
    }


def _frames(trace: TracebackType | None, budget: Budget, most: int) -> list[Plain]:
    kept = deque(walk_tb(trace), maxlen=most)
    return [
        {
            "file": budget.text(frame.f_code.co_filename),
            "line": line,
            "function": budget.text(frame.f_code.co_qualname),
        }
        for frame, line in reversed(kept)
    ]
