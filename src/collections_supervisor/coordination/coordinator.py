"""The one owner of the fleet's state: it hears every agent, keeps the incidents, and publishes what is known."""

import math
from typing import assert_never

import anyio
import msgspec

from collections_supervisor.coordination import bookkeeping, deliveries, quiet
from collections_supervisor.coordination.chronicle import Chronicle
from collections_supervisor.coordination.evidence import evidence, with_evidence
from collections_supervisor.coordination.grouping import announce
from collections_supervisor.coordination.hearing import Hearing, Message, Order
from collections_supervisor.coordination.history import Past
from collections_supervisor.coordination.judgement import judge, next_timer
from collections_supervisor.coordination.keeping import Keep, Keeping
from collections_supervisor.coordination.known import Known
from collections_supervisor.coordination.ports import Ports, Sinks, Store
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
    ImpactAssessed,
    NoticeAttempted,
    NoticeDelivered,
    NoticeExpired,
    Now,
    Report,
    Value,
)
from collections_supervisor.system.clock import LEAST_JUMP, jump, span, stamp
from collections_supervisor.system.emit import write
from collections_supervisor.system.naming import spoken

__all__ = ["CRASHES", "GATHER", "Coordinator", "Fleet", "FleetState", "Ports", "Sinks", "Store"]

GATHER = 0.05
"""Seconds that the first message waits for others, so that many changes at one instant are judged and shown once."""

SHARE = 0.1
LONGEST = 0.5
"""The part of the time that judging may take, and the seconds that it waits for that at the most.

A thousand agents whose words are judged one by one would keep all else waiting.
"""

CRASHES = 3
"""Crashes in a row of one of our own tasks that a human must hear of."""

FIRST_LOOK = 10.0
"""Seconds that agents have for the first look at them before what an earlier life of ours left owed is sent: some may be back."""

EVIDENCE_AT_ONCE = 20
"""Incidents of one instant whose evidence is kept; more say the same."""


def pause_after(took: float) -> float:
    """Seconds in which messages come together, after a judgement that took so many."""
    return max(GATHER, min(LONGEST, took / SHARE))


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
        self._hearing = Hearing()
        self._known = Known(before)
        self._ready = False
        self._look_until = math.inf
        self._patient_until = -math.inf
        self._judged: Now | None = None
        self._took = 0.0
        """Seconds of the last judgement."""
        self._keeping = Keeping(ports.store, ports.clock)

    @property
    def history(self) -> History:
        """How it came to what was reported last."""
        return self._chronicle.history

    async def tell(self, message: Message, within: float = 5.0) -> bool:
        """Hand over a message; False if the inbox stayed full, and the sender must say it again later."""
        return await self._hearing.tell(message, within)

    def is_open(self, subject: str) -> bool:
        """Whether there is anything of this name that a person may acknowledge."""
        return deliveries.is_known(self._state, subject)

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
                self._apply(await self._hearing.next())
                await anyio.sleep(pause_after(self._took))
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
        for message in self._hearing.waiting():
            self._apply(message)
        now = self._clock.now()
        self._note_jump(now)
        self._set(*quiet.expire(self._state, now.wall))
        await self._judge(now)
        report = self._report(now, stopped=stopped)
        self._tell_ready(report)
        self._took = self._clock.now().mono - now.mono
        # On disk before anything is sent: a notice whose incident was forgotten would be sent again under another name.
        await self._keeping.save(report, self._state, judged=now.mono, cycle=self._fleet.cycle, stopped=stopped)
        self._sinks.show(report, self._chronicle.note(report, self._known.agents, self._known.audited))
        if self._has_looked(now):
            self._sinks.notify(standing(self._state, now.wall))
        if self._keeping.works:  # a disk that has just refused what matters more is left alone
            await self._chronicle.save(now, stopped=stopped)
        return report

    def close(self) -> None:
        """Take no more messages; what comes now is said to nobody."""
        self._hearing.close()

    def _next_timer(self, now: Now) -> float:
        judged = self._judged or now
        instants = [next_timer(self._fleet, self._state, judged), self._keeping.due, self._look_until, self._patient_until]
        return min(instant for instant in instants if instant > judged.mono)

    def _begin(self, now: Now) -> None:
        if self._look_until == math.inf:
            self._look_until = now.mono + (FIRST_LOOK if self._state.open else 0.0)
            self._patient_until = now.mono + bookkeeping.IMPACT_WAIT if self._fleet.once else -math.inf

    # --- What is heard ---

    def _apply(self, message: Message) -> None:
        self._keeping.note_news()
        match message:
            case AgentChanged():
                self._known.note_agent(message, self._fleet)
            case ActorCrashed():
                self._note_crash(message)
            case BooksAudited():
                self._known.audited = message
                self._state = bookkeeping.note_audit(self._state, message)
            case ImpactAssessed():
                self._known.note_impact(message)
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
                self._fleet = order
                self._known.reconfigure(order)
            case Keep():
                self._keeping.wait_for(order)
            case _ as never:
                assert_never(never)

    def _set(self, state: FleetState, said: Emit | None) -> None:
        self._state = state
        if said is not None:
            write(self._log, said)

    def _note_crash(self, crash: ActorCrashed) -> None:
        now = self._clock.now()
        if crash.agent is not None:
            self._known.note_unwatched(crash.agent, crash.error)
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
        known, patient = self._known, now.mono < self._patient_until
        judgement = judge(self._fleet, self._state, known.facts, now, known.audited, known.impacts, patient=patient)
        self._state = judgement.state
        self._judged = now
        for said in judgement.said:
            write(self._log, said)
        outages = known.news_of_outages(self._fleet, self._state)
        if outages is not None:
            self._sinks.ask_for_costs(outages)
        # Whoever waits for a slot waits for this too; a disk that hangs must not keep them.
        self._sinks.restrain(judgement.restraint.held, judgement.restraint.one_at_a_time)
        for key in judgement.opened[:EVIDENCE_AT_ONCE]:
            await self._keep_evidence(key, now)
        # What an earlier life had not told yet may be over, and is not to be told without knowing how the agent is.
        if self._has_looked(now):
            self._state = announce(self._fleet, self._state, known.facts, now, known.impacts)

    def _has_looked(self, now: Now) -> bool:
        """Whether every agent was looked at in this life, or had the time for it."""
        return now.mono >= self._look_until or self._known.has_all(self._fleet)

    async def _keep_evidence(self, key: str, now: Now) -> None:
        incident = self._state.open[key]
        if incident.kind == "supervisor":
            return
        path = await self._store.keep_evidence(incident.id, evidence(incident, self._known.facts, now))
        if path is not None:
            kept = {**self._state.open, key: with_evidence(incident, path)}
            self._state = msgspec.structs.replace(self._state, open=kept)

    def _tell_ready(self, report: Report) -> None:
        if not self._ready and self._known.has_all(self._fleet):
            self._ready = True
            self._log.info(
                "supervisor.ready",
                message=f"every agent was looked at once; verdict: {report.verdict}",
                agents=len(self._known.facts),
                verdict=report.verdict,
            )

    def _report(self, now: Now, *, stopped: bool) -> Report:
        return self._known.report(self._fleet, self._state, now.wall, sources=self._sources(), stopped=stopped)
