"""The one owner of the fleet's state: it hears every agent, keeps the incidents, and publishes what is known."""

import contextlib
import math
from typing import assert_never

import anyio
import msgspec

from collections_supervisor.coordination import bookkeeping, deliveries, quiet
from collections_supervisor.coordination.chronicle import Chronicle
from collections_supervisor.coordination.evidence import evidence, with_evidence
from collections_supervisor.coordination.grouping import announce
from collections_supervisor.coordination.history import Past
from collections_supervisor.coordination.judgement import judge, next_timer
from collections_supervisor.coordination.ports import Ports, Sinks, Store
from collections_supervisor.coordination.report import blind, build
from collections_supervisor.coordination.state import Fleet, FleetState, note_crash, standing
from collections_supervisor.messages import (
    Acknowledge,
    ActorCrashed,
    AgentChanged,
    AgentCommand,
    BooksAudited,
    ChannelsProven,
    Emit,
    History,
    Impact,
    ImpactAssessed,
    NoticeAttempted,
    NoticeDelivered,
    NoticeExpired,
    Now,
    Outage,
    Report,
    Value,
)
from collections_supervisor.system.clock import LEAST_JUMP, jump, span, stamp
from collections_supervisor.system.emit import write
from collections_supervisor.system.naming import spoken

__all__ = ["CRASHES", "GATHER", "INBOX", "Coordinator", "Fleet", "FleetState", "Ports", "Sinks", "Store"]


class Keep:
    """Whoever waits until what was told before is on disk."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.kept = False


Order = Acknowledge | AgentCommand | Fleet | Keep
"""What others want; all else is what happened."""

Message = (
    AgentChanged
    | ActorCrashed
    | BooksAudited
    | ChannelsProven
    | ImpactAssessed
    | NoticeAttempted
    | NoticeDelivered
    | NoticeExpired
    | Order
)

INBOX = 4096
"""Messages under way at one time; more agents than this take turns."""

GATHER = 0.05
"""Seconds that the first message waits for others, so that many changes at one instant are judged and shown once."""

CRASHES = 3
"""Crashes in a row of one of our own tasks that a human must hear of."""

SAVE_EVERY = 1.0
SAVE_AGAIN = 10.0
"""Seconds between two saves of what need not be on disk before anything else happens, and after one that failed."""

FIRST_LOOK = 10.0
"""Seconds that agents have for the first look at them before what an earlier life of ours left owed is sent: some may be back."""

EVIDENCE_AT_ONCE = 20
"""Incidents of one instant whose evidence is kept; more say the same."""


class Coordinator:
    """Hears the agents, opens and resolves incidents, publishes the report."""

    def __init__(
        self,
        fleet: Fleet,
        ports: Ports,
        sinks: Sinks,
        start: FleetState | None = None,
        past: Past | None = None,
        before: Report | None = None,
    ) -> None:
        """`start`, `past` and `before`, its last report, are what an earlier life of ours left.

        The instants of `start` are in the clocks of now.
        """
        self._fleet = fleet
        self._clock = ports.clock
        self._log = ports.log
        self._store = ports.store
        self._sources = ports.sources
        self._sinks = sinks
        self._state = start or FleetState()
        self._chronicle = Chronicle(fleet, ports.histories, past)
        self._send, self._inbox = anyio.create_memory_object_stream[Message](INBOX)
        self._before = {agent.name: agent for agent in before.agents} if before is not None else {}
        self._facts: dict[str, AgentChanged] = {}
        self._unwatched: dict[str, str] = {}
        self._audited: BooksAudited | None = None
        self._outages: dict[str, Outage] = {}
        self._impacts: dict[str, Impact | None] = {}
        self._ready = False
        self._look_until = math.inf
        self._patient_until = -math.inf
        self._judged: Now | None = None
        self._saved: object = None
        self._saved_at = -math.inf
        self._kept_at = -math.inf
        self._save_due = math.inf
        self._keeps: list[Keep] = []

    @property
    def history(self) -> History:
        """How it came to what was reported last."""
        return self._chronicle.history

    async def tell(self, message: Message, within: float = 5.0) -> bool:
        """Hand over a message; False if the inbox stayed full, and the sender must say it again later."""
        with anyio.move_on_after(within), contextlib.suppress(anyio.ClosedResourceError):
            await self._send.send(message)
            return True
        return False

    async def acknowledge(self, word: Acknowledge) -> bool:
        """Take a person's word that an incident is known; False if nothing of that name is open, or it was not heard."""
        return deliveries.is_known(self._state, word.subject) and await self.tell(word)

    async def kept(self, within: float = 5.0) -> bool:
        """Wait until all that was told before is on disk; False if it is not, or not in time."""
        keep = Keep()
        if await self.tell(keep, within):
            with anyio.move_on_after(within):
                await keep.done.wait()
        return keep.kept

    @property
    def report(self) -> Report:
        """What is known now."""
        return self._report(self._clock.now(), stopped=False)

    @property
    def incidents(self) -> tuple[str, ...]:
        """What a person may acknowledge, by the names that one would use."""
        return tuple(one.agent or one.subject for one in self._state.open.values())

    def pause_of_all(self) -> AgentCommand | None:
        """What an agent is to be told that is watched from now on."""
        return quiet.word(self._state, self._clock.now().wall)

    async def run(self) -> None:
        """Work until cancelled."""
        self._begin(self._clock.now())
        while True:
            now = self._clock.now()
            with anyio.move_on_after(max(0.0, self._next_timer(now) - now.mono)):
                self._apply(await self._inbox.receive())
                await anyio.sleep(GATHER)
            await self._settle(stopped=False)

    async def settle(self, *, stopped: bool = False, patient: bool = False) -> Report:
        """Take in all that waits, judge once, keep it, publish it: whoever was to be looked at has been.

        `patient`: what an outage cost may still become known.
        """
        self._look_until = -math.inf
        if not patient:
            self._patient_until = -math.inf
        return await self._settle(stopped=stopped)

    async def _settle(self, *, stopped: bool) -> Report:
        while True:
            try:
                self._apply(self._inbox.receive_nowait())
            except anyio.WouldBlock:
                break
        now = self._clock.now()
        self._note_jump(now)
        self._set(*quiet.expire(self._state, now.wall))
        await self._judge(now)
        report = self._report(now, stopped=stopped)
        self._tell_ready(report)
        # On disk before anything is sent: a notice whose incident was forgotten would be sent again under another name.
        await self._save(report, stopped=stopped)
        self._sinks.show(report, self._chronicle.note(report, {*self._facts, *self._unwatched}, self._audited))
        if self._has_looked(now):
            self._sinks.notify(standing(self._state, now.wall))
        if self._saved is not None:  # a disk that has just refused what matters more is left alone
            await self._chronicle.save(now, stopped=stopped)
        return report

    def close(self) -> None:
        """Take no more messages; what comes now is said to nobody."""
        self._send.close()
        self._inbox.close()

    def _next_timer(self, now: Now) -> float:
        judged = self._judged or now
        instants = [next_timer(self._fleet, self._state, judged), self._save_due, self._look_until, self._patient_until]
        return min(instant for instant in instants if instant > judged.mono)

    def _begin(self, now: Now) -> None:
        if self._look_until == math.inf:
            self._look_until = now.mono + (FIRST_LOOK if self._state.open else 0.0)
            self._patient_until = now.mono + bookkeeping.IMPACT_WAIT if self._fleet.once else -math.inf

    # --- What is heard ---

    def _apply(self, message: Message) -> None:
        self._save_due = min(self._save_due, self._saved_at + SAVE_EVERY)
        match message:
            case AgentChanged():
                self._note_agent(message)
            case ActorCrashed():
                self._note_crash(message)
            case BooksAudited():
                self._audited = message
                self._state = bookkeeping.note_audit(self._state, message)
            case ImpactAssessed(agent=agent, outage=outage, impact=impact):
                if self._outages.get(agent) == outage:
                    self._impacts[agent] = impact
            case NoticeDelivered() | NoticeExpired() | NoticeAttempted() | ChannelsProven():
                self._state = deliveries.heard(self._state, message, self._clock.now().wall)
            case _ as order:
                self._obey(order)

    def _obey(self, order: Order) -> None:
        match order:
            case Acknowledge():
                self._acknowledge(order)
            case AgentCommand():
                self._set(*quiet.note(self._state, order, self._clock.now().wall))
            case Fleet():
                self._reconfigure(order)
            case Keep():
                self._keeps.append(order)
            case _ as never:
                assert_never(never)

    def _note_agent(self, changed: AgentChanged) -> None:
        # Of one that was taken from the fleet the task may not have ended yet.
        if changed.report.name in self._fleet.names:
            self._facts[changed.report.name] = changed
            self._unwatched.pop(changed.report.name, None)

    def _set(self, state: FleetState, said: Emit | None) -> None:
        self._state = state
        if said is not None:
            write(self._log, said)

    def _reconfigure(self, fleet: Fleet) -> None:
        """Go by other settings; of whom nobody watches any more nothing is known."""
        self._fleet = fleet
        self._facts = {name: changed for name, changed in self._facts.items() if name in fleet.names}
        self._unwatched = {name: why for name, why in self._unwatched.items() if name in fleet.names}
        if not fleet.books:
            self._audited = None
        # There may be another auditor, who has not been asked anything.
        self._outages = {}

    def _note_crash(self, crash: ActorCrashed) -> None:
        now = self._clock.now()
        if crash.agent is not None:
            self._unwatched[crash.agent] = f"the task that watches it crashed: {crash.error}"
        if crash.crashes >= CRASHES:
            self._state = note_crash(self._state, crash.actor, crash.error, now.mono, now.wall)

    def _acknowledge(self, word: Acknowledge) -> None:
        known = [self._state.open[key] for key in deliveries.named(self._state, word.subject)]
        self._state = deliveries.acknowledge(self._state, word)
        for incident in known:
            who = spoken(incident.kind, incident.subject, incident.agent)
            fields: dict[str, Value] = {"incident": incident.id, "until": stamp(word.until), "reason": word.reason or None}
            self._log.info(
                "agent.acknowledged",
                message=f"a person knows of the incident of {who}: no reminders until {stamp(word.until)}",
                agent=incident.agent,
                **fields,
            )

    def _note_jump(self, now: Now) -> None:
        if self._judged is None:
            return
        moved = jump(self._judged, now)
        if moved.slept > LEAST_JUMP or abs(moved.stepped) > LEAST_JUMP:
            self._log.warning(
                "supervisor.clock_jumped",
                message=f"the machine slept for {span(max(0.0, moved.slept))}, its wall clock was set by {moved.stepped:+.1f} s",
                slept_s=round(moved.slept, 3),
                stepped_s=round(moved.stepped, 3),
            )

    # --- What follows from it ---

    async def _judge(self, now: Now) -> None:
        patient = now.mono < self._patient_until
        judgement = judge(self._fleet, self._state, self._facts, now, self._audited, self._impacts, patient=patient)
        self._state = judgement.state
        self._judged = now
        for said in judgement.said:
            write(self._log, said)
        self._ask_for_costs()
        # Whoever waits for a slot waits for this too; a disk that hangs must not keep them.
        self._sinks.restrain(judgement.restraint.held, judgement.restraint.one_at_a_time)
        for key in judgement.opened[:EVIDENCE_AT_ONCE]:
            await self._keep_evidence(key, now)
        # What an earlier life had not told yet may be over, and is not to be told without knowing how the agent is.
        if self._has_looked(now):
            self._state = announce(self._fleet, self._state, self._facts, now, self._impacts)

    def _ask_for_costs(self) -> None:
        outages = bookkeeping.outages(self._fleet, self._state, self._facts)
        if outages == self._outages:
            return
        self._outages = outages
        # What is known of an outage holds until more is known of the same one.
        self._impacts = {name: impact for name, impact in self._impacts.items() if name in outages}
        self._sinks.ask_for_costs(outages)

    def _has_looked(self, now: Now) -> bool:
        """Whether every agent was looked at in this life, or had the time for it."""
        return now.mono >= self._look_until or all(name in self._facts for name in self._fleet.names)

    async def _keep_evidence(self, key: str, now: Now) -> None:
        incident = self._state.open[key]
        if incident.kind == "supervisor":
            return
        path = await self._store.keep_evidence(incident.id, evidence(incident, self._facts, now))
        if path is not None:
            kept = {**self._state.open, key: with_evidence(incident, path)}
            self._state = msgspec.structs.replace(self._state, open=kept)

    async def _save(self, report: Report, *, stopped: bool) -> None:
        promised = _promised(self._state)
        judged = self._judged.mono if self._judged is not None else math.inf
        # From judgement to judgement: a write takes time, and counted from its end every other cycle would come too early.
        due = judged >= self._kept_at + self._fleet.cycle or self._clock.now().mono >= self._save_due
        if stopped or due or self._keeps or promised != self._saved:
            keeps, self._keeps = self._keeps, []
            self._kept_at = judged
            saved = await self._store.save(report, self._state)
            for keep in keeps:
                keep.kept = saved
                keep.done.set()
            self._saved_at = self._clock.now().mono
            self._saved = promised if saved else None
            self._save_due = math.inf if saved else self._saved_at + SAVE_AGAIN

    def _tell_ready(self, report: Report) -> None:
        if not self._ready and all(name in self._facts for name in self._fleet.names):
            self._ready = True
            self._log.info(
                "supervisor.ready",
                message=f"every agent was looked at once; verdict: {report.verdict}",
                agents=len(self._facts),
                verdict=report.verdict,
            )

    def _report(self, now: Now, *, stopped: bool) -> Report:
        known = {name: changed.report for name, changed in self._facts.items()}
        ordered = [blind(known.get(name), name, self._unwatched.get(name), self._before.get(name)) for name in self._fleet.names]
        return build(
            ordered,
            self._state,
            at=now.wall,
            run_id=self._fleet.run_id,
            version=self._fleet.version,
            stopped=stopped,
            books=self._fleet.books,
            audited=self._audited,
            sources=self._sources(),
        )


def _promised(state: FleetState) -> object:
    """What has to be on disk before anybody is told: which incidents there are, and what is owed and known of them."""
    kept = [*state.open.values(), *state.closing.values()]
    return (
        {(incident.id, incident.acknowledged_until, incident.agents, incident.resolved_at) for incident in kept},
        {(notice.dedup_key, notice.sequence) for incident in kept for notice in incident.outstanding},
        {(incident.id, incident.told_with) for incident in kept},
        state.quiet,
    )
