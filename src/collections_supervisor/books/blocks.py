"""Files of lines, read in blocks: from anywhere to the end, or from the end towards the beginning."""

import os
from collections.abc import Iterator

from collections_supervisor.books.faults import Check

BLOCK = 1 << 16
"""Bytes that are read at a time."""

LONGEST = 1 << 20
"""Bytes that are kept of a line, so that nothing fills the memory; at least a block."""

_CUT = b"\0"
"""What ends a line that was cut: without its end it might be a sound one."""


def forward(
    fd: int, start: int, end: int, check: Check, *, size: int = BLOCK, longest: int = LONGEST
) -> Iterator[tuple[int, bytes]]:
    """What stands from `start`, where a line begins, to `end`, in blocks of whole lines, each with where it begins.

    A line without newline at the end is a block of its own, the only one that does not end in a newline.
    """
    kept = b""
    begins = start
    while start < end and (data := os.pread(fd, min(size, end - start), start)):
        check()
        start += len(data)
        cut = data.rfind(b"\n") + 1
        if not cut:
            kept = _shortened(kept + data, longest)
            continue
        first = data.find(b"\n")
        yield begins, _shortened(kept + data[:first], longest) + data[first:cut]
        kept = data[cut:]
        begins = start - len(kept)
    if kept:
        yield begins, kept


def backward(
    fd: int, end: int, check: Check, *, down_to: int = 0, size: int = BLOCK, longest: int = LONGEST
) -> Iterator[tuple[int, bytes]]:
    """What stands before `end`, in blocks of whole lines, each with where it begins, the last lines first.

    Only the first one given may lack a newline at its end. Nothing before `down_to` is read, nor is the line given that lies
    across it.
    """
    kept = newline = b""
    while end > down_to:
        check()
        data = os.pread(fd, min(size, end - down_to), max(down_to, end - size))
        end = max(down_to, end - size)
        # What stands before the first newline began further back, or may have: it goes to the next block.
        cut = data.find(b"\n") + 1 if end else 0
        if end and not cut:
            kept = _shortened(data + kept, longest)
            continue
        last = max(cut, data.rfind(b"\n") + 1)
        yield end + cut, data[cut:last] + _shortened(data[last:] + kept, longest) + newline
        kept, newline = data[: cut - 1], b"\n"


def _shortened(line: bytes, longest: int) -> bytes:
    """A line that can be kept. However it is put together, the same is left of it."""
    return line if len(line) <= longest else line[:longest] + _CUT
