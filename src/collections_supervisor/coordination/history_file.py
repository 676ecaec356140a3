"""The history of the last day on disk: worth keeping, and never worth stopping for."""

from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.coordination.aside import put_aside
from collections_supervisor.coordination.snapshot import JSON_ERRORS
from collections_supervisor.coordination.writer import Writer
from collections_supervisor.messages import History
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import (
    MOMENTARY,
    cause_of,
    make_private_folder,
    read_bounded,
    read_patiently,
    replace,
    set_aside,
)

HISTORY = "history.json"

LARGEST = 64 << 20
"""Bytes of it that are read."""


class HistoryFile:
    """Keeps `history.json` in the state folder, replaced whole and private."""

    def __init__(self, folder: Path, clock: Clock, log: FilteringBoundLogger) -> None:
        self._path = folder / HISTORY
        self._clock = clock
        self._log = log
        self._writer = Writer(clock, log, "supervision goes on, but the history of the last day would be forgotten if we died")
        self._in_the_way = False

    async def load(self, *, touch: bool = True) -> History:
        """What an earlier life left, as it stands there; an empty one where that cannot be used, which is set aside and said."""
        try:
            return msgspec.json.decode(await read_patiently(self._path, LARGEST), type=History)
        except FileNotFoundError:
            return History()
        except OSError as error:
            why, touch = cause_of(error), touch and error.errno not in MOMENTARY
        except JSON_ERRORS as error:
            why = str(error)
        self._in_the_way = not await put_aside(self._path, why, self._clock, self._log, touch=touch)
        return History()

    async def save(self, history: History) -> bool:
        """Keep it; False if it is not written, which is said once."""
        return await self._writer.write(self._path, partial(self._write, history))

    async def _write(self, history: History) -> None:
        if self._in_the_way:
            with suppress(FileNotFoundError):
                await set_aside(self._path, self._clock.now().wall)
            self._in_the_way = False
        data = msgspec.json.encode(history)
        # A loss of power may cost it: that is no reason to have the disk wait for each.
        try:
            await replace(self._path, data, durable=False)
        except FileNotFoundError:
            await make_private_folder(self._path.parent)
            await replace(self._path, data, durable=False)


async def read_history(folder: Path) -> History:
    """The history as it is kept, for somebody who must not touch anything; an empty one where it cannot be read."""
    with suppress(OSError, *JSON_ERRORS):
        return msgspec.json.decode(await read_bounded(folder / HISTORY, LARGEST), type=History)
    return History()
