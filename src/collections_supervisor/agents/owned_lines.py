"""What a process of ours says, as log events: so many lines a second, and how many were too many."""

from structlog.typing import FilteringBoundLogger

LINES = 100
"""Lines of output a second that become log events; the rest is counted."""

LINE = 4096
"""Bytes of a line that are shown; one without an end is cut there."""

SECOND = 1.0


class Lines:
    """Bytes in, events out."""

    def __init__(self, agent: str, log: FilteringBoundLogger) -> None:
        self._agent = agent
        self._log = log
        self._rest = b""
        self._second = 0.0
        self._count = 0
        self._skipped = 0

    @property
    def skipped(self) -> int:
        """Lines of which nobody was told yet that they were skipped."""
        return self._skipped

    def second_ends(self, now: float) -> float:
        """Seconds until there is room for more lines."""
        return max(0.0, self._second + SECOND - now)

    def take(self, piece: bytes, now: float) -> None:
        """Log what the second has room for. The rest is only counted: a piece may hold tens of thousands of lines."""
        self._turn(now)
        text = self._rest + piece
        room = LINES - self._count
        *lines, text = text.split(b"\n", room) if room > 0 else (text,)
        for line in lines:
            self._tell(line)
        self._count += len(lines)
        more = text.count(b"\n")
        if more:
            self._skipped += more
            text = text[text.rindex(b"\n") + 1 :]
        # A line without an end must not be kept for ever.
        if len(text) > LINE:
            self._tell_if_room(text)
            text = b""
        self._rest = text

    def end(self, now: float) -> None:
        """Nothing more comes: tell the unfinished last line."""
        self._turn(now)
        if self._rest:
            self._tell_if_room(self._rest)
            self._rest = b""
        self.tell_skipped()

    def _turn(self, now: float) -> None:
        if now >= self._second + SECOND:
            self.tell_skipped()
            self._second, self._count = now, 0

    def _tell_if_room(self, line: bytes) -> None:
        if self._count < LINES:
            self._count += 1
            self._tell(line)
        else:
            self._skipped += 1

    def _tell(self, line: bytes) -> None:
        text = line[:LINE].decode("utf-8", "replace").rstrip("\r")
        if text.strip():
            self._log.info("agent.output", message=text, agent=self._agent)

    def tell_skipped(self) -> None:
        """Say how many lines came too fast."""
        if self._skipped:
            skipped, self._skipped = self._skipped, 0
            self._log.warning(
                "agent.output.skipped",
                message=f"{skipped} lines of {self._agent} came too fast and were skipped",
                agent=self._agent,
                dropped=skipped,
            )
