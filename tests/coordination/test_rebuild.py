"""What the outbox knows, when the snapshot knows less."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collections_supervisor.coordination.deliveries import delivered
from collections_supervisor.coordination.rebuild import Sent, rebuild
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import Held, Notice, NoticeDelivered, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HOUR = 3600.0
REPEAT = 4 * HOUR

World = Any
MakeWorld = Callable[..., World]
MakeTrouble = Callable[..., Trouble]


def taken(*notices: Notice) -> list[Sent]:
    return [Sent(notice=notice, taken=True, pending=False, lost=False) for notice in notices]


def pending(*notices: Notice) -> list[Sent]:
    return [Sent(notice=notice, taken=False, pending=True, lost=False) for notice in notices]


def lost(*notices: Notice) -> list[Sent]:
    return [Sent(notice=notice, taken=False, pending=False, lost=True, error="exit status 1") for notice in notices]


def go_on(world: World, known: FleetState | None, sent: Sequence[Sent]) -> World:
    """Live again with this snapshot and this outbox; nothing has been looked at yet."""
    world.live_again(by=-300.0)
    world.state = rebuild(known, sent, REPEAT, world.now)
    world.said = []
    return world


@pytest.fixture
def world(make_world: MakeWorld, make_trouble: MakeTrouble) -> World:
    """One agent in trouble; its opening is owed."""
    world = make_world("mailer", "watcher")
    world.hear("mailer", trouble=make_trouble())
    world.look(5.0)
    return world


def test_a_snapshot_that_knows_everything_stays_as_it_is(world: World) -> None:
    assert rebuild(world.state, pending(*world.owed), REPEAT, world.now) == world.state
    assert rebuild(world.state, [], REPEAT, world.now) == world.state
    assert rebuild(None, [], REPEAT, world.now) == FleetState()


def test_an_alarm_that_was_told_is_not_told_again_and_ends_in_time(world: World, make_trouble: MakeTrouble) -> None:
    before = world.state.open["agent/mailer"]
    go_on(world, None, taken(*world.owed))
    after = world.state.open["agent/mailer"]
    assert (after.id, after.dedup_key, after.opened_at, after.agent) == (before.id, before.dedup_key, EPOCH, "mailer")
    assert (after.sequence, after.delivered, after.told_at - world.now.mono) == (1, True, 0.0)
    world.hear("mailer", trouble=make_trouble())
    world.look(60.0)
    assert (world.words, world.said) == ([], [])
    world.look(4 * HOUR - 60.0)
    assert world.deliver() == [("reminder", "mailer")]
    world.hear("mailer")
    world.look(60.0)
    assert [(notice.notice, notice.sequence, notice.merged) for notice in world.owed] == [("resolved", 3, False)]


def test_an_alarm_that_is_on_its_way_is_still_owed(world: World) -> None:
    notices = world.owed
    go_on(world, None, pending(*notices))
    assert world.owed == notices
    world.hear("mailer", last_heartbeat=EPOCH + timedelta(minutes=1))
    world.look(60.0)
    assert [(notice.notice, notice.merged) for notice in world.owed] == [("resolved", True)]


def test_reminders_that_were_given_are_not_given_again(world: World, make_trouble: MakeTrouble) -> None:
    sent = taken(*world.owed)
    world.deliver()
    for _ in range(2):
        world.look(4 * HOUR)
        sent += taken(*world.owed)
        world.deliver()
    world.look(HOUR)
    go_on(world, None, sent)
    world.hear("mailer", trouble=make_trouble())
    world.look()
    assert world.words == []
    world.look(3 * HOUR)
    assert [(notice.notice, notice.sequence) for notice in world.owed] == [("reminder", 4)]


def test_that_it_is_held_is_not_told_again(world: World, make_trouble: MakeTrouble) -> None:
    held = {"trouble": make_trouble(held=True, hold="attempts"), "held": Held(reason="used up")}
    world.hear("mailer", **held)
    world.look(60.0)
    go_on(world, None, taken(*world.owed))
    world.hear("mailer", **held)
    world.look(60.0)
    assert world.words == []


def test_one_that_is_over_stays_over(world: World) -> None:
    sent = taken(*world.owed)
    world.deliver()
    world.hear("mailer")
    world.look(60.0)
    over = world.owed
    go_on(world, None, [*sent, *pending(*over)])
    assert (world.owed, world.state.open) == (over, {})
    go_on(world, None, [*sent, *taken(*over)])
    assert (world.state.open, world.state.closing) == ({}, {})


def test_a_snapshot_older_than_the_outbox_catches_up(world: World, make_trouble: MakeTrouble) -> None:
    old = world.state
    sent = taken(*world.owed)
    world.deliver()
    world.look(4 * HOUR)
    [reminder] = world.owed
    go_on(world, old, [*sent, *pending(reminder)])
    assert world.owed == (reminder,)
    assert world.state.open["agent/mailer"].delivered
    world.deliver()
    world.hear("mailer")
    world.look(60.0)
    [resolved] = world.owed
    go_on(world, old, [*sent, *taken(reminder), *pending(resolved)])
    assert (world.owed, world.state.open) == ((resolved,), {})


def test_what_is_not_in_the_outbox_any_more_is_not_told_after_its_own_end(world: World) -> None:
    old = world.state
    world.deliver()
    world.hear("mailer")
    world.look(60.0)
    go_on(world, old, taken(*world.owed))
    assert (world.owed, world.state.open) == ((), {})


def test_a_last_notice_that_was_delivered_is_not_owed_again(world: World) -> None:
    sent = taken(*world.owed)
    world.deliver()
    world.hear("mailer")
    world.look(60.0)
    go_on(world, world.state, [*sent, *taken(*world.owed)])
    assert world.owed == ()
    world.look()
    assert world.state.closing == {}


def test_what_nobody_could_be_told_stays_visible(world: World) -> None:
    [notice] = world.owed
    known = world.state
    for snapshot in (None, known):
        go_on(world, snapshot, lost(notice))
        [shown] = world.state.undelivered
        assert (shown.dedup_key, shown.error, shown.text) == (notice.dedup_key, "exit status 1", notice.text)
        assert (world.owed, world.state.open["agent/mailer"].delivered) == ((), False)
    seen = msgspec.structs.replace(world.state, undelivered=())
    assert rebuild(seen, lost(notice), REPEAT, world.now).undelivered == (), "a person has seen it"


def test_the_newest_incident_of_a_subject_is_the_one_that_is_open(world: World, make_trouble: MakeTrouble) -> None:
    first = world.owed
    world.deliver()
    world.hear("mailer", trouble=make_trouble(since=EPOCH + timedelta(hours=1)))
    world.state = FleetState()
    world.look(HOUR)
    second = world.owed
    go_on(world, None, [*taken(*first), *taken(*second)])
    assert [one.dedup_key for one in world.state.open.values()] == [second[0].dedup_key]


@pytest.fixture
def group(make_world: MakeWorld, make_trouble: MakeTrouble) -> World:
    """Two that were told of together."""
    world = make_world("a", "b")
    for name in "ab":
        world.hear(name, trouble=make_trouble(silent=False, reason=f"reason {name}"))
    world.look(5.0)
    return world


def test_all_that_were_told_of_together_are_open_again(group: World, make_trouble: MakeTrouble) -> None:
    notices = group.owed
    go_on(group, None, pending(*notices))
    assert group.owed == notices
    follower = group.state.open["agent/b"]
    assert (follower.reason, follower.told_with, follower.delivered) == ("reason b", (notices[0].dedup_key, 1), False)
    word = NoticeDelivered(dedup_key=notices[0].dedup_key, sequence=1, channel="0", attempts=1, at=EPOCH)
    group.state = delivered(group.state, word)
    for name in "ab":
        group.hear(name, last_heartbeat=EPOCH + timedelta(minutes=1))
    group.look(60.0)
    assert [(notice.notice, notice.agent, notice.merged) for notice in group.owed] == [
        ("resolved", "a", False),
        ("resolved", "b", False),
    ]


def test_but_not_those_that_the_snapshot_knows_to_be_over(group: World) -> None:
    notices = group.owed
    group.deliver()
    group.hear("b")
    group.look(60.0)
    group.deliver()
    go_on(group, group.state, taken(*notices))
    assert list(group.state.open) == ["agent/a"]


def test_nor_those_that_the_outbox_says_are_over(group: World) -> None:
    notices = group.owed
    group.deliver()
    group.hear("b")
    group.look(60.0)
    sent = [*taken(*notices), *taken(*group.owed)]
    for order in (sent, sent[::-1]):
        go_on(group, None, order)
        assert list(group.state.open) == ["agent/a"]
    go_on(group, None, lost(*notices))
    assert list(group.state.open) == ["agent/a"], "what nobody could be told of was not told of the others either"


def test_a_host_is_told_of_once_and_finds_its_agents_again(make_world: MakeWorld) -> None:
    world = make_world("a", "b", "c")
    world.silent("a", "b", "c")
    world.look(5.0)
    go_on(world, None, taken(*world.owed))
    world.silent("a")
    world.look()
    assert list(world.state.open) == ["host/web-1"]
    world.silent("b", "c")
    world.look()
    assert (world.words, world.state.open["host/web-1"].agents) == ([], ("a", "b", "c"))
    assert world.restraint.held == {"b", "c"}
    for name in "abc":
        world.hear(name, last_heartbeat=EPOCH + timedelta(minutes=1))
    world.look()
    assert world.words == [("resolved", None)]


def test_a_host_that_is_well_again_is_over_once_all_were_looked_at(make_world: MakeWorld) -> None:
    world = make_world("a", "b", "c")
    world.silent("a", "b", "c")
    world.look(5.0)
    go_on(world, None, taken(*world.owed))
    for name in "abc":
        assert list(world.state.open) == ["host/web-1"]
        world.hear(name, last_heartbeat=EPOCH + timedelta(minutes=1))
        world.look()
    assert world.words == [("resolved", None)]


def test_a_provider_is_told_of_once(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b")
    refused = {"trouble": make_trouble(held=True, hold="shared"), "held": Held(reason="a bill", until=EPOCH)}
    world.hear("a", **refused)
    world.look(5.0)
    go_on(world, None, taken(*world.owed))
    assert world.state.open["host/provider"].agents == ("a",)
    world.look()
    world.hear("a", **refused)
    world.hear("b", **refused)
    world.look()
    assert (world.words, list(world.state.open)) == ([], ["host/provider"])


@pytest.mark.parametrize("heard", [{}, {"last_heartbeat": None, "status": "unknown"}, {"missed": 1, "status": "unhealthy"}])
def test_one_that_is_judged_afresh_is_not_well_yet(world: World, make_trouble: MakeTrouble, heard: dict[str, Any]) -> None:
    key = world.state.open["agent/mailer"].dedup_key
    go_on(world, None, taken(*world.owed))
    world.hear("mailer", **heard)
    world.look(60.0)
    assert (world.words, list(world.state.open)) == ([], ["agent/mailer"])
    world.hear("mailer", trouble=make_trouble(since=EPOCH + timedelta(hours=1)))
    world.look(60.0)
    assert (world.words, world.state.open["agent/mailer"].dedup_key) == ([], key)
    world.hear("mailer")
    world.look(60.0)
    assert world.words == [("resolved", "mailer")], "in trouble again and well after that, whatever says so"


@pytest.mark.parametrize("heard", [{"last_heartbeat": EPOCH + timedelta(seconds=1)}, {"last_heartbeat": None}])
def test_one_that_beat_since_or_lives_and_never_beats_is(world: World, heard: dict[str, Any]) -> None:
    go_on(world, None, taken(*world.owed))
    world.hear("mailer", **heard)
    world.look(60.0)
    assert world.words == [("resolved", "mailer")]


def test_nor_is_a_host_whose_agents_are_judged_afresh(make_world: MakeWorld) -> None:
    world = make_world("a", "b", "c")
    world.silent("a", "b", "c")
    world.look(5.0)
    go_on(world, None, taken(*world.owed))
    for name in "abc":
        world.hear(name, last_heartbeat=None, status="unknown")
    world.look(60.0)
    assert (world.words, list(world.state.open)) == ([], ["host/web-1"])
    world.silent("a", "b", "c", at=EPOCH + timedelta(hours=1))
    world.look(60.0)
    assert (world.words, world.state.open["host/web-1"].agents) == ([], ("a", "b", "c"))


def test_nor_an_agent_that_a_provider_refused(make_world: MakeWorld, make_trouble: MakeTrouble) -> None:
    world = make_world("a", "b")
    world.hear("a", trouble=make_trouble(held=True, hold="shared"), held=Held(reason="a bill", until=EPOCH))
    world.look(5.0)
    go_on(world, None, taken(*world.owed))
    world.hear("a", last_heartbeat=None, status="unknown")
    world.hear("b")
    world.look(60.0)
    assert (world.words, list(world.state.open)) == ([], ["host/provider"])
    world.hear("a", last_heartbeat=EPOCH + timedelta(minutes=1))
    world.look(60.0)
    assert world.words == [("resolved", "a")]


def test_what_the_outbox_says_is_over_is_not_told_of_under_the_same_key(world: World, make_trouble: MakeTrouble) -> None:
    sent = taken(*world.owed)
    [opened] = world.owed
    world.deliver()
    world.hear("mailer")
    world.look(60.0)
    sent += taken(*world.owed)
    go_on(world, None, sent)
    world.hear("watcher")
    world.hear("mailer", trouble=make_trouble())
    world.look(60.0)
    [again] = world.owed
    assert (again.notice, again.sequence, again.since) == ("opened", 1, opened.since)
    assert again.dedup_key > opened.dedup_key


def test_but_what_an_old_snapshot_still_calls_trouble_is_the_same_trouble(world: World, make_trouble: MakeTrouble) -> None:
    old = world.state
    sent = taken(*world.owed)
    world.deliver()
    world.hear("mailer")
    world.look(60.0)
    sent += taken(*world.owed)
    go_on(world, old, sent)
    world.hear("watcher")
    world.hear("mailer", trouble=make_trouble())
    world.look(60.0)
    keys = [(notice.dedup_key, notice.sequence) for notice in world.owed]
    assert keys == [(one.notice.dedup_key, one.notice.sequence) for one in sent[:1]], "which the outbox does not send again"


@pytest.mark.parametrize(
    "changes",
    [
        {"since": EPOCH.replace(tzinfo=None)},
        {"created_at": EPOCH.replace(tzinfo=None)},
        {"since": datetime(1, 1, 1, tzinfo=UTC)},
        {"created_at": datetime(9999, 12, 31, tzinfo=UTC)},
    ],
)
def test_a_notice_that_we_cannot_have_made_is_not_believed(world: World, changes: dict[str, Any]) -> None:
    assert rebuild(None, taken(msgspec.structs.replace(world.owed[0], **changes)), REPEAT, world.now) == FleetState()


def test_a_notice_from_the_future_of_a_clock_that_was_set_back_is(world: World) -> None:
    notice = msgspec.structs.replace(world.owed[0], created_at=EPOCH + timedelta(days=3))
    incident = rebuild(None, taken(notice), REPEAT, world.now).open["agent/mailer"]
    assert incident.told_at == world.now.mono


# --- How often ---


def test_a_delivery_that_the_snapshot_does_not_know_is_counted_once(world: World) -> None:
    before, sent = world.state, taken(*world.owed)
    assert rebuild(None, sent, REPEAT, world.now).escalations == {"mailer": {"delivered": 1}}
    after = rebuild(before, sent, REPEAT, world.now)
    assert after.escalations == {"mailer": {"delivered": 1}}
    assert rebuild(after, sent, REPEAT, world.now) == after
    assert rebuild(world.state, pending(*world.owed), REPEAT, world.now).escalations == {}


def test_what_the_outbox_gave_up_is_counted_once(world: World) -> None:
    sent = lost(*world.owed)
    after = rebuild(world.state, sent, REPEAT, world.now)
    assert after.escalations == {"mailer": {"expired": 1}}
    assert rebuild(after, sent, REPEAT, world.now) == after
