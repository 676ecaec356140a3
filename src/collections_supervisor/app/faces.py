"""Who hears what the coordinator has to say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from collections_supervisor.agents.slots import RestartSlots
from collections_supervisor.app.display import Display
from collections_supervisor.app.pulse import Pulse
from collections_supervisor.escalation.notifier import Notifier
from collections_supervisor.messages import History, Outage, Report, Standing

if TYPE_CHECKING:
    from collections_supervisor.books.auditor import Auditor


class Faces:
    """Where the coordinator's word goes: the page or the metrics, the notices, the auditor, the slots, the service manager."""

    def __init__(
        self,
        display: Display,
        notifier: Notifier,
        slots: RestartSlots,
        pulse: Pulse,
        auditor: "Auditor | None" = None,
    ) -> None:
        self._pulse = pulse
        self._display = display
        self._notifier = notifier
        self._slots = slots
        self._auditor = auditor

    def show(self, report: Report, history: History) -> None:
        """Render this report, and how it came to that."""
        self._display.publish(report, history)
        self._pulse.report(report)

    def notify(self, standing: Standing) -> None:
        """See to it that a human gets what is owed."""
        self._notifier.publish(standing)

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        """Find out what these outages cost."""
        if self._auditor is not None:
            self._auditor.ask_for_costs(outages)

    def hire(self, auditor: "Auditor | None") -> None:
        """From now on this one finds out what outages cost."""
        self._auditor = auditor

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        """Begin no restart of the agents that are held."""
        self._slots.restrain(held, one_at_a_time)
