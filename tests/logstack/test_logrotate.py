"""logrotate takes the log away from under a program that writes it, with the configuration that we give."""

import grp
import gzip
import os
import pwd
import subprocess
import threading
from pathlib import Path
from typing import Any

ROTATIONS = 6
LEAST = 1000


def events_of(stack: Any, path: Path) -> list[dict[str, Any]]:
    plain = path
    if path.suffix == ".gz":
        plain = path.with_suffix(".plain")
        plain.write_bytes(gzip.decompress(path.read_bytes()))
    found: list[dict[str, Any]] = stack.lines(plain)
    return found


def test_rotation_under_load_loses_nothing(stack: Any) -> None:
    owner = f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}"
    command = [stack.program("logrotate"), "--state", str(stack.root / "state")]
    config = stack.config("logrotate.conf", **{"create 0600 supervisor supervisor": f"create 0600 {owner}"})
    log = stack.open()
    enough = threading.Event()

    def load() -> None:
        while not enough.is_set():
            stack.write(log, LEAST)

    writer = threading.Thread(target=load)
    writer.start()

    def wait() -> None:
        stack.until(lambda: stack.log.stat().st_size > 100_000, "the new file is written to")

    try:
        for _ in range(ROTATIONS):
            wait()
            done = subprocess.run([*command, "--force", str(config)], capture_output=True, text=True, timeout=30, check=False)
            assert (done.returncode, done.stderr) == (0, "")
        wait()
    finally:
        enough.set()
        writer.join()
    assert log.close(30)
    files = [stack.log, stack.root / "supervisor.log.1", *stack.root.glob("supervisor.log.*.gz")]
    assert len(files) == ROTATIONS + 1
    found = [[event["seq"] for event in events_of(stack, path)] for path in files]
    assert all(numbers == sorted(numbers) and numbers for numbers in found)
    everything = sorted(number for numbers in found for number in numbers)
    assert everything == list(range(1, len(everything) + 1))
    assert log.counts.dropped == 0
    assert all(len(numbers) > 100 for numbers in found), "it was written to all the time"
