"""A supervisor that runs with the same configuration file and keeps its state in another folder than the file names by now.

After a reload it has all that the file says, but for the folder: what a command writes into the new one nobody would find.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import anyio

from collections_supervisor.app.doctor_others import Service
from collections_supervisor.app.doctor_search import running_services
from collections_supervisor.config.schema import Config
from collections_supervisor.system.lock import LOCK, find_holder
from collections_supervisor.system.process_arguments import read_arguments
from collections_supervisor.system.threads import DaemonPool, hop

DEADLINE = 10.0
"""Seconds for a look at what runs; a process that hangs in a dead mount must not keep a person's word from being taken."""

_POOL = DaemonPool("elsewhere", threads=1)


class ElsewhereError(Exception):
    """A supervisor of this configuration runs, and does not look into this state folder."""


def require_nobody_elsewhere(config: Config) -> None:
    """Raise ElsewhereError if a supervisor with this configuration file works in another folder; blocks."""
    if config.path is not None:  # without a file there is nothing by which it would be known
        fault = anyio.run(_look, config.path, config.supervisor.state_dir)
        if fault:
            raise ElsewhereError(fault)


async def _look(path: Path, folder: Path) -> str:
    with anyio.move_on_after(DEADLINE):
        return await hop(_POOL, lambda: fault_of(running_services(read_arguments()), path, folder, _holder_of(folder)))
    return ""


def _holder_of(folder: Path) -> int | None:
    try:
        holder = find_holder(folder / LOCK)
    except OSError:
        return None
    return holder.pid if holder is not None else None


def fault_of(running: Iterable[Service], path: Path, folder: Path, holder: int | None) -> str:
    """Which of these runs with the file and not in the folder, whose lock `holder` has; empty if none does."""
    for service in running:
        if service.path is None or not _same(service.path, path) or service.pid == holder:
            continue
        who = f"process {service.pid} runs with {path}"
        if service.state_dir is not None and not _same(service.state_dir, folder):
            return (
                f"{who} and keeps its state in {service.state_dir}, not in {folder}; nothing was done: "
                "restart it, so that it moves there, or set supervisor.state_dir back"
            )
        if not service.known:
            return (
                f"{who} and has not the lock of {folder}: it was started with another folder, or only just now; "
                "nothing was done: restart it, or try again"
            )
    return ""


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
