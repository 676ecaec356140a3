"""Notices in a file, on a real disk."""

import json
import os
import resource
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.escalation import line_file
from collections_supervisor.escalation import outbox_file as module
from collections_supervisor.escalation.outbox_file import FileOutbox
from collections_supervisor.messages import Notice, Now

Make = Callable[..., Notice]
Load = Callable[..., Awaitable[FileOutbox]]
AT = datetime(2026, 11, 22, tzinfo=UTC)
KEY = ("agent/payment-watcher/0", 1)
ASIDE = "outbox.jsonl.unreadable-20261122T000000Z"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> Now:
        return Now(mono=self.seconds, wall=AT + timedelta(seconds=self.seconds))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.jsonl"


@pytest.fixture
def load(path: Path, clock: Clock, log: Any) -> Load:
    path.parent.mkdir(mode=0o700)

    async def run(*channels: str) -> FileOutbox:
        return await FileOutbox.load(path, channels or ("a", "b"), clock, log)

    return run


def kinds(path: Path) -> list[str]:
    return [json.loads(line)["type"] for line in path.read_text().splitlines()]


async def test_every_change_is_on_disk_when_it_returns(load: Load, path: Path, clock: Clock, make_notice: Make) -> None:
    box = await load()
    assert not path.exists()
    await box.put(make_notice(), ("a", "b"), clock.now())
    assert kinds(path) == ["intent"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert await box.attempt(KEY, "a") == 1
    await box.failed(KEY, "a", "down", AT)
    await box.delivered(KEY, "a", AT)
    await box.expired(KEY, "b", "refused")
    await box.put(make_notice(2), ("a",), clock.now())
    await box.skipped((KEY[0], 2), "a")
    await box.drop((KEY[0], 2))
    assert kinds(path) == ["intent", "attempt", "failed", "delivered", "expired", "intent", "skipped", "dropped"]


async def test_another_life_goes_on_where_it_was(load: Load, clock: Clock, log: Any, make_notice: Make) -> None:
    box = await load()
    await box.put(make_notice(), ("a", "b"), clock.now())
    await box.attempt(KEY, "a")
    await box.delivered(KEY, "a", AT)
    await box.attempt(KEY, "b")
    await box.failed(KEY, "b", "down", AT + timedelta(seconds=5))
    clock.seconds = 3600
    again = await load()
    (entry,) = again.entries()
    assert entry.notice == make_notice()
    assert (entry.put_at, entry.taken_by, entry.taken_at) == (0, "a", AT)
    assert (entry.legs["a"].state, entry.legs["b"].state, entry.next_at) == ("delivered", "pending", None)
    assert await again.attempt(KEY, "b") == 2
    assert log.events == []


async def test_the_settled_goes_unless_somebody_still_knows_it(load: Load, path: Path, clock: Clock, make_notice: Make) -> None:
    box = await load()
    for agent in ("open", "over", "undelivered"):
        await box.put(make_notice(agent=agent), ("a",), clock.now())
        if agent != "undelivered":
            await box.delivered((f"agent/{agent}/0", 1), "a", AT)
    again = await load()
    before = path.read_bytes()
    assert len(again.entries()) == 3  # for whoever wants to know, until it is said what is kept
    await again.compact({"agent/open/0"})
    assert [entry.notice.agent for entry in again.entries()] == ["open", "undelivered"]
    assert len(path.read_bytes()) < len(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.notice.agent for entry in (await load()).entries()] == ["open", "undelivered"]


async def test_channels_that_are_configured_no_more(load: Load, clock: Clock, make_notice: Make) -> None:
    box = await load()
    await box.put(make_notice(), ("a", "b"), clock.now())
    (entry,) = (await load("b", "c")).entries()
    assert {name: leg.state for name, leg in entry.legs.items()} == {"a": "expired", "b": "pending"}
    other = await load("c")
    await other.compact(())
    (entry,) = (await load("c")).entries()
    assert {name: leg.state for name, leg in entry.legs.items()} == {"a": "expired", "b": "expired", "c": "pending"}


async def test_an_end_is_not_forgotten_as_long_as_anything_of_its_incident_is_due(
    load: Load, clock: Clock, make_notice: Make
) -> None:
    box = await load()
    await box.put(make_notice(), ("a", "b"), clock.now())
    await box.delivered(KEY, "a", AT)
    await box.put(make_notice(2, notice="resolved"), ("a",), clock.now())
    await box.delivered((KEY[0], 2), "a", AT)
    again = await load()
    await again.compact(())
    assert [(entry.notice.notice, entry.pending) for entry in (await load()).entries()] == [("opened", True), ("resolved", False)]


# --- What cannot be used ---


async def test_lines_that_make_no_sense_are_kept_elsewhere(
    load: Load, path: Path, clock: Clock, log: Any, make_notice: Make
) -> None:
    box = await load()
    await box.put(make_notice(), ("a",), clock.now())
    good = path.read_bytes()
    path.write_bytes(b"garbage\n" + good + b'{"type":"postponed"}\n' + good[:40])
    box = await load()
    assert len(box.entries()) == 1
    await box.compact(())
    assert path.with_name(ASIDE).read_bytes() == b'garbage\n{"type":"postponed"}\n' + good[:40] + b"\n"
    assert path.read_bytes() == good
    (event,) = log.of("supervisor.state_set_aside")
    assert (event["lines"], event["path"]) == (3, str(path.with_name(ASIDE)))
    path.write_bytes(b"more\n" + good)
    await (await load()).compact(())
    assert path.with_name(f"{ASIDE}-2").read_bytes() == b"more\n"


async def test_they_are_kept_also_when_a_change_comes_first(load: Load, path: Path, clock: Clock, make_notice: Make) -> None:
    path.write_bytes(b"torn")
    box = await load()
    await box.put(make_notice(), ("a",), clock.now())
    assert path.with_name(ASIDE).read_bytes() == b"torn\n"
    assert kinds(path) == ["intent"]


async def test_what_the_machine_lacks_for_a_moment_costs_nothing(load: Load, clock: Clock, log: Any, make_notice: Make) -> None:
    await (await load()).put(make_notice(), ("a",), clock.now())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        async with anyio.create_task_group() as tasks:

            async def give_back() -> None:
                await anyio.sleep(0.1)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

            tasks.start_soon(give_back)
            assert len((await load()).entries()) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert log.events == []


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "huge"])
async def test_what_cannot_be_read_is_set_aside_whole(load: Load, path: Path, log: Any, kind: str) -> None:
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to(path.parent / "elsewhere")
            (path.parent / "elsewhere").write_text("not ours\n")
        case _:
            path.touch()
            os.truncate(path, line_file.LARGEST + 1)
    box = await load()
    assert box.entries() == ()
    await box.compact(())
    assert os.path.lexists(path.with_name(ASIDE))
    assert path.read_bytes() == b""
    (event,) = log.of("supervisor.state_set_aside")
    assert event["reason"]
    assert kind != "link" or (path.parent / "elsewhere").read_text() == "not ours\n"


# --- What happens to the file meanwhile ---


async def swap(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"x" * (path.stat().st_size - 1) + b"\n")
    other.replace(path)


async def remove(path: Path) -> None:
    path.unlink()


async def remove_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


async def tear(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"torn by somebody else")


async def link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize("meddle", [swap, remove, remove_folder, tear, link])
async def test_a_file_that_is_not_what_was_left_is_written_anew(
    load: Load, path: Path, clock: Clock, make_notice: Make, meddle: Callable[[Path], Awaitable[None]]
) -> None:
    box = await load()
    await box.put(make_notice(1), ("a",), clock.now())
    await meddle(path)
    await box.put(make_notice(2), ("a",), clock.now())
    assert kinds(path) == ["intent", "intent"]
    assert path.stat().st_mode & 0o777 == 0o600
    await box.attempt(KEY, "a")
    assert kinds(path) == ["intent", "intent", "attempt"]


async def test_a_disk_that_refuses_is_told_once_and_made_up_for(
    load: Load, path: Path, clock: Clock, log: Any, make_notice: Make
) -> None:
    box = await load()
    await box.put(make_notice(1), ("a",), clock.now())
    path.unlink()
    path.mkdir()  # nothing can be put in its place
    await box.put(make_notice(2), ("a",), clock.now())
    await box.delivered(KEY, "a", AT)
    await box.tidy(())
    assert [entry.key[1] for entry in box.entries()] == [1, 2]
    assert log.names() == ["supervisor.store_failed"]
    assert (log.events[0]["path"], log.events[0]["reason"]) == (str(path), "is a directory")
    path.rmdir()
    await box.tidy(())
    assert log.names() == ["supervisor.store_failed", "supervisor.store_resumed"]
    assert kinds(path) == ["intent", "delivered", "intent"]
    await box.delivered((KEY[0], 2), "a", AT)
    assert kinds(path) == ["intent", "delivered", "intent", "delivered"]


async def test_a_change_that_was_cut_off_is_made_up_for(load: Load, path: Path, clock: Clock, make_notice: Make) -> None:
    box = await load()
    await box.put(make_notice(1), ("a",), clock.now())
    with anyio.CancelScope() as scope:
        scope.cancel()
        await box.delivered(KEY, "a", AT)
    assert kinds(path) == ["intent"]
    await box.put(make_notice(2), ("a",), clock.now())
    assert kinds(path) == ["intent", "delivered", "intent"]


async def test_many_changes_at_one_time_are_all_kept(load: Load, clock: Clock, make_notice: Make) -> None:
    box = await load()
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(box.put, make_notice(agent=f"agent-{number}"), ("a",), clock.now())
    assert len((await load()).entries()) == 20


async def test_a_file_that_grew_is_written_anew_without_what_is_over(
    load: Load, path: Path, clock: Clock, make_notice: Make
) -> None:
    box = await load()
    long = "x" * 8000
    for number in range(70):
        for sequence, kind in ((1, "opened"), (2, "resolved")):
            made = make_notice(sequence, agent=f"agent-{number}", notice=kind, text=long)
            await box.put(made, ("a",), clock.now())
            await box.delivered((made.dedup_key, sequence), "a", AT)
    await box.put(make_notice(text=long), ("a",), clock.now())
    assert path.stat().st_size > module.COMPACTED
    await box.tidy({("agent/agent-3/0", 2)})
    assert [entry.notice.agent for entry in box.entries()] == ["agent-3", "agent-3", "payment-watcher"]
    assert path.stat().st_size < 30_000
    before = path.stat().st_ino
    await box.tidy(())
    assert path.stat().st_ino == before
