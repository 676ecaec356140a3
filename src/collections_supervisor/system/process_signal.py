"""Signals to processes named by pid and start time, so that nobody who got their number later is ever hit."""

import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from collections_supervisor.system.process_table import Facilities, Process, is_alive, start_time


def send(targets: Iterable[Process], table: Mapping[int, Process], numbers: Sequence[int], facilities: Facilities) -> None:
    """Send the signals, in this order, to each of `targets`: by its group where the group's leader is in `table`.

    What is gone or not ours to signal is passed over. Reads the kernel's list of processes: call it from a worker thread.
    """
    groups: defaultdict[int, list[Process]] = defaultdict(list)
    for process in targets:
        groups[process.group].append(process)
    for group, processes in groups.items():
        _send_to_group(table.get(group), processes, numbers, facilities)


def open_pidfd(process: Process, facilities: Facilities) -> int | None:
    """A pidfd of exactly this process; None where none can be had. Raises ProcessLookupError if the process has ended."""
    if not facilities.pidfd:
        return None
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        raise
    except OSError:  # out of descriptors, or forbidden by a container's system call filter
        return None
    try:
        # Asked only now: until it was held, the number could still pass to another process.
        alive = is_alive(process.pid, process.start_time, facilities)
    except OSError:
        os.close(pidfd)
        return None
    if not alive:
        os.close(pidfd)
        raise ProcessLookupError(process.pid)
    return pidfd


def _send_to_group(leader: Process | None, processes: Iterable[Process], numbers: Sequence[int], facilities: Facilities) -> None:
    if leader is not None and _is_same(leader, facilities):
        # The kernel signals a group in one piece: nobody in it forks his way out.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            for number in numbers:
                os.killpg(leader.pid, number)
        # Who has just gone into a session of his own was not reached.
        processes = [process for process in processes if _group(process.pid) != leader.pid]
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            _send_to_one(process, numbers, facilities)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _send_to_one(process: Process, numbers: Sequence[int], facilities: Facilities) -> None:
    pidfd = open_pidfd(process, facilities)
    if pidfd is None:
        if _is_same(process, facilities):
            for number in numbers:
                os.kill(process.pid, number)
        return
    try:
        for number in numbers:
            signal.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def _is_same(process: Process, facilities: Facilities) -> bool:
    try:
        return start_time(process.pid, facilities) == process.start_time
    except OSError:  # no descriptor left to ask with: better nobody than somebody else
        return False
