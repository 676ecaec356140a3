"""Waking all who wait for something, in the event loop of one thread."""

import asyncio  # noqa: TID251 - an event does the same, but keeps half a kilobyte for those who wait, and there are hundreds


class Bell:
    """Rung, it wakes whoever waits at that moment; who comes later waits for the next time."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    async def wait(self) -> None:
        """Wait until it rings; may be cancelled."""
        rung = asyncio.get_running_loop().create_future()
        self._waiting.append(rung)
        try:
            await rung
        finally:
            self._waiting.remove(rung)

    def ring(self) -> None:
        """Wake them all."""
        for rung in self._waiting:
            if not rung.done():
                rung.set_result(None)
