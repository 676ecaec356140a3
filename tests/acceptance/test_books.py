"""What single sweeps and a run say of the books, of queues and of the last day."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.demo_books import Fault, make

UNPAID = "- `{}` | ${} | {} | Due: 2099-01-31 | Status: unpaid"
PAID = "- `{}` | ${} | Paid: 2026-10-01 | Method: bank | Status: paid"


def unpaid(amount: Any, number: str = "", **members: Any) -> dict[str, Any]:
    """An invoice as a mailer writes it."""
    return {
        **({"number": number} if number else {}),
        "client": "Acme",
        "amount": amount,
        "due_date": "2099-01-31",
        "status": "unpaid",
        **members,
    }


def paid(amount: Any, number: str = "", **members: Any) -> dict[str, Any]:
    """An invoice as the archive has it."""
    payment = {"method": "bank", "amount": amount, "source_file": "/nowhere.eml", "detected_at": "2026-10-01T12:00:00Z"}
    return unpaid(amount, number, status="paid", paid_at="2026-10-01T12:00:02Z", payment=payment, **members)


def findings(books: dict[str, Any]) -> dict[str, int]:
    """How many of each kind; each must be told of with its severity, and say what to do."""
    for finding in books["findings"]:
        assert finding["severity"] in ("error", "warning")
        assert finding["detail"]
    counts = dict(Counter(finding["kind"] for finding in books["findings"]))
    assert counts == books["finding_counts"]
    return counts


def total(books: dict[str, Any], group: str) -> tuple[int, dict[str, str]]:
    return books["totals"][group]["count"], books["totals"][group]["amounts"]


def test_empty_books_agree(site: Any) -> None:
    (site.root / "invoices").mkdir()
    site.ledger()
    site.configure_books()
    sweep = site.check()
    assert (sweep.status, sweep.report["verdict"]) == (0, "healthy")
    books = sweep.report["books"]
    assert books["consistent"] is True
    assert findings(books) == {}
    assert {group: total(books, group) for group in books["totals"]} == dict.fromkeys(
        ("unpaid", "paid", "escalated", "review"), (0, {})
    )
    assert books["ledger"] == {"unpaid": {}, "paid": {}, "escalated": {}}
    assert sweep.report["queues"]["healthy"] is True
    assert sweep.report["queues"]["items"] == []
    metrics = sweep.report["metrics"]
    assert metrics == {
        "window_s": 86400,
        **dict.fromkeys(("emails_sent", "payments_detected", "errors", "payment_latency_s")),
    }


def test_one_file_that_is_no_invoice_spoils_no_total(site: Any) -> None:
    site.invoice("acme/INV-1.json", unpaid(100.0, "INV-1"))
    site.invoice("archive/acme/INV-2.json", paid(200.0, "INV-2"))
    site.invoice("INV-3.json", {"invoice_number": "INV-3", "client_name": "B", "amount": 150, "status": "pending", "items": []})
    site.invoice("settings.json", {"language": "de"})
    site.ledger(
        UNPAID.format("INV-3", "150.00", "B"), UNPAID.format("INV-1", "100.00", "Acme"), paid=[PAID.format("INV-2", "200.00")]
    )
    site.configure_books()
    sound = site.check()
    malformed = site.invoice("acme/malformed.json", b"{")
    broken = site.check()
    for sweep in (sound, broken):
        books = sweep.report["books"]
        assert total(books, "unpaid") == (2, {"USD": "250.00"})
        assert total(books, "paid") == (1, {"USD": "200.00"})
        assert books["ledger"] == {"unpaid": {"USD": "250.00"}, "paid": {"USD": "200.00"}, "escalated": {}}
    assert (sound.status, findings(sound.report["books"])) == (0, {})
    assert (broken.status, broken.report["verdict"], broken.report["books"]["consistent"]) == (1, "degraded", False)
    [finding] = broken.report["books"]["findings"]
    assert (finding["kind"], finding["severity"], finding["path"]) == ("corrupt_file", "error", str(malformed))
    [logged] = broken.of("books.finding")
    assert (logged["kind"], logged["path"]) == ("corrupt_file", str(malformed))


def test_no_folder_of_invoices_is_told_of_once(site: Any) -> None:
    site.ledger(UNPAID.format("INV-1", "100.00", "Acme"))
    site.configure_books()
    sweep = site.check()
    books = sweep.report["books"]
    assert (sweep.status, books["consistent"], findings(books)) == (1, False, {"state_missing": 1})
    assert books["findings"][0]["path"] == str(site.root / "invoices")


def test_a_machine_without_books_is_none_the_worse(site: Any) -> None:
    site.beat("mailer")
    path = site.configure([{"name": "mailer", "timeout": "1h", "restart": {"kind": "none"}}])
    path.write_text(path.read_text().replace("[books]\nenabled = false\n", ""))
    sweep = site.check()
    assert (sweep.status, sweep.report["books"]) == (0, None)


def test_tenths_add_up(site: Any) -> None:
    for number in range(10):
        site.invoice(f"acme/T-{number}.json", unpaid(0.1, f"T-{number}"))
    summary = ["- **Unpaid Total:** $1.00", "**Grand Total:** $1.00"]
    site.ledger(*(UNPAID.format(f"T-{number}", "0.10", "Acme") for number in range(10)), summary=summary)
    site.configure_books()
    sweep = site.check()
    books = sweep.report["books"]
    assert (sweep.status, books["consistent"], findings(books)) == (0, True, {})
    assert total(books, "unpaid") == (10, {"USD": "1.00"})
    assert books["ledger"]["unpaid"] == {"USD": "1.00"}


def test_what_is_no_amount_is_counted_nowhere(site: Any) -> None:
    bad = ['"100.00"', "null", "true", "NaN", '"NaN"', "[1]", "-5", "1e999999"]
    for number, amount in enumerate([*bad, "50"]):
        text = json.dumps(unpaid("@", f"A-{number}")).replace('"@"', amount)
        site.invoice(f"acme/A-{number}.json", text.encode())
    site.ledger(*(UNPAID.format(f"A-{number}", "50.00", "Acme") for number in range(9)))
    site.configure_books()
    sweep = site.check()
    books = sweep.report["books"]
    assert (sweep.status, findings(books)) == (1, {"bad_amount": len(bad)})
    assert {Path(finding["path"]).name for finding in books["findings"]} == {f"A-{number}.json" for number in range(len(bad))}
    assert total(books, "unpaid") == (1, {"USD": "50.00"})


def test_only_the_folder_archive_is_the_archive(site: Any) -> None:
    for path, number in (("archivex/1.json", "X-1"), ("acme/archive/2.json", "X-2"), ("acme/archive.json", "X-3")):
        site.invoice(f"../x/my-archive/{path}", unpaid(10.0, number))
    site.ledger(*(UNPAID.format(f"X-{number}", "10.00", "ArchiveX") for number in (1, 2, 3)))
    site.configure_books(state_dir="x/my-archive")
    sweep = site.check()
    books = sweep.report["books"]
    assert (sweep.status, findings(books)) == (0, {})
    assert (total(books, "unpaid"), total(books, "paid")) == ((3, {"USD": "30.00"}), (0, {}))


def test_ledgers_in_every_shape_are_read_exactly(site: Any) -> None:
    site.invoice("archive/acme/L-1.json", paid(1234567.89, "L-1"))
    site.invoice("archive/acme/L-2.json", paid(0, "L-2"))
    site.ledger(paid=[PAID.format("L-1", "1,234,567.89"), PAID.format("L-2", "-0.00")])
    site.configure_books()
    sweep = site.check()
    assert (sweep.status, findings(sweep.report["books"])) == (0, {})
    assert sweep.report["books"]["ledger"] == {"unpaid": {}, "paid": {"USD": "1234567.89"}, "escalated": {}}
    site.invoice("acme/L-3.json", unpaid(30.5, "L-3"))
    site.invoice("acme/L-4.json", unpaid(4, "L-4", status="escalated"))
    site.ledger(
        UNPAID.format("L-3", "30.50", "A | B"),
        paid=["- L-1: $1,234,567.89 (Acme) - 2026-10-01", PAID.format("L-2", "0.00")],
        escalated=["- `L-4` | $4.00 | No answer | Status: paid? | Escalated: 2026-10-01 | Status: escalated"],
    )
    sweep = site.check()
    assert (sweep.status, findings(sweep.report["books"])) == (0, {})
    assert sweep.report["books"]["ledger"] == {
        "unpaid": {"USD": "30.50"},
        "paid": {"USD": "1234567.89"},
        "escalated": {"USD": "4.00"},
    }


def test_what_lies_about_is_no_invoice(site: Any) -> None:
    site.invoice("acme/1.json", unpaid(10.0, "N-1"))
    temp = site.invoice("acme/1.json.tmp", b"{")
    for name in ("acme/1.json.bak", "acme/._1.json", ".hidden.json", "acme/notes.txt", "events.log"):
        site.invoice(name, b"\x00{")
    for name in ("review_queue/1.json", "manual/1.json"):
        site.invoice(name, {"reason": "low confidence", "invoice": {"number": "N-2", "amount": 7.5}})
    site.ledger(UNPAID.format("N-1", "10.00", "Acme"))
    site.configure_books()
    sweep = site.check()
    books = sweep.report["books"]
    assert (sweep.status, books["consistent"]) == (0, True)
    [finding] = books["findings"]
    assert (finding["kind"], finding["severity"], finding["path"]) == ("left_over_temp", "warning", str(temp))
    assert total(books, "review") == (2, {"USD": "15.00"})
    assert total(books, "unpaid") == (1, {"USD": "10.00"})


def test_queues_are_judged_by_depth_age_and_garbage(site: Any) -> None:
    (site.root / "invoices").mkdir()
    site.ledger()
    queues = site.root / "cache" / "queues"
    queues.mkdir(parents=True)

    def queue(name: str, count: int, ago: float, rest: str = "") -> None:
        message = json.dumps({"type": "SEND_RECEIPT", "_queued_at": time.time() - ago})
        (queues / name).write_text(f"{message}\n" * count + rest)

    queue("calm.jsonl", 99, 60)
    queue("deep.jsonl", 150, 60)
    queue("old.jsonl", 1, 3 * 86400)
    queue("torn.jsonl", 2, 60, "{\n\n7\n")
    for number in range(300):
        (queues / f"dedupe_{number:032x}.json").write_text("{}")
    queue("../payment_queue.json", 200, 5 * 86400)
    site.configure_books()
    sweep = site.check()
    assert (sweep.status, sweep.report["verdict"]) == (1, "degraded")
    assert sweep.report["books"]["consistent"] is True
    report = sweep.report["queues"]
    assert (report["healthy"], report["limit"]) == (False, 100)
    items = {item["name"]: item for item in report["items"]}
    assert {name: (item["depth"], item["invalid"]) for name, item in items.items()} == {
        "calm": (99, 0),
        "deep": (150, 0),
        "old": (1, 0),
        "torn": (2, 2),
        "payment_queue": (200, 0),
    }
    assert 3 * 86400 <= items["old"]["oldest_age_s"] < 3 * 86400 + 60
    unhealthy = {event["queue"] for event in sweep.of("queue.unhealthy")}
    assert unhealthy == {name for name, item in items.items() if not item["healthy"]} == {"deep", "old", "torn"}


def test_the_whole_of_made_up_books(site: Any) -> None:
    faults = [Fault.AMOUNT_MISMATCH, Fault.CUT, Fault.PARTIAL_PAYMENT, Fault.QUEUE_DEEP, Fault.REMINDER_MISSED]
    now = datetime.now().astimezone()
    truth = make(site.root / "books", seed=18, invoices=500, now=now, faults=faults)
    site.configure_books(
        state_dir=str(truth.state), ledger=str(truth.ledger_path), queue_dir=str(truth.queue_dir), cache_dir=str(truth.cache)
    )
    sweep = site.check()
    books, metrics = sweep.report["books"], sweep.report["metrics"]
    assert sweep.status == 1
    assert {(one["kind"], one["path"], one["invoice"]) for one in books["findings"]} == truth.findings
    for group, count in truth.counts.items():
        assert total(books, group) == (count, truth.totals[group])
    assert books["ledger"] == truth.ledger
    assert [item["name"] for item in sweep.report["queues"]["items"] if not item["healthy"]] == ["deep"]
    numbers = (metrics["emails_sent"], metrics["payments_detected"], metrics["errors"])
    assert numbers == (truth.emails_sent, truth.payments_detected, truth.errors)
    assert metrics["payment_latency_s"]["mean"] == pytest.approx(sum(truth.latencies) / len(truth.latencies), abs=0.01)


WRITER = """
import json, os, pathlib, sys, time
root, ledger = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
UNPAID = "- `{}` | $10.00 | Acme | Due: 2099-01-31 | Status: unpaid\\n"
PAID = "- `{}` | $10.00 | Paid: 2026-10-01 | Method: bank | Status: paid\\n"
alive, gone = [f"W-{number}" for number in range(300)], []

def put(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".tmp")
    new.write_text(json.dumps(members, indent=2))
    new.rename(path)

def invoice(number, **members):
    return {"number": number, "amount": 10.0, "due_date": "2099-01-31", "status": "unpaid", "client": "A" * 300, **members}

def write_ledger():
    lines = ["# Collections Ledger\\n\\n## Unpaid\\n\\n", *map(UNPAID.format, alive), "\\n## Paid\\n\\n", *map(PAID.format, gone)]
    with ledger.open("w") as file:
        for line in lines:
            file.write(line)

def place(number):
    return root / f"client-{int(number[2:]) % 7}" / f"{number}.json"

for number in alive:
    put(place(number), invoice(number))
write_ledger()
print("ready", flush=True)
begun, turns = time.monotonic(), 0
stop = pathlib.Path(sys.argv[3])
while not stop.exists():
    for step in range(50):
        number = alive[(turns * 50 + step) % len(alive)]
        put(place(number), invoice(number, _version=turns))
    if turns % 5 == 0 and len(alive) > 100:
        number = alive.pop()
        old = place(number)
        put(root / "archive" / old.parent.name / old.name, invoice(number, status="paid", paid_at="2026-10-01T12:00:00Z"))
        old.unlink()
        gone.insert(0, number)
        write_ledger()
    turns += 1
    time.sleep(max(0, begun + turns / 10 - time.monotonic()))
print(turns, len(gone), flush=True)
"""


def test_a_busy_writer_is_no_corruption(site: Any) -> None:
    stop = site.root / "stop"
    site.configure_books(check_interval="1s")
    command = [sys.executable, "-c", WRITER, str(site.root / "invoices"), str(site.root / "ledger.md"), str(stop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == "ready\n"
            daemon = site.run()
            daemon.wait_for("books.audited", count=6)
            stop.touch()
            turns, archived = map(int, writer.stdout.readline().split())
        finally:
            stop.touch()
            writer.wait(30)
    assert turns > 10
    assert archived > 2
    # What is at rest agrees; an audit that began before may still have seen it in motion.
    last = daemon.events[-1]["seq"]
    audited = daemon.wait_for("books.audited", count=2, after=last)
    assert (audited["consistent"], audited["unpaid"], audited["paid"]) == (True, 300 - archived, archived)
    told = [(event["kind"], event["path"]) for event in daemon.of("books.finding")]
    assert told == []
    assert daemon.stop() == 0
