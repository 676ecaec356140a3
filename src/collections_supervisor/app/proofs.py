"""What `doctor --notify-test` proved: a file of its own, which the supervisor that runs beside it looks at once a cycle.

So the doctor needs neither the lock nor a word with the daemon, and nothing that the daemon writes is written by anybody else.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgspec

from collections_supervisor.messages import ChannelsProven
from collections_supervisor.system.files import make_private_folder, read_bounded, replace
from collections_supervisor.system.plain import encode

FILE = "proven.json"

_LARGEST = 1 << 20


class _Proofs(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    channels: dict[str, datetime] = {}
    """When each channel took a test notice the last time."""


async def read_proofs(folder: Path, names: Collection[str]) -> dict[str, datetime]:
    """What was proven of these channels; nothing where there is no file, or none that can be used: it can be proven again."""
    try:
        found = msgspec.json.decode(await read_bounded(folder / FILE, _LARGEST), type=_Proofs)
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: at.astimezone(UTC) for name, at in found.channels.items() if name in names and at.tzinfo is not None}


async def keep_proofs(folder: Path, names: Collection[str], proven: Mapping[str, datetime]) -> None:
    """Add what was proven now; what was known of channels that are no longer there is forgotten. Raises OSError."""
    known = await read_proofs(folder, names)
    await make_private_folder(folder)
    await replace(folder / FILE, encode(_Proofs(channels={**known, **proven})) + b"\n")


class ProofReader:
    """Tells the coordinator what was proven meanwhile."""

    def __init__(
        self,
        folder: Path,
        names: Callable[[], Collection[str]],
        cycle: float,
        tell: Callable[[ChannelsProven], Awaitable[bool]],
    ) -> None:
        """`names` gives the channels that there are now: a reload may make them others."""
        self._folder = folder
        self._names = names
        self._cycle = cycle
        self._tell = tell
        self._told: dict[str, datetime] = {}

    async def run(self) -> None:
        """Look once a cycle until cancelled."""
        while True:
            found = await read_proofs(self._folder, self._names())
            if found != self._told and await self._tell(ChannelsProven(proven=found)):
                self._told = found
            await anyio.sleep(self._cycle)
