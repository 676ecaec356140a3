"""The history on a real disk."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.coordination.history_file import HistoryFile, read_history
from collections_supervisor.messages import Change, History, Now, QueueSample, StateRun

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HISTORY = History(
    seen_at=EPOCH,
    agents={"mailer": (StateRun(status="healthy", since=EPOCH - timedelta(hours=1), until=EPOCH),)},
    queues={"mail": (QueueSample(at=EPOCH, depth=3),)},
    changes=(Change(at=EPOCH, subject="the supervisor", what="started"),),
)


class Clock:
    def __init__(self) -> None:
        self.mono = 1000.0

    def now(self) -> Now:
        return Now(mono=self.mono, wall=EPOCH)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def file(folder: Path, clock: Clock, log: Any) -> HistoryFile:
    return HistoryFile(folder, clock, log)


async def test_what_is_saved_is_loaded_again(file: HistoryFile, folder: Path, log: Any) -> None:
    assert await file.load() == History()
    assert not folder.exists()
    assert await file.save(HISTORY)
    path = folder / "history.json"
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)
    assert await file.load() == HISTORY
    assert await read_history(folder) == HISTORY
    assert log.events == []


async def test_what_a_later_version_adds_is_ignored(file: HistoryFile, folder: Path) -> None:
    await file.save(HISTORY)
    path = folder / "history.json"
    known = json.loads(path.read_bytes())
    known["agents"]["mailer"][0]["colour"] = "green"
    path.write_text(json.dumps({**known, "version": 2, "weather": "fine"}))
    assert (await file.load()).agents == HISTORY.agents


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"agents": {"a": [{"status": "fine"}]}}', b"[" * 100_000])
async def test_what_cannot_be_used_is_set_aside_and_said(file: HistoryFile, folder: Path, log: Any, content: bytes) -> None:
    folder.mkdir()
    path = folder / "history.json"
    path.write_bytes(content)
    assert await read_history(folder) == History()
    assert await file.load(touch=False) == History()
    assert path.read_bytes() == content
    assert log.of("supervisor.state_set_aside")[0]["kept_as"] is None
    assert await file.load() == History()
    [kept] = folder.glob("history.json.unreadable-*")
    assert (kept.read_bytes(), path.exists()) == (content, False)
    assert log.of("supervisor.state_set_aside")[1]["kept_as"] == str(kept)
    assert await file.save(HISTORY)
    assert await file.load() == HISTORY


async def test_nothing_is_written_over_what_only_stays_because_nobody_may_touch_it(file: HistoryFile, folder: Path) -> None:
    folder.mkdir()
    (folder / "history.json").write_bytes(b"{")
    await file.load(touch=False)
    assert await file.save(HISTORY)
    [kept] = folder.glob("history.json.unreadable-*")
    assert kept.read_bytes() == b"{"


async def test_a_disk_that_refuses_is_said_once_and_raises_nothing(
    file: HistoryFile, folder: Path, clock: Clock, log: Any
) -> None:
    folder.write_text("no folder")
    for _ in range(3):
        assert not await file.save(HISTORY)
        clock.mono += 60
    assert log.names() == ["supervisor.store_failed"]
    folder.unlink()
    assert await file.save(HISTORY)
    assert log.names()[1:] == ["supervisor.store_resumed"]
