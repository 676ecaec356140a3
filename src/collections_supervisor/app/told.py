"""Who supervises this state folder now, and what that one answers when it is asked.

Imports little: whoever asks at a prompt waits for every module.
"""

from datetime import datetime
from pathlib import Path

import msgspec

from collections_supervisor.control import client
from collections_supervisor.control.protocol import Request, report_of
from collections_supervisor.messages import Report
from collections_supervisor.system.files_open import cause_of
from collections_supervisor.system.lock import LOCK, Holder, find_holder

ANSWERS_WITHIN = 2.0
"""Seconds in which a daemon that is asked how things are has to answer; what it has saved stands in for that."""


class UnknownStateError(Exception):
    """There is nothing to report from."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """The last saved report, marked as stale unless a living daemon saved it lately."""

    report: Report
    age_s: float
    daemon: Holder | None = None
    """The one that runs now."""
    told: bool = False
    """It was asked, and this is what it answered."""


def find_daemon(state_dir: Path) -> Holder | None:
    """The daemon that runs on this state folder; a single sweep is none. Raises UnknownStateError if that cannot be told."""
    path = state_dir / LOCK
    try:
        holder = find_holder(path)
    except OSError as error:
        raise UnknownStateError(f"{path} cannot be read: {cause_of(error)}") from error
    return holder if holder is not None and not holder.once else None


def ask_daemon(state_dir: Path, now: datetime, daemon: Holder) -> Saved | None:
    """What a daemon answers; None if it does not, or not in time. Blocks until then."""
    try:
        reply = client.ask(state_dir, Request(op="status"), ANSWERS_WITHIN)
    except (client.NoDaemonError, client.ControlError):
        return None
    report = report_of(reply)
    if report is None:
        return None
    return Saved(report=report, age_s=max(0.0, (now - report.generated_at).total_seconds()), daemon=daemon, told=True)
