"""What a daemon knows, as it has saved it, for commands that only read."""

from datetime import datetime

import anyio.to_thread
import msgspec

from collections_supervisor.app.launch import UnknownStateError
from collections_supervisor.app.run import cycle_of
from collections_supervisor.config.schema import Config
from collections_supervisor.control import client
from collections_supervisor.control.protocol import Request, report_of
from collections_supervisor.coordination.history_file import read_history
from collections_supervisor.coordination.history_repair import remember
from collections_supervisor.coordination.store import read_report
from collections_supervisor.messages import History, Report
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.lock import Holder, find_holder

ANSWERS_WITHIN = 2.0
"""Seconds in which a daemon that is asked how things are has to answer; what it has saved stands in for that."""

STALE_CYCLES = 2
"""Cycles after which what a daemon has saved says nothing any more about now."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """The last saved report, marked as stale unless a living daemon saved it lately."""

    report: Report
    age_s: float
    daemon: Holder | None = None
    """The one that runs now."""
    told: bool = False
    """It was asked, and this is what it answered."""


def find_daemon(config: Config) -> Holder | None:
    """The daemon that runs on this state folder; a single sweep is none. Raises UnknownStateError if that cannot be told."""
    path = config.supervisor.state_dir / "supervisor.lock"
    try:
        holder = find_holder(path)
    except OSError as error:
        raise UnknownStateError(f"{path} cannot be read: {cause_of(error)}") from error
    return holder if holder is not None and not holder.once else None


async def read_saved(config: Config, now: datetime, daemon: Holder | None) -> Saved:
    """What was saved last; raises UnknownStateError if there is nothing."""
    seen = await read_report(config.supervisor.state_dir, now)
    if seen.report is None:
        who = (
            "a daemon is running, and what it knows" if daemon is not None else "no daemon is running, and what the last one knew"
        )
        raise UnknownStateError(f"{who} cannot be read: {seen.error}")
    stale = daemon is None or seen.age_s > STALE_CYCLES * cycle_of(config)
    report = msgspec.structs.replace(seen.report, verdict="unknown", stale=True) if stale else seen.report
    return Saved(report=report, age_s=seen.age_s, daemon=daemon)


async def ask_daemon(config: Config, now: datetime, daemon: Holder) -> Saved | None:
    """What a daemon answers; None if it does not, or not in time."""
    request = Request(op="status")
    try:
        reply = await anyio.to_thread.run_sync(client.ask, config.supervisor.state_dir, request, ANSWERS_WITHIN)
    except (client.NoDaemonError, client.ControlError):
        return None
    report = report_of(reply)
    if report is None:
        return None
    return Saved(report=report, age_s=max(0.0, (now - report.generated_at).total_seconds()), daemon=daemon, told=True)


async def read_past(config: Config, now: datetime) -> History:
    """How it came to that; empty where that cannot be read."""
    return remember(await read_history(config.supervisor.state_dir), None, now).history
