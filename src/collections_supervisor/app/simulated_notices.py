"""What a human hears of one agent's trouble, by the product's own rules for incidents. Pure.

Every channel takes what it is given, and nobody acknowledges anything.
"""

import math
import re
from collections import Counter
from typing import Protocol

from collections_supervisor.config.schema import EscalationConfig
from collections_supervisor.coordination import incidents as rules
from collections_supervisor.coordination.incidents import Incident, Subject
from collections_supervisor.messages import AgentReport, Notice, Now, Trouble, Value
from collections_supervisor.reporting.words import clean

DELIVERED = "escalation.delivered"


class Note(Protocol):
    """Keeps what happens."""

    def __call__(self, kind: str, text: str, **fields: Value) -> None:
        """Keep that this happened now."""
        ...


class Notices:
    """The one incident that there may be, and who was told of it."""

    def __init__(self, escalation: EscalationConfig, note: Note) -> None:
        self.told: Counter[str] = Counter()
        """Notices by kind; one that goes to more channels later is still one."""
        self._recipient = clean(escalation.recipient, 80)
        self._repeat_after = escalation.repeat_after
        self._rungs = sorted({channel.after for channel in escalation.channels})
        self._channels = escalation.channels
        self._note = note
        self._incident: Incident | None = None
        self._reached = 0
        """Rungs that have heard of the incident."""
        self._reason = ""

    @property
    def calm(self) -> bool:
        """Whether nothing is open."""
        return self._incident is None

    def due(self) -> float:
        """The monotonic instant at which time alone brings the next notice, or the next rung."""
        incident = self._incident
        if incident is None or incident.recovered_at is not None:
            return math.inf
        return min(rules.reminder_due_at(incident, self._repeat_after), self._next_rung(incident))

    def keep(self, report: AgentReport, trouble: Trouble | None, now: Now) -> None:
        """Open, remind and resolve as the trouble demands."""
        subject = Subject(kind="agent", name=report.name, report=report, trouble=trouble)
        incident = self._incident
        if trouble is None:
            if incident is not None:
                self._deliver(rules.resolve(incident, subject, now.wall))
            self._incident = None
            return
        if incident is None:
            self._reached = 1
            incident = rules.open_incident(subject, trouble, now.wall, now.mono)
        else:
            incident = rules.update(incident, subject, trouble, now.wall)
            incident = rules.remind(incident, subject, self._repeat_after, now.wall, now.mono)
        self._incident = self._deliver(incident)
        self._climb(self._incident, now)

    def _deliver(self, incident: Incident) -> Incident:
        for notice in incident.outstanding:
            if self._rungs:
                self.told[notice.notice] += 1
                self._tell(notice)
            incident = rules.settle(incident, notice.sequence, delivered=True, attempts=1, error="")
        return incident

    def _tell(self, notice: Notice) -> None:
        words = {"opened": "is told", "reminder": "is reminded", "resolved": "is told that it is over"}
        channels = self._named(self._rungs[: self._reached])
        # That there are more misses by now goes without saying.
        reason = re.sub(r"\d+ misses", "misses", notice.reason)
        news = "" if notice.notice == "resolved" or reason == self._reason else f": {notice.reason}"
        self._reason = reason
        text = f"{self._recipient} {words[notice.notice]} ({channels}){news}"
        self._note(DELIVERED, text, notice=notice.notice, sequence=notice.sequence, channels=channels)

    # --- Later rungs ---

    def _named(self, rungs: list[float]) -> str:
        # By their kind alone: the address of a webhook is often a secret.
        return ", ".join(str(channel.__struct_config__.tag) for channel in self._channels if channel.after in rungs)

    def _next_rung(self, incident: Incident) -> float:
        return incident.told_at + self._rungs[self._reached] if self._reached < len(self._rungs) else math.inf

    def _climb(self, incident: Incident, now: Now) -> None:
        while incident.recovered_at is None and now.mono >= self._next_rung(incident):
            channels = self._named([self._rungs[self._reached]])
            self._reached += 1
            text = f"nobody answered: {channels} is used too"
            self._note("simulation.rung", text, rung=self._reached, channels=channels)
