"""The lives of one supervisor: started, killed, started again at once, and at last left to put everything right."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.story import Site

DRIVER = Path(__file__).parents[1] / "acceptance" / "crash_driver.py"

LONGEST = 4.0
"""Seconds after which a life ends that does not come to the write at which it was to end."""

DEADLINE = 60.0
"""Seconds that the last life has for everything; it takes a tenth of that."""


@dataclass(frozen=True)
class Kill:
    """When a life ends: right after its n-th write, or so many seconds after its first word."""

    writes: int = 0
    seconds: float = LONGEST

    def __str__(self) -> str:
        return f"killed after write {self.writes}" if self.writes else f"killed after {self.seconds:.3f} s"


class Life:
    """One process of the program."""

    def __init__(self, site: Site, number: int, kill: Kill | None = None) -> None:
        self.log = site.root / f"life-{number:04}.jsonl"
        self.errors = site.root / f"life-{number:04}.err"
        self.kill = kill
        environ = site.environment(os.environ, Path(sys.executable))
        if kill is not None and kill.writes:
            environ["COLLECTIONS_TEST_KILL_AFTER"] = str(kill.writes)
        command = [sys.executable, str(DRIVER), "--config", str(site.root / "supervisor.toml")]
        with self.log.open("wb") as log, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command, cwd=site.root, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=errors
            )

    def end(self) -> None:
        """Wait until it is dead, which is its own doing if it was told to die at a write."""
        assert self.kill is not None
        # How long the interpreter takes to start is chance enough on a shared machine, and nothing can be lost meanwhile.
        reached(lambda: self.log.stat().st_size or self.process.poll() is not None, LONGEST)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(self.kill.seconds)
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.wait()


def reached(condition: Callable[[], object], within: float) -> bool:
    """Whether it became true in that time; for what shows only in files and processes."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def left_behind(site: Site) -> dict[int, str]:
    """Living processes that were started for this site, in whatever session."""
    mark = f"CAMPAIGN={site.root}\0".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def end_all(pids: Iterable[int]) -> None:
    """Kill what a failed campaign would leave."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
