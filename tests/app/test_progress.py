"""What a person at a terminal sees of a long audit."""

import io
from typing import Any

import anyio
import pytest

from collections_supervisor.app.progress import PATIENCE, RENEWED, show_progress


@pytest.fixture
def anyio_backend(virtual_backend: Any) -> Any:
    return virtual_backend


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Audit:
    """As much of an auditor as can be seen."""

    def __init__(self) -> None:
        self.finished = anyio.Event()
        self.progress = self
        self.steps = 1234567


async def shown(terminal: io.StringIO, seconds: float) -> str:
    audit = Audit()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show_progress, audit, terminal)  # type: ignore[arg-type]
        await anyio.sleep(seconds)
        audit.finished.set()
    return terminal.getvalue()


async def test_a_long_audit_shows_how_far_it_is_and_leaves_nothing_behind() -> None:
    said = await shown(Terminal(), PATIENCE + 1.5 * RENEWED)
    assert said.count("\r\x1b[Klooking at the books: 1,234,567 steps so far\r") == 2
    assert said.endswith("\r\x1b[K")


async def test_a_short_one_shows_nothing() -> None:
    assert await shown(Terminal(), PATIENCE - 0.1) == ""


async def test_where_no_person_looks_nothing_is_shown() -> None:
    assert await shown(io.StringIO(), 10.0) == ""


async def test_what_is_shown_is_gone_when_the_audit_is_stopped() -> None:
    terminal = Terminal()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show_progress, Audit(), terminal)  # type: ignore[arg-type]
        await anyio.sleep(PATIENCE + 0.1)
        tasks.cancel_scope.cancel()
    assert terminal.getvalue().endswith("\r\x1b[K")
