"""Writing to a disk that may refuse: said once, tried again in time, said when it works again; supervision goes on."""

import math
from collections.abc import Awaitable, Callable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from collections_supervisor.system.clock import Clock, span
from collections_supervisor.system.files import cause_of

TRY_AGAIN = 10.0
"""Seconds after a write that failed in which none is tried: one on a disk that hangs takes as long."""


class Writer:
    """Makes writes of one kind, and knows whether the last one failed."""

    def __init__(self, clock: Clock, log: FilteringBoundLogger, loss: str) -> None:
        """`loss` says what it means that nothing can be written."""
        self._clock = clock
        self._log = log
        self._loss = loss
        self._failing_since: float | None = None
        self._not_before = -math.inf

    @property
    def is_failing(self) -> bool:
        """Whether the last write failed."""
        return self._failing_since is not None

    async def write(self, path: Path, act: Callable[[], Awaitable[object]]) -> bool:
        """Have `act` write that file; False if it failed, or would be tried too soon after it failed."""
        if self._clock.now().mono < self._not_before:
            return False
        try:
            await act()
        except OSError as error:
            self._note_failure(path, error)
            return False
        self._note_success(path)
        return True

    def _note_failure(self, path: Path, error: OSError) -> None:
        now = self._clock.now().mono
        self._not_before = now + TRY_AGAIN
        if self._failing_since is None:
            self._failing_since = now
            self._log.error(
                "supervisor.store_failed",
                message=f"{path} cannot be written: {cause_of(error)}; {self._loss}",
                path=str(path),
                reason=cause_of(error),
            )

    def _note_success(self, path: Path) -> None:
        if self._failing_since is not None:
            failed = self._clock.now().mono - self._failing_since
            self._failing_since = None
            self._log.info(
                "supervisor.store_resumed",
                message=f"{path} is written again, after {span(failed)}",
                path=str(path),
                failed_s=round(failed, 3),
            )
