"""The notifier, with made-up channels under virtual time."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

from collections_supervisor.escalation import notifier as module
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.messages import Notice, NoticeAttempted, NoticeDelivered, NoticeExpired

OK = Delivery("ok")
DOWN = Delivery("transient", "gateway down")
REFUSED = Delivery("permanent", "no such agent")

Make = Callable[..., Notice]
Wait = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def anyio_backend(virtual_backend: object) -> object:
    return virtual_backend


async def test_a_notice_goes_to_every_channel_and_is_told_once(stage: Any, make_channel: Any, make_notice: Make) -> None:
    fast, slow = make_channel("fast", takes=1), make_channel("slow", takes=3)
    async with stage.running(fast, slow) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(10)
    assert fast.notices == slow.notices == ["agent/payment-watcher/0#1"]
    assert stage.told == [
        NoticeDelivered(dedup_key="agent/payment-watcher/0", sequence=1, channel="fast", attempts=1, at=at(1)),
    ]
    assert [event["channel"] for event in stage.log.of("escalation.delivered")] == ["fast", "slow"]


async def test_a_failed_try_is_repeated_later_and_later(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, DOWN, DOWN, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(100)
    assert channel.times == [0, 5, 15, 35]
    assert [attempt for _, _, attempt in channel.sent] == [1, 2, 3, 4]
    attempted = [message for message in stage.told if isinstance(message, NoticeAttempted)]
    assert [(message.attempts, message.next_at) for message in attempted] == [(1, at(5)), (2, at(15)), (3, at(35))]
    assert attempted[0].error == "openclaw: gateway down"
    assert stage.kinds()[-1] == "NoticeDelivered"
    failed = stage.log.of("escalation.failed")[0]
    assert (failed["level"], failed["channel"], failed["attempt"], failed["error"]) == (30, "openclaw", 1, "gateway down")
    assert failed["next_at"] == "2026-11-22T11:00:05.000000Z"


async def test_chance_spreads_the_tries(stage: Any, make_channel: Any, make_notice: Make) -> None:
    stage.random = 0.0
    channel = make_channel("openclaw", DOWN, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(13)
    assert channel.times == [0, 4, 12]


async def test_it_is_given_up_in_the_end_after_a_last_try(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, takes=0)
    async with stage.running(channel, give_up_after=86400.0) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(200_000)
    assert channel.times[-1] == 86400
    assert 95 < len(channel.sent) < 110
    assert isinstance(stage.told[-1], NoticeExpired)
    assert stage.told[-1].error == "openclaw: given up after 1 d 0 h: gateway down"
    assert stage.told[-1].attempts == len(channel.sent)
    assert [event["level"] for event in stage.log.of("escalation.expired")] == [50]


async def test_a_permanent_failure_is_not_tried_again(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", REFUSED)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(1000)
    assert len(channel.sent) == 1
    assert stage.kinds() == ["NoticeExpired"]
    assert stage.told[0].error == "openclaw: no such agent"
    assert stage.log.of("escalation.failed")[0]["next_at"] is None


async def test_while_one_channel_refuses_another_goes_on(stage: Any, make_channel: Any, make_notice: Make) -> None:
    refuses, later = make_channel("openclaw", REFUSED, takes=0), make_channel("command", DOWN, OK, takes=0.5)
    async with stage.running(refuses, later) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(1000)
    assert len(refuses.sent) == 1
    assert stage.kinds() == ["NoticeAttempted", "NoticeAttempted", "NoticeDelivered"]
    assert stage.told[1].error == "openclaw: no such agent; command: gateway down"
    assert stage.told[1].next_at == at(5.5)
    assert stage.log.of("escalation.expired") == []


async def test_a_channel_that_failed_keeps_trying_after_another_took_it(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, later = make_channel("command", OK), make_channel("openclaw", DOWN, DOWN, OK)
    async with stage.running(works, later) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(4)
        notifier.publish(())  # its owner knows that somebody was told
        await anyio.sleep(1000)
    assert len(later.sent) == 3
    assert stage.kinds() == ["NoticeDelivered"]


async def test_without_channels_it_expires_at_once(stage: Any, make_notice: Make, wait_for: Wait) -> None:
    async with stage.running() as notifier:
        notifier.publish((make_notice(),))
        await wait_for(lambda: stage.told)
    assert stage.told == [
        NoticeExpired(dedup_key="agent/payment-watcher/0", sequence=1, attempts=0, error="no channel configured")
    ]
    assert stage.log.of("escalation.expired")[0]["error"] == "no channel configured"


async def test_what_is_settled_is_answered_again_but_not_sent_again(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw")
    stage.deaf = True
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(2)
        stage.deaf = False
        notifier.publish((make_notice(),))
        await anyio.sleep(60)
    assert len(channel.sent) == 1
    assert stage.kinds() == ["NoticeDelivered"]
    assert stage.told[0].at == at(1)


async def test_an_owner_who_never_stops_asking_is_not_answered_all_the_time(
    stage: Any, make_channel: Any, make_notice: Make
) -> None:
    channel = make_channel("openclaw", REFUSED)
    async with stage.running(channel) as notifier:
        for _ in range(200):
            notifier.publish((make_notice(),))
            await anyio.sleep(0.1)
    assert 3 <= len(stage.told) <= 5


async def test_an_owner_who_never_listens_holds_up_nothing(stage: Any, make_channel: Any, make_notice: Make) -> None:
    async def hang(_: object) -> bool:
        await anyio.sleep_forever()
        return True

    channel = make_channel("openclaw", DOWN, OK, takes=0)
    async with stage.running(channel, tell=hang) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(60)
    assert channel.times == [0, 10]  # five seconds for the owner, five until the next try


async def test_what_vanishes_before_anybody_took_it_is_dropped(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(1),))
        await anyio.sleep(2)
        merged = make_notice(2, notice="resolved", merged=True)
        notifier.publish((merged,))
        await anyio.sleep(1000)
    assert channel.notices == ["agent/payment-watcher/0#1", "agent/payment-watcher/0#2"]
    assert channel.times == [0, 2]
    assert stage.outbox.pending() == ()


async def test_what_vanishes_before_its_first_try_is_never_sent(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", takes=10)
    async with stage.running(channel) as notifier:
        busy = tuple(make_notice(agent=f"agent-{number}") for number in range(module.AT_ONCE))
        notifier.publish((*busy, make_notice(agent="z")))
        await anyio.sleep(5)
        notifier.publish(busy)
        await anyio.sleep(100)
    assert len(channel.sent) == module.AT_ONCE
    assert stage.outbox.get(("agent/z/0", 1)) is None


async def test_a_try_under_way_when_it_vanishes_is_finished_and_told(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", takes=10)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(5)
        notifier.publish(())
        await anyio.sleep(100)
    assert stage.kinds() == ["NoticeDelivered"]


async def test_a_failed_try_under_way_when_it_vanishes_is_the_last(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, takes=10)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(5)
        notifier.publish(())
        await anyio.sleep(1000)
    assert len(channel.sent) == 1
    assert stage.outbox.pending() == ()
    assert stage.outbox.get(("agent/payment-watcher/0", 1)) is None


async def test_notices_of_one_incident_stay_in_order_on_a_channel(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, fails = make_channel("command", takes=0), make_channel("openclaw", DOWN, DOWN, OK, OK, takes=0)
    async with stage.running(works, fails) as notifier:
        notifier.publish((make_notice(2, notice="resolved"), make_notice(1)))
        await anyio.sleep(1000)
    assert [name[-2:] for name in works.notices] == ["#1", "#2"]
    assert [name[-2:] for name in fails.notices] == ["#1", "#1", "#1", "#2"]


async def test_one_incident_does_not_wait_for_another(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(agent="a"), make_notice(agent="b")))
        await anyio.sleep(100)
    assert channel.notices == ["agent/a/0#1", "agent/b/0#1", "agent/a/0#1"]


async def test_the_end_is_not_told_where_the_beginning_was_given_up(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, refuses = make_channel("command", takes=0), make_channel("openclaw", REFUSED, OK, takes=1)
    async with stage.running(works, refuses) as notifier:
        notifier.publish((make_notice(1),))
        await anyio.sleep(10)
        notifier.publish((make_notice(2, notice="resolved"),))
        await anyio.sleep(10)
    assert len(works.sent) == 2
    assert len(refuses.sent) == 1
    assert stage.kinds() == ["NoticeDelivered", "NoticeDelivered"]


async def test_an_end_that_says_everything_is_told_anyway(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", REFUSED, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(1),))
        await anyio.sleep(10)
        notifier.publish((make_notice(2, notice="resolved", merged=True),))
        await anyio.sleep(10)
    assert len(channel.sent) == 2


async def test_tries_at_one_time_are_bounded(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel, other = make_channel("openclaw", takes=10), make_channel("command", takes=1)
    async with stage.running(channel, other) as notifier:
        notifier.publish(tuple(make_notice(agent=f"agent-{number}") for number in range(50)))
        await anyio.sleep(10_000)
    assert len(channel.sent) == len(other.sent) == 50
    assert channel.most_under_way == other.most_under_way == module.AT_ONCE
    assert max(other.times) < 30  # not held up by the slow one


async def test_a_channel_that_hangs_is_cut_off_and_tried_again(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", takes=100_000, timeout=30)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(60)
    assert channel.times == [0, 55]
    assert stage.told[0].error == "openclaw: the channel hangs: no answer within 50 s"


@pytest.mark.parametrize(("left", "told"), [(1.5, ["NoticeDelivered"]), (5.0, [])])
async def test_a_stop_gives_a_try_under_way_two_seconds(
    stage: Any, make_channel: Any, make_notice: Make, left: float, told: list[str]
) -> None:
    channel = make_channel("openclaw", takes=10 + left)
    async with stage.running(channel) as notifier:
        notifier.publish((make_notice(),))
        await anyio.sleep(10)
    assert anyio.current_time() == pytest.approx(10 + min(left, 2))
    assert stage.kinds() == told
    assert len(stage.log.of("escalation.undelivered")) == 1 - len(told)


async def test_a_stop_says_once_what_is_undelivered(stage: Any, make_channel: Any, make_notice: Make) -> None:
    async with stage.running(make_channel("openclaw", DOWN)) as notifier:
        notifier.publish(tuple(make_notice(agent=f"agent-{number:02}") for number in range(12)))
        await anyio.sleep(100)
    (event,) = stage.log.of("escalation.undelivered")
    assert event["notices"] == 12
    assert event["message"].endswith("agent-08, agent-09 and others")


async def test_after_a_bug_it_goes_on_where_it_was(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, LookupError("a bug"), OK, takes=0)
    notifier = stage.make(channel)
    notifier.publish((make_notice(),))
    with pytest.raises(ExceptionGroup):
        await notifier.run()
    assert stage.log.of("escalation.undelivered") == []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.run)
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert [attempt for _, _, attempt in channel.sent] == [1, 2, 3]
    assert stage.kinds() == ["NoticeAttempted", "NoticeDelivered"]


async def test_once_tries_everything_once_and_returns(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, fails = make_channel("command"), make_channel("openclaw", DOWN)
    notifier = stage.make(works, fails)
    notifier.publish((make_notice(agent="a"), make_notice(agent="b")))
    await notifier.once()
    assert len(works.sent) == len(fails.sent) == 2
    assert stage.kinds().count("NoticeDelivered") == 2
    assert [event["next_at"] for event in stage.log.of("escalation.failed")] == [None, None]


async def test_once_tells_what_failed(stage: Any, make_channel: Any, make_notice: Make) -> None:
    notifier = stage.make(make_channel("openclaw", DOWN))
    notifier.publish((make_notice(),))
    await notifier.once()
    assert stage.told == [
        NoticeAttempted(dedup_key="agent/payment-watcher/0", sequence=1, attempts=1, error="openclaw: gateway down", next_at=None)
    ]


async def test_a_thousand_incidents_are_all_told(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", *[DOWN, OK] * 1500, takes=1)
    async with stage.running(channel) as notifier:
        notifier.publish(tuple(make_notice(agent=f"agent-{number}") for number in range(1000)))
        await anyio.sleep(20_000)
    assert stage.kinds().count("NoticeDelivered") == 1000
    assert len(stage.outbox.pending()) == 0


def at(seconds: float) -> datetime:
    return datetime.fromisoformat("2026-11-22T11:00:00+00:00") + timedelta(seconds=seconds)
