"""`status --watch`: the same look again and again, on a terminal in place, elsewhere one line for each change."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol, TextIO

import anyio

from collections_supervisor.app import status
from collections_supervisor.app.told import Saved, UnknownStateError
from collections_supervisor.coordination.changes import Known, changes, known_of, noted
from collections_supervisor.reporting.text import clean
from collections_supervisor.reporting.words import condition

_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_REST_OF_LINE = "\x1b[K"
_REST_OF_SCREEN = "\x1b[J"

Look = Callable[[], Awaitable[Saved]]


class Face(Protocol):
    """Where the looks are shown."""

    def show(self, saved: Saved) -> None:
        """Show what a look found."""
        ...

    def complain(self, why: str) -> None:
        """Show why it found nothing."""
        ...

    def close(self) -> None:
        """Leave the place as it was."""
        ...


def face_for(
    out: TextIO,
    echo: Callable[[str], None],
    put: Callable[[bytes], None],
    complain: Callable[[str], None],
    *,
    as_json: bool,
    colour: bool,
) -> Face:
    """What suits whoever reads there; `echo` and `put` write a line, `complain` one beside them."""
    if as_json:
        return Objects(put, complain)
    if out.isatty() and os.environ.get("TERM") != "dumb":
        return Screen(out, shutil.get_terminal_size, colour=colour)
    return Lines(echo)


async def watch(look: Look, face: Face, every: float) -> int:
    """Look every so many seconds until a signal, or until nobody reads any more; the exit status of the last look."""
    over = anyio.Event()
    resized = anyio.Event()

    async def listen(signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            (resized if number == signal.SIGWINCH else over).set()

    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH)
    result = status.CANNOT_TELL
    with anyio.open_signal_receiver(*ends) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen, signals)
            try:
                while not over.is_set():
                    result = await _look(look, face)
                    resized = anyio.Event()
                    await _first_of(over, resized, every)
            except BrokenPipeError:
                _mute()
            finally:
                tasks.cancel_scope.cancel()
    return result


async def _look(look: Look, face: Face) -> int:
    try:
        saved = await look()
    except UnknownStateError as error:
        face.complain(str(error))
        return status.CANNOT_TELL
    face.show(saved)
    return status.exit_status(saved)


async def _first_of(one: anyio.Event, other: anyio.Event, seconds: float) -> None:
    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as race:

            async def wait(event: anyio.Event) -> None:
                await event.wait()
                race.cancel_scope.cancel()

            race.start_soon(wait, one)
            race.start_soon(wait, other)


def _mute() -> None:
    """Nobody reads what is still in the buffer of standard output either."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


class Screen:
    """A terminal, which is drawn anew at each look and given back as it was."""

    def __init__(self, out: TextIO, size: Callable[[], os.terminal_size], *, colour: bool) -> None:
        self._out = out
        self._size = size
        self._colour = colour
        self._put(_ENTER)

    def show(self, saved: Saved) -> None:
        """Draw the table."""
        self._draw(status.table(saved, self._size().columns, self._colour).splitlines())

    def complain(self, why: str) -> None:
        """Draw a sentence."""
        self._draw([clean(why)])

    def close(self) -> None:
        """Show again what was there before."""
        self._put(_LEAVE)

    def _draw(self, lines: list[str]) -> None:
        rows = max(2, self._size().lines)
        if len(lines) > rows:
            lines = [*lines[: rows - 1], f"... and {len(lines) - rows + 1} more lines: the terminal is too low"]
        self._put(_HOME + "\n".join(f"{line}{_REST_OF_LINE}" for line in lines) + _REST_OF_SCREEN)

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class Lines:
    """Anything else: how it is at first, then one line for each change."""

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._known: Known | None = None
        self._said = ""
        self._source = ""

    def show(self, saved: Saved) -> None:
        """Say what is different."""
        report = saved.report
        known = known_of(report) if self._known is None else noted(self._known, report, report.agents)
        at = f"{report.generated_at:%Y-%m-%d %H:%M:%S} UTC"
        for line in self._news(saved, known):
            self._echo(f"{at} {clean(line)}")
        self._known = known

    def complain(self, why: str) -> None:
        """Say it once."""
        if why != self._source:
            self._echo(clean(why))
        self._source, self._said = why, ""

    def close(self) -> None:
        """There is nothing to leave."""

    def _news(self, saved: Saved, known: Known) -> Iterator[str]:
        report = saved.report
        if self._known is not None:
            yield from (f"{subject} {what}" for subject, what in changes(self._known, known, report.generated_at))
        runs = "no supervisor runs" if saved.daemon is None else "the supervisor saves nothing" if report.stale else ""
        said = f"{report.verdict}: {condition(report)}{f' ({runs})' if runs else ''}"
        if said != self._said:
            yield said
        self._said, self._source = said, ""


class Objects:
    """A program: the whole report as a line of JSON, whenever it is another one."""

    def __init__(self, put: Callable[[bytes], None], complain: Callable[[str], None]) -> None:
        self._put = put
        self._complain = complain
        self._shown: bytes | str = b""

    def show(self, saved: Saved) -> None:
        """Write it."""
        report = status.as_json(saved)
        if report != self._shown:
            self._put(report)
        self._shown = report

    def complain(self, why: str) -> None:
        """Say it once, beside what the program reads."""
        if why != self._shown:
            self._complain(clean(why))
        self._shown = why

    def close(self) -> None:
        """There is nothing to leave."""
