"""The last action of each agent on a real disk: written before it counts, read after a crash, never silently lost."""

import errno
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.agents.journal import LIMIT, FileJournal
from collections_supervisor.agents.state import ActionRecord
from collections_supervisor.messages import ActionOutcome, ActionRequest, Now
from collections_supervisor.system import files

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ASIDE = "payment-watcher.json.unreadable-20261122T120000Z"


class Noon:
    """A clock that stands still."""

    def now(self) -> Now:
        return Now(mono=1.0, wall=NOON)


def record(name: str = "payment-watcher", **changes: Any) -> ActionRecord:
    request = ActionRequest(action_id="7f", agent=name, attempt=2, reason="missed 2 heartbeats", since="10:00")
    known = ActionRecord(
        request=request,
        argv=("openclaw", "agent", "--agent", name),
        boot_id="0f5e",
        started=NOON,
        deadline=120.5,
        attempts=2,
        restarts=7,
        starts=(NOON, NOON),
        pid=4711,
        start_time=1234567,
    )
    return msgspec.structs.replace(known, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state" / "actions").mkdir(parents=True)
    return tmp_path / "state" / "actions"


@pytest.fixture
def journal(folder: Path, log: Any) -> FileJournal:
    return FileJournal(folder, Noon(), log, owned=frozenset({"mail-fetcher"}))


def kept(folder: Path, name: str = "payment-watcher") -> ActionRecord:
    return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=ActionRecord)


# --- Keeping ----------------------------------------------------------------------------------------------


async def test_what_is_written_is_read_by_the_next_life(folder: Path, journal: FileJournal, log: Any) -> None:
    await journal.write(record(pid=0, start_time=0))
    await journal.write(record())
    await journal.write(record("mail-fetcher"))
    assert sorted(path.name for path in folder.iterdir()) == ["mail-fetcher.json", "payment-watcher.json"]
    assert (folder / "payment-watcher.json").stat().st_mode & 0o777 == 0o600
    next_life = FileJournal(folder, Noon(), log)
    assert await next_life.read("payment-watcher") == record()
    assert await next_life.read("mail-fetcher") == record("mail-fetcher")
    assert log.events == []


async def test_nothing_was_ever_done(folder: Path, journal: FileJournal, log: Any) -> None:
    assert await journal.read("payment-watcher") is None
    folder.rmdir()
    assert await journal.read("payment-watcher") is None
    assert log.events == []


async def test_what_was_paid_for_outlives_a_loss_of_power(journal: FileJournal) -> None:
    calls: list[str] = []
    before, files.after_write = files.after_write, calls.append
    try:
        await journal.write(record())
        assert "fsync" in calls
        calls.clear()
        await journal.write(record("mail-fetcher"))
        assert "fsync" not in calls
        calls.clear()
        await journal.write(record("mail-fetcher"))
        assert calls == ["write"], "its next start waits for this"
    finally:
        files.after_write = before


async def test_members_of_a_later_release_are_ignored(folder: Path, journal: FileJournal, log: Any) -> None:
    later = {**msgspec.to_builtins(record(), builtin_types=(datetime,)), "started": "2026-11-22T12:00:00Z", "mood": {"new": [1]}}
    later["starts"] = ["2026-11-22T12:00:00Z"] * 2
    (folder / "payment-watcher.json").write_text(json.dumps(later))
    assert await journal.read("payment-watcher") == record()
    assert log.events == []


# --- What cannot be used ----------------------------------------------------------------------------------


def altered(**members: Any) -> bytes:
    return json.dumps({**json.loads(msgspec.json.encode(record())), **members}).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "truncated", id="empty"),
        pytest.param(altered()[:-9], "truncated", id="torn"),
        pytest.param(b"\xff\xfe", "malformed", id="no text"),
        pytest.param(b"[]", "got `array`", id="a list"),
        pytest.param(altered(argv="openclaw"), "argv", id="another type"),
        pytest.param(b'{"x":' * 100_000, "nested", id="deep"),
        pytest.param(b" " * (LIMIT + 1), f"holds more than {LIMIT} bytes", id="huge"),
        pytest.param(msgspec.json.encode(record("other")), "it is about agent 'other'", id="of another"),
        pytest.param(altered(pid=-1), "no process is -1", id="negative pid"),
        pytest.param(altered(pid=2**31), "no process is 2147483648", id="huge pid"),
        pytest.param(altered(start_time=-1), "since -1", id="before the boot"),
        pytest.param(altered(started="2026-11-22T12:00:00"), "without a time zone", id="naive"),
        pytest.param(altered(starts=["2026-11-22T12:00:00"]), "without a time zone", id="naive starts"),
    ],
)
async def test_what_cannot_be_used_is_kept_and_said(
    folder: Path, journal: FileJournal, log: Any, content: bytes, reason: str
) -> None:
    path = folder / "payment-watcher.json"
    path.write_bytes(content)
    assert await journal.read("payment-watcher") is None
    assert (folder / ASIDE).read_bytes() == content
    (said,) = log.of("supervisor.state_set_aside")
    assert reason in said["reason"]
    assert (said["path"], said["kept_as"]) == (str(path), str(folder / ASIDE))
    await journal.write(record())
    assert await journal.read("payment-watcher") == record()


async def test_a_fifo_blocks_nobody(folder: Path, journal: FileJournal, log: Any) -> None:
    os.mkfifo(folder / "payment-watcher.json")
    with anyio.fail_after(10):
        assert await journal.read("payment-watcher") is None
    assert log.of("supervisor.state_set_aside")[0]["reason"] == "is a FIFO, not a regular file"
    assert (folder / ASIDE).is_fifo()


async def test_what_cannot_even_be_moved_is_said(folder: Path, journal: FileJournal, log: Any) -> None:
    (folder / "payment-watcher.json").write_text("{")
    (folder / ASIDE).touch()
    for number in range(2, 100):
        (folder / f"{ASIDE}-{number}").touch()
    assert await journal.read("payment-watcher") is None
    (said,) = log.of("supervisor.state_set_aside")
    assert "it could not be set aside either: too many" in said["message"]
    assert said["kept_as"] is None
    assert (folder / "payment-watcher.json").read_text() == "{"


async def test_a_lack_of_descriptors_is_not_the_files_fault(folder: Path, log: Any) -> None:
    """A process of its own: nothing else works without descriptors."""
    script = """
import anyio, os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.messages import Now

class Clock:
    def now(self):
        return Now(mono=1.0, wall=datetime(2026, 11, 22, 12, tzinfo=UTC))

class Log:
    def error(self, event, **fields):
        print(event, fields["kept_as"], fields["message"])

async def main():
    journal = FileJournal(Path(sys.argv[1]), Clock(), Log())
    assert await journal.read("payment-watcher") is not None
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) - 1, 100))
    print(await journal.read("payment-watcher"))

anyio.run(main)
"""
    await FileJournal(folder, Noon(), log).write(record())
    with anyio.fail_after(30):
        done = await anyio.run_process([sys.executable, "-c", script, str(folder)], check=False)
    assert done.stderr == b""
    said = done.stdout.decode().splitlines()
    assert said[0].startswith("supervisor.state_set_aside None")
    assert "it stays where it is" in said[0]
    assert said[1] == "None"
    assert kept(folder) == record()


# --- A disk that refuses ----------------------------------------------------------------------------------


async def test_a_missing_folder_is_made_again(tmp_path: Path, folder: Path, journal: FileJournal, log: Any) -> None:
    folder.rmdir()
    folder.parent.rmdir()
    await journal.write(record())
    assert kept(folder) == record()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert log.events == []


async def test_a_refusal_is_said_once_and_made_up_for(folder: Path, journal: FileJournal, log: Any) -> None:
    folder.rmdir()
    folder.write_text("in the way")
    for attempt in (1, 2):
        await journal.write(record(attempts=attempt))
    await journal.write(record("mail-fetcher"))
    await journal.write(record("invoice-reader"))
    (said,) = log.events
    assert said["event"] == "supervisor.store_failed"
    assert (said["path"], said["reason"]) == (str(folder / "payment-watcher.json"), os.strerror(errno.ENOTDIR).replace("N", "n"))
    folder.unlink()
    await journal.write(record("mail-fetcher", restarts=8))
    assert kept(folder) == record(attempts=2)
    assert kept(folder, "mail-fetcher") == record("mail-fetcher", restarts=8)
    assert kept(folder, "invoice-reader") == record("invoice-reader")
    assert log.names() == ["supervisor.store_failed", "supervisor.store_resumed"]
    await journal.write(record())
    assert len(log.events) == 2


async def test_one_file_that_refuses_is_not_made_up_for_by_the_others(folder: Path, journal: FileJournal, log: Any) -> None:
    (folder / "payment-watcher.json").mkdir()
    await journal.write(record())
    await journal.write(record("mail-fetcher"))
    assert log.names() == ["supervisor.store_failed"]
    (folder / "payment-watcher.json").rmdir()
    await journal.write(record("mail-fetcher"))
    assert log.names() == ["supervisor.store_failed", "supervisor.store_resumed"]
    assert kept(folder) == record()


async def test_what_is_no_text_is_kept_as_far_as_it_can_be_written(folder: Path, journal: FileJournal, log: Any) -> None:
    outcome = ActionOutcome(result="failed", cause="no /home/\udcff/openclaw")
    await journal.write(record(argv=("/home/\udcff/openclaw", "agent"), ended=True, outcome=outcome))
    assert log.events == []
    known = await journal.read("payment-watcher")
    assert known is not None
    assert known.argv == ("/home/?/openclaw", "agent")
    assert known.outcome == ActionOutcome(result="failed", cause="no /home/?/openclaw")
    assert msgspec.structs.replace(known, argv=record().argv, ended=False, outcome=None) == record()


async def test_many_at_once_end_with_the_last_of_each(folder: Path, journal: FileJournal) -> None:
    async with anyio.create_task_group() as tasks:
        for restarts in range(10):
            for name in ("payment-watcher", "mail-fetcher"):
                tasks.start_soon(journal.write, record(name, restarts=restarts))
    assert kept(folder).restarts == kept(folder, "mail-fetcher").restarts == 9
