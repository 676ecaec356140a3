"""Keeps the lock on the state folder over its removal: otherwise a second supervisor would start beside this one."""

import contextlib
import signal
from pathlib import Path

import anyio
from structlog.typing import FilteringBoundLogger

from collections_supervisor.system.files import cause_of, make_private_folder
from collections_supervisor.system.lock import LOCK, Lock, LockHeldError
from collections_supervisor.system.shutdown import Shutdown
from collections_supervisor.system.threads import WRITES, hop

LOOK = 5.0
"""Seconds between two looks, and the most that one may take."""


class LockKeeper:
    """Looks whether the lock is still the one that others would find, and takes it again if it is not."""

    def __init__(
        self, lock: Lock | None, folder: Path, log: FilteringBoundLogger, shutdown: Shutdown, *, every: float = LOOK
    ) -> None:
        """`every` in seconds. Without a `lock`, because the folder could not be used, one is taken as soon as it can be."""
        self._lock = lock
        self._folder = folder
        self._log = log
        self._shutdown = shutdown
        self._every = every
        self._lost = False

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await anyio.sleep(self._every)
            in_place = True
            with anyio.move_on_after(LOOK), contextlib.suppress(OSError):  # whoever writes there says what is wrong
                in_place = self._lock is not None and await hop(WRITES, self._lock.is_in_place)
            if not in_place:
                await self._take()

    async def _take(self) -> None:
        first = self._lock is None
        try:
            await make_private_folder(self._folder / "actions")
            if self._lock is None:
                self._lock = await hop(WRITES, Lock, self._folder / LOCK)
            else:
                await hop(WRITES, self._lock.retake)
        except LockHeldError as error:
            self._log.critical(
                "supervisor.replaced",
                message=f"the state folder was replaced and another supervisor works in it; this one stops: {error}",
                path=str(self._folder),
                pid=error.pid,
            )
            self._shutdown.ask(signal.SIGTERM)
        except OSError as error:
            if not self._lost and not first:
                self._log.error(
                    "supervisor.unlocked",
                    message=f"the state folder is gone and cannot be made again; a second supervisor could start: {error}",
                    path=str(self._folder),
                    reason=cause_of(error),
                )
            self._lost = True
        else:
            self._lost = False
            if first:
                return
            self._log.warning(
                "supervisor.state_removed",
                message=f"somebody removed the state folder {self._folder}; it is made again, with all that is known",
                path=str(self._folder),
            )
