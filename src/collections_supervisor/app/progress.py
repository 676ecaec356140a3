"""What a person at a terminal sees while a sweep takes longer than a moment."""

from typing import TYPE_CHECKING, TextIO

import anyio

if TYPE_CHECKING:
    from collections_supervisor.books.auditor import Auditor


PATIENCE = 2.0
"""Seconds after which it is worth a word."""

RENEWED = 0.5
"""Seconds between two words."""

_CLEAR = "\r\x1b[K"


async def show_progress(auditor: "Auditor", terminal: TextIO) -> None:
    """Say how far the first audit is, on one line that is gone afterwards; nothing where `terminal` is none."""
    if not terminal.isatty():
        return
    with anyio.move_on_after(PATIENCE):
        await auditor.finished.wait()
        return
    try:
        while not auditor.finished.is_set():
            # The cursor goes back, so that a line of the log is written over this one and not behind it.
            terminal.write(f"{_CLEAR}looking at the books: {auditor.progress.steps:,} steps so far\r")
            terminal.flush()
            with anyio.move_on_after(RENEWED):
                await auditor.finished.wait()
    finally:
        terminal.write(_CLEAR)
        terminal.flush()
