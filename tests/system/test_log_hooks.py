"""What other parts of the process say arrives as `python.log`."""

import asyncio
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio
import pytest

from collections_supervisor.messages import Level
from collections_supervisor.system.log_hooks import Hooks, level_of

Event = tuple[Level, dict[str, object]]


class Told:
    """Everything that was emitted, and how often a flush was asked for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.flushes = 0

    def emit(self, level: Level, fields: dict[str, object]) -> None:
        self.events.append((level, fields))

    def flush(self) -> None:
        self.flushes += 1

    def only(self) -> Event:
        (event,) = self.events
        return event


@pytest.fixture
def told() -> Told:
    return Told()


@contextmanager
def captured(told: Told, least: Level = "info") -> Iterator[Hooks]:
    """Within the test and not around it: the test runner itself adds handlers between a fixture and its test."""
    hooks = Hooks(told.emit, flush=told.flush, least=least)
    hooks.capture()
    try:
        yield hooks
    finally:
        hooks.release()


def test_a_record_of_the_standard_library(told: Told) -> None:
    with captured(told):
        logging.getLogger("some.library").warning("%s went wrong", "it")
    level, fields = told.only()
    assert level == "warning"
    assert (fields["event"], fields["message"], fields["logger"]) == ("python.log", "it went wrong", "some.library")


def test_the_exception_of_a_record_comes_with_it(told: Told) -> None:
    with captured(told), suppress(ValueError):
        try:
            int("bad")
        except ValueError:
            logging.getLogger("some.library").exception("failed")
            raise
    _, fields = told.only()
    assert isinstance(fields["exc_info"], tuple)
    assert isinstance(fields["exc_info"][1], ValueError)


def test_a_record_whose_arguments_do_not_fit_is_shown_as_it_is(told: Told) -> None:
    with captured(told):
        logging.getLogger("some.library").error("%d things", "many")
    assert told.only()[1]["message"] == "%d things ('many',)"


def test_what_is_below_the_level_is_not_logged(told: Told) -> None:
    with captured(told):
        logging.getLogger("some.library").debug("detail")
    assert told.events == []


def test_a_level_above_all_that_is_told_silences_it(told: Told) -> None:
    with captured(told, least="critical") as hooks:
        hooks.on_loop_exception(None, {"message": "odd"})
    assert told.events == []


@pytest.mark.parametrize(
    ("number", "level"),
    [(5, "debug"), (10, "debug"), (25, "info"), (30, "warning"), (40, "error"), (50, "critical"), (99, "critical")],
)
def test_every_number_has_a_level(number: int, level: Level) -> None:
    assert level_of(number) == level


def test_a_warning(told: Told) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with captured(told):
            warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    level, fields = told.only()
    assert level == "warning"
    assert fields["message"] == "DeprecationWarning: old ways"
    assert (fields["logger"], fields["path"]) == ("py.warnings", __file__)


def test_an_exception_that_ends_the_process_is_flushed(told: Told) -> None:
    error = ValueError("bad")
    with captured(told):
        sys.excepthook(ValueError, error, None)
    level, fields = told.only()
    assert (level, fields["exc_info"], told.flushes) == ("critical", error, 1)
    assert fields["message"] == "the program ends: ValueError was not handled"


def test_an_exception_that_ends_a_thread(told: Told) -> None:
    with captured(told):
        thread = threading.Thread(target=lambda: int("bad"), name="worker")
        thread.start()
        thread.join()
    level, fields = told.only()
    assert (level, fields["thread"]) == ("error", "worker")
    assert isinstance(fields["exc_info"], ValueError)


def test_a_thread_may_exit(told: Told) -> None:
    with captured(told):
        thread = threading.Thread(target=sys.exit)
        thread.start()
        thread.join()
    assert told.events == []


def test_an_exception_in_a_finalizer(told: Told) -> None:
    class Finalized:
        def __del__(self) -> None:
            raise ValueError("bad")

    with captured(told):
        Finalized()
        gc.collect()
    level, fields = told.only()
    assert level == "error"
    assert "ValueError" in str(fields["message"])
    assert "__del__" in str(fields["object"])


async def test_an_exception_in_the_event_loop(told: Told) -> None:
    hooks = Hooks(told.emit, flush=told.flush, least="info")
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(hooks.on_loop_exception)
    loop.call_soon(int, "bad")
    with anyio.fail_after(20):
        while not told.events:
            await anyio.sleep(0)
    level, fields = told.only()
    assert (level, fields["logger"]) == ("error", "asyncio")
    assert isinstance(fields["exc_info"], ValueError)
    assert str(fields["context"]).startswith("handle=<Handle")


def test_what_went_wrong_in_the_loop_is_told_in_one_field(told: Told) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("half gone")

    hooks = Hooks(told.emit, flush=told.flush, least="info")
    hooks.on_loop_exception(None, {"message": "odd", "agent": 7, "path": Broken()})
    hooks.on_loop_exception(None, {"message": "odd"})
    assert [set(fields) for _, fields in told.events] == [
        {"event", "message", "logger", "exc_info", "context"},
        {"event", "message", "logger", "exc_info"},
    ]
    assert told.events[0][1]["context"] == "agent=7, path=<Broken that cannot be shown>"


def test_release_gives_back_what_was_there(told: Told) -> None:
    def state() -> list[object]:
        root = logging.getLogger()
        return [
            root.level, root.handlers, warnings.showwarning, sys.excepthook, sys.unraisablehook, threading.excepthook,
        ]  # fmt: skip

    before = state()
    hooks = Hooks(told.emit, flush=told.flush, least="info")
    hooks.capture()
    during = state()
    hooks.capture()
    assert state() == during
    hooks.release()
    assert state() == before
    assert not any(one == other for one, other in zip(before, during, strict=True))
    hooks.release()
    assert state() == before
