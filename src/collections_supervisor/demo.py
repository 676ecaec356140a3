"""Stand-ins for agents, so that the program can be watched at work without any: `python -m collections_supervisor.demo ROLE`.

Standard library only. Each is started by the supervisor as an owned process and beats like a real agent would, by appending a
JSON line to the file named in COLLECTIONS_SUPERVISOR_HEARTBEAT.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


def beat(message: str) -> None:
    """Append one heartbeat line, in one write."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - an agent has only the machine's clock
    line = json.dumps({"timestamp": now, "stale": False, "message": message})
    path = Path(os.environ["COLLECTIONS_SUPERVISOR_HEARTBEAT"])
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as log:
        log.write(f"{line}\n".encode())


def steady() -> None:
    """Work without any trouble."""
    invoices = 0
    while True:
        invoices += 1
        beat(f"{invoices} invoices looked at")
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
