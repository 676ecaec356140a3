"""Who is told of bad books and queues, and what an outage costs."""

import json
import os
import signal
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

LINE = "- `{}` | $1,000.50 | Acme | Status: {}"


def invoice(number: str, **members: Any) -> dict[str, Any]:
    return {"number": number, "amount": 1000.5, "status": "unpaid", "due_date": "2099-01-31", **members}


def queue(site: Any, name: str, depth: int) -> Path:
    path: Path = site.root / "cache" / "queues" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "SEND_RECEIPT", "_queued_at": time.time()}) + "\n")
    path.write_text(path.read_text() * depth)
    return path


def kinds(report: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(incident["kind"], incident["subject"], incident["agent"]) for incident in report["incidents"]]


def test_two_sweeps_that_find_errors_tell_a_person_and_a_third_that_all_is_well(site: Any) -> None:
    site.invoice("acme/INV-1.json", invoice("INV-1"))
    bad = site.invoice("acme/bad.json", b"{")
    site.ledger(LINE.format("INV-1", "unpaid"))
    full = queue(site, "mailer", 150)
    site.configure_books()
    first = site.check()
    assert (first.status, first.report["incidents"], site.notices()) == (1, [], [])
    second, third = site.check(), site.check()
    for sweep in (second, third):
        assert (sweep.status, sorted(kinds(sweep.report))) == (1, [("books", "books", None), ("queue", "mailer", None)])
        assert {incident["opened_at"] for incident in sweep.report["incidents"]} == {first.report["books"]["checked_at"]}
        assert all(incident["delivered"] for incident in sweep.report["incidents"])
    told = {notice["kind"]: notice for notice in site.notices()}
    assert len(site.notices()) == len(told) == 2
    assert told["books"]["text"].startswith(f"bookkeeping needs you: 1 corrupt_file; the first: {bad}: it is not JSON")
    assert told["queue"]["text"].startswith("queue mailer needs you: 150 messages wait, fewer than 100 is healthy.")
    bad.unlink()
    full.unlink()
    last = site.check()
    assert (last.status, last.report["incidents"]) == (0, [])
    ends = {notice["text"].partition(".")[0] for notice in site.notices()[2:]}
    assert ends == {"bookkeeping agrees again", "queue mailer is gone"}
    assert [(event["path"], event["gone"]) for event in last.of("books.finding")] == [(str(bad), True)]


def test_a_daemon_tells_of_books_that_stay_bad(site: Any) -> None:
    bad = site.invoice("acme/bad.json", b"{")
    site.ledger()
    site.configure_books(check_interval="1s")
    daemon = site.run()
    escalated = daemon.wait_for("books.escalated")
    assert escalated["message"].startswith("bookkeeping needs a human: 1 corrupt_file")
    assert len(daemon.of("books.finding")) == 1
    daemon.wait_for("escalation.delivered")
    bad.unlink()
    daemon.wait_for("incident.resolved")
    assert daemon.stop() == 0
    assert [notice["notice"] for notice in site.notices()] == ["opened", "resolved"]
    assert len(daemon.of("books.escalated")) == 1
    assert [event["gone"] for event in daemon.of("books.finding")] == [False, True]


def outage(site: Any) -> None:
    """Both agents silent for hours over a midnight, with invoices that fell due at it, and books that agree."""
    agents = [{"name": name, "role": role, "restart": {"kind": "none"}} for name, role in (("m", "mailer"), ("w", "watcher"))]
    places = {"state_dir": "invoices", "ledger": "ledger.md", "queue_dir": "cache/queues", "cache_dir": "cache"}
    site.configure(agents, books={"enabled": True, **places}, heartbeats={"timeout": "1h", "dir": "heartbeats"})
    today = date.today()  # noqa: DTZ011 - due dates are those of the machine
    for number in range(2):
        site.invoice(f"acme/INV-{number}.json", invoice(f"INV-{number}", due_date=today.isoformat()))
    site.ledger(LINE.format("INV-0", "unpaid"), LINE.format("INV-1", "unpaid"))
    for name in "mw":
        site.beat(name, 30 * 3600.0)


def pay(site: Any) -> None:
    """The payment of an invoice came in three hours ago, and is noticed now."""
    source = site.root / "payment.eml"
    source.touch()
    os.utime(source, (time.time() - 3 * 3600,) * 2)
    now = datetime.now(UTC).isoformat()
    payment = {"amount": 1000.5, "method": "bank", "detected_at": now, "source_file": str(source)}
    (site.root / "invoices/acme/INV-0.json").unlink()
    site.invoice("archive/acme/INV-0.json", invoice("INV-0", status="paid", paid_at=now, payment=payment))
    site.ledger(LINE.format("INV-1", "unpaid"), paid=[LINE.format("INV-0", "paid")])


def test_whoever_is_woken_reads_how_much_money_waits(site: Any) -> None:
    outage(site)
    sweep = site.check()
    impacts = {incident["agent"]: incident["impact"] for incident in sweep.report["incidents"]}
    assert impacts["w"] is None, "nobody knows yet what the watcher does not see"
    assert (impacts["m"]["count"], impacts["m"]["amounts"], impacts["m"]["outstanding"]) == (
        2,
        {"USD": "2001.00"},
        {"USD": "2001.00"},
    )
    [notice] = site.notices("m")
    assert "2 reminders over USD 2,001.00 fell due since " in notice["text"]
    assert notice["impact"]["count"] == 2
    assert "2 reminders over USD 2,001.00 fell due since " in site.page_path.read_text()
    pay(site)
    for name in "mw":
        site.beat(name)
    assert site.check().status == 0
    ends = {agent: site.notices(agent)[-1] for agent in "mw"}
    assert {notice["notice"] for notice in ends.values()} == {"resolved"}
    assert "1 payment over USD 1,000.50 that came in since " in ends["w"]["text"]
    assert "found 3 h 00 min late on average" in ends["w"]["text"]
    assert ends["m"]["impact"]["count"] == 1, "the other one is paid"


@pytest.mark.parametrize("arguments", [(), ("--health-check",)], ids=["run", "sweep"])
def test_a_stop_ends_an_audit_of_a_large_folder(site: Any, arguments: tuple[str, ...]) -> None:
    folder = site.root / "invoices" / "acme"
    folder.mkdir(parents=True)
    for number in range(200):
        (folder / f"{number}.json").write_bytes(json.dumps(invoice(f"INV-{number}")).encode())
    site.ledger()
    # A ledger that is cut at each look is read again and again for more than a second.
    (site.root / "ledger.md").write_text("## Unpaid\n- `X")
    site.configure_books()
    if arguments:
        sweep = site.begin_check()
        site.until(lambda: sweep.of("supervisor.ready"))
        begun = time.monotonic()
        sweep.process.send_signal(signal.SIGTERM)
        assert sweep.finish().status == 130
    else:
        daemon = site.run()
        daemon.wait_for("supervisor.ready")
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert daemon.of("books.audited") == [], "it was under way"
    assert time.monotonic() - begun < 5.0


def test_a_sweep_that_is_stopped_does_not_look_at_the_books_once_more(site: Any) -> None:
    outage(site)
    site.check()
    for name in "mw":
        site.beat(name)
    (site.root / "ledger.md").write_text("## Unpaid\n- `X")  # cut: looked at for more than a second
    sweep = site.begin_check()
    site.until(lambda: sweep.of("supervisor.ready"))
    sweep.process.send_signal(signal.SIGTERM)
    assert sweep.finish().status == 130
    assert sweep.of("books.audited") == []
    assert len(sweep.of("incident.resolved")) == 2, "that they are back is known all the same"
