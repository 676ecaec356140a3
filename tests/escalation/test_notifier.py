"""The notifier, with made-up channels under virtual time."""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

from collections_supervisor.escalation import courier as module
from collections_supervisor.escalation.courier import Persistence
from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.messages import Notice, NoticeAttempted, NoticeDelivered, NoticeExpired, Standing

OK = Delivery("ok")
DOWN = Delivery("transient", "gateway down")
REFUSED = Delivery("permanent", "no such agent")

Make = Callable[..., Notice]
Wait = Callable[[Callable[[], object]], Awaitable[None]]


def owed(*notices: Notice, pressing: Collection[str] = ()) -> Standing:
    return Standing(owed=notices, pressing=frozenset(pressing))


@pytest.fixture
def anyio_backend(virtual_backend: object) -> object:
    return virtual_backend


async def test_a_notice_goes_to_every_channel_and_each_delivery_is_told(stage: Any, make_channel: Any, make_notice: Make) -> None:
    fast, slow = make_channel("fast", takes=1), make_channel("slow", takes=3)
    async with stage.running(fast, slow) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(10)
    assert fast.notices == slow.notices == ["agent/payment-watcher/0#1"]
    assert stage.told == [
        NoticeDelivered(dedup_key="agent/payment-watcher/0", sequence=1, channel="fast", attempts=1, at=at(1)),
        NoticeDelivered(dedup_key="agent/payment-watcher/0", sequence=1, channel="slow", attempts=1, at=at(3)),
    ]
    assert [event["channel"] for event in stage.log.of("escalation.delivered")] == ["fast", "slow"]


async def test_a_failed_try_is_repeated_later_and_later(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, DOWN, DOWN, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice()))
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
        notifier.publish(owed(make_notice()))
        await anyio.sleep(13)
    assert channel.times == [0, 4, 12]


async def test_it_is_given_up_in_the_end_after_a_last_try(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, takes=0)
    async with stage.running(channel, give_up_after=86400.0) as notifier:
        notifier.publish(owed(make_notice()))
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
        notifier.publish(owed(make_notice()))
        await anyio.sleep(1000)
    assert len(channel.sent) == 1
    assert stage.kinds() == ["NoticeAttempted", "NoticeExpired"]
    assert [message.error for message in stage.told] == ["openclaw: no such agent"] * 2
    assert stage.log.of("escalation.failed")[0]["next_at"] is None


async def test_while_one_channel_refuses_another_goes_on(stage: Any, make_channel: Any, make_notice: Make) -> None:
    refuses, later = make_channel("openclaw", REFUSED, takes=0), make_channel("command", DOWN, OK, takes=0.5)
    async with stage.running(refuses, later) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(1000)
    assert len(refuses.sent) == 1
    assert stage.kinds() == ["NoticeAttempted", "NoticeAttempted", "NoticeDelivered"]
    assert stage.told[1].error == "openclaw: no such agent; command: gateway down"
    assert stage.told[1].next_at == at(5.5)
    assert stage.log.of("escalation.expired") == []


async def test_a_channel_that_failed_keeps_trying_after_another_took_it(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, later = make_channel("command", OK), make_channel("openclaw", DOWN, DOWN, OK)
    async with stage.running(works, later) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(4)
        notifier.publish(owed())  # its owner knows that somebody was told
        await anyio.sleep(1000)
    assert len(later.sent) == 3
    assert stage.kinds() == ["NoticeDelivered", "NoticeAttempted", "NoticeAttempted", "NoticeDelivered"]
    assert [(message.taken, message.error) for message in stage.told[1:3]] == [(True, "openclaw: gateway down")] * 2
    assert [stage.told[at].channel for at in (0, 3)] == ["command", "openclaw"]


async def test_without_channels_it_expires_at_once(stage: Any, make_notice: Make, wait_for: Wait) -> None:
    async with stage.running() as notifier:
        notifier.publish(owed(make_notice()))
        await wait_for(lambda: stage.told)
    assert stage.told == [
        NoticeExpired(dedup_key="agent/payment-watcher/0", sequence=1, attempts=0, error="no channel configured")
    ]
    assert stage.log.of("escalation.expired")[0]["error"] == "no channel configured"


async def test_what_is_settled_is_answered_again_but_not_sent_again(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw")
    stage.deaf = True
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(2)
        stage.deaf = False
        notifier.publish(owed(make_notice()))
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
            notifier.publish(owed(make_notice()))
            await anyio.sleep(0.1)
    assert 3 <= len(stage.told) <= 5


async def test_an_owner_who_never_listens_holds_up_nothing(stage: Any, make_channel: Any, make_notice: Make) -> None:
    async def hang(_: object) -> bool:
        await anyio.sleep_forever()
        return True

    channel = make_channel("openclaw", DOWN, OK, takes=0)
    async with stage.running(channel, tell=hang) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(60)
    assert channel.times == [0, 10]  # five seconds for the owner, five until the next try


async def test_what_vanishes_before_anybody_took_it_is_dropped(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice(1)))
        await anyio.sleep(2)
        merged = make_notice(2, notice="resolved", merged=True)
        notifier.publish(owed(merged))
        await anyio.sleep(1000)
    assert channel.notices == ["agent/payment-watcher/0#1", "agent/payment-watcher/0#2"]
    assert channel.times == [0, 2]
    assert stage.outbox.pending() == ()


async def test_what_vanishes_before_its_first_try_is_never_sent(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", takes=10)
    async with stage.running(channel) as notifier:
        busy = tuple(make_notice(agent=f"agent-{number}") for number in range(module.AT_ONCE))
        notifier.publish(owed(*busy, make_notice(agent="z")))
        await anyio.sleep(5)
        notifier.publish(owed(*busy))
        await anyio.sleep(100)
    assert len(channel.sent) == module.AT_ONCE
    assert stage.outbox.get(("agent/z/0", 1)) is None


async def test_a_try_under_way_when_it_vanishes_is_finished_and_told(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", takes=10)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(5)
        notifier.publish(owed())
        await anyio.sleep(100)
    assert stage.kinds() == ["NoticeDelivered"]


async def test_a_failed_try_under_way_when_it_vanishes_is_the_last(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, takes=10)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(5)
        notifier.publish(owed())
        await anyio.sleep(1000)
    assert len(channel.sent) == 1
    assert stage.outbox.pending() == ()
    assert stage.outbox.get(("agent/payment-watcher/0", 1)) is None


async def test_notices_of_one_incident_stay_in_order_on_a_channel(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, fails = make_channel("command", takes=0), make_channel("openclaw", DOWN, DOWN, OK, OK, takes=0)
    async with stage.running(works, fails) as notifier:
        notifier.publish(owed(make_notice(2, notice="resolved"), make_notice(1)))
        await anyio.sleep(1000)
    assert [name[-2:] for name in works.notices] == ["#1", "#2"]
    assert [name[-2:] for name in fails.notices] == ["#1", "#1", "#1", "#2"]


async def test_one_incident_does_not_wait_for_another(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice(agent="a"), make_notice(agent="b")))
        await anyio.sleep(100)
    assert channel.notices == ["agent/a/0#1", "agent/b/0#1", "agent/a/0#1"]


async def test_the_end_is_not_told_where_the_beginning_was_given_up(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, refuses = make_channel("command", takes=0), make_channel("openclaw", REFUSED, OK, takes=1)
    async with stage.running(works, refuses) as notifier:
        notifier.publish(owed(make_notice(1)))
        await anyio.sleep(10)
        notifier.publish(owed(make_notice(2, notice="resolved")))
        await anyio.sleep(10)
    assert len(works.sent) == 2
    assert len(refuses.sent) == 1
    assert stage.kinds() == ["NoticeDelivered", "NoticeAttempted", "NoticeDelivered"]


async def test_an_end_that_says_everything_is_told_anyway(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", REFUSED, OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice(1)))
        await anyio.sleep(10)
        notifier.publish(owed(make_notice(2, notice="resolved", merged=True)))
        await anyio.sleep(10)
    assert len(channel.sent) == 2


async def test_tries_at_one_time_are_bounded(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel, other = make_channel("openclaw", takes=10), make_channel("command", takes=1)
    async with stage.running(channel, other) as notifier:
        notifier.publish(owed(*(make_notice(agent=f"agent-{number}") for number in range(50))))
        await anyio.sleep(10_000)
    assert len(channel.sent) == len(other.sent) == 50
    assert channel.most_under_way == other.most_under_way == module.AT_ONCE
    assert max(other.times) < 30  # not held up by the slow one


async def test_a_channel_that_hangs_is_cut_off_and_tried_again(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", takes=100_000, timeout=30)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(60)
    assert channel.times == [0, 55]
    assert stage.told[0].error == "openclaw: the channel hangs: no answer within 50 s"


@pytest.mark.parametrize(("left", "told"), [(1.5, ["NoticeDelivered"]), (5.0, [])])
async def test_a_stop_gives_a_try_under_way_two_seconds(
    stage: Any, make_channel: Any, make_notice: Make, left: float, told: list[str]
) -> None:
    channel = make_channel("openclaw", takes=10 + left)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(10)
    assert anyio.current_time() == pytest.approx(10 + min(left, 2))
    assert stage.kinds() == told
    assert len(stage.log.of("escalation.undelivered")) == 1 - len(told)


async def test_a_stop_says_once_what_is_undelivered(stage: Any, make_channel: Any, make_notice: Make) -> None:
    async with stage.running(make_channel("openclaw", DOWN)) as notifier:
        notifier.publish(owed(*(make_notice(agent=f"agent-{number:02}") for number in range(12))))
        await anyio.sleep(100)
    (event,) = stage.log.of("escalation.undelivered")
    assert event["notices"] == 12
    assert event["message"].endswith("agent-08, agent-09 and others")


async def test_after_a_bug_it_goes_on_where_it_was(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN, LookupError("a bug"), OK, takes=0)
    notifier = stage.make(channel)
    notifier.publish(owed(make_notice()))
    with pytest.raises(ExceptionGroup):
        await notifier.run()
    assert stage.log.of("escalation.undelivered") == []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.run)
        await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert [attempt for _, _, attempt in channel.sent] == [1, 2, 3]
    assert stage.kinds() == ["NoticeAttempted", "NoticeDelivered"]


async def test_without_retries_everything_is_tried_once(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, fails = make_channel("command"), make_channel("openclaw", DOWN)
    async with stage.running(works, fails, retries=False) as notifier:
        notifier.publish(owed(make_notice(agent="a"), make_notice(agent="b")))
        await notifier.drained()
        assert anyio.current_time() == 1
        notifier.publish(owed(make_notice(agent="b"), make_notice(agent="c")))
        await notifier.drained()
    assert len(works.sent) == len(fails.sent) == 3
    assert stage.kinds().count("NoticeDelivered") == 3
    assert [event["next_at"] for event in stage.log.of("escalation.failed")] == ["2026-11-22T11:00:01.000000Z"] * 2 + [
        "2026-11-22T11:00:02.000000Z"
    ]
    assert stage.outbox.get(("agent/b/0", 1)).legs["openclaw"].error == "gateway down"


async def test_without_retries_what_failed_is_told_and_stays_due(stage: Any, make_channel: Any, make_notice: Make) -> None:
    about: dict[str, Any] = {"dedup_key": "agent/payment-watcher/0", "sequence": 1, "attempts": 1}
    async with stage.running(make_channel("openclaw", DOWN), retries=False) as notifier:
        notifier.publish(owed(make_notice()))
        await notifier.drained()
    assert stage.told == [NoticeAttempted(**about, error="openclaw: gateway down", next_at=at(1))]
    assert len(stage.outbox.pending()) == 1
    [failed] = stage.log.of("escalation.failed")
    assert failed["message"].endswith(": gateway down; tried again by the next run")


async def test_without_retries_too_a_permanent_failure_has_no_next_try(stage: Any, make_channel: Any, make_notice: Make) -> None:
    async with stage.running(make_channel("openclaw", REFUSED), retries=False) as notifier:
        notifier.publish(owed(make_notice()))
        await notifier.drained()
    assert stage.kinds()[-1] == "NoticeExpired"
    [failed] = stage.log.of("escalation.failed")
    assert (failed["next_at"], failed["message"].endswith("; no further try on it")) == (None, True)


async def test_without_retries_too_it_is_given_up_in_the_end(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", DOWN)
    for _ in range(3):
        async with stage.running(channel, retries=False, give_up_after=7200) as notifier:
            notifier.publish(owed(make_notice()))
            await notifier.drained()
        await anyio.sleep(3600)
    assert stage.kinds() == ["NoticeAttempted", "NoticeAttempted", "NoticeAttempted", "NoticeExpired"]
    assert len(stage.log.of("escalation.failed")) == 3


async def test_drained_with_nothing_to_do(stage: Any, make_channel: Any) -> None:
    async with stage.running(make_channel("openclaw"), retries=False) as notifier:
        with anyio.move_on_after(60) as nothing_known:
            await notifier.drained()
        assert nothing_known.cancelled_caught
        notifier.publish(owed())
        await notifier.drained()


async def test_drained_waits_until_the_owner_has_heard_of_what_is_settled(
    stage: Any, make_channel: Any, make_notice: Make
) -> None:
    async def hear(message: Any) -> bool:
        await anyio.sleep(3)
        return bool(await stage.tell(message))

    await stage.outbox.put(make_notice(), ("openclaw",), stage.now())
    await stage.outbox.delivered(("agent/payment-watcher/0", 1), "openclaw", stage.now().wall)
    async with stage.running(make_channel("openclaw"), retries=False, tell=hear) as notifier:
        notifier.publish(owed(make_notice()))
        await notifier.drained()
        assert stage.kinds() == ["NoticeDelivered"]


async def test_what_an_earlier_run_left_waits_for_its_owner(stage: Any, make_channel: Any, make_notice: Make) -> None:
    await stage.outbox.put(make_notice(1), ("openclaw",), stage.now())
    await stage.outbox.put(make_notice(1, agent="other"), ("openclaw",), stage.now())
    channel = make_channel("openclaw")
    async with stage.running(channel) as notifier:
        await anyio.sleep(100)
        assert channel.sent == []
        notifier.publish(owed(make_notice(2, notice="resolved", merged=True), make_notice(1, agent="other")))
        await anyio.sleep(100)
    assert sorted(channel.notices) == ["agent/other/0#1", "agent/payment-watcher/0#2"]


# --- Rungs ---

KEY = "agent/payment-watcher/0"


async def test_a_later_channel_is_used_while_nobody_knows_of_it(stage: Any, make_channel: Any, make_notice: Make) -> None:
    first, second = make_channel("command", takes=0), make_channel("openclaw", takes=0, after=1800)
    async with stage.running(first, second) as notifier:
        notifier.publish(owed(make_notice(), pressing=[KEY]))
        await anyio.sleep(10)
        notifier.publish(owed(pressing=[KEY]))
        await anyio.sleep(10_000)
    assert (first.times, second.times) == ([0], [1800])


async def test_a_later_channel_is_not_used_once_somebody_acknowledged(stage: Any, make_channel: Any, make_notice: Make) -> None:
    first, second = make_channel("command", takes=0), make_channel("openclaw", takes=0, after=1800)
    async with stage.running(first, second) as notifier:
        notifier.publish(owed(make_notice(), pressing=[KEY]))
        await anyio.sleep(1000)
        notifier.publish(owed())
        await anyio.sleep(9000)
        assert second.sent == []
        notifier.publish(owed(pressing=[KEY]))  # the acknowledgement ran out
        await anyio.sleep(1)
    assert second.times == [10_000]


async def test_a_later_channel_is_used_at_once_when_no_earlier_one_can_be(
    stage: Any, make_channel: Any, make_notice: Make
) -> None:
    first, also = make_channel("command", REFUSED), make_channel("webhook", DOWN, REFUSED)
    second, third = make_channel("openclaw", takes=0, after=1800), make_channel("command-2", takes=0, after=3600)
    async with stage.running(first, also, second, third) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(10_000)
    assert (second.times, third.times) == ([7], [])
    assert stage.kinds()[-1] == "NoticeDelivered"


async def test_undelivered_it_climbs_also_when_acknowledged(stage: Any, make_channel: Any, make_notice: Make) -> None:
    first, second = make_channel("command", DOWN, takes=0), make_channel("openclaw", takes=0, after=1800)
    async with stage.running(first, second) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(3000)
    assert second.times == [1800]


async def test_a_later_channel_has_as_long_as_an_earlier_one(stage: Any, make_channel: Any, make_notice: Make) -> None:
    first, second = make_channel("command", DOWN, takes=0), make_channel("openclaw", DOWN, takes=0, after=1800)
    async with stage.running(first, second, give_up_after=3600) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(100_000)
    assert (first.times[-1], second.times[-1]) == (3600, 5400)
    assert stage.kinds()[-1] == "NoticeExpired"


async def test_reminders_reach_every_channel_that_was_reached(stage: Any, make_channel: Any, make_notice: Make) -> None:
    first, second, third = (make_channel(name, takes=0, after=after) for name, after in (("a", 0), ("b", 1800), ("c", 20_000)))
    async with stage.running(first, second, third) as notifier:
        notifier.publish(owed(make_notice(1), pressing=[KEY]))
        await anyio.sleep(14_400)
        notifier.publish(owed(make_notice(2, notice="reminder"), pressing=[KEY]))
        await anyio.sleep(50_000)
    assert (first.times, second.times, third.times) == ([0, 14_400], [1800, 14_400], [20_000])
    assert third.notices == [f"{KEY}#2"]


async def test_the_end_goes_to_those_who_heard_of_it(stage: Any, make_channel: Any, make_notice: Make) -> None:
    first, second = make_channel("command", takes=0), make_channel("openclaw", takes=0, after=1800)
    async with stage.running(first, second) as notifier:
        notifier.publish(owed(make_notice(1), pressing=[KEY]))
        await anyio.sleep(60)
        notifier.publish(owed(make_notice(2, notice="resolved")))
        await anyio.sleep(50_000)
    assert (len(first.sent), len(second.sent)) == (2, 0)
    assert stage.outbox.pending() == ()


async def test_a_merged_end_goes_to_the_first_rung(stage: Any, make_channel: Any, make_notice: Make) -> None:
    first, second = make_channel("command", takes=0), make_channel("openclaw", takes=0, after=1800)
    async with stage.running(first, second) as notifier:
        notifier.publish(owed(make_notice(1, notice="resolved", merged=True)))
        await anyio.sleep(50_000)
    assert (len(first.sent), len(second.sent)) == (1, 0)


async def test_one_of_several_told_together_ends_after_they_were_told(
    stage: Any, make_channel: Any, make_notice: Make, make_together: Any
) -> None:
    works, fails = make_channel("command", takes=0), make_channel("openclaw", DOWN, DOWN, OK, takes=0)
    both = make_together(make_notice(agent="a"), make_notice(agent="b"))
    async with stage.running(works, fails) as notifier:
        notifier.publish(owed(both))
        await anyio.sleep(1)
        notifier.publish(owed(make_notice(2, agent="b", notice="resolved")))
        await anyio.sleep(100)
    assert works.notices == ["agent/a/0#1", "agent/b/0#2"]
    assert fails.notices == ["agent/a/0#1", "agent/a/0#1", "agent/a/0#1", "agent/b/0#2"]


async def test_the_end_is_closed_where_the_alarm_failed_in_the_end(stage: Any, make_channel: Any, make_notice: Make) -> None:
    works, fails = make_channel("command", takes=0), make_channel("openclaw", DOWN, DOWN, REFUSED, takes=0)
    async with stage.running(works, fails) as notifier:
        notifier.publish(owed(make_notice(1), pressing=[KEY]))
        await anyio.sleep(1)
        notifier.publish(owed(make_notice(2, notice="resolved")))
        await anyio.sleep(1000)
    assert fails.notices == [f"{KEY}#1"] * 3
    assert stage.outbox.get((KEY, 2)).legs["openclaw"].error == "the alarm did not get through here"
    assert stage.outbox.pending() == ()


async def test_what_nobody_wants_any_more_is_not_begun_anywhere(stage: Any, make_channel: Any, make_notice: Make) -> None:
    slow, later = make_channel("command", REFUSED, takes=60), make_channel("openclaw", takes=0, after=50)
    async with stage.running(slow, later) as notifier:
        notifier.publish(owed(make_notice(1)))
        await anyio.sleep(10)
        notifier.publish(owed(make_notice(2, notice="resolved", merged=True)))
        await anyio.sleep(1000)
    assert slow.notices == [f"{KEY}#1", f"{KEY}#2"]
    assert later.notices == [f"{KEY}#2"]
    assert stage.outbox.get((KEY, 1)) is None


# --- What channels answer ---


async def test_a_server_that_asks_for_time_gets_it(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("webhook", Delivery("transient", "busy", 120.0), OK, takes=0)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(1000)
    assert channel.times == [0, 120]


@pytest.mark.parametrize("retries", [True, False])
async def test_a_dry_run_tries_nothing_twice_and_settles_nothing(
    stage: Any, make_channel: Any, make_notice: Make, retries: bool
) -> None:
    channel = make_channel("command", Delivery("skipped"))
    async with stage.running(channel, retries=retries) as notifier:
        for sequence in (1, 2):
            notifier.publish(owed(make_notice(1), make_notice(sequence)))
            await notifier.drained()
        await anyio.sleep(1000)
    assert [name[-2:] for name in channel.notices] == ["#1", "#2"]
    assert stage.told == stage.log.events == []


async def test_a_thousand_incidents_are_all_told(stage: Any, make_channel: Any, make_notice: Make) -> None:
    channel = make_channel("openclaw", *[DOWN, OK] * 1500, takes=1)
    async with stage.running(channel) as notifier:
        notifier.publish(owed(*(make_notice(agent=f"agent-{number}") for number in range(1000))))
        await anyio.sleep(20_000)
    assert stage.kinds().count("NoticeDelivered") == 1000
    assert len(stage.outbox.pending()) == 0


def at(seconds: float) -> datetime:
    return datetime.fromisoformat("2026-11-22T11:00:00+00:00") + timedelta(seconds=seconds)


# --- Other channels ---


async def test_other_channels_are_used_from_now_on(stage: Any, make_channel: Any, make_notice: Make) -> None:
    down, up = make_channel("openclaw", DOWN, takes=0), make_channel("command", takes=0)
    async with stage.running(down) as notifier:
        notifier.publish(owed(make_notice(1)))
        await anyio.sleep(6)
        assert down.times == [0, 5]
        notifier.adjust([up], Persistence(give_up_after=60.0))
        await anyio.sleep(1000)
        assert down.times == [0, 5], "it is not there any more"
        assert up.notices == ["agent/payment-watcher/0#1"], "what it owed goes over those that are"
        notifier.publish(owed(make_notice(2)))
        await anyio.sleep(10)
        assert up.notices[-1] == "agent/payment-watcher/0#2"
    assert [message.channel for message in stage.told if isinstance(message, NoticeDelivered)] == ["command", "command"]
    assert stage.log.of("escalation.undelivered") == [], "nothing stopped"


async def test_a_try_under_way_has_a_moment_to_end_when_channels_change(stage: Any, make_channel: Any, make_notice: Make) -> None:
    slow = make_channel("openclaw", takes=1.5)
    async with stage.running(slow) as notifier:
        notifier.publish(owed(make_notice()))
        await anyio.sleep(1)
        notifier.adjust([slow], Persistence(give_up_after=60.0))
        await anyio.sleep(100)
        assert (len(slow.sent), stage.kinds()) == (1, ["NoticeDelivered"])


async def test_what_is_taken_on_before_it_runs_holds_from_the_start(stage: Any, make_channel: Any, make_notice: Make) -> None:
    before, after = make_channel("openclaw"), make_channel("command")
    notifier = stage.make(before)
    notifier.adjust([after], Persistence(give_up_after=60.0))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.run)
        notifier.publish(owed(make_notice()))
        await anyio.sleep(10)
        tasks.cancel_scope.cancel()
    assert (before.sent, len(after.sent)) == ([], 1)
