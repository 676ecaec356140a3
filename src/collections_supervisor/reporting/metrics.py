"""The report as Prometheus reads it. Pure: one report and what this run counted of itself make one text.

What was not measured is absent, never 0. Counters and states are there from the start. Labels come from the configuration;
of what others wrote into files only so many currencies and queues become labels of their own, all else is `other`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar, get_args

from collections_supervisor.messages import (
    DURATION_BOUNDS,
    AgentReport,
    BooksReport,
    Counters,
    EscalationOutcome,
    FindingKind,
    LedgerTotals,
    Level,
    QueuesReport,
    Report,
    RestartOutcome,
    Status,
    Totals,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "collections_supervisor_"
CURRENCIES = 8
"""Currencies with a label of their own."""

OTHER = "other"
_PAYMENTS = "payment_queue"
_CODE = 3
"""Letters of a currency."""

_Outcome = TypeVar("_Outcome", bound=str)
Labels = tuple[str, ...]
Sample = tuple[Labels, float]


class _Collector:
    """What a registry asks for its metrics."""

    def __init__(self, metrics: "list[Metric]") -> None:
        self._metrics = metrics

    def collect(self) -> "list[Metric]":
        """All of them."""
        return self._metrics


def render(
    report: Report, counters: Counters | None = None, page_written_at: datetime | None = None, *, watched: bool = True
) -> bytes:
    """The metrics in Prometheus' text format; without `counters` those of a running program are left out.

    `watched`: whether the report comes from whoever acts upon it. To a mere look nobody may take it that somebody does.
    """
    # Imported here: it takes a while, and most who use this program write no metrics.
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector([*_program(report, counters, page_written_at, watched), *_agents(report), *_books(report)]))
    return generate_latest(registry)


# --- Families --------------------------------------------------------------------------------------------------------


def _gauge(name: str, help_text: str, samples: Iterable[Sample], labels: Labels = ()) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, help_text: str, samples: Iterable[Sample], labels: Labels = ()) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(PREFIX + name, help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _present(metrics: "Iterable[Metric]") -> "Iterator[Metric]":
    """Those of which anything is known."""
    return (metric for metric in metrics if metric.samples)


def _one(value: float | None) -> list[Sample]:
    return [((), value)] if value is not None else []


def _instant(at: datetime | None) -> float | None:
    return at.timestamp() if at is not None else None


# --- The program -----------------------------------------------------------------------------------------------------


def _program(report: Report, counters: Counters | None, page_written_at: datetime | None, watched: bool) -> "Iterator[Metric]":
    yield _gauge("build_info", "The release that made this; always 1.", [((report.version,), 1)], ("version",))
    cycle = "When the supervisor last judged everything, in seconds since 1970. An old one means that nobody is watching."
    if watched:
        yield _gauge("last_cycle_timestamp_seconds", cycle, _one(_instant(report.generated_at)))
    page = "When the page was last written, in seconds since 1970."
    yield from _present([_gauge("dashboard_last_write_timestamp_seconds", page, _one(_instant(page_written_at)))])
    if counters is None:
        return
    yield _gauge("start_time_seconds", "When this process began, in seconds since 1970.", _one(_instant(counters.started_at)))
    levels: tuple[Level, ...] = get_args(Level)
    by_level = [((level,), float(counters.log_events.get(level, 0))) for level in levels]
    yield _counter("log_events", "Events that this process has logged, by level.", by_level, ("level",))
    lost = "Events of this process that whoever reads its log never got."
    yield _counter("log_events_dropped", lost, _one(counters.log_dropped))
    reloads = [((outcome,), float(counters.reloads.get(outcome, 0))) for outcome in ("applied", "rejected")]
    told = "Times that this process was told to read its configuration anew, by what came of it."
    yield _counter("config_reloads", told, reloads, ("outcome",))


# --- The agents ------------------------------------------------------------------------------------------------------


def _agents(report: Report) -> "Iterator[Metric]":
    agents, label = report.agents, ("agent",)
    beats = [((agent.name,), agent.last_heartbeat.timestamp()) for agent in agents if agent.last_heartbeat is not None]
    timeouts = [((agent.name,), agent.timeout_s) for agent in agents if agent.timeout_s is not None]
    # Without a threshold nobody has looked at it yet.
    missed = [((agent.name,), float(agent.missed)) for agent in agents if agent.miss_threshold is not None]
    yield from _present(
        [
            _gauge(
                "agent_last_heartbeat_timestamp_seconds",
                "The stamp of the newest heartbeat, in seconds since 1970; none for an agent that was never seen.",
                beats,
                label,
            ),
            _gauge(
                "agent_heartbeat_timeout_seconds",
                "The silence after which the first heartbeat counts as missed, as it is in force now.",
                timeouts,
                label,
            ),
            _gauge("agent_missed_heartbeats", "Heartbeats missed in the present silence.", missed, label),
        ]
    )
    states = [((agent.name, state), float(agent.status == state)) for agent in agents for state in get_args(Status)]
    yield _gauge("agent_state", "1 for the state that the agent is in, 0 for all others.", states, ("agent", "state"))
    yield from _ends(report)


def _ends(report: Report) -> "Iterator[Metric]":
    from prometheus_client.core import HistogramMetricFamily

    agents = report.agents
    restarts = [sample for agent in agents for sample in _by_outcome(agent.name, agent.outcomes, get_args(RestartOutcome))]
    ends = "Restarts by how they ended, for ever; interrupted: stopped before it was known whether they had worked."
    yield _counter("agent_restarts", ends, restarts, ("agent", "outcome"))
    took = "From the start of a restart that succeeded to the heartbeat that proves it."
    histogram = HistogramMetricFamily(f"{PREFIX}agent_restart_duration_seconds", took, labels=["agent"])
    for agent in agents:
        histogram.add_metric([agent.name], _buckets(agent), sum_value=agent.durations.sum_s)
    yield histogram
    told = [("", report.escalations), *((agent.name, agent.escalations) for agent in agents)]
    notices = [sample for name, counts in told for sample in _by_outcome(name, counts, get_args(EscalationOutcome))]
    fates = (
        "Notices to a human that were delivered or given up, and tries to deliver one that failed, for ever; "
        "without an agent: of the host, the books, a queue or the supervisor itself."
    )
    yield _counter("agent_escalations", fates, notices, ("agent", "outcome"))


def _by_outcome(name: str, counts: Mapping[_Outcome, int], outcomes: Iterable[_Outcome]) -> Iterator[Sample]:
    return (((name, outcome), float(counts.get(outcome, 0))) for outcome in outcomes)


def _buckets(agent: AgentReport) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in DURATION_BOUNDS), "+Inf"]
    counts = agent.durations.counts
    # A snapshot of another release may have other classes: what cannot be told apart is in the last one only.
    known = counts if len(counts) == len(bounds) else (*(0 for _ in DURATION_BOUNDS), sum(counts))
    return [(bound, float(sum(known[: place + 1]))) for place, bound in enumerate(bounds)]


# --- The books -------------------------------------------------------------------------------------------------------


def _books(report: Report) -> "Iterator[Metric]":
    books = report.books
    if books is not None:
        at = "When the books were last compared, in seconds since 1970."
        yield _gauge("books_last_audit_timestamp_seconds", at, _one(_instant(books.checked_at)))
        found = "What is wrong with the books, by kind; a kind that could not be looked for is absent."
        yield from _present([_gauge("books_findings", found, _findings(books), ("kind",))])
    if books is not None and books.totals is not None:
        counts = [((status,), float(getattr(books.totals, status).count)) for status in Totals.__struct_fields__]
        yield _gauge("invoices", "Invoices by what their status means.", counts, ("status",))
    if books is not None:
        amounts = (
            "What the invoices add up to by status and currency, as their files have it (state) and as the ledger has it; "
            "see the report for the exact amounts."
        )
        labels = ("status", "source", "currency")
        yield from _present([_gauge("invoices_amount", amounts, _amounts(books), labels)])
    if report.queues is not None:
        depths = _depths(report.queues, {agent.name for agent in report.agents} | {_PAYMENTS})
        yield from _present([_gauge("queue_depth", "Messages that wait in the queue.", depths, ("queue",))])


def _findings(books: BooksReport) -> Iterator[Sample]:
    kinds = get_args(FindingKind)
    counts: Counter[str] = Counter()
    for kind, count in books.finding_counts.items():
        counts[kind if kind in kinds else OTHER] += count
    # Where files and ledger could not both be read, most was not looked for, and 0 would say that nothing is wrong.
    looked_for = kinds if books.totals is not None and books.ledger is not None else ()
    return (((kind,), float(counts[kind])) for kind in sorted({*looked_for, *counts}))


def _amounts(books: BooksReport) -> Iterator[Sample]:
    named = [
        (status, source, getattr(sums, status) if isinstance(sums, LedgerTotals) else getattr(sums, status).amounts)
        for source, sums in (("state", books.totals), ("ledger", books.ledger))
        if sums is not None
        for status in sums.__struct_fields__
    ]
    known = _currencies(amounts for _, _, amounts in named)
    for status, source, amounts in named:
        sums = dict.fromkeys(known.values(), Decimal(0))
        for currency, amount in amounts.items():
            sums[known[currency]] += Decimal(amount)
        for currency, total in sums.items():
            yield (status, source, currency), float(total)


def _currencies(named: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The label of each currency. Those that are in most places have one of their own: a file may invent any number."""
    places = Counter(currency for amounts in named for currency in amounts)
    ranked = sorted(places, key=lambda currency: (-places[currency], currency))
    own = {currency for currency in ranked if _is_code(currency)}
    first = [currency for currency in ranked if currency in own][:CURRENCIES]
    return {currency: currency if currency in first else OTHER for currency in sorted(places)}


def _is_code(currency: str) -> bool:
    return len(currency) == _CODE and currency.isascii() and currency.isalpha() and currency.isupper()


def _depths(queues: QueuesReport, own: set[str]) -> list[Sample]:
    depths: Counter[str] = Counter()
    for queue in queues.items:
        depths[queue.name if queue.name in own else OTHER] += queue.depth
    return [((name,), float(depth)) for name, depth in depths.items()]
