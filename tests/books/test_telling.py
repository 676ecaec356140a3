"""What the log says of an audit."""

from datetime import UTC, datetime

import msgspec

from collections_supervisor.books.telling import MOST_KNOWN, MOST_LINES, Told, tell, told_before
from collections_supervisor.messages import (
    BooksAudited,
    BooksReport,
    Emit,
    Finding,
    QueueReport,
    QueuesReport,
    Total,
    Totals,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def finding(invoice: str, **known: object) -> Finding:
    return Finding(
        **{  # type: ignore[arg-type]
            "kind": "amount_mismatch",
            "severity": "error",
            "path": f"/books/{invoice}.json",
            "invoice": invoice,
            "detail": "150.00 and 100.00",
            "advice": "correct one of them",
            **known,
        }
    )


def audited(findings: list[Finding], queues: dict[str, str] | None = None, totals: Totals | None = None) -> BooksAudited:
    items = tuple(
        QueueReport(name=name, depth=150, oldest_age_s=31.00049, invalid=2, healthy=not reason, reason=reason)
        for name, reason in (queues or {}).items()
    )
    books = BooksReport(
        checked_at=NOON,
        consistent=not any(one.severity == "error" for one in findings),
        totals=totals,
        ledger=None,
        findings=tuple(findings[:1000]),
        finding_counts={"amount_mismatch": len(findings)} if findings else {},
        files_read=7,
        duration_s=0.0404,
    )
    return BooksAudited(at=NOON, books=books, queues=QueuesReport(healthy=True, limit=100, items=items))


def told_of(emits: list[Emit]) -> list[tuple[str, object, object]]:
    return [(emit.level, emit.fields["invoice"], emit.fields["gone"]) for emit in emits if emit.event == "books.finding"]


def test_a_finding_is_told_once_and_once_that_it_is_gone() -> None:
    told, said = tell(audited([finding("A")]), [finding("A")], Told())
    assert told_of(said) == [("error", "A", False)]
    assert said[1].message == "amount_mismatch of A: 150.00 and 100.00; correct one of them"
    both = [finding("A"), finding("B", severity="warning")]
    told, said = tell(audited(both), both, told)
    assert told_of(said) == [("warning", "B", False)]
    told, said = tell(audited(both[1:]), both[1:], told)
    assert told_of(said) == [("info", "A", True)]
    assert said[1].message == "no longer found: amount_mismatch of A"
    assert tell(audited([]), [], told)[0] == Told()


def test_what_an_earlier_life_told_is_not_told_again() -> None:
    queue = QueueReport(name="mailer", depth=1, oldest_age_s=None, invalid=0, healthy=False, reason="old")
    told = told_before([finding("A")], [queue, QueueReport(name="x", depth=0, oldest_age_s=None, invalid=0, healthy=True)])
    _, said = tell(audited([finding("A")], {"mailer": "old", "x": "deep"}), [finding("A")], told)
    assert told_of(said) == []
    assert [emit.fields["queue"] for emit in said if emit.event == "queue.unhealthy"] == ["x"]


def test_an_audit_says_what_it_looked_at() -> None:
    _, [said] = tell(audited([], totals=Totals(unpaid=Total(count=3), review=Total(count=1))), [], Told())
    assert (said.level, said.event, said.message) == ("info", "books.audited", "the books agree; 7 files were read")
    assert said.fields == {
        "consistent": True,
        "findings": 0,
        "errors": 0,
        "files_read": 7,
        "duration_ms": 40,
        "unpaid": 3,
        "paid": 0,
        "escalated": 0,
        "review": 1,
    }
    _, [bad, _] = tell(audited([finding("A")]), [finding("A")], Told())
    assert (bad.level, bad.message) == ("warning", "the books do not agree, 1 finding; 7 files were read")
    assert "unpaid" not in bad.fields, "what was not counted is not 0"


def test_very_many_findings_are_not_very_many_lines() -> None:
    many = [finding(f"I{number}") for number in range(3 * MOST_LINES)]
    told, said = tell(audited(many), many, Told())
    assert len(told_of(said)) == MOST_LINES
    assert told_of(tell(audited(many), many, told)[1]) == []


def test_each_error_is_counted_also_where_the_report_has_the_first_of_them() -> None:
    many = [finding(f"I{number}") for number in range(1500)]
    assert tell(audited(many), many, Told())[1][0].fields["errors"] == 1500


def test_of_more_findings_than_can_be_remembered_none_is_told_twice() -> None:
    many = [finding(f"I{number}") for number in range(MOST_KNOWN + 1)]
    told, _ = tell(audited(many), many, Told())
    told, said = tell(audited(many), many, told)
    assert told_of(said) == []
    _, said = tell(audited(many[1:]), many[1:], told)
    assert told_of(said) == [("error", f"I{MOST_KNOWN}", False), ("info", "I0", True)]


def test_while_nothing_can_be_read_nothing_is_gone() -> None:
    before, _ = tell(audited([finding("A")], {"mailer": "deep"}), [finding("A")], Told())
    hung = finding("B", kind="unreadable_file")
    silent = msgspec.structs.replace(audited([hung]), queues=None)
    told, said = tell(silent, [hung], before)
    assert told_of(said) == [("error", "B", False)]
    assert tell(silent, [hung], told) == (told, [said[0]])
    _, said = tell(audited([finding("A")], {"mailer": "deep"}), [finding("A")], told)
    assert told_of(said) == [("info", "B", True)]
    assert [one.event for one in said] == ["books.audited", "books.finding"]


def test_a_queue_is_told_of_once_until_it_is_well_again() -> None:
    told, said = tell(audited([], {"mailer": "150 of at most 100"}), [], Told())
    [emit] = [one for one in said if one.event == "queue.unhealthy"]
    assert (emit.level, emit.message) == ("warning", "queue mailer: 150 of at most 100")
    assert emit.fields == {"queue": "mailer", "depth": 150, "oldest_age_s": 31.0, "invalid": 2}
    told, said = tell(audited([], {"mailer": "still"}), [], told)
    assert [one.event for one in said] == ["books.audited"]
    told, _ = tell(audited([], {"mailer": ""}), [], told)
    assert told == Told()


def test_where_there_are_no_books_nothing_is_said() -> None:
    assert tell(BooksAudited(at=NOON, why_not="none"), [], Told()) == (Told(), [])
    nameless = msgspec.structs.replace(finding("A"), path=None, invoice=None, kind="state_missing", advice="")
    told, said = tell(audited([nameless]), [nameless], Told())
    assert said[1].message == "state_missing: 150.00 and 100.00"
    assert tell(audited([]), [], told)[1][1].message == "no longer found: state_missing of the books"
