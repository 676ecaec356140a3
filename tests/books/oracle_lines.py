"""What files of lines may be taken for, each line by itself and by the standard library's own JSON: slow."""

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from tests.books.oracle_invoices import DEEP

from collections_supervisor.books.activity_lines import Event, Judge, text
from collections_supervisor.books.blocks import backward, forward
from collections_supervisor.books.log_tail import LogTail
from collections_supervisor.books.queue_lines import Count, read_message
from collections_supervisor.books.times import from_text, instant

LEVELS = ("ERROR", "CRITICAL")
EMAILS = Judge(member="type", values=("EMAIL_SENT",))
ERRORS = Judge(member="level", values=LEVELS, zone=UTC)
PLAIN = Judge(member="level", values=LEVELS, zone=UTC, json=False)

_BLOCKS = ((1, 3), (7, 64), (64, 100))
"""Sizes of blocks, and how long lines may be."""


class _Big:
    """A number of so many digits that Python refuses it."""


def check_lines(data: bytes) -> None:
    """Fails if the readers take these lines for more than they say, or for something else in other blocks."""
    lines = data.split(b"\n")
    _check_queue(data, lines)
    for judge in (EMAILS, ERRORS, PLAIN):
        _check_events(data, lines, judge)


def check_log(pieces: list[bytes], since: float) -> None:
    """Fails if a log that grows piece by piece does not tell what one tells that is read at once."""
    data = b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.touch()
        for judge in (EMAILS, ERRORS):
            path.write_bytes(b"")
            data = b""
            tail = LogTail(path, judge)
            for piece in pieces:
                data += piece
                with path.open("ab") as file:
                    file.write(piece)
                warm, cold = (log.look(since=since, check=lambda: None) for log in (tail, LogTail(path, judge)))
                assert warm is not None
                assert cold is not None
                assert warm.events == cold.events
                if (expected := _events(data.split(b"\n"), judge)) is not None:
                    assert warm.events == sorted((event for event in expected if event.at >= since), key=lambda event: event.at)


def check_blocks(data: bytes) -> None:
    """Fails if a line is torn, lost or cut otherwise than the same line in other blocks."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        for size, longest in _BLOCKS[len(data) > 200 :]:
            ahead = list(forward(file.fileno(), 0, len(data), _nothing, size=size, longest=longest))
            back = list(backward(file.fileno(), len(data), _nothing, size=size, longest=longest))[::-1]
            expected = b"\n".join(line if len(line) <= longest else line[:longest] + b"\0" for line in data.split(b"\n"))
            assert b"".join(block for _, block in ahead) == expected
            assert b"".join(block for _, block in back) == expected
            for begins, block in (*ahead, *back):
                assert begins == 0 or not block or data[begins - 1 : begins] == b"\n"


def _nothing() -> None: ...


def _blocks(lines: list[bytes]) -> Iterator[list[bytes]]:
    """All lines at once, each by itself, and in threes."""
    yield [b"\n".join(lines)]
    yield [line + b"\n" for line in lines]
    yield [b"\n".join(lines[start : start + 3]) + b"\n" for start in range(0, len(lines), 3)]


def _check_queue(data: bytes, lines: list[bytes]) -> None:
    counts = []
    for blocks in _blocks(lines):
        count = Count()
        for block in blocks:
            count.add(block)
        counts.append((count.depth, count.invalid, count.oldest, list(count.payments)))
    assert counts[0] == counts[1] == counts[2]
    depth, invalid, oldest, payments = counts[0]
    told = [line for line in lines if line.strip()]
    assert depth + invalid == len(told)
    found = [_object(line) for line in told]
    for line, members in zip(told, found, strict=True):
        if members is not _EITHER:
            assert (read_message(line) is None) == (members is None)
    if _EITHER in found:
        return
    messages = [members for members in found if isinstance(members, dict)]
    assert depth == len(messages)
    times = [(members, at) for members in messages if (at := _queued(members)) is not None]
    assert oldest == min((at for _, at in times), default=None)
    names = ((text(members.get("invoice")) or text(members.get("invoice_number")), at, members) for members, at in times)
    expected = [(name, at) for name, at, members in names if members.get("type") == "INVOICE_PAID" and name]
    assert [(payment.invoice, payment.at) for payment in payments] == expected
    for name, _ in expected:
        name.encode()


def _queued(members: dict[str, Any]) -> float | None:
    at = members.get("_queued_at")
    return instant(members.get("timestamp") if at is None else at)


_EITHER = object()
"""Nobody need decide whether such a line is one."""


def _object(line: bytes) -> object:
    """The members of the object that the line is, None if it is none."""
    if line.count(b"[") + line.count(b"{") >= DEEP:
        return _EITHER
    try:
        found = json.loads(line.decode("utf-8-sig"), parse_int=_integer)
    except UnicodeDecodeError:
        return _EITHER
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return _EITHER if _any(found, lambda value: isinstance(value, _Big)) else found


def _integer(digits: str) -> int | _Big:
    try:
        return int(digits)
    except ValueError:
        return _Big()


def _any(value: object, wanted: Callable[[object], bool]) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return wanted(value) or any(_any(one, wanted) for one in inner)


def _check_events(data: bytes, lines: list[bytes], judge: Judge) -> None:
    judged = [[event for block in blocks for event in judge.judge(block, 0.0).events] for blocks in _blocks(lines)]
    assert judged[0] == judged[1] == judged[2]
    for event in judged[0]:
        assert event.at >= 0
        (event.invoice + event.template).encode()
    expected = _events(lines, judge)
    assert expected is None or judged[0] == expected


def _events(lines: list[bytes], judge: Judge) -> list[Event] | None:
    """None if a line is such that nobody need decide."""
    events = []
    for line in lines:
        if line.lstrip().startswith(b"{"):
            members = _object(line) if judge.json else None
            if members is _EITHER:
                return None
            at = _logged(members) if isinstance(members, dict) else None
            if isinstance(members, dict) and at is not None and members.get(judge.member) in judge.values:
                name = text(members.get("invoice")) or text(members.get("invoice_number"))
                events.append(Event(at=at, invoice=name, template=text(members.get("template"))))
        elif judge.zone is not None and (at := _plain(line)) is not None:
            events.append(Event(at=at))
    return events


def _logged(members: dict[str, Any]) -> float | None:
    at = members.get("timestamp")
    return instant(members.get("ts") if at is None else at)


def _plain(line: bytes) -> float | None:
    """When the line of an error was written, if it is one: `2026-11-22 10:00:00,123 - logger - ERROR - text`."""
    stamp, _, rest = line.partition(b" - ")
    digits = bytes(ord("0") if char in b"0123456789" else char for char in stamp[:19])
    fraction = stamp[20:]
    whole = digits == b"0000-00-00 00:00:00" and (
        len(stamp) == 19 or (stamp[19:20] in {b".", b","} and 1 <= len(fraction) <= 9 and fraction.isdigit())
    )
    return from_text(stamp.decode(), UTC) if whole and _level(rest) in LEVELS else None


def _level(rest: bytes) -> str:
    """The first capital word between two dashes: the logger's name before it may hold anything."""
    for at in range(len(rest)):
        if rest.startswith(b" - ", at):
            word = rest[at + 3 :].partition(b" - ")
            if word[0].isalpha() and word[0].isupper() and word[1]:
                return word[0].decode()
    return ""
