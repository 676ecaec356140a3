"""The program, killed by itself right after the n-th of its writes: `COLLECTIONS_TEST_KILL_AFTER=n python crash_driver.py ARGS`.

Without the variable, or with 0, it is never killed; the number of writes it made then stands in the file that
`COLLECTIONS_TEST_COUNT` names, so that a campaign knows how many moments there are to die at.
"""

import os
import signal
import threading
from pathlib import Path

from collections_supervisor.cli import main
from collections_supervisor.system import files

KILL_AFTER = "COLLECTIONS_TEST_KILL_AFTER"
COUNT = "COLLECTIONS_TEST_COUNT"


class Fuse:
    """Counts the writes of all threads."""

    def __init__(self, limit: int, report: Path | None) -> None:
        self._limit = limit
        self._report = report
        self._made = 0
        self._counting = threading.Lock()

    def burn(self, call: str) -> None:
        """One more write is done."""
        # Not let go of until the signal comes: no other thread goes on beyond the write that it is at.
        with self._counting:
            self._made += 1
            if self._report is not None:
                self._report.write_text(f"{self._made} {call}\n")
            if self._made == self._limit:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    report = os.environ.get(COUNT)
    files.after_write = Fuse(int(os.environ.get(KILL_AFTER, "0")), Path(report) if report else None).burn
    main()
