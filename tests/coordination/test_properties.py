"""What holds whatever happens to a fleet: random troubles, acknowledgements, deliveries, deaths of our own and reboots."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.coordination.deliveries import acknowledge, expired
from collections_supervisor.coordination.rebuild import Sent, rebuild
from collections_supervisor.coordination.state import FleetState, shifted
from collections_supervisor.messages import Acknowledge, Held, Notice, NoticeExpired, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HOUR = 3600.0
NAMES = ("a", "b", "c", "d")

World = Any

HAPPENINGS = (
    *("ill", "ill", "stuck", "held", "shared", "silent", "silent", "well", "well", "settling", "paused", "acting"),
    *("deliver", "deliver", "expire", "acknowledge", "live again", "reboot", "lose the snapshot", "wait"),
)

STEP = st.tuples(
    st.sampled_from(HAPPENINGS),
    st.sampled_from(NAMES),
    st.sampled_from([0.0, 1.0, 10.0, 29.0, 60.0, 900.0, 4 * HOUR, 30 * HOUR]),
)


class Walk:
    """A world, and an outbox that never forgets, in which all of this happens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: dict[tuple[str, int], Sent] = {}
        self.heard: Counter[tuple[str, int]] = Counter()
        self.number = 0

    def take(self, what: str, name: str, seconds: float) -> None:
        world = self.world
        match what:
            case "deliver":
                self.hand_over()
            case "expire":
                self.expire()
            case "acknowledge":
                until = world.now.wall + timedelta(seconds=seconds)
                world.state = acknowledge(world.state, Acknowledge(subject=name, until=until))
            case "live again":
                world.live_again()
            case "reboot":
                world.live_again(by=-world.now.mono + 5.0)
            case "lose the snapshot":
                world.state = rebuild(None, self.sent.values(), 4 * HOUR, world.now)
            case "wait":
                pass
            case _:
                self.hear(what, name)
        world.look(seconds)
        self.note()

    def hear(self, what: str, name: str) -> None:
        wall = self.world.now.wall
        self.number += 1
        # Two troubles of one agent never begin at one instant: it was well in between.
        since = wall + timedelta(microseconds=self.number)
        known = self.world.facts.get(name)
        trouble = known.trouble if known is not None else None
        since = trouble.since if trouble is not None else since
        ill = {"missed": 2, "missed_at": since, "restarts": 1}
        changes: dict[str, Any] = {
            "ill": {"trouble": Trouble(since=since, reason="dead", missed=2), **ill},
            "stuck": {"trouble": Trouble(since=since, reason="stuck", missed=0, silent=False)},
            "held": {
                "trouble": Trouble(since=since, reason="used up", missed=2, held=True, hold="attempts", silent=False),
                "held": Held(reason="used up"),
                **ill,
            },
            "shared": {
                "trouble": Trouble(since=since, reason="a bill", missed=1, held=True, hold="shared"),
                "held": Held(reason="a bill", until=wall),
                **ill,
            },
            "silent": {"trouble": trouble, **ill, "missed": 1},
            "settling": {
                "trouble": msgspec.structs.replace(trouble, recovered_at=wall) if trouble is not None else None,
                "last_heartbeat": wall,
            },
            "paused": {"paused": True, "status": "paused"},
            "acting": {"acting": True, "missed": 1},
            "well": {"last_heartbeat": wall},
        }
        self.world.hear(name, **changes[what])

    def note(self) -> None:
        """Put what is owed into the outbox, once, and take out what nobody is to get any more."""
        owed = {(notice.dedup_key, notice.sequence): notice for notice in self.world.owed}
        for key, notice in owed.items():
            self.sent.setdefault(key, Sent(notice=notice, taken=False, pending=True, lost=False))
        for key in [key for key, one in self.sent.items() if key not in owed and one.pending]:
            del self.sent[key]

    def hand_over(self) -> None:
        self.world.look()
        self.note()
        for notice in self.world.owed:
            key = (notice.dedup_key, notice.sequence)
            self.heard[key] += 1
            self.sent[key] = Sent(notice=notice, taken=True, pending=False, lost=False)
        self.world.deliver()

    def expire(self) -> None:
        for notice in self.world.owed:
            key = (notice.dedup_key, notice.sequence)
            self.sent[key] = Sent(notice=notice, taken=False, pending=False, lost=True, error="x")
            word = NoticeExpired(dedup_key=notice.dedup_key, sequence=notice.sequence, attempts=1, error="x")
            self.world.state = expired(self.world.state, word, self.world.now.wall)


def kept(state: FleetState) -> dict[str, Any]:
    return {one.dedup_key: one for one in [*state.open.values(), *state.closing.values()]}


def owed_keys(notices: tuple[Notice, ...]) -> list[tuple[str, int]]:
    return [(notice.dedup_key, notice.sequence) for notice in notices]


RELAXED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(steps=st.lists(STEP, max_size=40), wait=st.sampled_from([0.0, 30.0]), once=st.booleans())
def test_whatever_happens(make_world: Callable[..., World], steps: list[tuple[str, str, float]], wait: float, once: bool) -> None:
    walk = Walk(make_world(*NAMES, group_wait=wait, once=once))
    world = walk.world
    for step in steps:
        before = kept(world.state)
        walk.take(*step)
        state = world.state
        keys = owed_keys(world.owed)
        assert len(keys) == len(set(keys)), "nothing is owed twice"
        for notice in world.owed:
            one = kept(state)[notice.dedup_key]
            assert (notice.incident_id, notice.kind) == (one.id, one.kind), "no notice without an incident"
            assert notice.sequence <= one.sequence
        for one in state.open.values():
            if step[0] == "lose the snapshot":
                # Of a notice that was withdrawn before anybody had it nothing is left then, and nobody knows its number.
                given = max((sequence for key, sequence in walk.heard if key == one.dedup_key), default=0)
            else:
                given = before[one.dedup_key].sequence if one.dedup_key in before else 0
            assert one.sequence >= given, "a number is never given again"
        assert msgspec.json.decode(msgspec.json.encode(state), type=FleetState) == state
        assert shifted(shifted(state, 4096.0), -4096.0) == state
        covered = {name for one in state.open.values() for name in one.agents}
        for name, changed in world.facts.items():
            ill = changed.trouble is not None and not changed.report.paused
            assert not ill or f"agent/{name}" in state.open or name in covered, "whoever is in trouble is told of"
    assert max(walk.heard.values(), default=1) == 1, "what was taken is not sent again"


@RELAXED
@given(steps=st.lists(STEP.filter(lambda step: step[0] != "lose the snapshot"), max_size=40))
def test_what_we_forget_and_read_again_changes_nothing(
    make_world: Callable[..., World], steps: list[tuple[str, str, float]]
) -> None:
    """The same things happen to two of us; one dies after each of them, and is booted anew."""
    steady, mortal = Walk(make_world(*NAMES)), Walk(make_world(*NAMES))
    for what, name, seconds in steps:
        if what in ("live again", "reboot"):
            continue
        for walk in (steady, mortal):
            walk.take(what, name, seconds)
        facts = mortal.world.facts
        mortal.world.live_again(by=-512.0)
        mortal.world.facts = facts
        assert owed_keys(mortal.world.owed) == owed_keys(steady.world.owed)
        assert mortal.world.pressing == steady.world.pressing
        assert mortal.world.restraint == steady.world.restraint


@RELAXED
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ill", "stuck", "well", "deliver", "wait"]), st.just("a"), st.sampled_from([1.0, 60.0])),
        max_size=15,
    )
)
def test_every_trouble_of_a_lone_agent_is_opened_once_and_told_of(
    make_world: Callable[..., World], steps: list[tuple[str, str, float]]
) -> None:
    walk = Walk(make_world("a"))
    troubles = 0
    ill = False
    for step in steps:
        walk.take(*step)
        begins = step[0] in ("ill", "stuck") and not ill
        troubles += begins
        ill = step[0] in ("ill", "stuck") or (ill and step[0] != "well")
        assert walk.world.events().count("agent.escalated") == begins
    walk.take("deliver", "a", 1.0)
    told = Counter(notice.dedup_key for notice in walk.world.told)
    assert len(told) == troubles, "each has a key of its own, and somebody heard of each"


@settings(RELAXED, max_examples=12)
@given(st.lists(st.sampled_from([1.0, 60.0, 600.0, 1800.0, 3600.0]), min_size=1, max_size=50), st.booleans())
def test_sixty_hours_of_one_dead_agent_are_seven_notices_however_often_we_look_or_die(
    make_world: Callable[..., World], pauses: list[float], dies: bool
) -> None:
    world = make_world("a", "b")
    world.hear("a", trouble=Trouble(since=EPOCH, reason="dead", missed=2), missed_at=EPOCH)
    world.look()
    world.deliver()
    passed, turn = 0.0, 0
    while passed < 60 * HOUR:
        # Never more than an hour, which is how often the rarest of us looks.
        pause = min(pauses[turn % len(pauses)] if turn < 200 else HOUR, 60 * HOUR - passed)
        passed, turn = passed + pause, turn + 1
        if dies:
            facts = world.facts
            world.live_again(by=-1024.0 if turn % 2 else 1024.0)
            world.facts = facts
        world.look(pause)
        world.deliver()
    world.hear("a", last_heartbeat=world.now.wall)
    world.look()
    world.deliver()
    assert [notice.notice for notice in world.told] == ["opened", *["reminder"] * 5, "resolved"]
    assert [notice.sequence for notice in world.told] == [1, 2, 3, 4, 5, 6, 7]
