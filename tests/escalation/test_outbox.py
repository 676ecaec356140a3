"""What is kept of the notices."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from collections_supervisor.escalation.outbox import MemoryOutbox
from collections_supervisor.messages import Notice, Now

Make = Callable[..., Notice]
AT = datetime(2026, 11, 22, tzinfo=UTC)
NOW = Now(mono=5.0, wall=AT)


async def test_the_way_of_one_notice(make_notice: Make) -> None:
    box = MemoryOutbox()
    entry = await box.put(make_notice(), ("a", "b"), NOW)
    assert (entry.pending, entry.lost, entry.attempts, entry.put_at) == (True, False, 0, 5.0)

    assert await box.attempt(entry.key, "a") == 1
    await box.failed(entry.key, "a", "down", AT + timedelta(seconds=9))
    assert await box.attempt(entry.key, "b") == 1
    await box.failed(entry.key, "b", "busy", AT + timedelta(seconds=7))
    assert (entry.next_at, entry.error) == (AT + timedelta(seconds=7), "a: down; b: busy")

    assert await box.attempt(entry.key, "a") == 2
    await box.delivered(entry.key, "a", AT)
    assert (entry.taken_by, entry.taken_at, entry.attempts, entry.error) == ("a", AT, 2, "b: busy")
    await box.delivered(entry.key, "b", AT + timedelta(seconds=8))
    assert (entry.taken_by, entry.pending, entry.lost, entry.next_at) == ("a", False, False, None)


async def test_it_is_lost_when_every_channel_was_given_up(make_notice: Make) -> None:
    box = MemoryOutbox()
    entry = await box.put(make_notice(), ("a", "b"), NOW)
    await box.expired(entry.key, "a", "refused")
    assert (entry.pending, entry.lost) == (True, False)
    await box.expired(entry.key, "b", "missing")
    assert (entry.pending, entry.lost) == (False, True)
    assert entry.error == "a: refused; b: missing"
    assert box.pending() == ()
    assert box.get(entry.key) is entry


async def test_without_channels_it_is_lost_from_the_start(make_notice: Make) -> None:
    assert (await MemoryOutbox().put(make_notice(), (), NOW)).lost


async def test_pending_ones_come_in_order_and_dropped_ones_not_at_all(make_notice: Make) -> None:
    box = MemoryOutbox()
    first, second, third = [await box.put(make_notice(sequence), ("a",), NOW) for sequence in (1, 2, 3)]
    await box.delivered(second.key, "a", AT)
    await box.drop(third.key)
    await box.drop(third.key)
    assert box.pending() == (first,)
    assert box.get(third.key) is None
    assert box.telling_of("agent/payment-watcher/0") == (first, second)
    assert box.telling_of("agent/payment-watcher/1") == ()


async def test_what_is_skipped_is_neither_due_nor_lost(make_notice: Make) -> None:
    box = MemoryOutbox()
    entry = await box.put(make_notice(), ("a",), NOW)
    await box.skipped(entry.key, "a")
    assert (entry.pending, entry.lost, entry.error) == (False, False, "")


@pytest.mark.parametrize("channel", ["a", "b"])
async def test_the_first_to_take_it_is_remembered(make_notice: Make, channel: str) -> None:
    box = MemoryOutbox()
    entry = await box.put(make_notice(), ("a", "b"), NOW)
    await box.delivered(entry.key, channel, AT)
    await box.delivered(entry.key, "a", AT + timedelta(seconds=1))
    assert (entry.taken_by, entry.taken_at) == (channel, AT)
