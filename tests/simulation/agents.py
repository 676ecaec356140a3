"""Agents as the supervisor sees them: they beat, fall silent, ail, and may come back, some of them when they are restarted."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from tests.simulation.world import World

from collections_supervisor.agents.heartbeat_line import encode_beat
from collections_supervisor.config.schema import AgentConfig, LogSource
from collections_supervisor.messages import BeatStatus

Nature = Literal["asleep", "curable", "dead", "fickle"]
"""What becomes of one that fell silent: it comes back by itself; a restart brings it back; nothing does for a long time; a
restart brings it back for a few beats only."""


class Spell(msgspec.Struct):
    """A time for which something was the matter, in seconds of the world."""

    since: float
    until: float | None = None
    """None: it still is."""
    kind: str = "silent"
    known: bool = False
    """Its missed heartbeats were counted."""
    incidents: set[str] = msgspec.field(default_factory=set)


class Agent:
    """One agent and its heartbeat log."""

    def __init__(self, world: World, policy: AgentConfig, period: float) -> None:
        self.policy = policy
        self.period = period
        self.spells: list[Spell] = []
        self.last = 0.0
        """When it beat last."""
        self.well_since: float | None = None
        """Since when it beats as it should; None while it is silent."""
        self.removed_at = -1e9
        """When its log was removed, with beats that nobody may have seen."""
        self._world = world
        self._chance = world.chance
        source = policy.sources[0]
        assert isinstance(source, LogSource)
        self.log = source.path
        self._file = self.log
        self._status: BeatStatus = "ok"
        self._nature: Nature = "asleep"
        self._relapses = 0
        self._rhythm = 0
        self._begin(0.0)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.policy.name

    @property
    def is_well(self) -> bool:
        """Whether nothing is the matter with it."""
        return self.well_since is not None and self._status == "ok" and self._file == self.log

    def bad(self, at: float, tolerance: float) -> Spell | None:
        """What was the matter with it at that moment, if a human may have to hear of it."""
        for spell in reversed(self.spells):
            until = spell.until if spell.until is not None else self._world.now
            if spell.since - tolerance <= at <= until + tolerance:
                return spell
        return None

    # --- Beating ---

    def _begin(self, delay: float) -> None:
        self._rhythm += 1
        rhythm = self._rhythm

        def beat() -> None:
            if rhythm != self._rhythm:
                return
            thaws = self._world.stood_still_until - self._world.now
            if thaws > 0:
                self._world.later(thaws + self._chance.uniform(0.1, min(40.0, self.period / 2)), beat)
                return
            self.beat()
            self._world.later(self.period * self._chance.uniform(0.95, 1.05), beat)

        self._world.later(delay, beat)

    def beat(self, until: datetime | None = None) -> None:
        """Beat once."""
        now = self._world.now
        self._end("silent")
        if self.well_since is None:
            self._world.note(f"{self.name} beats again")
            self.well_since = now
        self.last = now
        status = "busy" if until is not None else self._status
        with self._file.open("ab") as file:
            file.write(encode_beat(self._world.wall, status=status, until=until) + b"\n")
        if self._nature == "fickle" and self._relapses > 0 and self._chance.random() < 0.5:
            self._relapses -= 1
            self._stop()

    # --- What may be the matter ---

    def fall_silent(self, nature: Nature, seconds: float) -> None:
        """Beat no more, for so long unless something brings it back."""
        if self.well_since is None:
            return
        self._world.note(f"{self.name} falls silent ({nature}, {seconds:.0f} s)")
        self._nature = nature
        self._relapses = self._chance.randint(2, 8) if nature == "fickle" else 0
        self._stop()
        stopped = self._rhythm
        self._world.later(seconds, lambda: self._begin(0.0) if self._rhythm == stopped else None)

    def _stop(self) -> None:
        self._rhythm += 1
        self.well_since = None
        self._open("silent", self.last)

    def cure(self) -> None:
        """A restart has worked."""
        if self.well_since is None and self._nature in ("curable", "fickle"):
            self._begin(0.0)

    def steady(self) -> None:
        """From now on it is well for good once it is well."""
        self._relapses = 0

    def revive(self) -> None:
        """Beat again, if it is silent."""
        if self.well_since is None:
            self._begin(0.0)

    def say(self, status: BeatStatus, seconds: float) -> None:
        """Say with every beat that something is wrong, for so long."""
        if self._status != "ok" or self.well_since is None:
            return
        self._world.note(f"{self.name} says {status} for {seconds:.0f} s")
        self._status = status
        self._open("ill", self._world.now)
        self._world.later(seconds, self._recover)

    def _recover(self) -> None:
        self._status = "ok"
        # Until it says so nobody can know.
        self._world.later(1.1 * self.period, lambda: self._end("ill"))

    def be_busy(self) -> None:
        """Announce a long silence, and keep to it."""
        if self.is_well:
            timeout = self.policy.timeout
            self._world.note(f"{self.name} is busy")
            self.beat(until=self._world.wall + timedelta(seconds=2 * timeout))
            self._begin(1.7 * timeout)

    def hide(self, seconds: float) -> None:
        """Its log cannot be read for so long."""
        if self._file != self.log or not self.log.exists():
            return
        self._world.note(f"the log of {self.name} cannot be read for {seconds:.0f} s")
        self._file = self.log.with_suffix(".hidden")
        self.log.rename(self._file)
        self.log.mkdir()
        self._open("unreadable", self._world.now)
        self._world.later(seconds, self._show)

    def _show(self) -> None:
        self.log.rmdir()
        self._file.rename(self.log)
        self._file = self.log
        self._end("unreadable")

    def rotate(self) -> None:
        """Somebody removes its log."""
        if self._file == self.log and self.log.exists():
            self._world.note(f"the log of {self.name} is removed")
            self.log.unlink()
            self.removed_at = self._world.now

    def _open(self, kind: str, since: float) -> None:
        if not any(spell.until is None and spell.kind == kind for spell in self.spells):
            self.spells.append(Spell(since=since, kind=kind))

    def _end(self, kind: str) -> None:
        for spell in self.spells[-4:]:
            if spell.until is None and spell.kind == kind:
                spell.until = self._world.now
