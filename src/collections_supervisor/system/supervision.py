"""One-for-one supervision of our own tasks: a bug in one is logged and that one is begun again; its siblings never notice."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.messages import ActorCrashed
from collections_supervisor.system.clock import Clock

STEADY = 600.0
"""Seconds without a crash after which earlier ones are forgotten."""

LONGEST_PAUSE = 60.0


class Actor(Protocol):
    """Anything with one public coroutine."""

    async def run(self) -> None:
        """Work until cancelled or done."""
        ...


def pause(crashes: int) -> float:
    """Seconds before an actor is begun again after so many crashes in a row."""
    return float(min(LONGEST_PAUSE, 2.0 ** min(crashes - 1, 16)))


async def supervise(
    name: str,
    make: Callable[[], Actor],
    *,
    clock: Clock,
    log: FilteringBoundLogger,
    crashed: Callable[[ActorCrashed], Awaitable[object]],
    agent: str | None = None,
) -> None:
    """Run the actor that `make` gives; when it crashes, log why, tell `crashed`, wait a moment and make it anew."""
    crashes = 0
    while True:
        begun = clock.now().mono
        try:
            await make().run()
        except Exception as error:
            lived = clock.now().mono - begun
            crashes = 1 if lived >= STEADY else crashes + 1
            wait = pause(crashes)
            log.critical(
                "supervisor.actor_crashed",
                message=f"a bug ended the task {name}; it begins again in {wait:.0f} s: {error!r}",
                actor=name,
                agent=agent,
                crashes=crashes,
                exc_info=error,
            )
            await crashed(ActorCrashed(actor=name, agent=agent, crashes=crashes, error=repr(error)))
            await anyio.sleep(wait)
        else:
            return
