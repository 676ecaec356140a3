"""The ways to a human, and what arrived there."""

from collections.abc import Callable
from typing import Literal

import anyio
import msgspec
from tests.simulation.world import World

from collections_supervisor.escalation.delivery import Delivery
from collections_supervisor.messages import Notice

Mood = Literal["well", "dead", "hangs", "refuses", "deaf"]
"""`deaf`: it takes everything, and says that it does not."""


class Sent(msgspec.Struct, kw_only=True):
    """One try on one channel."""

    channel: str
    notice: Notice
    attempt: int
    at: float
    life: int
    accepted: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """What the notice is known by."""
        return self.notice.dedup_key, self.notice.sequence


class Way:
    """One channel, over all lives of the supervisor."""

    def __init__(self, world: World, name: str, *, after: float, timeout: float) -> None:
        self.name = name
        self.after = after
        self.timeout = timeout
        self.sent: list[Sent] = []
        self.well_since = -1e9
        self._world = world
        self._mood: Mood = "well"

    @property
    def mood(self) -> Mood:
        """What it is like at present."""
        return self._mood

    @mood.setter
    def mood(self, mood: Mood) -> None:
        if mood != self._mood:
            self._world.note(f"channel {self.name} is {mood}")
            self._mood, self.well_since = mood, self._world.now

    def accepted(self, dedup_key: str) -> list[Sent]:
        """What arrived of one incident."""
        return [sent for sent in self.sent if sent.accepted and sent.notice.dedup_key == dedup_key]


class Channel:
    """A channel in one life of the supervisor; implements what the notifier needs."""

    def __init__(self, world: World, way: Way, life: int, is_alive: Callable[[], bool], check: Callable[[Sent], None]) -> None:
        self.name = way.name
        self.after = way.after
        self.timeout = way.timeout
        self._world = world
        self._way = way
        self._life = life
        self._is_alive = is_alive
        self._check = check

    async def send(self, notice: Notice, attempt: int) -> Delivery:
        """Make one try."""
        await self._pause(0.0)
        world, mood = self._world, self._way.mood
        sent = Sent(channel=self.name, notice=notice, attempt=attempt, at=world.now, life=self._life)
        world.note(f"{self.name} <- {notice.notice} {notice.dedup_key}/{notice.sequence} try {attempt} ({mood})")
        self._check(sent)
        self._way.sent.append(sent)
        world.passed("send")
        if mood == "hangs":
            await self._pause(self.timeout)
            return Delivery("transient", "no answer")
        takes = world.chance.uniform(0.01, 3.0)
        if mood in ("well", "deaf"):
            # What is on its way arrives, also when whoever sent it is no more.
            world.later(takes / 2, lambda: self._accept(sent))
        await self._pause(takes)
        if mood == "refuses":
            return Delivery("permanent", "unknown recipient")
        return Delivery("ok") if mood == "well" else Delivery("transient", "connection reset")

    def _accept(self, sent: Sent) -> None:
        sent.accepted = True
        self._world.note(f"{self.name} has {sent.notice.notice} {sent.key}")
        self._world.passed("accepted")

    async def _pause(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        if not self._is_alive():
            await anyio.sleep_forever()
