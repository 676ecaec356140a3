"""The log of the program: structured events, one JSON object a line, whatever becomes of whoever reads them."""

import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import structlog
from structlog.typing import FilteringBoundLogger

from collections_supervisor import __version__
from collections_supervisor.config.schema import LoggingConfig
from collections_supervisor.messages import Level
from collections_supervisor.system.log_console import ConsoleView
from collections_supervisor.system.log_hooks import Hooks
from collections_supervisor.system.log_journal import SOCKET, JournalTarget, is_journal
from collections_supervisor.system.log_layouts import Parts, Preset
from collections_supervisor.system.log_queue import Counts, LineQueue
from collections_supervisor.system.log_render import LineRenderer
from collections_supervisor.system.log_sink import Sink
from collections_supervisor.system.log_target import FileTarget, StreamTarget, Target, View, is_temporary

_NOWHERE: Mapping[str, str] = MappingProxyType({})
STDOUT = 1
STREAMS = {STDOUT: "standard output", 2: "standard error"}
OUTPUT = "agent.output"
"""The event whose number a child of ours decides on."""

LAST_WORDS_S = 2.0
"""How long a process that dies of an exception waits for the line that says so."""


class LogSystem:
    """Everything between a log call and the bytes. Made by `open_log`."""

    logger: FilteringBoundLogger
    """For the rooms: `logger.warning("agent.heartbeat.missed", message="…", agent=name)`. From any thread; never blocks."""

    def __init__(self, lines: LineQueue, sink: Sink, renderer: LineRenderer, level: Level) -> None:
        self._lines = lines
        self._sink = sink
        self._renderer = renderer
        self._hooks = Hooks(self._emit, flush=partial(self.flush, LAST_WORDS_S), least=level)
        self.logger = _bound_logger(lines, renderer, level)

    @property
    def counts(self) -> Counts:
        """Events by level, and how many of them were dropped."""
        return self._lines.counts

    def adjust(self, config: LoggingConfig) -> None:
        """Go by another level and length of lines from now on; where it is written, and in which form, stays as it is."""
        self._renderer.set_limit(config.max_event_bytes)
        self._hooks.set_level(config.level)
        # Whoever logs has this very object, and what it lets pass is decided by its class.
        self.logger.__class__ = structlog.make_filtering_bound_logger(config.level)

    def capture(self) -> None:
        """Bring logging, warnings and uncaught exceptions into the log, as `python.log`."""
        self._hooks.capture()

    def release(self) -> None:
        """Undo `capture`."""
        self._hooks.release()

    def on_loop_exception(self, loop: object, context: dict[str, Any]) -> None:
        """Give this to the event loop's `set_exception_handler`."""
        self._hooks.on_loop_exception(loop, context)

    def flush(self, deadline_s: float) -> bool:
        """Wait at most so many seconds for what was logged before to be written; returns whether it is. Blocks the caller."""
        return self._sink.flush(deadline_s)

    def close(self, deadline_s: float) -> bool:
        """Undo `capture`, write what can be written within so many seconds, and end. Returns whether that was everything."""
        self.release()
        return self._sink.close(deadline_s)

    def _emit(self, level: Level, fields: dict[str, object]) -> None:
        self._lines.offer(level, _now(self._renderer, level, fields))


def open_log(
    config: LoggingConfig,
    *,
    run_id: str,
    fallback: Path | None,
    version: str = __version__,
    fd: int = STDOUT,
    environ: Mapping[str, str] = _NOWHERE,
    journal: Path = SOCKET,
) -> LogSystem:
    """Open the log: in `config.file`, else at the descriptor `fd`. `fallback` is the file to go on in when nobody reads `fd`.

    Where `environ` says that the journal reads `fd`, and no other format is asked for, it is told at its socket `journal`.

    Raises `OSError` naming the file if `config.file` cannot be opened, unless it is for want of space, which may come back.
    """
    # Lines for people are made of those in `json`, which is also what a fallback gets in their place.
    preset: Preset = config.format if config.format in ("ecs", "gcp") else "json"
    renderer = LineRenderer(run_id=run_id, version=version, max_bytes=config.max_event_bytes, preset=preset)
    render = partial(_now, renderer)
    first, *others = _targets(config, fd, fallback, journal if is_journal(environ, fd) else None)
    lines = LineQueue(render)
    return LogSystem(lines, Sink(lines, first(), render=render, fallbacks=others), renderer, config.level)


def _now(renderer: LineRenderer, level: Level, fields: MutableMapping[str, object]) -> Parts:
    return renderer.parts(level, fields, datetime.now(UTC))


def _targets(config: LoggingConfig, fd: int, fallback: Path | None, journal: Path | None) -> list[Callable[[], Target]]:
    """Where the log goes, and where it goes on when that is dead."""
    if config.file is not None:
        return [partial(_file, config, config.file)]
    stream = partial(StreamTarget, fd, name=STREAMS.get(fd, f"descriptor {fd}"), view=_view(config, os.isatty(fd)))
    into_journal = [partial(JournalTarget, journal)] if journal is not None and config.format == "auto" else []
    at_last = [partial(FileTarget, fallback, monotonic=time.monotonic)] if fallback is not None else []
    return [*into_journal, stream, *at_last]


def _file(config: LoggingConfig, path: Path) -> Target:
    target = FileTarget(path, monotonic=time.monotonic, view=_view(config, terminal=False))
    try:
        target.refresh()
    except OSError as error:
        if not is_temporary(error):
            raise
    return target


def _view(config: LoggingConfig, terminal: bool) -> View | None:
    if config.format == "console" or (config.format == "auto" and terminal):
        return ConsoleView(colour=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")
    return None


class _Port:
    """What structlog calls at the end of its chain: one method for each level, with what the renderer made."""

    def __init__(self, offer: Callable[..., None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = offer


def _bound_logger(lines: LineQueue, renderer: LineRenderer, level: Level) -> FilteringBoundLogger:
    def render(_port: object, name: str, event: MutableMapping[str, object]) -> tuple[tuple[Level, Parts], dict[str, bool]]:
        method = cast("Level", name)
        bulk = event.get("event") == OUTPUT
        return (method, _now(renderer, method, event)), {"bulk": bulk}

    proxy = structlog.wrap_logger(
        _Port(lines.offer),
        processors=[render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    # Bound here and now, so that no caller pays for the assembling, and none sees the lazy proxy.
    return cast("FilteringBoundLogger", proxy.bind())
