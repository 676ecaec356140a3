"""From the settings to a run: the state folder with its lock, the log, and what is known before there is an event loop."""

import errno
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from collections_supervisor.app.own_counts import OwnCounts
from collections_supervisor.app.run import Run
from collections_supervisor.app.told import UnknownStateError
from collections_supervisor.config.schema import Config, LoggingConfig
from collections_supervisor.system.clock import SystemClock, boot_id
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.lock import LOCK, Lock, LockHeldError, find_holder, wait_for_lock
from collections_supervisor.system.log_faults import faults_of
from collections_supervisor.system.logs import LogSystem, open_log
from collections_supervisor.system.ownership import OthersFolderError, require_own

STDOUT = 1
STDERR = 2

SWEEP_WAITS = 10.0
"""Seconds that a sweep waits for another one."""

_SURROUNDINGS = {errno.EACCES, errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS, errno.ESTALE}
"""What may become of a good folder. Whoever names a folder that cannot exist made a mistake instead."""


class LaunchError(Exception):
    """The settings name something that cannot be used."""


def prepare_state(folder: Path, *, once: bool = False, dry: bool = False) -> Lock:
    """Make the state folder if it is missing, private, and take its lock.

    Raises OSError, LockHeldError, or OthersFolderError where root would take it from another user's supervisor.
    """
    path = folder / LOCK
    try:
        require_own(folder, signs=[path])
    except OthersFolderError:
        # One that runs there can be asked, or reported of, and writes by itself.
        with suppress(OSError):
            holder = find_holder(path)
            if holder is not None and not holder.once:
                raise LockHeldError(path, holder.pid) from None
        raise
    # One that exists keeps its mode: it may be somebody else's too, and all files of ours are private anyway.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not dry:
        (folder / "actions").mkdir(mode=0o700, exist_ok=True)
    # A daemon waits for sweeps however long they take: each ends by itself, and then somebody has to watch.
    return wait_for_lock(path, once=once, seconds=SWEEP_WAITS if once else math.inf)


@contextmanager
def launched(
    config: Config, environ: Mapping[str, str], *, once: bool = False, dry: bool = False
) -> Iterator[tuple[Run, LogSystem]]:
    """A run and its log, with the lock held meanwhile; raises LaunchError, LockHeldError, or UnknownStateError if `once`."""
    _occupy_standard_streams()
    folder = config.supervisor.state_dir
    lock: Lock | None = None
    unusable = ""
    try:
        lock = prepare_state(folder, once=once, dry=dry)
    except OthersFolderError as error:
        raise (UnknownStateError if once else LaunchError)(str(error)) from error
    except OSError as error:
        if error.errno not in _SURROUNDINGS:
            raise LaunchError(f"supervisor.state_dir: {error.filename or folder} cannot be used: {cause_of(error)}") from error
        unusable = cause_of(error)
        if once and error.errno in (errno.EACCES, errno.EPERM):
            # Whoever may use it perhaps watches these agents at this moment.
            raise UnknownStateError(f"supervisor.state_dir: {folder} is not for us ({unusable}): nothing was done") from error
    try:
        fallback = folder / "fallback.log"
        # The output of a single sweep is its report.
        with _log_of(config.logging, environ, fallback=fallback, fd=STDERR if once else STDOUT) as (logs, run_id):
            _tell_lock(logs, folder, lock, unusable, once=once)
            yield (
                Run(
                    config=config,
                    log=logs.logger,
                    run_id=run_id,
                    environ=environ,
                    boot_id=boot_id(),
                    clock=SystemClock(),
                    counts=_counts_of(logs),
                    lock=lock,
                    once=once,
                    dry=dry,
                ),
                logs,
            )
    finally:
        if lock is not None:
            lock.close()


@contextmanager
def looking(config: Config, environ: Mapping[str, str]) -> Iterator[Run]:
    """A run that changes nothing anywhere: it has no lock, and its log, on standard error, tells of its own faults alone."""
    _occupy_standard_streams()
    quiet = msgspec.structs.replace(config.logging, level="warning", file=None)
    with _log_of(quiet, environ, fallback=None, fd=STDERR) as (logs, run_id):
        yield Run(
            config=config,
            log=faults_of(logs.logger),
            run_id=run_id,
            environ=environ,
            boot_id=boot_id(),
            clock=SystemClock(),
            counts=_counts_of(logs),
            once=True,
            dry=True,
        )


def _counts_of(logs: LogSystem) -> OwnCounts:
    return OwnCounts(datetime.now(UTC), lambda: logs.counts)  # noqa: TID251 - there is no loop yet whose clock could tell


@contextmanager
def _log_of(
    logging: LoggingConfig, environ: Mapping[str, str], *, fallback: Path | None, fd: int
) -> Iterator[tuple[LogSystem, str]]:
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"  # noqa: TID251 - there is no clock before there is a run
    try:
        logs = open_log(logging, run_id=run_id, fallback=fallback, fd=fd, environ=environ)
    except OSError as error:
        raise LaunchError(f"logging.file: {logging.file} cannot be opened: {cause_of(error)}") from error
    logs.capture()
    try:
        yield logs, run_id
    except Exception as error:
        logs.logger.critical("supervisor.crashed", message=f"unexpected internal error: {error!r}", exc_info=error)
        raise
    finally:
        logs.close(1.0)


def _tell_lock(logs: LogSystem, folder: Path, lock: Lock | None, unusable: str, *, once: bool) -> None:
    """Say that nothing keeps a second supervisor away: not watching would be worse than watching twice."""
    consequence = "a sweep restarts nobody without it" if once else "supervision goes on, and is forgotten at its end"
    if lock is None:
        logs.logger.error(
            "supervisor.store_failed",
            message=f"the state folder {folder} cannot be used ({unusable}): {consequence}",
            path=str(folder),
            reason=unusable,
        )
    elif lock.unsupported is not None:
        logs.logger.warning(
            "supervisor.unlocked",
            message=f"a second supervisor would not be noticed: {lock.unsupported}",
            path=str(folder),
            reason=lock.unsupported,
        )


def _occupy_standard_streams() -> None:
    """Open those that are closed, lest a file of ours take the number of one: the log would be written into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Not for writing: the log is to learn that nobody reads it, and to go on in its fallback.
            os.open(os.devnull, os.O_RDONLY)
