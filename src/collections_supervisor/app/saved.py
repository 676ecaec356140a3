"""What a daemon knows, as it has saved it, for commands that only read."""

from datetime import datetime

import msgspec

from collections_supervisor.app.run import cycle_of
from collections_supervisor.app.told import Saved, UnknownStateError
from collections_supervisor.config.schema import Config
from collections_supervisor.coordination.history_file import read_history
from collections_supervisor.coordination.history_repair import remember
from collections_supervisor.coordination.store import read_report
from collections_supervisor.messages import History
from collections_supervisor.system.lock import Holder

STALE_CYCLES = 2
"""Cycles after which what a daemon has saved says nothing any more about now."""


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


async def read_past(config: Config, now: datetime) -> History:
    """How it came to that; empty where that cannot be read."""
    return remember(await read_history(config.supervisor.state_dir), None, now).history
