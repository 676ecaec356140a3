"""Reading small files of our own, also where the machine lacks something for a moment."""

import errno
import os
from pathlib import Path

import anyio

from collections_supervisor.system.files_open import open_regular
from collections_supervisor.system.threads import WRITE_DEADLINE, WRITES, hop

MOMENTARY = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT})
"""What the machine lacks for a moment: nothing is wrong with the file then."""

_PAUSES = (0.2, 0.8, 2.0)
"""Seconds between the attempts to read where the machine lacks something."""


async def read_bounded(path: Path, limit: int) -> bytes:
    """All of a regular file of our own. Raises OSError: EFBIG beyond `limit` bytes, EINVAL for anything but a regular file."""
    with anyio.move_on_after(WRITE_DEADLINE):
        return await hop(WRITES, _read_bounded, path, limit)
    raise TimeoutError(errno.ETIMEDOUT, f"no answer within {WRITE_DEADLINE:g} s", str(path))


async def read_patiently(path: Path, limit: int) -> bytes:
    """What `read_bounded` gives, tried again a few times where `MOMENTARY` says so; a disk that does not answer, only once."""
    for pause in _PAUSES:
        try:
            return await read_bounded(path, limit)
        except OSError as error:
            if error.errno not in MOMENTARY:
                raise
            hangs = error.errno == errno.ETIMEDOUT
        await anyio.sleep(pause)
        if hangs:
            break
    return await read_bounded(path, limit)


def _read_bounded(path: Path, limit: int) -> bytes:
    with open_regular(path, os.O_RDONLY) as (fd, _), open(fd, "rb", closefd=False) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"holds more than {limit} bytes", str(path))
    return data
