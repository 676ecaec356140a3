"""The report as Prometheus reads it."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collections_supervisor.messages import (
    DURATION_BOUNDS,
    BooksReport,
    Counters,
    Durations,
    FindingKind,
    LedgerTotals,
    QueueReport,
    QueuesReport,
    Status,
    Total,
    Totals,
)
from collections_supervisor.reporting.metrics import CURRENCIES, OTHER, PREFIX, render

Make = Callable[..., Any]
Labels = frozenset[tuple[str, str]]

STARTED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
COUNTERS = Counters(started_at=STARTED, log_events={"info": 7, "error": 1}, log_dropped=3, reloads={"rejected": 2})

FAMILIES = {
    "build_info",
    "start_time_seconds",
    "last_cycle_timestamp_seconds",
    "agent_last_heartbeat_timestamp_seconds",
    "agent_heartbeat_timeout_seconds",
    "agent_missed_heartbeats",
    "agent_state",
    "agent_restarts_total",
    "agent_restart_duration_seconds",
    "agent_escalations_total",
    "books_last_audit_timestamp_seconds",
    "books_findings",
    "invoices",
    "invoices_amount",
    "queue_depth",
    "log_events_total",
    "log_events_dropped_total",
    "dashboard_last_write_timestamp_seconds",
    "config_reloads_total",
}


class Scrape:
    """What a scrape of the text brings."""

    def __init__(self, data: bytes) -> None:
        self.text = data.decode()
        self.families: set[str] = set()
        self.samples: dict[tuple[str, Labels], float] = {}
        for line in self.text.splitlines():
            if line.startswith("# TYPE "):
                self.families.add(line.split()[2].removeprefix(PREFIX))
        for family in text_string_to_metric_families(self.text):
            assert family.documentation
            for sample in family.samples:
                key = (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items()))
                assert key not in self.samples, "Prometheus refuses a file with the same sample twice"
                assert sample.timestamp is None, "and so does the node exporter one with a time"
                self.samples[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.samples.get((name, frozenset(labels.items())))

    def of(self, name: str) -> dict[str, float]:
        """The samples of a family with one label, by that."""
        return {next(iter(labels))[1]: value for (own, labels), value in self.samples.items() if own == name}


def total(count: int = 0, **amounts: str) -> Total:
    return Total(count=count, amounts=amounts)


def books(now: datetime, **changes: Any) -> BooksReport:
    fields: dict[str, Any] = {
        "checked_at": now - timedelta(minutes=3),
        "consistent": True,
        "totals": Totals(unpaid=total(3, USD="1250.10", EUR="0.30"), paid=total(2, USD="99.00")),
        "ledger": LedgerTotals(unpaid={"USD": "1250.00"}),
        "findings": (),
        "finding_counts": {},
        "files_read": 5,
        "duration_s": 0.1,
    }
    return BooksReport(**{**fields, **changes})


@pytest.fixture
def full(make_report: Make, make_agent: Make, now: datetime) -> Any:
    """A report in which everything is known."""
    mailer = make_agent(
        "mailer",
        "escalated",
        missed=2,
        timeout_s=2700.0,
        miss_threshold=2,
        outcomes={"failed": 2, "succeeded": 3},
        durations=Durations(counts=(0, 0, 1, 0, 0, 1, 0, 0, 0, 1), sum_s=745.5),
        escalations={"delivered": 1, "failed": 4},
    )
    watcher = make_agent(timeout_s=90.0, miss_threshold=2)
    queues = QueuesReport(
        healthy=True,
        limit=100,
        items=tuple(
            QueueReport(name=name, depth=depth, oldest_age_s=None, invalid=0, healthy=True)
            for name, depth in (("mailer", 4), ("payment_queue", 0), ("left-over", 5), ("evil\udcff\n", 6))
        ),
    )
    return make_report(mailer, watcher, books=books(now), queues=queues, escalations={"expired": 1})


@pytest.fixture
def scrape(full: Any, now: datetime) -> Scrape:
    return Scrape(render(full, COUNTERS, now - timedelta(seconds=5)))


def test_these_are_all(scrape: Scrape) -> None:
    assert scrape.families == FAMILIES


def test_the_program(scrape: Scrape, now: datetime) -> None:
    assert scrape("build_info", version="0.1.0") == 1
    assert scrape("start_time_seconds") == STARTED.timestamp()
    assert scrape("last_cycle_timestamp_seconds") == now.timestamp()
    assert scrape("dashboard_last_write_timestamp_seconds") == now.timestamp() - 5
    assert scrape.of("log_events_total") == {"debug": 0, "info": 7, "warning": 0, "error": 1, "critical": 0}
    assert scrape("log_events_dropped_total") == 3
    assert scrape.of("config_reloads_total") == {"applied": 0, "rejected": 2}


def test_the_agents(scrape: Scrape, now: datetime) -> None:
    last = now.timestamp() - 30
    assert scrape.of("agent_last_heartbeat_timestamp_seconds") == {"mailer": last, "payment-watcher": last}
    assert scrape.of("agent_heartbeat_timeout_seconds") == {"mailer": 2700, "payment-watcher": 90}
    assert scrape.of("agent_missed_heartbeats") == {"mailer": 2, "payment-watcher": 0}


def test_a_state_is_one_of_all_states(scrape: Scrape) -> None:
    for agent, state in (("mailer", "escalated"), ("payment-watcher", "healthy")):
        values = {one: scrape("agent_state", agent=agent, state=one) for one in get_args(Status)}
        assert values == {one: float(one == state) for one in get_args(Status)}


def test_counts_are_there_from_the_start(scrape: Scrape) -> None:
    expected = {"succeeded": 3, "failed": 2, "timed_out": 0, "interrupted": 0}
    for outcome, count in expected.items():
        assert scrape("agent_restarts_total", agent="mailer", outcome=outcome) == count
        assert scrape("agent_restarts_total", agent="payment-watcher", outcome=outcome) == 0
    for agent, counts in (("mailer", (1, 4, 0)), ("payment-watcher", (0, 0, 0)), ("", (0, 0, 1))):
        for outcome, count in zip(("delivered", "failed", "expired"), counts, strict=True):
            assert scrape("agent_escalations_total", agent=agent, outcome=outcome) == count


def test_durations_are_added_up_over_the_classes(scrape: Scrape) -> None:
    name = "agent_restart_duration_seconds"
    buckets = [scrape(f"{name}_bucket", agent="mailer", le=str(bound)) for bound in (*DURATION_BOUNDS, "+Inf")]
    assert buckets == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3]
    assert (scrape(f"{name}_count", agent="mailer"), scrape(f"{name}_sum", agent="mailer")) == (3, 745.5)
    assert (scrape(f"{name}_count", agent="payment-watcher"), scrape(f"{name}_sum", agent="payment-watcher")) == (0, 0)


def test_durations_in_classes_of_another_release_are_still_counted(make_report: Make, make_agent: Make) -> None:
    found = Scrape(render(make_report(make_agent(durations=Durations(counts=(1, 2), sum_s=9.0)))))
    name = "agent_restart_duration_seconds"
    assert found(f"{name}_bucket", agent="payment-watcher", le="600.0") == 0
    assert found(f"{name}_count", agent="payment-watcher") == 3


# --- The books ---


def test_the_books(scrape: Scrape, now: datetime) -> None:
    assert scrape("books_last_audit_timestamp_seconds") == now.timestamp() - 180
    assert scrape.of("books_findings") == dict.fromkeys(get_args(FindingKind), 0)
    assert scrape.of("invoices") == {"unpaid": 3, "paid": 2, "escalated": 0, "review": 0}
    assert scrape("invoices_amount", status="unpaid", source="state", currency="USD") == 1250.10
    assert scrape("invoices_amount", status="unpaid", source="ledger", currency="USD") == 1250.00
    assert scrape("invoices_amount", status="unpaid", source="state", currency="EUR") == 0.30


def test_a_currency_that_is_anywhere_is_0_wherever_else_was_looked(scrape: Scrape) -> None:
    """Else what is in one place only could not be subtracted from what is in the other."""
    assert scrape("invoices_amount", status="unpaid", source="ledger", currency="EUR") == 0
    assert scrape("invoices_amount", status="escalated", source="state", currency="USD") == 0
    assert scrape("invoices_amount", status="review", source="ledger", currency="USD") is None, "the ledger has no such"


def test_findings(make_report: Make, now: datetime) -> None:
    counts = {"amount_mismatch": 2, "of_a_later_release": 1, "of_another": 2}
    found = Scrape(render(make_report(books=books(now, finding_counts=counts)))).of("books_findings")
    assert (found["amount_mismatch"], found["corrupt_file"], found[OTHER]) == (2, 0, 3)
    assert set(found) == {*get_args(FindingKind), OTHER}


@pytest.mark.parametrize("unread", [{"totals": None}, {"ledger": None}, {"totals": None, "ledger": None}])
def test_what_could_not_be_looked_for_is_not_0(make_report: Make, now: datetime, unread: dict[str, Any]) -> None:
    found = Scrape(render(make_report(books=books(now, **unread, finding_counts={"unreadable_file": 1}))))
    assert found.of("books_findings") == {"unreadable_file": 1}
    assert found.of("invoices") == ({} if "totals" in unread else {"unpaid": 3, "paid": 2, "escalated": 0, "review": 0})
    sources = {dict(labels)["source"] for (name, labels) in found.samples if name == "invoices_amount"}
    assert sources == {"state", "ledger"} - {"state" if key == "totals" else "ledger" for key in unread}


def test_books_without_any_money(make_report: Make, now: datetime) -> None:
    found = Scrape(render(make_report(books=books(now, totals=Totals(), ledger=LedgerTotals()))))
    assert set(found.of("invoices").values()) == {0}
    assert "invoices_amount" not in found.families


def test_currencies_are_bounded_and_well_formed(make_report: Make, now: datetime) -> None:
    invented = {f"A{letter}{other}": "1.00" for letter in "ABCDE" for other in "ABCDE"}
    strange = {"usd": "0.10", "US": "0.20", "Ü$\n": "0.30", "ΑΒΓ": "0.40"}
    totals = Totals(unpaid=total(40, USD="5.00", **invented, **strange), paid=total(1, USD="1.00"))
    found = Scrape(render(make_report(books=books(now, totals=totals, ledger=LedgerTotals()))))
    unpaid = {
        dict(labels)["currency"]: value
        for (name, labels), value in found.samples.items()
        if name == "invoices_amount" and {("status", "unpaid"), ("source", "state")} <= labels
    }
    assert len(unpaid) == CURRENCIES + 1
    assert unpaid["USD"] == 5, "what is in most places is kept"
    assert Decimal(str(unpaid[OTHER])) == Decimal("1.00") + (25 - (CURRENCIES - 1))


def test_queues_of_nobody_are_one(scrape: Scrape) -> None:
    assert scrape.of("queue_depth") == {"mailer": 4, "payment_queue": 0, OTHER: 11}


# --- What is not known ---


def test_what_nobody_measured_is_absent(make_report: Make, make_agent: Make) -> None:
    never = make_agent("mailer", "unknown", last_heartbeat=None)
    found = Scrape(render(make_report(never)))
    assert found.families == {
        "build_info",
        "last_cycle_timestamp_seconds",
        "agent_state",
        "agent_restarts_total",
        "agent_restart_duration_seconds",
        "agent_escalations_total",
    }
    assert found("agent_state", agent="mailer", state="unknown") == 1
    assert found("agent_restarts_total", agent="mailer", outcome="failed") == 0


def test_one_that_was_never_seen_is_absent_where_others_are_not(make_report: Make, make_agent: Make) -> None:
    never = make_agent("mailer", "unknown", last_heartbeat=None, timeout_s=60.0, miss_threshold=2)
    found = Scrape(render(make_report(never, make_agent(timeout_s=None, miss_threshold=2))))
    assert set(found.of("agent_last_heartbeat_timestamp_seconds")) == {"payment-watcher"}
    assert found.of("agent_heartbeat_timeout_seconds") == {"mailer": 60}
    assert found.of("agent_missed_heartbeats") == {"mailer": 0, "payment-watcher": 0}


def test_without_a_running_program_its_counts_are_absent(full: Any, scrape: Scrape) -> None:
    found = Scrape(render(full))
    own = {"start_time_seconds", "log_events_total", "log_events_dropped_total", "config_reloads_total"}
    assert scrape.families - found.families == own | {"dashboard_last_write_timestamp_seconds"}


# --- The text ---


def test_nothing_is_kept_from_one_text_to_the_next(full: Any, make_report: Make) -> None:
    assert render(full, COUNTERS) == render(full, COUNTERS)
    assert Scrape(render(make_report())).of("agent_missed_heartbeats") == {}


def test_there_are_no_times_of_creation(scrape: Scrape) -> None:
    assert "_created" not in scrape.text


def test_a_version_may_hold_anything(make_report: Make) -> None:
    found = Scrape(render(make_report(version='1 "x"\\\n')))
    assert found("build_info", version='1 "x"\\\n') == 1


def test_the_library_is_imported_when_it_is_used() -> None:
    code = "import sys; import collections_supervisor.app.daemon; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
