"""Log stacks that are run for real, over what the program's own log wrote."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.config.schema import LoggingConfig
from collections_supervisor.system.logs import LogSystem, open_log

FOLDER = Path(__file__).parents[2] / "config" / "logstack"
SYSTEM = "/usr/sbin:/sbin"
"""Where programs for administrators lie, which need not be on the path of others."""
DEADLINE_S = 40.0
AT_ONCE = 500
"""Lines between two waits for the disk: fewer than the log's own queue holds, so that none is lost in there."""

Event = dict[str, Any]


class Stack:
    """A folder with a log in it, and what reads the log."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "supervisor.log"

    @staticmethod
    def program(name: str) -> str:
        """Where a program is; skips the test where it is not installed."""
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM}")
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    def config(self, name: str, **changes: str) -> Path:
        """A copy of a configuration for this folder; `changes` are texts in it and what takes their place."""
        text = (FOLDER / name).read_text(encoding="utf-8")
        for old, new in {**changes, "/var/log/collections-supervisor": str(self.root)}.items():
            assert old in text, f"{name} says nothing of {old}"
            text = text.replace(old, new)
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def open(self) -> LogSystem:
        """The log of a program, as it writes into a file."""
        config = LoggingConfig(file=self.log, format="json", level="debug")
        return open_log(config, run_id="20261122T110000Z-0badcafe", fallback=None, version="1.2.3")

    def write(self, log: LogSystem, count: int) -> None:
        """Log so many events of different kinds and lengths, as fast as they can be written."""
        for number in range(count):
            fields: Event = {"agent": f"agent-{number % 7}", "age_s": number / 8, "missed": number % 3, "last_heartbeat": None}
            # Nearly the longest line that there can be, now and then.
            text = 'é"\\\t' * 50 + "x" * 7100 if number % 250 == 0 else f"event {number}"
            log.logger.warning("agent.heartbeat.missed", message=text, miss_threshold=2, **fields)
            if number % AT_ONCE == 0:
                assert log.flush(DEADLINE_S)
        assert log.flush(DEADLINE_S)

    @staticmethod
    def lines(path: Path) -> list[Event]:
        """The whole lines of a file; none while it does not exist."""
        try:
            return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
        except FileNotFoundError:
            return []

    @staticmethod
    def until(condition: Callable[[], bool], what: str) -> None:
        """Wait for what another program does."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"not within {DEADLINE_S:g} s: {what}"
            time.sleep(0.02)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A log in a folder of its own."""
    return Stack(tmp_path)
