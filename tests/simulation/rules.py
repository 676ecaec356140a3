"""What must hold in every history, told from the outside alone: what was paid, what was sent, what was logged, and the disk."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.simulation.agents import Agent
from tests.simulation.disk import Disk, KeptIncident
from tests.simulation.people import Sent, Way
from tests.simulation.supervisor import Life
from tests.simulation.turns import Turn, Turns
from tests.simulation.world import World

from collections_supervisor.messages import Notice

HOUR = 3600.0
DAY = 86400.0

UNSEEN = 2.0
"""Seconds for which a beat may not have been looked for yet."""

ROUNDING = 1.0
"""Seconds that two ways of telling one instant may lie apart."""

PREPARED = 15.0
"""Seconds that may lie between what counts as the start of a turn and the turn itself."""

UNREAD = 90.0
"""Seconds after which every beat has been read, if we live."""

PATIENCE = 300.0
"""Seconds of undisturbed life within which a human must be told of what is wrong: the longest excuse, grouping, and some."""

CHANNEL_PATIENCE = 1100.0
"""The same for a channel that works again: its next try may be a quarter of an hour away."""

UNHEARD_OF = {"supervisor.actor_crashed", "supervisor.escalated", "agent.restart.survivors", "agent.heartbeat.invalid"}
"""Events that no fault of these explains."""


class Rules:
    """Watches one history."""

    def __init__(self, world: World, disk: Disk, agents: Mapping[str, Agent], turns: Turns, ways: Mapping[str, Way]) -> None:
        self.counts: Counter[str] = Counter()
        self.life: Life | None = None
        self.slots = 1
        self._world = world
        self._disk = disk
        self._agents = agents
        self._turns = turns
        self._ways = ways
        self._forgotten_at = -1e9
        """When the supervisor died last of which not everything was on disk."""
        self._expired: set[str] = set()
        self._given_up: set[tuple[str, str]] = set()
        """Channels that will not hear of an incident any more."""
        self._died_at = 0.0
        self._boots = world.boots
        self._unseen: list[tuple[float, float]] = []
        turns.check = self.turn_begins
        turns.check_begin = self.turn_is_due

    @property
    def sent(self) -> list[Sent]:
        """Every try on every channel."""
        return [sent for way in self._ways.values() for sent in way.sent]

    def _trusted(self) -> bool:
        return self.life is not None and self._disk.is_trusted(self.life.since)

    def _tolerance(self) -> float:
        # A wall clock that was set, or went on alone, calls the same instant by several names.
        return ROUNDING + self._world.stepped + self._world.slept

    # --- Turns ---

    def turn_begins(self, turn: Turn) -> None:
        """One action at a time, none twice, none too many."""
        world, agent = self._world, self._agents[turn.agent]
        self.counts["turns"] += 1
        turn.trusted = self._trusted()
        known = [other for other in self._turns.paid if other.agent == turn.agent and other.begun > self._forgotten_at]
        if any(other.runs(world.now) for other in known):
            world.wrong(f"two turns of {turn.agent} at one time: {turn.action_id}")
        if any(other.action_id == turn.action_id for other in self._turns.paid):
            world.wrong(f"turn {turn.action_id} was begun twice")
        if sum(1 for other in self._turns.running() if other.trusted) >= self.slots:
            world.wrong(f"more turns at one time than {self.slots}: {turn.action_id}")
        policy = agent.policy.restart
        for limit, window in ((policy.per_hour, HOUR), (policy.per_day, DAY)):
            spent = sum(1 for other in known if other.begun > world.now - window + PREPARED + self._undatable(other.begun))
            if limit and spent >= limit:
                world.wrong(f"turn {turn.action_id} is number {spent + 1} of at most {limit} within {window:.0f} s")

    def turn_is_due(self, name: str, asked: float) -> None:
        """No agent is restarted that was well when the last question was whether it has to be."""
        well_since = self._agents[name].well_since
        if well_since is not None and asked - well_since > UNSEEN:
            self._world.wrong(f"{name} is restarted although it is well since {asked - well_since:.1f} s")

    def _undatable(self, since: float) -> float:
        """Seconds by which the wall clock was set since then while nobody watched, with a boot before anybody did again."""
        return sum(seconds for at, seconds in self._unseen if at > since)

    # --- The log ---

    def heard(self, level: int, event: str, fields: Mapping[str, Any]) -> None:
        """Something was logged."""
        self.counts[event] += 1
        if level > 10:
            self._world.note(f"log: {event}: {fields.get('message', '')}")
        if event in UNHEARD_OF:
            error = fields.get("exc_info")
            self._world.wrong(f"{event}: {fields.get('message')} {_causes(error)}")
        elif event == "supervisor.state_set_aside":
            self._set_aside(str(fields.get("message")))
        elif event == "agent.heartbeat.missed":
            self._missed(self._agents[fields["agent"]], fields["missed"])
        elif event == "agent.escalated":
            self._escalated(self._agents[fields["agent"]], fields["incident"], datetime.fromisoformat(fields["since"]))
        elif event == "host.escalated":
            self._host_escalated(fields["incident"], datetime.fromisoformat(fields["since"]))
        elif event == "escalation.expired":
            self._expired.add(fields["dedup_key"])
        elif event == "escalation.failed" and fields["next_at"] is None:
            self._given_up.add((fields["channel"], fields["dedup_key"]))

    def _set_aside(self, message: str) -> None:
        if self._disk.mood in ("slow", "hung"):
            self._forgotten_at = self._world.now
        elif not self._disk.torn and self._forgotten_at < 0:
            self._world.wrong(f"set aside: {message}")

    def _missed(self, agent: Agent, missed: int) -> None:
        world, policy = self._world, agent.policy
        if self.life is not None and agent.last < world.set_at and self.life.since < world.set_at + UNREAD:
            return  # who reads a beat for the first time after the clock was set and we were gone cannot date it
        if agent.well_since is not None and world.now - agent.well_since > ROUNDING:
            world.wrong(f"{agent.name} is said to have missed {missed}, and beats as it should")
        timeout = 1.25 * agent.period if policy.adaptive else policy.timeout
        due = agent.last + timeout + (missed - 1) * policy.miss_interval
        if world.now < due - ROUNDING and max(world.disturbed_at, agent.removed_at) < agent.last:
            world.wrong(f"{agent.name} is said to have missed {missed} already {due - world.now:.1f} s too early")

    def _escalated(self, agent: Agent, incident: str, since: datetime) -> None:
        policy, at = agent.policy, self._world.at_wall(since)
        # Beats that were removed before anybody had read them are known to nobody.
        unread = agent.removed_at > at - policy.timeout - policy.miss_threshold * policy.miss_interval - self._tolerance()
        if agent.bad(at, self._tolerance()) is None and not self._flaps(agent) and not unread:
            self._world.wrong(f"incident {incident} although nothing was the matter with {agent.name}")

    def _flaps(self, agent: Agent) -> bool:
        return sum(1 for spell in agent.spells if spell.kind == "silent") >= 3

    def _host_escalated(self, incident: str, since: datetime) -> None:
        if incident.endswith("-provider"):
            if not any(turn.ending == "shared" for turn in self._turns.paid):
                self._world.wrong(f"incident {incident} although nobody was refused")
            return
        at = self._world.at_wall(since)
        bad = sum(1 for agent in self._agents.values() if agent.bad(at, self._tolerance()) is not None)
        if bad < max(3, (len(self._agents) + 1) // 2):
            self._world.wrong(f"a host incident while {bad} of {len(self._agents)} were silent")

    # --- Notices ---

    def sending(self, sent: Sent) -> None:
        """A notice goes out: what it is about is on disk, and everything that is said of it fits together."""
        self.counts["tries"] += 1
        notice = sent.notice
        earlier = [other for other in self.sent if other.notice.dedup_key == notice.dedup_key]
        fresh = [other for other in earlier if other.at > self._forgotten_at]
        for other in fresh:
            if other.key == sent.key and _content(other.notice) != _content(notice):
                self._world.wrong(f"two different notices {sent.key}: {_content(other.notice)}, {_content(notice)}")
            if other.key == sent.key and other.channel == sent.channel and other.attempt >= sent.attempt:
                self._world.wrong(f"notice {sent.key} on {sent.channel} is try {sent.attempt} again")
            if other.channel == sent.channel and other.notice.sequence > notice.sequence:
                self._world.wrong(f"notice {sent.key} goes over {sent.channel} after number {other.notice.sequence}")
        if notice.kind == "agent" and notice.notice == "opened" and not self._world.stepped and not self._world.slept:
            self._one_incident(self._agents[str(notice.agent)], notice)
        if self._trusted():
            self._kept(sent)
            if notice.notice == "resolved" and not notice.merged and len(fresh) == len(earlier):
                self._was_alarmed(sent)

    def _one_incident(self, agent: Agent, notice: Notice) -> None:
        spell = agent.bad(self._world.at_wall(notice.since), ROUNDING)
        if spell is not None and spell.since > self._forgotten_at:
            spell.incidents.add(notice.incident_id)
            if len(spell.incidents) > 1:
                self._world.wrong(f"one trouble of {agent.name}, several incidents: {sorted(spell.incidents)}")

    def _kept(self, sent: Sent) -> None:
        kept = self._disk.outbox().get(sent.key)
        if kept is None:
            self._world.wrong(f"notice {sent.key} goes out and is not in the outbox")
        elif kept.legs.get(sent.channel) != "pending" or kept.attempts.get(sent.channel) != sent.attempt:
            self._world.wrong(f"notice {sent.key} goes out, try {sent.attempt}, and the outbox says {kept}")
        if kept is not None and "delivered" in kept.legs.values():
            return  # a human knows, and the incident need not be kept for the other channels
        incident = self._disk.incidents().get(sent.notice.dedup_key)
        if incident is None or incident.sequence < sent.notice.sequence:
            self._world.wrong(f"notice {sent.key} goes out, and the snapshot says {incident}")

    def _was_alarmed(self, sent: Sent) -> None:
        def tells(other: Notice) -> bool:
            keys = {other.dedup_key, *(one.dedup_key for one in other.grouped)}
            return sent.notice.dedup_key in keys and other.notice != "resolved"

        heard = [other for other in self._ways[sent.channel].sent if other.accepted and tells(other.notice)]
        if not heard:
            self._world.wrong(f"the end of {sent.key} goes over {sent.channel}, which never had the alarm")

    # --- At any time ---

    def begins(self, life: Life) -> None:
        """A life begins; from a disk that does not answer it learns nothing."""
        world = self._world
        self.life = life
        if world.boots > self._boots:
            self._boots = world.boots
            self._unseen += [(at, abs(by)) for at, by in world.steps if at > self._died_at - UNREAD]
        if self._disk.mood in ("slow", "hung"):
            self._forgotten_at = self._world.now

    def died(self, life: Life) -> None:
        """A life ended; what it had not written yet is forgotten."""
        self._died_at = self._world.now
        if not self._disk.is_trusted(life.since):
            self._forgotten_at = self._world.now
            self._world.note("not everything was on disk")
            return
        kept = self._disk.outbox()
        for dedup_key, incident in self._disk.incidents().items():
            for sent in self.sent:
                newest = sent.notice.dedup_key == dedup_key and sent.notice.sequence == incident.sequence
                if newest and sent.key not in kept and sent.at > self._forgotten_at:
                    self._world.wrong(f"notice {sent.key} was sent, is the newest of its incident, and is not in the outbox")

    def look(self) -> None:
        """Whoever is in trouble for long enough has an incident that was told."""
        life = self.life
        if life is None or not life.alive or not self._trusted():
            return
        world = self._world
        lowest = min(self._ways.values(), key=lambda way: way.after)
        calm = max(life.since, world.disturbed_at)
        if world.now < max(calm + PATIENCE, lowest.well_since + CHANNEL_PATIENCE) or lowest.mood != "well":
            return
        late = [agent for agent in self._agents.values() if self._overdue(agent)]
        incidents = [incident for incident in self._disk.incidents().values() if incident.is_open] if late else []
        for agent in late:
            covering = [one for one in incidents if agent.name in (one.subject, *one.agents)]
            if not covering:
                world.wrong(f"{agent.name} is silent for {world.now - agent.last:.0f} s and has no incident")
            elif not any(self._is_told(incident) for incident in covering):
                world.wrong(f"{agent.name} is silent for {world.now - agent.last:.0f} s and nobody was told")

    def _overdue(self, agent: Agent) -> bool:
        policy = agent.policy
        timeout = 2.0 * agent.period if policy.adaptive else policy.timeout
        due = agent.last + timeout + (policy.miss_threshold - 1) * policy.miss_interval
        other = any(spell.until is None and spell.kind != "silent" for spell in agent.spells[-4:])
        return agent.well_since is None and self._world.now > due + PATIENCE and not other

    def _is_told(self, incident: KeptIncident) -> bool:
        if incident.dedup_key in self._expired:
            return True
        for sent in self.sent:
            keys = {sent.notice.dedup_key, *(one.dedup_key for one in sent.notice.grouped)}
            if sent.accepted and incident.dedup_key in keys:
                return True
        return False

    # --- At the end ---

    def settled(self) -> None:  # noqa: C901 - one line for each thing that has to be so
        """After the last fault, and enough time: everybody is well, nothing is open, nothing is owed."""
        world = self._world
        for name, status in self._disk.statuses().items():
            if status not in ("healthy", "late"):
                world.wrong(f"at the end {name} is {status}")
        # A host that failed after now, as the clock was set back since, cannot be seen to be back before that has passed.
        ahead = [one for one in self._disk.incidents().values() if one.kind == "host" and one.opened_at > world.wall]
        for incident in self._disk.incidents().values():
            if incident not in ahead:
                world.wrong(f"at the end there is still {incident}")
        if ahead:
            return
        for key, kept in self._disk.outbox().items():
            if kept.is_pending:
                world.wrong(f"at the end the outbox still has {key}: {kept.legs}")
        # What was begun while the disk refused to note it is nobody's any more after a death.
        if any(turn.trusted for turn in self._turns.running()):
            world.wrong("at the end a turn still runs")
        for way in self._ways.values():
            for sent in way.sent:
                self._end_is_known(way, sent)

    def _end_is_known(self, way: Way, sent: Sent) -> None:
        if not sent.accepted or sent.notice.notice == "resolved" or sent.at <= self._forgotten_at:
            return
        for dedup_key in {sent.notice.dedup_key, *(one.dedup_key for one in sent.notice.grouped)}:
            ended = any(other.notice.notice == "resolved" for other in way.accepted(dedup_key))
            if not ended and dedup_key not in self._expired and (way.name, dedup_key) not in self._given_up:
                self._world.wrong(f"{way.name} had the alarm of {dedup_key} and never heard of its end")


def _content(notice: Notice) -> tuple[str, bool, str]:
    return notice.notice, notice.merged, notice.incident_id


def _causes(error: object) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_causes(inner) for inner in error.exceptions)
    if isinstance(error, BaseException):
        import traceback

        return "".join(traceback.format_exception(error))
    return ""
