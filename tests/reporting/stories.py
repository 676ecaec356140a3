"""Reports with their histories, as a page gets them: a good day, a bad day, many agents, and the worst that can be."""

from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

from collections_supervisor.messages import (
    ActivityReport,
    AgentError,
    AgentReport,
    AtStake,
    BooksReport,
    Change,
    Finding,
    Held,
    History,
    Impact,
    IncidentReport,
    Latency,
    LedgerTotals,
    QueueReport,
    QueueSample,
    QueuesReport,
    Report,
    Source,
    StateRun,
    Status,
    Total,
    Totals,
    Undelivered,
)

NOW = datetime(2026, 11, 22, 11, 1, 44, 250_000, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><b onmouseover=x>&amp;</style>--><!--\u202egnp.exe\n\nnew line\u2028"

Story = tuple[Report, History]


def before(**since: float) -> datetime:
    """An instant before the report."""
    return NOW - timedelta(**since)


def agent(name: str, status: Status = "healthy", **changes: object) -> AgentReport:
    """An agent that is well unless said otherwise."""
    fields = {
        "detail": "",
        "missed": 0,
        "last_heartbeat": before(seconds=30),
        "next_deadline": NOW + timedelta(minutes=59),
        "restarts": 3,
        "restarts_24h": 1,
        "budget_left_24h": 11,
        "errors": (),
        "incident": None,
        "last_exit": None,
        "paused": False,
        "held": None,
        "next_attempt_at": None,
        "timeout_s": 3600.0,
        "miss_threshold": 2,
        "outcomes": {"succeeded": 3},
    }
    return AgentReport(name=name, status=status, **{**fields, **changes})  # type: ignore[arg-type]


def runs(*parts: tuple[str, float]) -> tuple[StateRun, ...]:
    """States with their lengths in minutes, the last one until now."""
    found: list[StateRun] = []
    until = NOW
    for status, minutes in reversed(parts):
        since = until - timedelta(minutes=minutes)
        found.append(StateRun(status=status, since=since, until=until))  # type: ignore[arg-type]
        until = since
    return tuple(reversed(found))


def even(count: int, *statuses: str) -> tuple[StateRun, ...]:
    """A day of so many runs, the states by turns."""
    return runs(*((status, 1440 / count) for status in islice(cycle(statuses), count)))


def samples(*depths: int) -> tuple[QueueSample, ...]:
    """The depth of a queue every quarter of an hour."""
    return tuple(
        QueueSample(at=before(minutes=15 * back), depth=depth)
        for back, depth in zip(range(len(depths))[::-1], depths, strict=True)
    )


def sources(*names: str) -> tuple[Source, ...]:
    """Where the agents' beats come from."""
    folder = "/home/novot/.cache/novotechno-collections/heartbeats"
    return tuple(
        Source(name=name, path=f"{folder}/{name}.log", read_at=before(seconds=4), changed_at=before(seconds=30)) for name in names
    )


def _books(*, consistent: bool) -> BooksReport:
    mismatch = Finding(
        kind="amount_mismatch",
        severity="error",
        path="/home/novot/.local/share/novotechno-collections/state/acme/INV-2041.json",
        invoice="INV-2041",
        detail="the ledger says USD 1,450.00, the invoice file USD 1,400.00",
        advice="Correct the one that is wrong; the invoice's e-mail thread says which.",
    )
    repeated = Finding(
        kind="reminder_repeated",
        severity="warning",
        path=None,
        invoice="INV-2041",
        detail="reminded twice on 2026-11-20",
        advice="See why the mailer ran twice that day.",
    )
    return BooksReport(
        checked_at=before(minutes=4),
        consistent=consistent,
        totals=Totals(
            unpaid=Total(count=41, amounts={"USD": "48250.00", "COP": "12400000.00"}),
            paid=Total(count=212, amounts={"USD": "310422.75"}),
            escalated=Total(count=3, amounts={"USD": "9100.00"}),
            review=Total(count=1, amounts={"USD": "75.00"}),
        ),
        ledger=LedgerTotals(
            unpaid={"USD": "48250.00" if consistent else "48300.00", "COP": "12400000.00"},
            paid={"USD": "310422.75"},
            escalated={"USD": "9100.00"},
        ),
        findings=() if consistent else (mismatch, repeated),
        finding_counts={} if consistent else {"amount_mismatch": 1, "reminder_repeated": 1},
        files_read=257,
        duration_s=0.08,
    )


_QUEUES = QueuesReport(
    healthy=True,
    limit=100,
    items=(
        QueueReport(name="collections-emailer", depth=2, oldest_age_s=31.0, invalid=0, healthy=True),
        QueueReport(name="payment_queue", depth=0, oldest_age_s=None, invalid=0, healthy=True),
    ),
)
_ACTIVITY = ActivityReport(
    window_s=86_400, emails_sent=12, payments_detected=3, errors=None, payment_latency_s=Latency(mean=41.0, p95=90.0)
)
_PARTS = (
    Source(name="invoices", path="/home/novot/.local/share/novotechno-collections/state", read_at=before(minutes=4)),
    Source(
        name="ledger",
        path="/home/novot/.local/share/novotechno-collections/state/collections_ledger.md",
        read_at=before(minutes=4),
        changed_at=before(hours=2),
    ),
)


def report(*agents: AgentReport, **changes: object) -> Report:
    """A report of these agents."""
    fields: dict[str, object] = {
        "schema": 1,
        "generated_at": NOW,
        "run_id": "run-7f3a",
        "version": "0.1.0",
        "verdict": "healthy",
        "agents": agents,
        "incidents": (),
    }
    return Report(**{**fields, **changes})  # type: ignore[arg-type]


def good_day() -> Story:
    """Two agents that are well, books that agree."""
    names = ("collections-emailer", "payment-watcher")
    history = History(
        seen_at=NOW,
        agents={names[0]: runs(("healthy", 1440)), names[1]: runs(("healthy", 900), ("not_watched", 25), ("healthy", 515))},
        queues={names[0]: samples(*([0, 1, 4, 9, 3, 0, 2, 12] * 12)), "payment_queue": samples(*([0] * 95), 1)},
        changes=(Change(at=before(minutes=515), subject="payment-watcher", what="is healthy, was unknown"),),
    )
    return (
        report(
            *(agent(name) for name in names),
            books=_books(consistent=True),
            queues=_QUEUES,
            metrics=_ACTIVITY,
            sources=(*sources(*names), *_PARTS),
        ),
        history,
    )


def bad_day() -> Story:
    """An agent that nobody could be told of, one that is being restarted, books that do not agree."""
    cost = Impact(
        role="watcher",
        since=before(hours=3),
        until=NOW,
        count=2,
        amounts={"USD": "2450.00"},
        largest=(AtStake(invoice="INV-2041", amount="1400.00", currency="USD"),),
        text="Since 08:01 UTC two payments over USD 2,450.00 were not detected; USD 48,250.00 are unpaid.",
    )
    errors = (
        AgentError(timestamp=before(minutes=100), reason="restart attempt 1 ended with exit code 1: gateway closed (1006)"),
        AgentError(timestamp=before(minutes=70), reason="restart attempt 2 brought no heartbeat within 5 min"),
    )
    watcher = agent(
        "payment-watcher",
        "escalated",
        detail="no heartbeat for 3 h 00 min",
        missed=9,
        last_heartbeat=before(hours=3),
        next_deadline=NOW + timedelta(minutes=9),
        restarts=7,
        restarts_24h=2,
        budget_left_24h=10,
        errors=errors,
        incident="0001-payment-watcher",
        held=Held(reason="2 attempts in a row did not help"),
        last_exit="exit code 1",
    )
    mailer = agent(
        "collections-emailer",
        "restarting",
        detail="restart attempt 1, its proof is awaited until 11:05:20 UTC",
        missed=1,
        last_heartbeat=before(minutes=47),
        next_attempt_at=NOW + timedelta(seconds=45),
        errors=(AgentError(timestamp=before(minutes=2), reason="missed a heartbeat, silent for 45 min"),),
    )
    incident = IncidentReport(
        id="0001-payment-watcher",
        kind="agent",
        agent="payment-watcher",
        reason="no heartbeat for 3 h 00 min, 9 missed; 2 restarts did not help",
        opened_at=before(minutes=105),
        missed=9,
        acknowledged_until=None,
        delivered=False,
        attempts=4,
        next_at=NOW + timedelta(seconds=90),
        error="openclaw: gateway closed (1006)",
        evidence="incidents/0001-payment-watcher.json",
        impact=cost,
    )
    books = IncidentReport(
        id="0002-books",
        kind="books",
        agent=None,
        reason="amount_mismatch of INV-2041: the ledger says USD 1,450.00, the invoice file USD 1,400.00",
        opened_at=before(minutes=34),
        missed=0,
        acknowledged_until=NOW + timedelta(hours=22),
        delivered=True,
        attempts=1,
        next_at=None,
        subject="books",
    )
    names = ("payment-watcher", "collections-emailer", "ledger-sync")
    history = History(
        seen_at=NOW,
        agents={
            names[0]: runs(("healthy", 1250), ("late", 10), ("unhealthy", 15), ("restarting", 60), ("escalated", 105)),
            names[1]: runs(("healthy", 1100), ("not_watched", 30), ("healthy", 263), ("unhealthy", 40), ("restarting", 7)),
            names[2]: runs(("paused", 200), ("unknown", 100), ("healthy", 1140)),
        },
        queues={names[1]: samples(*([0, 1, 4, 9, 3, 0, 2, 12] * 11), 30, 44, 60, 71, 88, 101, 110, 118)},
        changes=(
            Change(at=before(minutes=2), subject=names[1], what="is restarting, was unhealthy"),
            Change(at=before(minutes=34), subject="the books", what="do not agree: 1 error in 2 findings"),
            Change(at=before(minutes=105), subject=names[0], what="is escalated, was restarting"),
        ),
    )
    deep = QueueReport(
        name=names[1], depth=118, oldest_age_s=5220.0, invalid=1, healthy=False, reason="118 waiting, more than 100"
    )
    return (
        report(
            agent(names[2]),
            watcher,
            mailer,
            verdict="degraded",
            incidents=(incident, books),
            books=_books(consistent=False),
            queues=QueuesReport(healthy=False, limit=100, items=(deep, _QUEUES.items[1])),
            metrics=_ACTIVITY,
            sources=(*sources(*names), *_PARTS),
        ),
        history,
    )


def many(count: int = 200) -> Story:
    """A large fleet that is well, ten runs in each history."""
    names = [f"collections-agent-{number:03d}" for number in range(count)]
    history = History(seen_at=NOW, agents={name: even(10, "healthy", "late") for name in names})
    return report(*(agent(name) for name in names), books=_books(consistent=True), queues=_QUEUES, metrics=_ACTIVITY), history


def worst(text: str = HOSTILE * 10) -> Story:
    """Two hundred agents in trouble, every history full, every text long and hostile."""
    names = [f"agent-{number:03d}-{text}"[:64] for number in range(200)]
    errors = tuple(AgentError(timestamp=before(minutes=minutes), reason=text) for minutes in range(5))
    held = Held(reason=text, until=NOW + timedelta(hours=1))
    agents = tuple(
        agent(name, "escalated", detail=text, errors=errors, held=held, last_exit=text, missed=9, incident=str(number))
        for number, name in enumerate(names)
    )
    incidents = tuple(
        IncidentReport(
            id=str(number),
            kind="agent",
            agent=name,
            reason=text,
            opened_at=before(hours=1),
            missed=9,
            acknowledged_until=None,
            delivered=False,
            attempts=4,
            next_at=NOW + timedelta(seconds=90),
            error=text,
        )
        for number, name in enumerate(names)
    )
    finding = Finding(kind="amount_mismatch", severity="error", path=text, invoice="INV-1", detail=text, advice=text)
    findings = tuple(finding for _ in range(1000))
    amounts = dict.fromkeys(("USD", "COP", "EUR", "GBP"), "123456789012.34")
    total = Total(count=123_456, amounts=amounts)
    books = BooksReport(
        checked_at=NOW,
        consistent=False,
        totals=Totals(unpaid=total, paid=total, escalated=total, review=total),
        ledger=LedgerTotals(unpaid=amounts, paid=amounts, escalated=amounts),
        findings=findings,
        finding_counts={"amount_mismatch": 5000},
        files_read=123_456,
        duration_s=9.0,
    )
    queues = [f"queue-{number}-{text}"[:64] for number in range(100)]
    items = tuple(QueueReport(name=name, depth=90, oldest_age_s=9e5, invalid=3, healthy=False, reason=text) for name in queues)
    lost = Undelivered(dedup_key="k", sequence=1, incident_id="i", agent="a", text=text, error=text, at=NOW)
    states = ("escalated", "healthy", "unhealthy", "restarting", "late", "unknown", "not_watched", "paused")
    history = History(
        seen_at=NOW,
        agents={name: even(96, *states) for name in names},
        queues={name: samples(*(number % 90 for number in range(96))) for name in queues},
        changes=tuple(Change(at=NOW, subject=text, what=text) for _ in range(50)),
    )
    worst_report = report(
        *agents,
        verdict="degraded",
        incidents=incidents,
        books=books,
        queues=QueuesReport(healthy=False, limit=100, items=items),
        metrics=_ACTIVITY,
        undelivered=(lost,) * 20,
        sources=tuple(Source(name=name, path=text, read_at=NOW, changed_at=NOW, problem=text) for name in names),
    )
    return worst_report, history
