"""Files of lines, read in blocks: from anywhere to the end, or from the end towards the beginning."""

import os
from collections.abc import Iterator

from collections_supervisor.books.faults import Check

BLOCK = 1 << 16
"""Bytes that are read at a time."""

LONGEST = 1 << 20
"""Bytes that are kept of a line: of a longer one the rest is dropped, so that nobody can read it and nothing fills the memory."""


def forward(fd: int, start: int, end: int, check: Check) -> Iterator[bytes]:
    """What stands from `start`, where a line begins, to `end`, in blocks of whole lines.

    A line without newline at the end is a block of its own, the only one that does not end in a newline.
    """
    kept = b""
    while start < end and (data := os.pread(fd, min(BLOCK, end - start), start)):
        check()
        start += len(data)
        cut = data.rfind(b"\n") + 1
        if not cut:
            kept += data if len(kept) < LONGEST else b""
            continue
        # Without its middle a line might be sound again: it loses its end too.
        yield kept + data[data.find(b"\n") if len(kept) >= LONGEST else 0 : cut]
        kept = data[cut:]
    if kept:
        yield kept


def backward(fd: int, end: int, check: Check) -> Iterator[bytes]:
    """What stands before `end`, in blocks of whole lines, the last lines first.

    Only the first one given may lack a newline at its end.
    """
    kept = b""
    while end > 0:
        check()
        size = min(BLOCK, end)
        end -= size
        data = os.pread(fd, size, end)
        # What stands before the first newline began further back, or may have: it goes to the next block.
        cut = data.find(b"\n") + 1 if end else 0
        if end and not cut:
            kept = data + (kept if len(kept) < LONGEST else b"\n" if kept.endswith(b"\n") else b"")
            continue
        yield data[cut:] + kept
        kept = data[:cut]
