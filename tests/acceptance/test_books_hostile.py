"""Books full of what must not be there: one sweep names each of them, reads everything else, and does not fall over anything."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

GIGABYTE = 1 << 30

CHURN = """
import os, sys
folder = sys.argv[1]
sound = b'{"number": "CHURN", "amount": 1.0, "status": "unpaid", "client": "' + b"x" * 60_000 + b'"}'
places = [os.path.join(folder, f"c-{number}.json") for number in range(40)]
new = os.path.join(folder, ".new")
print("ready", flush=True)
while os.getppid() == int(sys.argv[2]):
    for turn, path in enumerate(places):
        with open(new, "wb") as file:
            file.write(sound.replace(b"CHURN", b"CHURN-%d" % turn))
        os.replace(new, path)
        if turn % 2:
            os.unlink(path)
"""
"""Replaces files and removes others without a pause, for as long as its parent lives."""


def sparse(path: Path) -> Path:
    """A file of one gigabyte that takes no room."""
    with path.open("wb") as file:
        file.truncate(GIGABYTE)
    return path


def bind(path: Path) -> None:
    """A socket in the file system; through the folder's descriptor, because a socket's path may not be long."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def invoice(number: str, **members: Any) -> bytes:
    return json.dumps({"number": number, "amount": 5.0, "status": "unpaid", "due_date": "2099-01-31", **members}).encode()


def fill(site: Any) -> dict[str, str]:
    """Write everything that is hostile into the folder of invoices; by its path below it what must be found of it."""
    sound = invoice("H-1")
    contents: dict[str, bytes] = {
        "truncated.json": sound[:30],
        "empty.json": b"",
        "marked.json": b"\xef\xbb\xbf" + invoice("H-BOM"),
        "latin.json": invoice("H-L").replace(b"H-L", b"M\xfcller"),
        "deep.json": b"[" * 300_000 + b"]" * 300_000,
        "deep_inside.json": b'{"amount": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b', "status": "unpaid"}',
        "nul.json": bytes(1000),
        "list.json": b"[1]",
        "text.json": b'"unpaid"',
        "<script>alert(1)<|script>.json": b"{",
        "line\nbreak.json": b"{",
        "tab\tand\x1b[2Jescape.json": b"{",
        "\N{RIGHT-TO-LEFT OVERRIDE}nosj.json": b"{",
    }
    for name, content in contents.items():
        site.invoice(f"acme/{name}", content)
    amounts = {"nan.json": b"NaN", "digits.json": b"1" * 5000, "exponent.json": b"1e999999999"}
    for name, amount in amounts.items():
        site.invoice(f"acme/{name}", invoice(name).replace(b"5.0", amount))
    return dict.fromkeys(contents, "corrupt_file") | dict.fromkeys(amounts, "bad_amount") | place_irregular(site)


def place_irregular(site: Any) -> dict[str, str]:
    """What is no regular file, or too large to be one."""
    folder: Path = site.root / "invoices" / "acme"
    os.mkfifo(folder / "fifo.json")
    bind(folder / "socket.json")
    (folder / "device.json").symlink_to("/dev/zero")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "gone.json").symlink_to("nowhere.json")
    sparse(folder / "huge.json")
    undecodable = os.fsencode(folder) + b"/bad-\xff.json"
    Path(os.fsdecode(undecodable)).write_bytes(b"{")
    unreadable = ("fifo.json", "socket.json", "device.json", "loop.json", "gone.json", "huge.json")
    return dict.fromkeys(unreadable, "unreadable_file") | {"bad-\\udcff.json": "corrupt_file"}


@pytest.fixture
def churn(site: Any) -> Iterator[None]:
    """Files that are removed between listing and opening, and replaced while they are read."""
    folder = site.root / "invoices" / "churn"
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", CHURN, str(folder), str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]}) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield
        finally:
            process.kill()


@pytest.mark.usefixtures("churn")
def test_every_hostile_file_is_named_and_nothing_else_is_lost(site: Any) -> None:
    site.invoice("acme/sound.json", invoice("H-1"))
    site.invoice("acme/twice.json", b'{"number": "H-2", "amount": 7.0, "amount": 5.0, "status": "paid", "status": "unpaid"}')
    expected = fill(site)
    folder = site.root / "invoices"
    (folder / "around").symlink_to("around")
    (folder / "home").symlink_to(".")
    os.mkfifo(folder / "fifo")  # not named like an invoice
    known = ["H-1", "H-2", "H-BOM", *(name for name, kind in expected.items() if kind == "bad_amount")]
    lines = [f"- `{number}` | $5.00 | Acme | Status: unpaid" for number in known]
    site.ledger(*lines, *(f"- `CHURN-{number}` | $1.00 | Acme | Status: unpaid" for number in range(40)))
    site.configure_books()
    sweep = site.check()
    assert (sweep.status, sweep.report["books"]["consistent"]) == (1, False)
    told = {finding["path"]: finding["kind"] for finding in sweep.report["books"]["findings"]}
    named = {shown(folder / "acme" / name): kind for name, kind in expected.items()}
    # What is replaced or removed all the time is nothing wrong.
    assert told == named | {str(folder / "around"): "unreadable_file"}
    assert sweep.report["books"]["finding_counts"] == dict(Counter(told.values()))
    # The one with a mark is read; of the amounts only the good ones count.
    assert sweep.report["books"]["totals"]["unpaid"]["count"] >= 3 + 20
    logged = [event for event in sweep.of("books.finding") if event["severity"] == "error"]
    assert named.keys() <= {event["path"] for event in logged}
    for text in (event["message"] for event in logged):
        assert text.isprintable()


def shown(path: Path) -> str:
    """A path as it is told of: in one line, and without what would turn the text around."""
    text = str(path).replace("\n", " ").replace("\x1b", " ").replace("\t", " ")
    return text.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
@pytest.mark.parametrize("name", ["locked", "archive/locked", "."])
def test_a_folder_that_may_not_be_looked_into_is_named_and_nothing_in_it_is_missed(site: Any, name: str) -> None:
    site.invoice("acme/sound.json", invoice("H-1"))
    folder = site.invoice(f"{name}/hidden.json", invoice("H-2")).parent
    site.ledger("- `H-1` | $5.00 | Acme | Status: unpaid", "- `H-2` | $5.00 | Acme | Status: unpaid")
    site.configure_books()
    mode = folder.stat().st_mode
    folder.chmod(0)
    try:
        sweep = site.check()
    finally:
        folder.chmod(mode)
    assert sweep.status == 1
    [finding] = sweep.report["books"]["findings"]
    assert (finding["kind"], finding["path"]) == ("unreadable_file", str(folder))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
def test_a_device_is_named_and_not_read(site: Any) -> None:
    site.invoice("acme/sound.json", invoice("H-1"))
    path = site.root / "invoices" / "acme" / "zero.json"
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("not even root may make a device here")
    site.ledger("- `H-1` | $5.00 | Acme | Status: unpaid")
    site.configure_books()
    sweep = site.check()
    [finding] = sweep.report["books"]["findings"]
    assert (finding["kind"], finding["path"]) == ("unreadable_file", str(path))


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe{\n[[[\nNaN\n" + b"[" * 200_000 + b"\n" + b"x" * 3_000_000 + b"\n\x00\n")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [os.mkfifo, bind, loop, sparse, Path.mkdir], ids=["fifo", "socket", "loop", "sparse", "folder"])
def test_a_ledger_a_log_and_a_queue_that_are_no_files_are_named(site: Any, make: Callable[[Path], Any]) -> None:
    site.invoice("acme/sound.json", invoice("H-1"))
    cache = site.root / "cache"
    (cache / "queues").mkdir(parents=True)
    paths = [
        site.root / "ledger.md",
        *(cache / name for name in ("email_activity.log", "payment_activity.log", "error.log", "payment_queue.json")),
        cache / "queues" / "mailer.jsonl",
    ]
    for path in paths:
        make(path)
    site.configure_books()
    sweep = site.check()
    books = sweep.report["books"]
    assert (sweep.status, books["consistent"], books["ledger"]) == (1, False, None)
    assert books["totals"]["unpaid"] == {"count": 1, "amounts": {"USD": "5.00"}}
    # A log may be as long as it likes, because only its end is read; but this one has no line there.
    assert {finding["path"] for finding in books["findings"]} == {str(path) for path in paths}
    assert {finding["kind"] for finding in books["findings"]} == {"unreadable_file"}
    assert sweep.report["metrics"]["emails_sent"] is None


def test_logs_and_queues_of_garbage_cost_only_themselves(site: Any) -> None:
    site.invoice("acme/sound.json", invoice("H-1"))
    site.ledger("- `H-1` | $5.00 | Acme | Status: unpaid")
    cache = site.root / "cache"
    (cache / "queues").mkdir(parents=True)
    for name in ("email_activity.log", "payment_activity.log", "error.log", "payment_queue.json", "queues/mailer.jsonl"):
        garbage(cache / name)
    garbage(site.root / "invoices" / "events.log")
    with (cache / "email_activity.log").open("ab") as log:
        log.write(json.dumps({"timestamp": site.beat("mailer"), "type": "EMAIL_SENT"}).encode() + b"\n")
    site.configure_books()
    sweep = site.check()
    assert (sweep.status, sweep.report["books"]["findings"]) == (1, [])
    assert sweep.report["metrics"]["emails_sent"] == 1
    assert {item["name"]: item["invalid"] > 2 for item in sweep.report["queues"]["items"]} == {
        "mailer": True,
        "payment_queue": True,
    }
