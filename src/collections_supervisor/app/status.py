"""What `status` answers: what the daemon knows now, in words for people and for programs."""

from datetime import datetime
from pathlib import Path

from collections_supervisor.app.told import Saved, UnknownStateError, ask_daemon, find_daemon
from collections_supervisor.config.schema import Config
from collections_supervisor.control.protocol import SOCKET
from collections_supervisor.reporting.report_json import encode_report
from collections_supervisor.reporting.table import format_report
from collections_supervisor.reporting.text import wrap
from collections_supervisor.system.clock import span
from collections_supervisor.system.lock import Holder

HEALTHY = 0
UNHEALTHY = 1
CANNOT_TELL = 3
"""Exit statuses; the last one without a living daemon."""


def ask(state_dir: Path, config: Config | None, now: datetime) -> Saved:
    """What the daemon knows; without one what the last one knew, as stale. Raises UnknownStateError if there is nothing.

    A daemon that does not answer has saved what it knew about a second before, or nothing for longer, which is said; how old
    that may be is known by a `config` only, and without one nothing but the daemon's own word counts. Blocks, and is for
    commands: the one who answers at once, as nearly always, saves them an event loop.
    """
    daemon = find_daemon(state_dir)
    told = ask_daemon(state_dir, now, daemon) if daemon is not None else None
    if told is not None:
        return told
    if config is None:
        raise UnknownStateError(f"no supervisor answers at {state_dir / SOCKET}")
    return _saved(config, now, daemon)


def _saved(config: Config, now: datetime, daemon: Holder | None) -> Saved:
    import anyio

    from collections_supervisor.app.saved import read_saved

    return anyio.run(read_saved, config, now, daemon)


def exit_status(saved: Saved) -> int:
    """What it comes to."""
    if saved.daemon is None:
        return CANNOT_TELL
    return HEALTHY if saved.report.verdict == "healthy" else UNHEALTHY


def table(saved: Saved, width: int, colour: bool) -> str:
    """The report, and how old it is."""
    lines = format_report(saved.report, width, colour), "\n", *(f"{line}\n" for line in wrap(source(saved), max(width, 40)))
    return "".join(lines)


def as_json(saved: Saved) -> bytes:
    """The report as one line, in UTF-8 whatever the surroundings speak."""
    return encode_report(saved.report)


def source(saved: Saved) -> str:
    """Where it comes from, and how old it is."""
    age = span(saved.age_s)
    if saved.daemon is None:
        return f"No supervisor runs; this was saved {age} ago."
    who = f"process {saved.daemon.pid}" if saved.daemon.pid is not None else "its process is not known"
    if saved.told:
        return f"Told by the running supervisor ({who}), as it was {age} ago."
    if saved.report.stale:
        return f"The supervisor ({who}) runs, and has saved nothing for {age}."
    return f"Saved by the running supervisor ({who}) {age} ago."
