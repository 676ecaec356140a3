"""Numbers, bounds and the account of what was dropped."""

import json
import queue
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.messages import Level
from collections_supervisor.system.log_layouts import Parts
from collections_supervisor.system.log_queue import Line, LineQueue
from collections_supervisor.system.log_render import LineRenderer

RENDERER = LineRenderer(run_id="r-1", version="1", max_bytes=8000)
WALL = datetime(2026, 11, 22, tzinfo=UTC)


def render(level: Level, fields: dict[str, object]) -> Parts:
    return RENDERER.parts(level, fields, WALL)


def offer(lines: LineQueue, note: object = 0, *, level: Level = "info", must: bool = False) -> None:
    lines.offer(level, render(level, {"event": "e", "note": note}), must=must)


def taken(lines: LineQueue) -> list[dict[str, object]]:
    """Everything that waits."""
    return list(records(lines))


def records(lines: LineQueue) -> Iterator[dict[str, object]]:
    while True:
        try:
            item = lines.take(0)
        except queue.Empty:
            return
        if isinstance(item, Line):
            yield json.loads(item.data)


def assert_accounted_for(read: list[dict[str, object]]) -> None:
    """Numbers rise by one, and where some are missing the very next line says how many."""
    expected = 1
    for record in read:
        seq = record["seq"]
        assert isinstance(seq, int)
        if record["event"] == "log.dropped":
            assert record["dropped"] == seq - expected
        else:
            assert seq == expected
        expected = seq + 1


def test_lines_come_out_numbered_and_in_order() -> None:
    lines = LineQueue(render)
    for note in range(5):
        offer(lines, note)
    assert [(record["seq"], record["note"]) for record in taken(lines)] == [(n + 1, n) for n in range(5)]


def test_too_many_lines_are_dropped_and_accounted_for_where_they_are_missing() -> None:
    lines = LineQueue(render, max_lines=10)
    for note in range(25):
        offer(lines, note)
    read = [next(records(lines)) for _ in range(5)]
    offer(lines, "after")
    read += taken(lines)
    assert_accounted_for(read)
    assert [record.get("note", record.get("dropped")) for record in read] == [*range(10), 15, "after"]
    assert lines.counts.dropped == 15


def test_drops_are_told_of_even_if_nothing_is_logged_any_more() -> None:
    lines = LineQueue(render, max_lines=2)
    for note in range(5):
        offer(lines, note)
    read = taken(lines)
    assert_accounted_for(read)
    assert [record["event"] for record in read] == ["e", "e", "log.dropped"]


def test_too_many_bytes_are_dropped() -> None:
    lines = LineQueue(render, max_bytes=10_000)
    for _ in range(20):
        offer(lines, "x" * 4000)
    assert len(taken(lines)) == 3


def test_an_empty_queue_takes_any_line() -> None:
    lines = LineQueue(render, max_bytes=10)
    offer(lines)
    assert len(taken(lines)) == 1


def test_bytes_that_were_taken_make_room() -> None:
    lines = LineQueue(render, max_bytes=10_000)
    offer(lines, "x" * 4000)
    for _ in range(20):
        offer(lines, "x" * 4000)
        lines.take(0)
    assert lines.counts.dropped == 0


def test_after_a_drop_there_must_be_room_for_more_than_one_line() -> None:
    lines = LineQueue(render, max_lines=8)
    for note in range(9):
        offer(lines, note)
    read = []
    for note in range(100, 150):
        read.append(next(records(lines)))
        offer(lines, note)
    read += taken(lines)
    assert_accounted_for(read)
    assert sum(record["event"] == "log.dropped" for record in read) < len(read) / 3


def test_a_line_that_must_goes_in_over_the_bounds() -> None:
    lines = LineQueue(render, max_lines=2)
    for note in range(4):
        offer(lines, note)
    offer(lines, "must", must=True)
    read = taken(lines)
    assert_accounted_for(read)
    assert read[-1]["note"] == "must"


def test_a_lost_line_is_told_of_later() -> None:
    lines = LineQueue(render)
    offer(lines, "lost")
    lost = lines.take(0)
    assert isinstance(lost, Line)
    lines.lose(lost)
    read = taken(lines)
    assert_accounted_for(read)
    assert [record["event"] for record in read] == ["log.dropped"]


def test_a_lost_account_of_drops_is_added_to_the_next_one() -> None:
    lines = LineQueue(render, max_lines=2)
    for note in range(5):
        offer(lines, note)
    read = [next(records(lines)), next(records(lines))]
    account = lines.take(0)
    assert isinstance(account, Line)
    assert account.numbers == 4
    lines.lose(account)
    read += taken(lines)
    assert_accounted_for(read)
    assert read[-1]["dropped"] == 4


def test_counts_are_by_level_and_hold_what_was_dropped() -> None:
    lines = LineQueue(render, max_lines=2)
    for _ in range(3):
        offer(lines, level="info")
    offer(lines, level="critical")
    assert lines.counts.events == {"debug": 0, "info": 3, "warning": 0, "error": 0, "critical": 1}
    assert lines.counts.dropped == 2


def test_a_mark_comes_behind_what_was_offered_before() -> None:
    lines = LineQueue(render)
    mark = threading.Event()
    offer(lines, 1)
    lines.mark(mark)
    offer(lines, 2)
    items = [lines.take(0) for _ in range(3)]
    assert items[1] is mark


def test_after_the_end_nothing_is_taken_but_counted() -> None:
    lines = LineQueue(render)
    offer(lines, 1)
    lines.close()
    offer(lines, 2)
    mark = threading.Event()
    lines.mark(mark)
    assert mark.is_set()
    assert isinstance(lines.take(0), Line)
    assert lines.take(0) is None
    assert lines.counts.dropped == 1


def test_drops_before_the_end_are_told_of() -> None:
    lines = LineQueue(render, max_lines=1)
    for note in range(3):
        offer(lines, note)
    lines.close()
    read = taken(lines)
    assert_accounted_for(read)
    assert read[-1]["dropped"] == 2


def test_a_finalizer_may_log_while_a_line_is_being_numbered() -> None:
    """As if garbage were collected in the midst of the one step that must not be interrupted."""

    def render_and_log(level: Level, fields: dict[str, object]) -> Parts:
        offer(lines, "from within")
        return render(level, fields)

    lines = LineQueue(render_and_log, max_lines=4)
    for note in range(6):
        offer(lines, note)
    read = taken(lines)
    assert_accounted_for(read)
    assert "from within" in [record.get("note") for record in read]


@pytest.fixture
def frequent_signals() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_signal_handler_may_log_at_any_moment(request: pytest.FixtureRequest) -> None:
    lines = LineQueue(render, max_lines=10**6)
    parts = render("info", {"event": "e"})
    handled = 0

    def handle(_number: int, _frame: object) -> None:
        nonlocal handled
        handled += 1
        lines.offer("warning", parts)

    signal.signal(signal.SIGALRM, handle)
    request.getfixturevalue("frequent_signals")
    offered = 0
    while handled < 100:
        lines.offer("info", parts)
        offered += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    read = taken(lines)
    assert_accounted_for(read)
    assert len(read) == offered + handled
    assert (lines.counts.events["info"], lines.counts.events["warning"]) == (offered, handled)


def test_threads_may_log_at_once_and_each_keeps_its_order() -> None:
    lines = LineQueue(render, max_lines=10**6)
    start = threading.Barrier(4)

    def work(name: int) -> None:
        start.wait()
        for note in range(300):
            offer(lines, [name, note])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = taken(lines)
    assert_accounted_for(read)
    for name in range(4):
        assert [record["note"] for record in read if record["note"][0] == name] == [[name, note] for note in range(300)]  # type: ignore[index]
    assert lines.counts.events["info"] == 1200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a shared machine may be slow
@given(
    steps=st.lists(st.sampled_from(["offer", "must", "take", "lose"]), max_size=40),
    max_lines=st.integers(1, 6),
    max_bytes=st.integers(300, 2000),
)
def test_whatever_happens_every_missing_number_is_told_of_later(steps: list[str], max_lines: int, max_bytes: int) -> None:
    lines = LineQueue(render, max_lines=max_lines, max_bytes=max_bytes)
    read = []
    for step in steps:
        if step in {"offer", "must"}:
            offer(lines, must=step == "must")
            continue
        try:
            item = lines.take(0)
        except queue.Empty:
            continue
        assert isinstance(item, Line)
        if step == "lose":
            lines.lose(item)
        else:
            read.append(json.loads(item.data))
    read += taken(lines)
    expected = 1
    missing = 0
    for record in read:
        missing += record["seq"] - expected - record.get("dropped", 0)
        assert missing >= 0
        expected = record["seq"] + 1
    assert missing == 0
