"""What anyio has no word for: the event loop's own error handler, and the stacks of its tasks."""

import asyncio  # noqa: TID251 - the one place that talks to the loop itself
from collections.abc import Callable, Iterator
from typing import Any

Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

STACK = 4000
"""Characters of one task's stack; its end, where it waits, is what matters."""


def report_loop_errors(handler: Handler) -> None:
    """Have `handler` told of errors that no task can raise any more."""
    asyncio.get_running_loop().set_exception_handler(handler)


def task_stacks() -> Iterator[tuple[str, str]]:
    """Every task of the running loop by name, with where it is now."""
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        frames = [f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}" for frame in _frames(task)]
        yield task.get_name(), "\n".join(frames)[-STACK:]


def _frames(task: asyncio.Task[Any]) -> Iterator[Any]:
    """The frames of the coroutines awaiting one another; `Task.get_stack` shows only the outermost of a suspended task."""
    awaited: Any = task.get_coro()
    while awaited is not None and getattr(awaited, "cr_frame", None) is not None:
        yield awaited.cr_frame
        awaited = awaited.cr_await
