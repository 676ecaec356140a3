"""The thread that writes the log, so that nobody else ever waits for whoever reads it."""

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from collections_supervisor.system.log_queue import Line, LineQueue, Render
from collections_supervisor.system.log_target import Target, is_busy

FIRST_RETRY_S = 0.01
LAST_RETRY_S = 1.0


class Sink:
    """Writes the lines of a queue to a target, whole and in order, for as long as it takes."""

    def __init__(
        self, lines: LineQueue, target: Target, *, render: Render, fallbacks: Sequence[Callable[[], Target]] = ()
    ) -> None:
        """Starts the thread. `fallbacks` make what to go on with when the one before is dead; the log ends with the last."""
        self._lines = lines
        self._target = target
        self._render = render
        self._fallbacks = list(fallbacks)
        self._failing = False
        self._abandoned = threading.Event()
        # A daemon, because it may be stuck in write(2) for ever and must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def flush(self, deadline_s: float) -> bool:
        """Wait, at most `deadline_s` seconds, until what was offered before is written. Returns whether it is."""
        reached = threading.Event()
        self._lines.mark(reached)
        return reached.wait(deadline_s)

    def close(self, deadline_s: float) -> bool:
        """Take no more lines and write what is there, within `deadline_s` seconds. Returns whether all of it was written.

        A thread that is stuck in a write is left behind; it ends with the process.
        """
        self._lines.close()
        self._thread.join(max(deadline_s, 0.0))
        self._abandoned.set()
        return not self._thread.is_alive()

    def _run(self) -> None:
        ended = False
        # What this thread itself had to tell may stand behind the end.
        while not (ended and self._lines.is_empty()) and not self._abandoned.is_set():
            match self._next():
                case Line() as line:
                    self._deliver_or_lose(line)
                case threading.Event() as reached:
                    reached.set()
                case None:
                    ended = True
        self._target.close()

    def _next(self) -> Line | threading.Event | None:
        while True:
            try:
                return self._lines.take(self._target.idle_s)
            except queue.Empty:
                with suppress(OSError):  # the next line will meet the same error, and tell of it
                    self._target.refresh()

    def _deliver_or_lose(self, line: Line) -> None:
        try:
            self._deliver(line)
        except Exception as error:  # noqa: BLE001 - a bug in a view or a target may cost a line, never the log
            self._lines.lose(line)
            self._tell(f"a line could not be written to {self._target.name}", error)

    def _deliver(self, line: Line) -> None:
        """Write the whole line before anything else, wherever it can be written."""
        rest: bytes | None = None
        delay_s = FIRST_RETRY_S
        while not self._abandoned.is_set():
            try:
                if self._target.refresh() or rest is None:
                    rest = self._target.show(line.data)
                while rest:
                    rest = rest[self._target.write(rest) :]
            except OSError as error:
                if not self._target.is_dead(error):
                    self._wait(error, delay_s)
                    delay_s = min(2 * delay_s, LAST_RETRY_S)
                elif self._switch(error):
                    rest = None
                else:
                    break
            else:
                # A disk that has room for one line now and then is one failure, until we have caught up.
                self._failing = self._failing and not self._lines.is_empty()
                return
        self._lines.lose(line)

    def _wait(self, error: OSError, delay_s: float) -> None:
        if not is_busy(error):
            self._tell(f"{self._target.name} cannot be written; lines are kept, up to a bound, until it can", error)
        self._abandoned.wait(delay_s)

    def _switch(self, error: OSError) -> bool:
        """Go on in the next fallback; without one, end the log."""
        dead = self._target
        if not self._fallbacks:
            self._lines.close()
            return False
        self._target = self._fallbacks.pop(0)()
        dead.close()
        self._failing = False
        self._tell(f"{dead.name} cannot be written any more; the log goes on in {self._target.name}", error)
        return True

    def _tell(self, message: str, error: Exception) -> None:
        """Once for each failure, however long it lasts."""
        if not self._failing:
            self._failing = True
            fields: dict[str, object] = {
                "event": "log.sink_failed",
                "message": message,
                "path": self._target.name,
                "error": error,
            }
            self._lines.offer("error", self._render("error", fields), must=True)
