"""The disk with the state folder: it refuses, hesitates, and keeps what was written at the moment of a death."""

import errno
import os
import random
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from collections_supervisor.system import files

Mood = Literal["well", "full", "flaky", "slow", "hung"]
"""`full` refuses all writes, `flaky` one in three, also when it has done them; `slow` takes seconds, `hung` longer than anybody
waits."""

CATCH_UP = 90.0
"""Seconds of life after trouble within which everything is written again that could not be."""

_REFUSED = {"full": ("create", "write", "append"), "flaky": ("create", "write", "fsync", "rename", "append")}


class Disk:
    """Real files in a folder that is left behind at each death: what the dead still do to it is seen by nobody."""

    def __init__(self, root: Path, chance: random.Random, now: Callable[[], float]) -> None:
        self.folder = root / "state-0"
        self.folder.mkdir(parents=True)
        (self.folder / "actions").mkdir()
        self.brisk = False
        """Writes take no time at all."""
        self.writes = 0
        self.passed: Callable[[], None] = lambda: None
        self._chance = chance
        self._now = now
        self._root = root
        self._deaths = 0
        self._mood: Mood = "well"
        self._well_since = -1e9
        self._ours = False
        self._appended = False
        """The last that was done is to append a line, which a loss of power may tear as long as it is not synced."""
        self.torn = False
        """Something was torn by a loss of power."""

    def install(self) -> Callable[[], None]:
        """Stand behind all writes of the program from now on; call what is returned to end that."""
        before = files.after_write
        files.after_write = self._after_write

        def restore() -> None:
            files.after_write = before

        return restore

    @property
    def mood(self) -> Mood:
        """What it is like at present."""
        return self._mood

    @mood.setter
    def mood(self, mood: Mood) -> None:
        if mood != self._mood:
            self._mood, self._well_since = mood, self._now()

    def is_trusted(self, alive_since: float) -> bool:
        """Whether everything stands there that a supervisor that has lived since then had to write."""
        return self._mood == "well" and (alive_since > self._well_since or self._now() > self._well_since + CATCH_UP)

    def hesitation(self) -> float:
        """Seconds that the next write takes."""
        if self._mood == "slow":
            return self._chance.uniform(0.1, 6.0)
        if self._mood == "hung":
            return self._chance.uniform(8.0, 40.0)
        return 0.0 if self.brisk else self._chance.choice((0.0, 0.0, self._chance.uniform(0.0005, 0.01)))

    def perform(self, call: Callable[[], Any], *, state: bool) -> Any:
        """Make a call that may write; `state`: in our folder."""
        self._ours = state
        return call()

    def _after_write(self, call: str) -> None:
        self.writes += 1
        self._appended = self._ours and call == "append"
        self.passed()
        if call in _REFUSED.get(self._mood, ()) and (self._mood == "full" or self._chance.random() < 0.33):
            if not self._ours:
                return  # the heartbeat logs lie elsewhere
            if call == "append":
                self._tear(keep=self._chance.choice((0.0, 0.5, 1.0)) if self._mood == "flaky" else 0.0)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _tear(self, keep: float) -> None:
        """Have only so much of the line that was just appended stand there."""
        path = self.folder / "outbox.jsonl"
        data = path.read_bytes()
        start = data.rfind(b"\n", 0, len(data) - 1) + 1
        os.truncate(path, start + int(keep * (len(data) - start)))

    # --- Deaths ---

    def die(self, *, power_lost: bool) -> None:
        """From here on nothing that is written counts."""
        self._deaths += 1
        left = self.folder
        self.folder = self._root / f"state-{self._deaths}"
        shutil.copytree(left, self.folder)
        if power_lost and self._appended:
            self.torn = True
            self._tear(keep=self._chance.random())

    def bury(self) -> None:
        """Remove what the dead left behind."""
        for folder in self._root.glob("state-*"):
            if folder != self.folder:
                shutil.rmtree(folder)

    # --- What stands there ---

    def incidents(self) -> "dict[str, KeptIncident]":
        """By `dedup_key`, what the snapshot knows."""
        try:
            kept = msgspec.json.decode((self.folder / "snapshot.json").read_bytes(), type=_Snapshot).state.fleet
        except FileNotFoundError:
            return {}
        both = [(incident, True) for incident in kept.open.values()] + [(incident, False) for incident in kept.closing.values()]
        return {incident.dedup_key: msgspec.structs.replace(incident, is_open=is_open) for incident, is_open in both}

    def statuses(self) -> dict[str, str]:
        """By agent, what the snapshot calls it."""
        try:
            agents = msgspec.json.decode((self.folder / "snapshot.json").read_bytes(), type=_Snapshot).agents
        except FileNotFoundError:  # of a program that is made to forget; what that breaks is for the rules to find
            return {}
        return {agent.name: agent.status for agent in agents}

    def outbox(self) -> "dict[tuple[str, int], KeptNotice]":
        """By `dedup_key` and sequence, what the outbox knows."""
        found: dict[tuple[str, int], KeptNotice] = {}
        path = self.folder / "outbox.jsonl"
        for raw in path.read_bytes().split(b"\n") if path.exists() else ():
            try:
                line = msgspec.json.decode(raw, type=_Line)
            except msgspec.DecodeError:
                continue
            if line.type == "intent" and line.notice is not None:
                found.setdefault(line.notice.key, KeptNotice(legs=dict.fromkeys(line.channels, "pending")))
                continue
            known = found.get(line.key)
            if line.type == "dropped":
                found.pop(line.key, None)
            elif known is not None and line.type in ("delivered", "expired", "skipped"):
                known.legs[line.channel] = line.type
            elif known is not None and line.type == "attempt":
                known.attempts[line.channel] = max(line.attempt, known.attempts.get(line.channel, 0))
        return found


class KeptIncident(msgspec.Struct, frozen=True):
    """An incident as the next life will find it."""

    dedup_key: str
    kind: str
    subject: str
    sequence: int
    opened_at: datetime
    told_with: tuple[str, int] | None = None
    agents: tuple[str, ...] = ()
    is_open: bool = True


class KeptNotice(msgspec.Struct):
    """A notice as the next life will find it."""

    legs: dict[str, str]
    attempts: dict[str, int] = {}

    @property
    def is_pending(self) -> bool:
        """Whether anything is left to be done for it."""
        return "pending" in self.legs.values()


class _Fleet(msgspec.Struct):
    open: dict[str, KeptIncident] = {}
    closing: dict[str, KeptIncident] = {}


class _State(msgspec.Struct):
    fleet: _Fleet


class _Agent(msgspec.Struct):
    name: str
    status: str


class _Snapshot(msgspec.Struct):
    state: _State
    agents: tuple[_Agent, ...]


class _Key(msgspec.Struct):
    dedup_key: str
    sequence: int

    @property
    def key(self) -> tuple[str, int]:
        return self.dedup_key, self.sequence


class _Line(msgspec.Struct):
    type: str
    dedup_key: str = ""
    sequence: int = 0
    channel: str = ""
    channels: tuple[str, ...] = ()
    attempt: int = 0
    notice: _Key | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.dedup_key, self.sequence
