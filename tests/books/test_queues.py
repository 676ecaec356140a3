"""Queue files: how much waits there, since when, and what is no message."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.books.queue_lines import PAYMENTS_LIMIT, Count
from collections_supervisor.books.queues import QUEUES_LIMIT, SIZE_LIMIT, QueueFolder, judge_queues
from collections_supervisor.books.records import Payment, Queue, Queues

NOW = 1_800_000_000.0
MAX_AGE = 3600.0


class Stopped(Exception):  # noqa: N818 - not an error
    """The reading is not wanted any more."""


def message(at: object = NOW - 10, **members: object) -> bytes:
    return json.dumps({"type": "INVOICE_SENT", "_queued_at": at, **members}).encode() + b"\n"


class World:
    """A queue folder and the payment queue, looked at again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "queues"
        self.folder.mkdir()
        self.payment_queue = folder / "payment_queue.json"
        self.now = NOW
        self.reader = self.fresh()

    def fresh(self) -> QueueFolder:
        return QueueFolder(self.folder, self.payment_queue)

    def write(self, name: str, data: bytes, age: float = 0.0) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        os.utime(path, (self.now - age, self.now - age))
        return path

    def read(self) -> Queues:
        return self.reader.read(now=self.now, check=lambda: None)

    def queue(self) -> Queue:
        [queue] = self.read().queues
        return queue


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_no_folder_is_no_queue(tmp_path: Path) -> None:
    assert QueueFolder(tmp_path / "none", tmp_path / "none.json").read(now=NOW, check=lambda: None) == Queues()


def test_messages_are_counted_and_the_oldest_is_known(world: World) -> None:
    world.write("emailer.jsonl", message(NOW - 5) + b"\n  \n" + message(NOW - 31) + message(NOW - 7))
    assert world.queue() == Queue(name="emailer", depth=3, oldest=NOW - 31, invalid=0)


def test_only_jsonl_files_are_queues(world: World) -> None:
    for name in ("dedupe_0123.json", ".x.jsonl", "x.jsonl.tmp", "x.json"):
        world.write(name, b"garbage\n")
    (world.folder / "folder").mkdir()
    assert world.read() == Queues()


def test_lines_that_are_no_messages_are_invalid(world: World) -> None:
    world.write("q.jsonl", message() + b'garbage\n7\n[]\nnull\n{"a":\n\xff\n' + b"[" * 5000 + b"\n" + message())
    assert (world.queue().depth, world.queue().invalid) == (2, 7)


@pytest.mark.parametrize("beside", [b"", b"garbage\n"])
def test_a_message_is_one_line_and_a_line_one_message_whatever_stands_beside_it(world: World, beside: bytes) -> None:
    world.write("q.jsonl", message() + message().rstrip() + message() + b'{\n"type": "INVOICE_SENT"\n}\n' + beside)
    assert (world.queue().depth, world.queue().invalid) == (1, 4 + bool(beside))


def test_what_python_writes_beyond_json_is_a_message(world: World) -> None:
    world.write("q.jsonl", b'{"_queued_at": 1799999990.0, "x": NaN}\n{"x": "\xff"}\n{"_queued_at": "soon"}\n{"timestamp": 5}\n')
    assert world.queue() == Queue(name="q", depth=4, oldest=5.0, invalid=0)


def test_a_line_longer_than_memory_allows_is_one_invalid_line(world: World) -> None:
    world.write("q.jsonl", message() + b'{"x": "' + b"a" * (3 << 20) + b'"}\n' + message())
    assert (world.queue().depth, world.queue().invalid) == (2, 1)


def test_an_unfinished_last_line_is_a_message_where_it_is_whole(world: World) -> None:
    world.write("q.jsonl", message() + message().rstrip())
    assert (world.queue().depth, world.queue().invalid) == (2, 0)


def test_an_unfinished_last_line_is_not_invalid_for_a_minute(world: World) -> None:
    path = world.write("q.jsonl", message() + b'{"type"')
    for _ in range(3):
        assert (world.queue().depth, world.queue().invalid) == (1, 0)
        world.now += 20
        os.utime(path, (world.now, world.now))  # touched, and still not finished
    assert world.queue().invalid == 1
    world.write("q.jsonl", message() + b'{"type": 1}\n')
    assert (world.queue().depth, world.queue().invalid) == (2, 0)


def test_an_unfinished_line_in_an_old_file_is_invalid_to_whoever_remembers_nothing(world: World) -> None:
    world.write("q.jsonl", message() + b'{"type"', age=61)
    assert world.queue().invalid == 1
    world.write("q.jsonl", message() + b'{"type"', age=59)
    world.reader = world.fresh()
    assert world.queue().invalid == 0


def test_an_unchanged_file_is_remembered_unless_it_is_young(world: World) -> None:
    path = world.write("q.jsonl", message(NOW - 5), age=60)
    assert world.queue().oldest == NOW - 5
    world.write("q.jsonl", message(NOW - 6), age=60)  # the same size and times: nobody can tell
    assert world.queue().oldest == NOW - 5
    world.write("q.jsonl", message(NOW - 7), age=1)
    assert world.queue().oldest == NOW - 7
    world.write("q.jsonl", message(NOW - 8), age=1)
    assert world.queue().oldest == NOW - 8
    path.unlink()
    assert world.read() == Queues()


def test_the_payment_queue_is_not_judged_by_its_depth(world: World) -> None:
    world.payment_queue.write_bytes(message(NOW - 1e6) * 500 + b"garbage\n")
    queue = world.queue()
    assert queue == Queue(name="payment_queue", depth=500, oldest=NOW - 1e6, invalid=1, judged=False)


def test_payments_are_told_with_their_time(world: World) -> None:
    paid: dict[str, Any] = {"type": "INVOICE_PAID"}
    world.write(
        "q.jsonl", message(NOW - 5, invoice="A", **paid) + message(NOW + 60, invoice="later", **paid) + message(invoice="B")
    )
    world.payment_queue.write_bytes(
        message(None, timestamp="2026-11-22T10:00:00Z", invoice_number=7, **paid)
        + message("never", invoice="C", **paid)
        + message(NOW - 1, invoice=[1], **paid)
    )
    assert world.read().payments == (Payment(invoice="A", at=NOW - 5), Payment(invoice="7", at=1795341600.0))
    world.now += 60
    assert [payment.invoice for payment in world.read().payments] == ["A", "later", "7"]


def test_payments_are_bounded() -> None:
    count = Count()
    count.add(b"".join(message(number, type="INVOICE_PAID", invoice=number) for number in range(1, PAYMENTS_LIMIT + 5)))
    assert (count.depth, len(count.payments), count.payments[0].invoice) == (PAYMENTS_LIMIT + 4, PAYMENTS_LIMIT, "5")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, SIZE_LIMIT + 1)


def _link(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [_fifo, _sparse, _link, Path.mkdir])
def test_what_is_no_small_regular_file_is_a_finding_and_costs_no_other_queue(world: World, make: Callable[[Path], None]) -> None:
    make(world.folder / "bad.jsonl")
    world.write("good.jsonl", message())
    found = world.read()
    assert [queue.name for queue in found.queues] == ["good"]
    assert [(one.kind, one.path) for one in found.findings] == [("unreadable_file", str(world.folder / "bad.jsonl"))]


def test_a_folder_that_is_none_is_a_finding(world: World) -> None:
    world.folder.rmdir()
    world.folder.touch()
    [finding] = world.read().findings
    assert finding.path == str(world.folder)
    assert finding.advice.startswith("make it a folder that")


def test_too_many_queues_are_a_finding(world: World) -> None:
    for number in range(QUEUES_LIMIT + 1):
        world.write(f"{number:03}.jsonl", b"")
    found = world.read()
    assert (len(found.queues), len(found.findings)) == (QUEUES_LIMIT, 1)


def test_a_name_that_is_not_utf_8_is_shown(world: World) -> None:
    Path(os.fsdecode(os.fsencode(world.folder) + b"/q\xff.jsonl")).touch()
    assert world.queue().name.encode()


def test_reading_can_be_stopped(world: World) -> None:
    world.write("q.jsonl", message())

    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        world.reader.read(now=NOW, check=check)


def judged(queue: Queue, limit: int = 100) -> tuple[bool, str]:
    report = judge_queues(Queues(queues=(queue,)), limit=limit, max_age=MAX_AGE, now=NOW)
    [item] = report.items
    assert (report.healthy, report.limit, item.depth, item.invalid) == (item.healthy, limit, queue.depth, queue.invalid)
    return item.healthy, item.reason


def test_a_healthy_queue() -> None:
    assert judged(Queue(name="q", depth=99, oldest=NOW - MAX_AGE, invalid=0)) == (True, "")
    assert judge_queues(Queues(), limit=1, max_age=1, now=NOW).healthy


@pytest.mark.parametrize(
    ("depth", "age", "invalid", "reason"),
    [
        (100, None, 0, "100 messages wait, fewer than 100 is healthy"),
        (1, MAX_AGE + 60, 0, "the oldest message waits for 1 h 01 min, at most 1 h 00 min is healthy"),
        (1, 5, 1, "1 line is no message"),
        (150, 5, 2, "150 messages wait, fewer than 100 is healthy; 2 lines are no messages"),
    ],
)
def test_what_makes_a_queue_unhealthy(depth: int, age: float | None, invalid: int, reason: str) -> None:
    queue = Queue(name="q", depth=depth, oldest=None if age is None else NOW - age, invalid=invalid)
    assert judged(queue) == (False, reason)


def test_a_queue_that_nobody_takes_from_is_judged_by_its_lines_alone() -> None:
    assert judged(Queue(name="q", depth=500, oldest=0.0, invalid=0, judged=False)) == (True, "")
    assert judged(Queue(name="q", depth=0, oldest=None, invalid=3, judged=False)) == (False, "3 lines are no messages")


def test_a_message_from_the_future_waits_for_no_time() -> None:
    report = judge_queues(Queues(queues=(Queue(name="q", depth=1, oldest=NOW + 9, invalid=0),)), limit=2, max_age=1, now=NOW)
    assert report.items[0].oldest_age_s == 0.0


PIECES = st.sampled_from(
    [
        b"{",
        b"}",
        b'"_queued_at"',
        b":",
        b"1e999",
        b'"\\ud800"',
        b"[",
        b"\n",
        b",",
        b"NaN",
        b'"type":"INVOICE_PAID"',
        b'"invoice":',
    ]
)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join)))
def test_no_line_makes_it_raise(data: bytes) -> None:
    count = Count()
    count.add(data)
    for payment in count.payments:
        payment.invoice.encode()
