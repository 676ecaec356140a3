"""The real OpenClaw, and a Node that it accepts, from the npm registry into a folder that is kept from run to run."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

OPENCLAW = "2026.9.6"
NODE = "24.16.0"
"""Within what this OpenClaw asks for: at least 24.16 and below 25, or from 26.1 on."""

DEADLINE = 300.0
"""Seconds that the installation may take, waiting for another one included."""


class NotInstalledError(Exception):
    """It could not be installed here; the message says why."""


class Programs(NamedTuple):
    """What was installed."""

    node: Path
    openclaw: Path


def cache() -> Path:
    """Where it is kept: outside of every working copy, and nothing of it is ever changed."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "collections-supervisor-tests" / f"openclaw-{OPENCLAW}"


def install(place: Path, npm: str = "npm", within: float = DEADLINE) -> Programs:
    """What stands in `place`, put there first if it does not; raises NotInstalledError.

    The folder gets its name only when all is in it and was seen to run: one that was left half full is never taken for it.
    """
    end = time.monotonic() + within
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place, end):
            if not place.exists():
                _fill(place, npm, end)
    except OSError as error:
        raise NotInstalledError(f"no place for it: {error}") from error
    return _programs(place)


def _programs(folder: Path) -> Programs:
    modules = "node_modules"
    return Programs(folder / "node" / modules / ".bin" / "node", folder / "claw" / modules / "openclaw" / "openclaw.mjs")


@contextmanager
def _alone(place: Path, end: float) -> Iterator[None]:
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise NotInstalledError("another run has been installing it all the time") from error
                time.sleep(0.1)
        yield


def _fill(place: Path, npm: str, end: float) -> None:
    for left_over in place.parent.glob(f"{place.name}.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{place.name}.new-", dir=place.parent))
    try:
        # The package of Node has a script that fetches the program for this machine; OpenClaw's own are not needed.
        _run([npm, "install", "--prefix", str(folder / "node"), f"node@{NODE}"], folder, end)
        scriptless = ["--ignore-scripts", f"openclaw@{OPENCLAW}"]
        _run([npm, "install", "--prefix", str(folder / "claw"), *scriptless], folder, end)
        programs = _programs(folder)
        _run([str(programs.node), str(programs.openclaw), "--version"], folder, end, HOME=str(folder / "home"))
        shutil.rmtree(folder / "home", ignore_errors=True)
        folder.rename(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], folder: Path, end: float, **env: str) -> None:
    quiet = {"npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false"}
    told = folder / "told.log"
    with told.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **quiet, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise NotInstalledError(f"{command[0]} cannot be run: {error.strerror}") from error
        try:
            status = process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise NotInstalledError(f"{' '.join(command)} did not end in time") from error
        finally:
            _end(process)
    if status != 0:
        said = " / ".join(told.read_text(errors="replace").strip().splitlines()[-5:])
        raise NotInstalledError(f"{' '.join(command)} ended with {status}: {said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever way it went, no npm goes on behind our back."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
