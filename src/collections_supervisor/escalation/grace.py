"""Finishing what is under way when everything else is already being cancelled."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

_T = TypeVar("_T")


async def finish(work: Callable[[], Awaitable[_T]], *, limit: float, grace: Callable[[], float]) -> _T | None:
    """Await `work` for at most `limit` seconds; when cancelled meanwhile, for at most `grace()` seconds from then on.

    None if it was cut off. The cancellation itself is not swallowed: it is raised at the next opportunity.
    """
    scope = anyio.CancelScope(shield=True, deadline=anyio.current_time() + limit)

    async def hurry() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            scope.deadline = min(scope.deadline, anyio.current_time() + grace())

    result: _T | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(hurry)
        with scope:
            result = await work()
        group.cancel_scope.cancel()
    return result
