"""Who hears what the coordinator has to say."""

from collections.abc import Mapping

from collections_supervisor.agents.slots import RestartSlots
from collections_supervisor.app.pulse import Pulse
from collections_supervisor.books.auditor import Auditor
from collections_supervisor.escalation.notifier import Notifier
from collections_supervisor.messages import History, Outage, Report, Standing
from collections_supervisor.reporting.metrics_file import MetricsFile
from collections_supervisor.reporting.reporter import Reporter


class Faces:
    """Where the coordinator's word goes: the page or the metrics, the notices, the auditor, the slots, the service manager."""

    def __init__(
        self,
        reporter: Reporter | MetricsFile | None,
        notifier: Notifier,
        slots: RestartSlots,
        pulse: Pulse,
        auditor: Auditor | None = None,
    ) -> None:
        """`reporter` is what passes reports on to all else that shows them."""
        self._pulse = pulse
        self._reporter = reporter
        self._notifier = notifier
        self._slots = slots
        self._auditor = auditor

    def show(self, report: Report, history: History) -> None:
        """Render this report, and how it came to that."""
        if self._reporter is not None:
            self._reporter.publish(report, history)
        self._pulse.report(report)

    def notify(self, standing: Standing) -> None:
        """See to it that a human gets what is owed."""
        self._notifier.publish(standing)

    def ask_for_costs(self, outages: Mapping[str, Outage]) -> None:
        """Find out what these outages cost."""
        if self._auditor is not None:
            self._auditor.ask_for_costs(outages)

    def draw_on(self, reporter: Reporter | MetricsFile | None) -> None:
        """From now on this one renders the reports."""
        self._reporter = reporter

    def hire(self, auditor: Auditor | None) -> None:
        """From now on this one finds out what outages cost."""
        self._auditor = auditor

    def restrain(self, held: frozenset[str], one_at_a_time: bool) -> None:
        """Begin no restart of the agents that are held."""
        self._slots.restrain(held, one_at_a_time)
