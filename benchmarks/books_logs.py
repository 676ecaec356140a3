"""Logs of a million lines: those of what the agents did, and those of heartbeats."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collections_supervisor.agents.heartbeat_log import LogMemory, look
from collections_supervisor.books.activity_lines import Judge
from collections_supervisor.books.log_tail import LogTail
from collections_supervisor.messages import Now

DAYS = 30
DAY = 86400.0
REPEATS = 15
TOLERANCE = timedelta(minutes=5)

Row = tuple[str, float, float | None, str, str]


def measure_activity_log(folder: Path, count: int) -> Iterator[Row]:
    """The first look at a day of a month, and the next one after some more lines."""
    path, now = folder / "email_activity.log", datetime.now(UTC)
    begin, step = now - timedelta(days=DAYS), timedelta(days=DAYS) / count
    with path.open("w") as file:
        file.writelines(f"{json.dumps(mail(begin + index * step, index))}\n" for index in range(count))
    judge, since = Judge(member="type", values=("EMAIL_SENT",)), now.timestamp() - DAY

    def read(log: LogTail) -> int:
        found = log.look(since=since, check=lambda: None)
        return len(found.events) if found else 0

    logs = [LogTail(path, judge) for _ in range(REPEATS)]
    first = [timed(lambda log=log: read(log)) for log in logs]  # type: ignore[misc]
    following: list[float] = []
    for index in range(REPEATS):
        with path.open("a") as file:
            file.writelines(f"{json.dumps(mail(now, index))}\n" for _ in range(20))
        following.append(timed(lambda: read(logs[0])))
    size = f"{path.stat().st_size >> 20} MiB, {read(logs[0])} events"
    yield f"log of {count} lines, first look", min(first) * 1000, 50.0, "ms", size
    yield "next look, 20 lines more", min(following) * 1000, 1.0, "ms", ""
    path.unlink()


def mail(at: datetime, index: int) -> dict[str, str]:
    """Every other line is about something else."""
    kind = ("EMAIL_SENT", "EMAIL_OPENED")[index % 2]
    return {
        "timestamp": at.isoformat(),
        "type": kind,
        "invoice": f"INV-{index:06d}",
        "template": "reminder_due",
        "to": "x@example.org",
    }


def measure_heartbeat_log(folder: Path, count: int) -> Iterator[Row]:
    """A look at a long log beside a look at one of ten lines: the first, and one after a new beat."""
    short, long = folder / "short.log", folder / "long.log"
    begin = datetime.now(UTC) - timedelta(seconds=count)
    for path, lines in ((short, 10), (long, count)):
        with path.open("w") as file:
            file.writelines(f"{beat(begin + timedelta(seconds=count - lines + index))}\n" for index in range(lines))
    first = {path: min(timed(lambda path=path: heartbeats(path, None)) for _ in range(REPEATS)) for path in (short, long)}  # type: ignore[misc]
    following = {path: min(next_looks(path)) for path in (short, long)}
    yield (
        "heartbeat log, next look, long : short",
        following[long] / following[short],
        None,
        "times",
        absolute(following, short, long),
    )
    yield "heartbeat log, first look, long : short", first[long] / first[short], None, "times", absolute(first, short, long)
    short.unlink()
    long.unlink()


def absolute(taken: dict[Path, float], short: Path, long: Path) -> str:
    return f"{taken[long] * 1e6:.0f} us, {taken[short] * 1e6:.0f} us"


def beat(at: datetime) -> str:
    return json.dumps({"timestamp": at.isoformat(), "stale": False})


def heartbeats(path: Path, memory: LogMemory | None) -> LogMemory | None:
    now = Now(mono=time.monotonic(), wall=datetime.now(UTC))
    return look(path, memory, now=now, tolerance=TOLERANCE, first=memory is None)


def next_looks(path: Path) -> Iterator[float]:
    memory = heartbeats(path, None)
    for _ in range(REPEATS):
        with path.open("a") as file:
            file.write(f"{beat(datetime.now(UTC))}\n")
        begun = time.perf_counter()
        memory = heartbeats(path, memory)
        yield time.perf_counter() - begun
        if memory is None or memory.said.beat is None or memory.size != path.stat().st_size:
            raise SystemExit(f"{path} was not read to its end")


def timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
