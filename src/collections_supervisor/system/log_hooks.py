"""What everything else in the process has to say, as `python.log` events: nothing is printed past the log."""

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TextIO

from collections_supervisor.messages import Level

_NUMBERS: tuple[tuple[Level, int], ...] = (
    ("critical", logging.CRITICAL),
    ("error", logging.ERROR),
    ("warning", logging.WARNING),
    ("info", logging.INFO),
    ("debug", logging.DEBUG),
)


class Emit(Protocol):
    """Logs one event, whatever its level. Never blocks, raises nothing."""

    def __call__(self, level: Level, fields: dict[str, object]) -> None:
        """`fields` with `event` and `message`."""
        ...


def number_of(level: Level) -> int:
    """The standard library's number for a level of ours."""
    return dict(_NUMBERS)[level]


def level_of(number: int) -> Level:
    """The level of ours for one of the standard library's, which may be any number."""
    return next((level for level, least in _NUMBERS if number >= least), "debug")


class Hooks:
    """Stands in for the interpreter's own ways of telling of trouble, and gives them back."""

    def __init__(self, emit: Emit, *, flush: Callable[[], object], least: Level) -> None:
        """`flush` is called after an exception that ends the process; what is below `least` is not logged."""
        self._emit = emit
        self._flush = flush
        self._least = number_of(least)
        self._undo: list[Callable[[], None]] = []

    def capture(self) -> None:
        """Take over logging, warnings and the hooks for exceptions nobody caught. A second call does nothing."""
        if self._undo:
            return
        root = logging.getLogger()
        self._undo.append(partial(root.setLevel, root.level))
        root.setLevel(self._least)
        self._replace(root, "handlers", [_Handler(self._on_record)])
        self._replace(warnings, "showwarning", self._on_warning)
        self._replace(sys, "excepthook", self._on_exception)
        self._replace(sys, "unraisablehook", self._on_unraisable)
        self._replace(threading, "excepthook", self._on_thread_exception)

    def set_level(self, least: Level) -> None:
        """Log nothing below this level from now on."""
        self._least = number_of(least)
        if self._undo:
            logging.getLogger().setLevel(self._least)

    def release(self) -> None:
        """Give back what was there before."""
        while self._undo:
            self._undo.pop()()

    def on_loop_exception(self, _loop: object, context: Mapping[str, Any]) -> None:
        """For the event loop's `set_exception_handler`."""
        # In one text: the names are anybody's, and a log store must not get a field of ours in another type.
        rest = ", ".join(f"{name}={_shown(value)}" for name, value in context.items() if name not in {"message", "exception"})
        message = context.get("message", "error in the event loop")
        self._tell("error", "asyncio", message, context.get("exception"), {"context": rest} if rest else None)

    def _replace(self, owner: object, name: str, ours: object) -> None:
        self._undo.append(partial(setattr, owner, name, getattr(owner, name)))
        setattr(owner, name, ours)

    def _tell(
        self, level: Level, logger: str, message: object, error: object = None, more: Mapping[str, object] | None = None
    ) -> None:
        if number_of(level) < self._least:
            return
        self._emit(level, {**(more or {}), "event": "python.log", "message": message, "logger": logger, "exc_info": error})

    def _on_record(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a format that does not fit its arguments is the caller's bug, and worth reading
            message = f"{record.msg} {record.args}"
        self._tell(level_of(record.levelno), record.name, message, record.exc_info)

    def _on_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG002 - the signature of warnings.showwarning
        line: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        self._tell("warning", "py.warnings", f"{category.__name__}: {message}", None, {"path": filename, "line": lineno})

    def _on_exception(self, kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        self._tell("critical", "sys.excepthook", f"the program ends: {kind.__name__} was not handled", error)
        self._flush()

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if issubclass(args.exc_type, SystemExit):
            return
        name = args.thread.name if args.thread is not None else "?"
        message = f"thread {name} ended: {args.exc_type.__name__} was not handled"
        self._tell("error", "threading.excepthook", message, args.exc_value, {"thread": name})

    def _on_unraisable(self, args: "sys.UnraisableHookArgs") -> None:
        message = f"{args.err_msg or 'exception ignored'}: {args.exc_type.__name__}"
        self._tell("error", "sys.unraisablehook", message, args.exc_value, {"object": _shown(args.object)})


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - what could not be finalized may well not be shown either
        return f"<{type(value).__name__} that cannot be shown>"


class _Handler(logging.Handler):
    """Passes every record on."""

    def __init__(self, pass_on: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._pass_on = pass_on

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the lock of the base class: a finalizer that logs could meet it held by another thread, and wait."""
        self._pass_on(record)
        return True
