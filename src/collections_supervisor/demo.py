"""Stand-ins for agents, so that the program can be watched at work without any: `python -m collections_supervisor.demo ROLE`.

Standard library only. Each is started by the supervisor as an owned process and beats like a real agent would, by appending a
JSON line to the file named in COLLECTIONS_SUPERVISOR_HEARTBEAT.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from collections_supervisor.demo_books import Fault, make

BOOKS = Path("~/.cache/collections-supervisor-demo/books").expanduser()


def beat(message: str) -> None:
    """Append one heartbeat line, in one write."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - an agent has only the machine's clock
    line = json.dumps({"timestamp": now, "stale": False, "message": message})
    path = Path(os.environ["COLLECTIONS_SUPERVISOR_HEARTBEAT"])
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as log:
        log.write(f"{line}\n".encode())


def open_books() -> None:
    """Have books of today in which one amount is wrong. Old ones are replaced: in them everything would be overdue."""
    now = datetime.now().astimezone()  # noqa: TID251 - as above
    old = BOOKS.with_name(f"books-{os.getpid()}")
    if BOOKS.exists():
        if now.timestamp() - BOOKS.stat().st_mtime < 12 * 3600:
            return
        BOOKS.rename(old)
    make(BOOKS, seed=2026, invoices=60, now=now, faults=[Fault.AMOUNT_MISMATCH])
    shutil.rmtree(old, ignore_errors=True)


def leave_waiting(count: int) -> None:
    """Have so many messages wait in the mailer's queue."""
    now = datetime.now(UTC).timestamp()  # noqa: TID251 - as above
    messages = [{"type": "SEND_REMINDER", "invoice": f"INV-{back}", "_queued_at": now - back} for back in range(count)]
    new = BOOKS / "cache" / "queues" / ".new"
    new.write_text("".join(f"{json.dumps(message)}\n" for message in messages), encoding="utf-8")
    new.replace(new.with_name("collections-emailer.jsonl"))


def steady() -> None:
    """Work without any trouble, on books that are not quite in order."""
    open_books()
    invoices = 0
    while True:
        invoices += 1
        beat(f"{invoices} invoices looked at")
        leave_waiting(invoices % 8)
        time.sleep(1)


def hangs() -> None:
    """Beat for a few seconds, then stop without a word, as a process does whose mail server never answers."""
    # After a restart it holds out longer, so that the page shows it recovered for a while.
    for _ in range(5 if os.environ.get("COLLECTIONS_SUPERVISOR_ATTEMPT") == "0" else 45):
        beat("waiting for payments")
        time.sleep(1)
    print("connecting to the bank …", flush=True)  # noqa: T201 - this is the output of a demo agent
    while True:
        time.sleep(3600)


def broken() -> None:
    """Fail right after every start, as a program does whose password was changed."""
    time.sleep(0.5)
    print("login to the mail server refused: password expired", file=sys.stderr, flush=True)  # noqa: T201 - as above
    raise SystemExit(1)


def caine() -> None:
    """Be the human: read a notice from standard input and put it where it can be seen."""
    notice = json.loads(sys.stdin.readline())
    with Path("~/.cache/collections-supervisor-demo/notices.txt").expanduser().open("a", encoding="utf-8") as letters:
        letters.write(f"{notice['text']}\n\n")


ROLES: dict[str, Callable[[], None]] = {"steady": steady, "hangs": hangs, "broken": broken, "caine": caine}

if __name__ == "__main__":
    try:
        ROLES[sys.argv[1]]()
    except KeyboardInterrupt:
        sys.exit(130)
