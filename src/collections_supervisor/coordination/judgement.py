"""One judgement of the whole fleet: which incidents there are now, and who may be restarted. Pure."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from collections_supervisor.coordination import incidents as rules
from collections_supervisor.coordination.bookkeeping import NO_IMPACTS, Impacts, ending, ends_with_impact, knows_queues, troubles
from collections_supervisor.coordination.cluster import Cluster, Restraint, covers, for_good, is_back, restraint
from collections_supervisor.coordination.grouping import waits_until
from collections_supervisor.coordination.incident import Incident, Subject, is_told
from collections_supervisor.coordination.provider import provider
from collections_supervisor.coordination.silence import silence, silent_host
from collections_supervisor.coordination.state import (
    CLOSING,
    Facts,
    Fleet,
    FleetState,
    forgive_crashes,
    give_up,
    key_of,
    note_end,
)
from collections_supervisor.coordination.wording import listed
from collections_supervisor.messages import AgentChanged, BooksAudited, Emit, Level, Now, Trouble, Value
from collections_supervisor.system.clock import stamp
from collections_supervisor.system.naming import PROVIDER, spoken
from collections_supervisor.system.supervision import STEADY

UNWATCHED = "is no longer watched"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the state, what to log, and what it means for restarts."""

    state: FleetState
    opened: tuple[str, ...]
    """Keys of the incidents that are new; their notices are not made yet."""
    said: tuple[Emit, ...]
    restraint: Restraint


def judge(
    fleet: Fleet,
    state: FleetState,
    facts: Facts,
    now: Now,
    audited: BooksAudited | None = None,
    impacts: Impacts = NO_IMPACTS,
    *,
    patient: bool = False,
) -> Judgement:
    """Compare what is known of everybody with the incidents that are open. Says nothing to anybody yet.

    `patient`: there is time to wait for what an outage cost before its end is told.
    """
    facts = {name: facts[name] for name in fleet.names if name in facts}
    work = _Work(fleet, forgive_crashes(_note_calm(state, facts), now.mono), facts, now)
    work.keep_impacts(impacts)
    work.keep_clusters()
    work.keep_agents(impacts if patient else None)
    work.keep_tasks()
    work.keep_books(audited)
    work.keep_impacts(impacts)
    return work.done()


def next_timer(fleet: Fleet, state: FleetState, judged: Now) -> float:
    """The monotonic instant at which time alone may change what was judged last."""
    instants = [rules.reminder_due_at(incident, fleet.repeat_after) for incident in state.open.values()]
    instants += [crash.last_at + STEADY for crash in state.crashes.values()]
    instants += [
        judged.mono + (incident.acknowledged_until - judged.wall).total_seconds()
        for incident in state.open.values()
        if incident.acknowledged_until is not None
    ]
    instants += waits_until(fleet, state)
    # What was due then was dealt with then, or concerns somebody whom nobody is to hear of now.
    return min([judged.mono + fleet.cycle, *(instant for instant in instants if instant > judged.mono)])


def _note_calm(state: FleetState, facts: Facts) -> FleetState:
    calm = dict(state.calm)
    for name, changed in facts.items():
        if not changed.report.missed and changed.trouble is None and not changed.acting and f"agent/{name}" not in state.open:
            calm[name] = changed.report.restarts
    return state if calm == state.calm else msgspec.structs.replace(state, calm=calm)


class _Work:
    """The judgement as it is being made."""

    def __init__(self, fleet: Fleet, state: FleetState, facts: Facts, now: Now) -> None:
        self._fleet = fleet
        self._before = state
        self._facts = facts
        self._now = now
        self._open = dict(state.open)
        self._closing = dict(state.closing)
        self._ended: Mapping[str, str] = state.ended
        self._opened: list[str] = []
        self._said: list[Emit] = []
        self._silence = silence(fleet, facts, state)
        self._provider = provider(fleet, facts, state)

    def done(self) -> Judgement:
        closing = {key: incident for key, incident in self._closing.items() if incident.outstanding}
        state = msgspec.structs.replace(self._before, open=self._open, closing=closing, ended=self._ended)
        for key in sorted(closing)[: max(0, len(closing) - CLOSING)]:
            state = give_up(state, closing.pop(key).outstanding, "too many notices are waiting", self._now.wall)
        held = restraint(self._fleet, self._silence)
        return Judgement(state=state, opened=tuple(self._opened), said=tuple(self._said), restraint=held)

    # --- Many agents, one cause ---

    def keep_clusters(self) -> None:
        """Keep the incidents of the host and of the provider, and no other of that kind."""
        current = {f"host/{cluster.subject}": cluster for cluster in (self._silence, self._provider) if cluster is not None}
        for key, cluster in current.items():
            self._keep_cluster(key, cluster)
        for key in [key for key, incident in self._open.items() if incident.kind == "host" and key not in current]:
            self._resolve(key, Subject(kind="host", name=self._open[key].subject), UNWATCHED)

    def _keep_cluster(self, key: str, cluster: Cluster) -> None:
        agent = cluster.members[0] if cluster.subject == PROVIDER and len(cluster.members) == 1 else None
        report = self._facts[agent].report if agent is not None and agent in self._facts else None
        subject = Subject(kind="host", name=cluster.subject, report=report, trouble=cluster.trouble)
        if cluster.trouble is None:
            self._resolve(key, subject, cluster.ending)
            return
        known = self._open.get(key)
        if known is not None and cluster.paused:
            self._open[key] = msgspec.structs.replace(known, agents=cluster.members, paused=True)
            return
        incident = self._keep(known, subject, cluster.trouble)
        self._open[key] = msgspec.structs.replace(
            incident,
            agents=cluster.members,
            agent=agent,
            canary=cluster.canary,
            proven=cluster.proven,
            restarts_before=self._before.calm.get(agent, 0) if agent is not None else 0,
        )
        if known is None:
            self._tell_escalation(self._open[key], subject)

    # --- One agent ---

    def keep_agents(self, awaited: Impacts | None) -> None:
        """Keep the incident of each agent as it is in trouble or not; one that nobody has looked at yet is as it was.

        One that ends waits until what it cost is among those `awaited`.
        """
        for name, changed in self._facts.items():
            key = f"agent/{name}"
            subject = Subject(kind="agent", name=name, report=changed.report, trouble=changed.trouble)
            if changed.report.paused:
                self._pause(key)
            elif changed.trouble is not None:
                self._keep_agent(key, subject, changed.trouble)
            elif key in self._open and self._is_over(self._open[key], changed):
                incident = self._open[key]
                if awaited is not None and ends_with_impact(self._fleet, incident, awaited):
                    self._open[key] = msgspec.structs.replace(incident, recovered_at=changed.report.last_heartbeat)
                else:
                    self._resolve(key, subject)
        for key, incident in list(self._open.items()):
            if incident.kind == "agent" and incident.agent not in self._fleet.names:
                self._resolve(key, Subject(kind="agent", name=incident.subject), UNWATCHED)

    @staticmethod
    def _is_over(incident: Incident, changed: AgentChanged) -> bool:
        return not incident.rebuilt or is_back(changed.report, incident.opened_at)

    def _pause(self, key: str) -> None:
        if key in self._open:
            self._open[key] = msgspec.structs.replace(self._open[key], paused=True)

    def _keep_agent(self, key: str, subject: Subject, trouble: Trouble) -> None:
        known = self._open.get(key)
        spoken_for = self._is_spoken_for(subject.name, trouble, known)
        if spoken_for and (known is None or not is_told(known)):
            # What all of them suffer from is told instead; it is opened (again) if it outlasts that.
            self._open.pop(key, None)
            return
        incident = self._keep(known, subject, trouble, silent=spoken_for)
        apart = incident.apart or self._is_given_up(subject.name)
        # In trouble again, it is the same incident again: from here on its end is what the agent says.
        self._open[key] = msgspec.structs.replace(incident, apart=apart, spoken_for=spoken_for, rebuilt=False)
        if known is None:
            self._tell_escalation(self._open[key], subject)

    def _is_spoken_for(self, name: str, trouble: Trouble, known: Incident | None) -> bool:
        """Whether an incident of many is about this too, or came to stand over it."""
        for cluster in (self._silence, self._provider):
            if cluster is not None and name in cluster.members:
                many = self._open.get(f"host/{cluster.subject}")
                over = known is not None and many is not None and known.told_at < many.told_at
                if over or covers(trouble):
                    return True
        return False

    def _is_given_up(self, name: str) -> bool:
        """Whether the agent was silent together with others until now, and is not any more although it is not back."""
        before = silent_host(self._before)
        member = before is not None and name in before.agents
        return member and name in self._facts and for_good(self._facts[name])

    def keep_tasks(self) -> None:
        """Keep the incidents of our own tasks."""
        for name, crash in self._before.crashes.items():
            subject = Subject(kind="supervisor", name=name, trouble=crash.trouble)
            known = self._open.get(f"supervisor/{name}")
            incident = self._open[f"supervisor/{name}"] = self._keep(known, subject, crash.trouble)
            if known is None:
                self._tell_escalation(incident, subject)
        for key, incident in list(self._open.items()):
            if incident.kind == "supervisor" and incident.subject not in self._before.crashes:
                self._resolve(key, Subject(kind="supervisor", name=incident.subject))

    # --- The books ---

    def keep_books(self, audited: BooksAudited | None) -> None:
        """Keep the incidents of the books and the queues; before the first audit they are as they were."""
        if audited is None and self._fleet.books:
            return
        current = troubles(self._before, audited) if audited is not None else {}
        for key, trouble in current.items():
            kind, _, name = key.partition("/")
            subject = Subject(kind="books" if kind == "books" else "queue", name=name, trouble=trouble)
            known = self._open.get(key)
            self._open[key] = self._keep(known, subject, trouble)
            if known is None:
                self._tell_escalation(self._open[key], subject)
        over = ("books", "queue") if audited is None or knows_queues(audited) else ("books",)
        for key, incident in list(self._open.items()):
            if incident.kind in over and key not in current:
                self._resolve(key, Subject(kind=incident.kind, name=incident.subject), ending(incident, audited))

    def keep_impacts(self, impacts: Impacts) -> None:
        """Say what the outage of an agent costs, in its incident and in that of its host."""
        for key, incident in self._open.items():
            named = incident.agents if incident.kind == "host" else (incident.agent,)
            known = [impact for name in named if name is not None and (impact := impacts.get(name)) is not None]
            if known and known[0] != incident.impact:
                self._open[key] = msgspec.structs.replace(incident, impact=known[0])

    # --- Any incident ---

    def _keep(self, known: Incident | None, subject: Subject, trouble: Trouble, *, silent: bool = False) -> Incident:
        now = self._now
        if known is None:
            calm = self._before.calm.get(subject.name, 0) if subject.kind == "agent" else 0
            incident = rules.begin(subject, trouble, now.mono, restarts_before=calm)
            if incident.dedup_key <= self._ended.get(key_of(incident), ""):
                incident = rules.renamed(incident, now.wall)
            self._opened.append(key_of(incident))
            return incident
        updated = rules.update(known, subject, trouble, now.wall, silent=silent)
        return rules.remind(updated, subject, self._fleet.repeat_after, now.wall, now.mono, silent=silent)

    def _resolve(self, key: str, subject: Subject, ending: str = "works again") -> None:
        incident = self._open.pop(key)
        resolved = rules.resolve(incident, subject, self._now.wall, ending)
        self._closing[resolved.id] = resolved
        self._ended = note_end(self._ended, resolved.dedup_key)
        self._say(
            "info",
            "incident.resolved",
            f"the incident of {_spoken(incident)} is over: it {ending}",
            agent=incident.agent,
            incident=incident.id,
            open_s=round((self._now.wall - incident.opened_at) / timedelta(seconds=1), 3),
        )

    def _tell_escalation(self, incident: Incident, subject: Subject) -> None:
        events = {
            "agent": "agent.escalated",
            "host": "host.escalated",
            "books": "books.escalated",
            "queue": "queue.escalated",
        }
        # Not `agents`: that is a number in other events, and a log store takes a field in one type only.
        who = {"names": listed(incident.agents)} if incident.kind == "host" else {"agent": incident.agent}
        self._say(
            "critical",
            events.get(incident.kind, "supervisor.escalated"),
            f"{_spoken(incident)} needs a human: {incident.reason}",
            **who,
            incident=incident.id,
            reason=incident.reason,
            missed=incident.missed,
            since=stamp(incident.opened_at),
            restarts=subject.report.restarts if subject.report is not None else None,
        )

    def _say(self, level: Level, event: str, message: str, **fields: Value) -> None:
        self._said.append(Emit(level=level, event=event, message=message, fields=fields))


def _spoken(incident: Incident) -> str:
    return spoken(incident.kind, incident.subject, incident.agent)
