"""What outlives this program, in the state folder: the snapshot, and what was seen when an incident was opened."""

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.coordination.aside import put_aside
from collections_supervisor.coordination.encoding import ReportEncoder
from collections_supervisor.coordination.snapshot import Loaded, decode_report, decode_snapshot, encode_snapshot
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.coordination.writer import Writer
from collections_supervisor.messages import Report
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
from collections_supervisor.system.threads import WRITES, complete

SNAPSHOT = "snapshot.json"
INCIDENTS = "incidents"

LARGEST = 64 << 20
"""Bytes of a snapshot that are read."""

EVIDENCE = 100
"""Files of evidence that are kept, the newest."""

_OURS = re.compile(r"\d{8}T\d{12}Z-.*\.json")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved report says to somebody who only reads it."""

    report: Report | None
    age_s: float = 0.0
    error: str = ""
    """Why there is no report."""


class SnapshotStore:
    """Keeps `snapshot.json` and `incidents/ID.json` in a folder, each replaced whole and private."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        log: FilteringBoundLogger,
        boot_id: str,
        agents: Callable[[], Mapping[str, msgspec.Raw]],
    ) -> None:
        """`boot_id` names the present boot of the machine, empty if unknown; `agents` gives the agents' states as JSON."""
        self._folder = folder
        self._path = folder / SNAPSHOT
        self._clock = clock
        self._log = log
        self._boot_id = boot_id
        self._agents = agents
        self._encoder = ReportEncoder()
        self._snapshots = Writer(clock, log, "supervision goes on, but what happens now would be forgotten if we died")
        self._evidence = Writer(clock, log, "supervision goes on without keeping what was seen")
        self._in_the_way = False
        """What lies at our path could not be used, nor moved: it is not overwritten."""

    async def load(self, *, touch: bool = True) -> Loaded:
        """What an earlier life of ours left; nothing is raised for what is found there.

        What cannot be used is set aside, or, where nothing is to be touched, only said to be of no use.
        """
        try:
            data = await read_patiently(self._path, LARGEST)
        except FileNotFoundError:
            return Loaded()
        except OSError as error:
            return await self._without(Loaded(set_aside=cause_of(error)), touch=touch and error.errno not in MOMENTARY)
        try:
            loaded = decode_snapshot(data, self._boot_id, self._clock.now())
        except ValueError as error:
            return await self._without(Loaded(set_aside=str(error)), touch=touch)
        return await self._without(loaded, touch=touch) if loaded.set_aside else loaded

    async def save(self, report: Report, fleet: FleetState) -> bool:
        """Keep the whole; False if it is not on disk when this returns, which is said once and is not for the caller to mend."""
        return await self._snapshots.write(self._path, partial(self._write_snapshot, report, fleet))

    async def keep_evidence(self, incident_id: str, data: bytes) -> str | None:
        """Keep what was seen of an incident; the file's path below the folder, None if it could not be written."""
        name = re.sub(r"[^A-Za-z0-9._-]", "_", incident_id)[:200] + ".json"
        # A snapshot that cannot be written matters more: this is not to hang on the same disk once more.
        if self._snapshots.is_failing or not await self._evidence.write(
            self._folder / INCIDENTS / name, partial(self._write_evidence, name, data)
        ):
            return None
        return f"{INCIDENTS}/{name}"

    async def _write_snapshot(self, report: Report, fleet: FleetState) -> None:
        if self._in_the_way:
            with suppress(FileNotFoundError):  # nothing may ever have lain there: the folder could not be looked into
                await set_aside(self._path, self._clock.now().wall)
            self._in_the_way = False
        members = self._encoder.members(report)
        await self._put(self._path, encode_snapshot(members, fleet, self._agents(), self._boot_id, self._clock.now()))

    async def _write_evidence(self, name: str, data: bytes) -> None:
        folder = self._folder / INCIDENTS
        await self._put(folder / name, data)
        await complete(WRITES, partial(_prune, folder))

    async def _put(self, path: Path, data: bytes) -> None:
        try:
            await replace(path, data)
        except FileNotFoundError:
            await make_private_folder(path.parent)
            await replace(path, data)

    async def _without(self, loaded: Loaded, *, touch: bool) -> Loaded:
        """Move what lies there out of the way, and say so."""
        self._in_the_way = not await put_aside(self._path, loaded.set_aside, self._clock, self._log, touch=touch)
        return loaded


async def read_report(folder: Path, wall: datetime) -> Seen:
    """The last saved report and its age, for somebody who must not touch anything."""
    path = folder / SNAPSHOT
    try:
        report = decode_report(await read_bounded(path, LARGEST))
    except OSError as error:
        return Seen(report=None, error=f"{path}: {cause_of(error)}")
    if report is None or report.generated_at.tzinfo is None:
        return Seen(report=None, error=f"{path}: holds no report")
    return Seen(report=report, age_s=max(0.0, (wall - report.generated_at) / timedelta(seconds=1)))


def _prune(folder: Path, given_up: threading.Event) -> None:
    """Remove the oldest evidence; names begin with the instant of the opening. What cannot be removed stays."""
    ours = sorted(path for path in folder.iterdir() if _OURS.fullmatch(path.name))
    for path in ours[:-EVIDENCE]:
        if not given_up.is_set():
            with suppress(OSError):
                path.unlink()
