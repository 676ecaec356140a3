"""The last action of each agent on disk, one file each, so that no action is forgotten or paid for twice after we died."""

import asyncio  # noqa: TID251 - anyio's lock takes a kilobyte, and there is one for each agent
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import anyio
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.state import ActionRecord
from collections_supervisor.system import plain
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import MOMENTARY, cause_of, overwrite, put, read_bounded, set_aside
from collections_supervisor.system.threads import WRITE_DEADLINE, WRITES, hop

LIMIT = 1 << 20
"""Bytes that are read of one record; it is a few hundred."""

AGAIN = 10.0
"""Seconds between two attempts to write what the disk refused, where no action begins or ends meanwhile."""

_MAX_PID = 2**31 - 1


class FileJournal:
    """Keeps `NAME.json` in a folder: the ActionRecord as JSON, replaced whole. Members that it does not know are ignored."""

    def __init__(self, folder: Path, clock: Clock, log: FilteringBoundLogger, *, owned: frozenset[str] = frozenset()) -> None:
        """`owned` names the agents that are processes of ours: they cost nothing and do not survive a loss of power."""
        self._folder = folder
        self._clock = clock
        self._log = log
        self._owned = owned
        self._owed: dict[str, ActionRecord] = {}
        """What could not be written yet."""
        self._failing = False
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def own(self, owned: frozenset[str]) -> None:
        """From now on these are the processes of ours."""
        self._owned = owned

    async def read(self, name: str) -> ActionRecord | None:
        """The last action of this agent; None if there was none, or nothing readable is left of it, which is said."""
        path = self._path(name)
        try:
            return _decode(await read_bounded(path, LIMIT), name)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            await self._set_aside(path, error)
            return None

    async def others(self, names: Collection[str]) -> list[ActionRecord]:
        """The last actions of all agents but these."""
        try:
            with anyio.fail_after(WRITE_DEADLINE):
                found = await hop(WRITES, self._names)
        except OSError:  # a folder that cannot be used is said by whoever writes there
            return []
        records = [await self.read(name) for name in sorted(found - set(names))]
        return [record for record in records if record is not None]

    def _names(self) -> set[str]:
        return {path.stem for path in self._folder.glob("*.json")}

    async def write(self, record: ActionRecord) -> None:
        """Keep it, returning when it is on disk. What the disk refuses is said once and written when it takes it again."""
        name = record.request.agent
        self._owed[name] = record
        # Else the others are being written at this moment, each by whoever waits for it.
        if await self._settle(name) and self._failing:
            await self._catch_up()

    async def run(self) -> None:
        """Write what the disk refused as soon as it takes it again; until cancelled."""
        while True:
            await anyio.sleep(AGAIN)
            if self._failing:
                await self._catch_up()

    async def _catch_up(self) -> None:
        for other in tuple(self._owed):
            if not await self._settle(other):
                return
        self._tell_resumed()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    async def _settle(self, name: str) -> bool:
        """Write what is owed of this agent; False if it cannot be."""
        # One at a time, so that no older record comes after a newer one.
        async with self._turns[name]:
            record = self._owed.get(name)
            if record is None:
                return True
            try:
                await self._put(name, record)
            except OSError as error:
                self._tell_failed(self._path(name), error)
                return False
            if self._owed.get(name) is record:
                del self._owed[name]
            return True

    async def _put(self, name: str, record: ActionRecord) -> None:
        data = plain.encode(record)
        if name in self._owned:
            # Its next start waits for this.
            await overwrite(self._path(name), data)
        else:
            await put(self._path(name), data)

    # --- What is said ---

    async def _set_aside(self, path: Path, error: OSError | ValueError) -> None:
        place, outcome = None, "it stays where it is"
        if not (isinstance(error, OSError) and error.errno in MOMENTARY):
            try:
                place = await set_aside(path, self._clock.now().wall)
                outcome = f"it is kept as {place.name}"
            except OSError as refused:
                outcome = f"it could not be set aside either: {cause_of(refused)}"
        self._log.error(
            "supervisor.state_set_aside",
            message=f"the last action in {path} cannot be used ({cause_of(error)}); {outcome}",
            path=str(path),
            reason=cause_of(error),
            kept_as=str(place) if place is not None else None,
        )

    def _tell_failed(self, path: Path, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._log.error(
                "supervisor.store_failed",
                message=f"{path} cannot be written: {cause_of(error)}; restarts go on, and might be made twice if we died now",
                path=str(path),
                reason=cause_of(error),
            )

    def _tell_resumed(self) -> None:
        if self._failing and not self._owed:
            self._failing = False
            self._log.info(
                "supervisor.store_resumed",
                message=f"actions are written to {self._folder} again, the missed ones too",
                path=str(self._folder),
            )


def _decode(data: bytes, name: str) -> ActionRecord:
    """Raises ValueError for anything that could not have been written by us."""
    try:
        record = msgspec.json.decode(data, type=ActionRecord)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if record.request.agent != name:
        raise ValueError(f"it is about agent {record.request.agent!r}")
    if not 0 <= record.pid <= _MAX_PID or record.start_time < 0:
        raise ValueError(f"no process is {record.pid} since {record.start_time}")
    if any(at.tzinfo is None for at in (record.started, *record.starts)):
        raise ValueError("it has an instant without a time zone")
    return record
