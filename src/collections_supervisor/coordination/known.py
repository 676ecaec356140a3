"""What was heard in this life of ours: of the agents, of the books, and of what outages cost."""

from collections.abc import Iterable
from datetime import datetime

from collections_supervisor.coordination import bookkeeping
from collections_supervisor.coordination.report import blind, build
from collections_supervisor.coordination.state import Fleet, FleetState
from collections_supervisor.messages import AgentChanged, BooksAudited, Impact, ImpactAssessed, Outage, Report, Source


class Known:
    """The newest word of each; it is nowhere on disk, because everybody says it again."""

    def __init__(self, before: Report | None) -> None:
        """`before` is the last report of an earlier life of ours."""
        self.facts: dict[str, AgentChanged] = {}
        self.audited: BooksAudited | None = None
        self.impacts: dict[str, Impact | None] = {}
        self._before = {agent.name: agent for agent in before.agents} if before is not None else {}
        self._unwatched: dict[str, str] = {}
        self._outages: dict[str, Outage] = {}

    @property
    def agents(self) -> set[str]:
        """Of whom anything is known."""
        return {*self.facts, *self._unwatched}

    def has_all(self, fleet: Fleet) -> bool:
        """Whether every agent was looked at."""
        return all(name in self.facts for name in fleet.names)

    def note_agent(self, changed: AgentChanged, fleet: Fleet) -> None:
        """An agent was looked at."""
        # Of one that was taken from the fleet the task may not have ended yet.
        if changed.report.name in fleet.names:
            self.facts[changed.report.name] = changed
            self._unwatched.pop(changed.report.name, None)

    def note_unwatched(self, agent: str, error: str) -> None:
        """Nobody looks at this agent for now."""
        self._unwatched[agent] = f"the task that watches it crashed: {error}"

    def note_impact(self, assessed: ImpactAssessed) -> None:
        """What an outage costs, if it is the one that was asked about."""
        if self._outages.get(assessed.agent) == assessed.outage:
            self.impacts[assessed.agent] = assessed.impact

    def reconfigure(self, fleet: Fleet) -> None:
        """Of whom nobody watches any more nothing is known."""
        self.facts = {name: changed for name, changed in self.facts.items() if name in fleet.names}
        self._unwatched = {name: why for name, why in self._unwatched.items() if name in fleet.names}
        if not fleet.books:
            self.audited = None
        # There may be another auditor, who has not been asked anything.
        self._outages = {}

    def news_of_outages(self, fleet: Fleet, state: FleetState) -> dict[str, Outage] | None:
        """The outages to ask the cost of; None if they are those that were asked about last."""
        outages = bookkeeping.outages(fleet, state, self.facts)
        if outages == self._outages:
            return None
        self._outages = outages
        # What is known of an outage holds until more is known of the same one.
        self.impacts = {name: impact for name, impact in self.impacts.items() if name in outages}
        return outages

    def report(self, fleet: Fleet, state: FleetState, at: datetime, *, sources: Iterable[Source], stopped: bool) -> Report:
        """What is known at this instant."""
        known = {name: changed.report for name, changed in self.facts.items()}
        ordered = [blind(known.get(name), name, self._unwatched.get(name), self._before.get(name)) for name in fleet.names]
        return build(
            ordered,
            state,
            at=at,
            run_id=fleet.run_id,
            version=fleet.version,
            stopped=stopped,
            books=fleet.books,
            audited=self.audited,
            sources=sources,
        )
