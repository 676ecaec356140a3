"""A place for one actor that may be replaced by another one while the program runs."""

import anyio

from collections_supervisor.system.supervision import Actor


class Post:
    """Runs whoever holds it; an actor itself, so that it can be supervised in the holder's place."""

    def __init__(self, holder: Actor | None) -> None:
        """Without a holder nobody does that work."""
        self._holder = holder
        self._tenure = anyio.CancelScope()

    def give(self, holder: Actor | None) -> None:
        """Let this one do the work from now on; the one before is ended."""
        self._holder = holder
        self._tenure.cancel()

    async def run(self) -> None:
        """Run one holder after the other until cancelled."""
        while True:
            with anyio.CancelScope() as self._tenure:
                if self._holder is not None:
                    await self._holder.run()
                await anyio.sleep_forever()
