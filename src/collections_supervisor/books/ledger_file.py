"""The ledger as it lies on the disk, where agents and people rewrite it in place while it is read."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import sleep as system_sleep

import msgspec

from collections_supervisor.books.faults import Check, shown, unreadable
from collections_supervisor.books.ledger import NOTHING_KNOWN, parse
from collections_supervisor.books.records import Ledger
from collections_supervisor.messages import Finding
from collections_supervisor.system.files import open_regular

SIZE_LIMIT = 1 << 26

_PAUSES = (0.005, 0.01, 0.02, 0.04, *[0.05] * 18)
"""Seconds between the attempts to read a ledger that is being written: about one second."""

_AGREEING = 0.25
"""Seconds between two reads that are believed if they agree, whatever they show."""

_SLICE = 0.05
_SETTLED = 2.0
"""Seconds: a file that was changed since may be changed once more without its mtime showing it."""


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    data: bytes
    status: os.stat_result
    sound: bool
    """It looks like the whole file, which no writer was in the middle of."""


class LedgerFile:
    """The ledger, and what is remembered of it; blocking, one caller at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[tuple[int, int, int, int], Ledger] | None = None

    def read(
        self,
        *,
        now: float,
        check: Check,
        again: bool = False,
        known: Callable[[], Mapping[str, str]] = lambda: NOTHING_KNOWN,
        sleep: Callable[[float], object] = system_sleep,
    ) -> Ledger:
        """The ledger as it is now, or was at the last look if it was not touched since.

        `now` is in seconds of the epoch; `again` reads it in any case; `known` gives the numbers of invoices, as `parse` takes
        them. A ledger that is missing, cannot be read or changes all the time is a finding. Takes about 1.25 s at most, in
        `sleep`, beyond the reading itself.
        """
        kept, self._known = self._known, None
        try:
            if kept is not None and not again and _stamp(self._path.lstat()) == kept[0]:
                self._known = kept
                return kept[1]
            read = self._settled(check, sleep)
        except FileNotFoundError:
            return Ledger(state="missing", findings=(self._missing(),))
        except OSError as error:
            return Ledger(state="unreadable", findings=(unreadable(self._path, error),))
        if read is None:
            return Ledger(state="unreadable", findings=(unreadable(self._path, "it changes all the time"),))
        ledger = parse(read.data, path=shown(self._path), check=check, known=known())
        ledger = msgspec.structs.replace(ledger, changed=read.status.st_mtime)
        if now - read.status.st_mtime >= _SETTLED:
            self._known = (_stamp(read.status), ledger)
        return ledger

    def _settled(self, check: Check, sleep: Callable[[float], object]) -> _Read | None:
        """A read that nobody was writing during, or else what two reads agree on; None if it changes all the time."""
        for pause in _PAUSES:
            if (read := self._read(check)).sound:
                return read
            sleep(pause)
        first = self._read(check)
        for pause in _slices(_AGREEING):
            check()
            sleep(pause)
        second = self._read(check)
        return second if second.sound or second.data == first.data else None

    def _read(self, check: Check) -> _Read:
        """One read. Raises OSError if it cannot be read, is not a regular file or is too large."""
        check()
        with open_regular(self._path, os.O_RDONLY) as (fd, before):
            if before.st_size > SIZE_LIMIT:
                raise OSError(errno.EFBIG, f"holds more than {SIZE_LIMIT} bytes", str(self._path))
            # At one go: the less time a read takes, the less can be written during it.
            data = os.read(fd, before.st_size + 1)
            after = os.fstat(fd)
        # An unchanged stamp proves nothing, because it is as coarse as the kernel's ticks; a changed one does.
        sound = data.endswith(b"\n") and len(data) == after.st_size and _stamp(before) == _stamp(after)
        return _Read(data=data, status=after, sound=sound)

    def _missing(self) -> Finding:
        return Finding(
            kind="ledger_missing",
            severity="error",
            path=shown(self._path),
            invoice=None,
            detail="there is no ledger",
            advice="restore the ledger, or correct books.ledger in the configuration",
        )


def _slices(seconds: float) -> Iterator[float]:
    yield from [_SLICE] * round(seconds / _SLICE)


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
