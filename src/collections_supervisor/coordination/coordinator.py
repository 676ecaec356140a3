"""The one owner of the fleet's state: it hears every agent, keeps the incidents, and publishes what is known."""

import contextlib
from typing import Protocol, assert_never

import anyio
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.coordination import incidents as rules
from collections_supervisor.coordination.incidents import Incident, Subject
from collections_supervisor.coordination.report import blind, build
from collections_supervisor.messages import (
    ActorCrashed,
    AgentChanged,
    AgentReport,
    Notice,
    NoticeAttempted,
    NoticeDelivered,
    NoticeExpired,
    Now,
    Report,
    Trouble,
)
from collections_supervisor.system.clock import Clock, stamp
from collections_supervisor.system.supervision import STEADY

Message = AgentChanged | ActorCrashed | NoticeAttempted | NoticeDelivered | NoticeExpired

INBOX = 4096
"""Messages under way at one time; more agents than this take turns."""

GATHER = 0.05
"""Seconds that the first message waits for others, so that many changes at one instant are judged and shown once."""

CRASHES = 3
"""Crashes in a row of one of our own tasks that a human must hear of."""


class Sinks(Protocol):
    """Who is shown what: each keeps the newest value only and never makes the coordinator wait."""

    def show(self, report: Report) -> None:
        """Render this report."""
        ...

    def notify(self, notices: tuple[Notice, ...]) -> None:
        """See to it that a human gets these; the whole of what is still owed."""
        ...


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What the coordinator is told at its start."""

    names: tuple[str, ...]
    repeat_after: float
    cycle: float
    run_id: str
    version: str


class Coordinator:
    """Hears the agents, opens and resolves incidents, publishes the report."""

    def __init__(self, fleet: Fleet, clock: Clock, log: FilteringBoundLogger, sinks: Sinks) -> None:
        self._fleet = fleet
        self._clock = clock
        self._log = log
        self._sinks = sinks
        self._send, self._inbox = anyio.create_memory_object_stream[Message](INBOX)
        self._agents: dict[str, AgentReport] = {}
        self._troubles: dict[str, Trouble] = {}
        self._crashes: dict[str, tuple[Trouble, float]] = {}
        self._open: dict[str, Incident] = {}
        self._closing: dict[str, Incident] = {}
        self._unwatched: dict[str, str] = {}
        self._ready = False

    async def tell(self, message: Message, within: float = 5.0) -> bool:
        """Hand over a message; False if the inbox stayed full, and the sender must say it again later."""
        with anyio.move_on_after(within), contextlib.suppress(anyio.ClosedResourceError):
            await self._send.send(message)
            return True
        return False

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            now = self._clock.now()
            with anyio.move_on_after(max(0.0, self._next_timer(now) - now.mono)):
                self._apply(await self._inbox.receive())
                await anyio.sleep(GATHER)
            self.settle()

    def settle(self, *, stopped: bool = False) -> Report:
        """Take in all that waits, judge once, publish once."""
        while True:
            try:
                self._apply(self._inbox.receive_nowait())
            except anyio.WouldBlock:
                break
        now = self._clock.now()
        self._keep_incidents(now)
        report = self._report(now, stopped=stopped)
        if not self._ready and len(self._agents) == len(self._fleet.names):
            self._ready = True
            self._log.info(
                "supervisor.ready",
                message=f"every agent was looked at once; verdict: {report.verdict}",
                agents=len(self._agents),
                verdict=report.verdict,
            )
        self._sinks.show(report)
        self._sinks.notify(tuple(notice for incident in self._all() for notice in incident.outstanding))
        return report

    def close(self) -> None:
        """Take no more messages; what comes now is said to nobody."""
        self._send.close()
        self._inbox.close()

    def _next_timer(self, now: Now) -> float:
        instants = [now.mono + self._fleet.cycle]
        instants += [
            rules.reminder_due_at(incident, self._fleet.repeat_after)
            for incident in self._open.values()
            if incident.recovered_at is None
        ]
        instants += [at + STEADY for _, at in self._crashes.values()]
        return min(instants)

    def _apply(self, message: Message) -> None:
        match message:
            case AgentChanged(report=report, trouble=trouble):
                self._agents[report.name] = report
                self._unwatched.pop(report.name, None)
                self._keep_trouble(report.name, trouble)
            case ActorCrashed():
                self._note_crash(message)
            case NoticeDelivered():
                self._settle_notice(message, delivered=True, error="")
            case NoticeExpired():
                self._settle_notice(message, delivered=False, error=message.error)
            case NoticeAttempted():
                self._note_attempt(message)
            case _ as never:
                assert_never(never)

    def _keep_trouble(self, name: str, trouble: Trouble | None) -> None:
        if trouble is None:
            self._troubles.pop(name, None)
        else:
            self._troubles[name] = trouble

    def _note_crash(self, crash: ActorCrashed) -> None:
        now = self._clock.now()
        if crash.agent is not None:
            self._unwatched[crash.agent] = f"the task that watches it crashed: {crash.error}"
        if crash.crashes >= CRASHES:
            known = self._crashes.get(crash.actor)
            since = known[0].since if known is not None else now.wall
            reason = f"the supervisor's own task {crash.actor} crashes again and again: {crash.error}"
            self._crashes[crash.actor] = (Trouble(since=since, reason=reason, missed=0), now.mono)

    # --- Incidents ---

    def _all(self) -> list[Incident]:
        return [*self._open.values(), *self._closing.values()]

    def _subjects(self, now: Now) -> dict[str, Subject]:
        self._crashes = {name: kept for name, kept in self._crashes.items() if now.mono < kept[1] + STEADY}
        found = {
            f"agent/{name}": Subject(kind="agent", name=name, report=report, trouble=self._troubles.get(name))
            for name, report in self._agents.items()
        }
        for name, (trouble, _) in self._crashes.items():
            found[f"supervisor/{name}"] = Subject(kind="supervisor", name=name, trouble=trouble)
        return found

    def _keep_incidents(self, now: Now) -> None:
        subjects = self._subjects(now)
        for key, subject in subjects.items():
            if subject.trouble is not None:
                self._open[key] = self._keep_one(self._open.get(key), subject, subject.trouble, now)
        for key in [key for key in self._open if key not in subjects or subjects[key].trouble is None]:
            self._resolve(key, subjects.get(key), now)
        self._closing = {key: incident for key, incident in self._closing.items() if incident.outstanding}

    def _keep_one(self, incident: Incident | None, subject: Subject, trouble: Trouble, now: Now) -> Incident:
        if incident is None:
            opened = rules.open_incident(subject, trouble, now.wall, now.mono)
            self._tell_escalation(opened, subject)
            return opened
        updated = rules.update(incident, subject, trouble, now.wall)
        return rules.remind(updated, subject, self._fleet.repeat_after, now.wall, now.mono)

    def _resolve(self, key: str, subject: Subject | None, now: Now) -> None:
        incident = self._open.pop(key)
        gone = subject or Subject(kind=incident.kind, name=incident.subject)
        resolved = rules.resolve(incident, gone, now.wall)
        self._closing[resolved.id] = resolved
        self._log.info(
            "incident.resolved",
            message=f"the incident of {incident.subject} is over",
            agent=incident.agent,
            incident=incident.id,
            open_s=round((now.wall - incident.opened_at).total_seconds(), 3),
        )

    def _tell_escalation(self, incident: Incident, subject: Subject) -> None:
        self._log.critical(
            "agent.escalated" if incident.agent is not None else "supervisor.escalated",
            message=f"{incident.subject} needs a human: {incident.reason}",
            agent=incident.agent,
            incident=incident.id,
            reason=incident.reason,
            missed=incident.missed,
            since=stamp(incident.opened_at),
            restarts=subject.report.restarts if subject.report is not None else None,
        )

    # --- Notices ---

    def _owner(self, dedup_key: str) -> tuple[dict[str, Incident], str] | None:
        for kept in (self._open, self._closing):
            for key, incident in kept.items():
                if incident.dedup_key == dedup_key:
                    return kept, key
        return None

    def _settle_notice(self, message: NoticeDelivered | NoticeExpired, *, delivered: bool, error: str) -> None:
        owner = self._owner(message.dedup_key)
        if owner is not None:
            kept, key = owner
            kept[key] = rules.settle(kept[key], message.sequence, delivered=delivered, attempts=message.attempts, error=error)

    def _note_attempt(self, message: NoticeAttempted) -> None:
        owner = self._owner(message.dedup_key)
        if owner is not None:
            kept, key = owner
            kept[key] = msgspec.structs.replace(
                kept[key], attempts=message.attempts, error=message.error, next_at=message.next_at
            )

    # --- The report ---

    def _report(self, now: Now, *, stopped: bool) -> Report:
        ordered = [blind(self._agents.get(name), name, self._unwatched.get(name)) for name in self._fleet.names]
        return build(
            ordered,
            self._open.values(),
            at=now.wall,
            run_id=self._fleet.run_id,
            version=self._fleet.version,
            stopped=stopped,
        )
