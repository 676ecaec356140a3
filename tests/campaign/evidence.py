"""What a site shows of the lives of its supervisor: its files, its logs, and the books that the outside kept."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.campaign.lives import Life
from tests.campaign.story import WORKER, Site

Line = dict[str, Any]

LONG_AGO = 120.0
"""Seconds by which a temporary file is made older: nobody can still be writing it, so that the next start removes it."""

FAULTS = {
    "agent.heartbeat.invalid",
    "agent.heartbeat.unreadable",
    "agent.restart.survivors",
    "agent.restart.timed_out",
    "escalation.expired",
    "escalation.failed",
    "python.log",
    "supervisor.actor_crashed",
    "supervisor.crashed",
    "supervisor.escalated",
    "supervisor.state_set_aside",
    "supervisor.store_failed",
    "supervisor.unlocked",
}
"""Events that nothing in the story gives a reason for."""


def lines(path: Path) -> list[Line]:
    """The whole lines of a file of JSON lines; raises ValueError for one that is none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def at(text: str) -> datetime:
    """An instant as the program writes it."""
    return datetime.fromisoformat(text)


class Evidence:
    """All that is known of a site so far."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.events: list[Line] = []
        self.kept: dict[str, str] = {}
        """By `dedup_key`: when an incident that is to be told was first seen in a snapshot."""
        self.wrong: list[str] = []
        self._saved: list[datetime] = []
        self._leftovers: list[Path] = []

    # --- After each life ---

    def take(self, life: Life) -> None:
        """See what a life left, and what it took away."""
        where = f"{life.log.name} ({life.kill})"
        self.wrong += [f"{where}: {sentence}" for sentence in (*self._of_log(life), *self._of_state())]
        temporaries = list(self.site.root.rglob(".collections-supervisor-*"))
        begun = b'"supervisor.started"' in life.log.read_bytes()
        self.wrong += [f"{where}: {path} is still there" for path in self._leftovers if begun and path in temporaries]
        old = time.time() - LONG_AGO
        for path in temporaries:
            os.utime(path, (old, old))
        self._leftovers = temporaries

    def _of_log(self, life: Life) -> Iterator[str]:
        try:
            events = lines(life.log)
        except ValueError as error:
            yield f"a line of the log is not JSON: {error}"
            return
        self.events += events
        if life.kill is not None and life.process.returncode != -9:
            yield f"it ended by itself with {life.process.returncode}"
        if text := life.errors.read_text():
            yield f"on standard error: {text}"
        for event in events:
            if event["event"] in FAULTS or "stack" in str(event.get("error", "")):
                yield f"a fault: {event}"

    def _of_state(self) -> Iterator[str]:
        for path in self.site.state.rglob("*.json"):
            try:
                found = json.loads(path.read_bytes())
            except ValueError as error:
                yield f"{path} is not JSON: {error}"
                continue
            if path.name == "snapshot.json":
                self._saved.append(at(found["generated_at"]))
                fleet = found["state"]["fleet"]
                for incident in (*fleet["open"].values(), *fleet["closing"].values()):
                    if incident["sequence"] or incident["told_with"]:
                        self.kept.setdefault(incident["dedup_key"], found["generated_at"])
        try:
            lines(self.site.state / "outbox.jsonl")
        except ValueError as error:
            yield f"a line of the outbox is not JSON: {error}"

    def kept_after(self, when: datetime) -> datetime:
        """The instant of the first snapshot seen that is newer."""
        return min((saved for saved in self._saved if saved > when), default=when)

    # --- What the outside knows ---

    def snapshot(self) -> Line | None:
        """The newest one, if there is one."""
        try:
            found: Line = json.loads((self.site.state / "snapshot.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def notices(self) -> list[Line]:
        """What a person was told, in order."""
        return lines(self.site.root / "notices.jsonl")

    def actions(self) -> list[Line]:
        """The restarts that were begun, in order, with the time of their `start` where they lived long enough to say it."""
        started = {
            call["pid"]: call["start"] for call in lines(self.site.root / "calls.started.jsonl") if call["kind"] == "restart"
        }
        begun = lines(self.site.root / "actions.jsonl")
        return [{**action, "start": started.get(action["pid"])} for action in begun]

    def workers(self) -> list[Line]:
        """The starts of the process that is ours."""
        return lines(self.site.root / f"{WORKER}s.jsonl")

    def beats(self) -> dict[str, list[float]]:
        """By agent, the instants of its beats."""
        found: dict[str, list[float]] = defaultdict(list)
        for path in self.site.heartbeats.glob("*.log"):
            for line in lines(path):
                if not line["stale"]:
                    stamp = line["timestamp"]
                    found[path.stem].append(stamp if isinstance(stamp, float) else at(stamp).timestamp())
        return found

    def of(self, name: str) -> list[Line]:
        """The events of this name, over all lives."""
        return [event for event in self.events if event["event"] == name]
