"""The queues in which the agents leave messages for each other: how much waits there, for how long, and whether it is sound."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from collections_supervisor.books.blocks import forward
from collections_supervisor.books.faults import Check, shown, unreadable
from collections_supervisor.books.queue_lines import Count, read_message
from collections_supervisor.books.records import Payment, Queue, Queues
from collections_supervisor.messages import Finding, QueueReport, QueuesReport
from collections_supervisor.system.clock import span
from collections_supervisor.system.files import open_regular, require_regular

UNFINISHED_FOR = 60.0
"""Seconds for which a last line without newline may be one that is being written."""

SIZE_LIMIT = 1 << 26
QUEUES_LIMIT = 100

_SETTLED = 2.0
"""Seconds: a file that was changed since may be changed once more without its mtime showing it."""

_ATTEMPTS = 3


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at one file found."""

    status: os.stat_result
    settled: bool
    queue: Queue
    payments: tuple[Payment, ...]
    torn_at: int | None = None
    """Where a last line stands that is unfinished."""
    torn_since: float = 0.0


class QueueFolder:
    """All queues, and what is remembered of them; blocking, one caller at a time."""

    def __init__(self, queue_dir: Path, payment_queue: Path) -> None:
        """`payment_queue` is written by the payment watcher and emptied by nobody: only whether it can be read is judged."""
        self._queue_dir = queue_dir
        self._payment_queue = payment_queue
        self._seen: dict[Path, _Seen] = {}

    def read(self, *, now: float, check: Check) -> Queues:
        """All queues as they are now; a file or folder that cannot be read is a finding. `now` is in seconds of the epoch."""
        findings: list[Finding] = []
        seen: dict[Path, _Seen] = {}
        for path in (*self._files(findings, check), self._payment_queue):
            try:
                seen[path] = self._look(path, now, check)
            except FileNotFoundError:
                continue
            except OSError as error:
                findings.append(unreadable(path, error))
        self._seen = seen
        return Queues(
            queues=tuple(_told(look, now) for look in seen.values()),
            payments=tuple(payment for look in seen.values() for payment in look.payments if payment.at <= now),
            findings=tuple(findings),
            changed=max((look.status.st_mtime for look in seen.values()), default=None),
        )

    def _files(self, findings: list[Finding], check: Check) -> list[Path]:
        names: list[str] = []
        try:
            with os.scandir(self._queue_dir) as entries:
                for item in entries:
                    check()
                    if item.name.endswith(".jsonl") and not item.name.startswith("."):
                        names.append(item.name)
        except FileNotFoundError:
            pass
        except OSError as error:
            findings.append(unreadable(self._queue_dir, error, folder=True))
        if len(names) > QUEUES_LIMIT:
            findings.append(unreadable(self._queue_dir, f"holds {len(names)} queues; the first {QUEUES_LIMIT} were read"))
        return [self._queue_dir / name for name in sorted(names)[:QUEUES_LIMIT]]

    def _look(self, path: Path, now: float, check: Check) -> _Seen:
        known = self._seen.get(path)
        found = path.lstat()
        require_regular(path, found)
        if known is not None and known.settled and _stamp(known.status) == _stamp(found):
            return known
        for _ in range(_ATTEMPTS):
            look, changed = self._read(path, now, check)
            if not changed:
                break
        if known is not None and look.torn_at is not None and _same_torn(known, look):
            return msgspec.structs.replace(look, torn_since=min(look.torn_since, known.torn_since))
        return look

    def _read(self, path: Path, now: float, check: Check) -> tuple[_Seen, bool]:
        """One reading, and whether the file was changed while it was read."""
        count = Count()
        torn_at: int | None = None
        with open_regular(path, os.O_RDONLY) as (fd, found):
            if found.st_size > SIZE_LIMIT:
                raise OSError(errno.EFBIG, f"holds more than {SIZE_LIMIT} bytes", str(path))
            for begins, block in forward(fd, 0, found.st_size, check):
                if not block.endswith(b"\n") and block.strip() and read_message(block) is None:
                    torn_at = begins
                else:
                    count.add(block)
            changed = _stamp(os.fstat(fd)) != _stamp(found)
        look = _Seen(
            status=found,
            settled=now - found.st_mtime >= _SETTLED,
            queue=Queue(
                name=shown(path.stem),
                depth=count.depth,
                oldest=count.oldest,
                invalid=count.invalid,
                judged=path != self._payment_queue,
            ),
            payments=tuple(count.payments),
            torn_at=torn_at,
            # Since its last change the line stands as it is: also for a look that remembers nothing.
            torn_since=min(now, found.st_mtime),
        )
        return look, changed


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _same_torn(known: _Seen, look: _Seen) -> bool:
    return (known.status.st_ino, known.torn_at) == (look.status.st_ino, look.torn_at)


def _told(look: _Seen, now: float) -> Queue:
    if look.torn_at is None or now - look.torn_since < UNFINISHED_FOR:
        return look.queue
    return msgspec.structs.replace(look.queue, invalid=look.queue.invalid + 1)


def judge_queues(queues: Queues, *, limit: int, max_age: float, now: float) -> QueuesReport:
    """Which queues are healthy: fewer than `limit` messages, none older than `max_age` seconds, and all can be read. Pure."""
    items = tuple(_judged(queue, limit, max_age, now) for queue in queues.queues)
    return QueuesReport(healthy=all(item.healthy for item in items), limit=limit, items=items)


def _judged(queue: Queue, limit: int, max_age: float, now: float) -> QueueReport:
    age = None if queue.oldest is None else max(0.0, now - queue.oldest)
    reasons = list(_reasons(queue, age, limit, max_age))
    return QueueReport(
        name=queue.name,
        depth=queue.depth,
        oldest_age_s=None if age is None else round(age, 3),
        invalid=queue.invalid,
        healthy=not reasons,
        reason="; ".join(reasons),
    )


def _reasons(queue: Queue, age: float | None, limit: int, max_age: float) -> Iterator[str]:
    if queue.judged and queue.depth >= limit:
        yield f"{queue.depth} messages wait, fewer than {limit} is healthy"
    if queue.judged and age is not None and age > max_age:
        yield f"the oldest message waits for {span(age)}, at most {span(max_age)} is healthy"
    if queue.invalid:
        yield "1 line is no message" if queue.invalid == 1 else f"{queue.invalid} lines are no messages"
