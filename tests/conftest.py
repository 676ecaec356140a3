"""Fixtures for every test."""

import asyncio
import selectors
import signal
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the program.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Whoever starts a run in the background, or behind nohup, has it ignore these, and every program that a test starts with it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class VirtualSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the loop's clock to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            # Nothing is due and nothing can come in: only a real thread or file could wake this loop, so it would hang.
            return super().select(1.0) or pytest.fail("deadlock: nothing is left to happen in virtual time")
        self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits. Only for code whose outside is faked: a thread would see no time pass."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


@pytest.fixture
def anyio_backend() -> str:
    """Only asyncio: the loop that the program runs on."""
    return "asyncio"


@pytest.fixture
def virtual_backend() -> tuple[str, dict[str, Callable[[], asyncio.AbstractEventLoop]]]:
    """What a module's own `anyio_backend` fixture returns to have its tests run under virtual time."""
    return ("asyncio", {"loop_factory": VirtualLoop})


class RecordingLog:
    """A structlog logger's methods, keeping what was logged."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def log(self, level: int, event: str, **fields: Any) -> None:
        self.events.append({"level": level, "event": event, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        self.log(10, event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        self.log(20, event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.log(30, event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self.log(40, event, **fields)

    def critical(self, event: str, **fields: Any) -> None:
        self.log(50, event, **fields)

    def names(self, but: Sequence[str] = ()) -> list[str]:
        return [entry["event"] for entry in self.events if entry["event"] not in but]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.events if entry["event"] == event]


@pytest.fixture
def log() -> Any:
    """A log that remembers; typed loosely because it stands in for structlog's logger."""
    return RecordingLog()
