"""The snapshot and the evidence, on a real disk."""

import json
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from collections_supervisor.coordination import store as store_module
from collections_supervisor.coordination.report import build
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.coordination.store import EVIDENCE, SnapshotStore, read_report
from collections_supervisor.messages import Now, Report, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
needs_limits = pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read and write everything")


class Clock:
    def __init__(self) -> None:
        self.mono = 1000.0

    def now(self) -> Now:
        return Now(mono=self.mono, wall=EPOCH + timedelta(seconds=self.mono - 1000.0))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def agents() -> dict[str, msgspec.Raw]:
    """The states of the agents as JSON, to be changed by the test."""
    return {"mailer": msgspec.Raw(b'{"beat_at":990.5}')}


@pytest.fixture
def make_store(tmp_path: Path, clock: Clock, log: Any, agents: Any) -> Callable[..., SnapshotStore]:
    def make(folder: Path = tmp_path / "state", boot_id: str = "boot-1") -> SnapshotStore:
        return SnapshotStore(folder, clock, log, boot_id, lambda: agents)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def fleet(make_world: Callable[..., Any], make_trouble: Callable[..., Trouble]) -> FleetState:
    world = make_world("mailer")
    world.hear("mailer", trouble=make_trouble())
    world.look()
    return world.state  # type: ignore[no-any-return]


@pytest.fixture
def report(make_report: Any, fleet: FleetState) -> Report:
    return build([make_report()], fleet, at=EPOCH, run_id="r", version="1")


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("snapshot.json.unreadable-*"))


async def test_what_is_saved_is_loaded_in_the_next_life(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any
) -> None:
    assert await make_store().save(report, fleet)
    path = folder / "snapshot.json"
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)
    loaded = await make_store().load()
    assert (loaded.fleet, loaded.report, loaded.shift, loaded.excused) == (fleet, report, 0.0, False)
    assert bytes(loaded.agents["mailer"]) == b'{"beat_at":990.5}'
    assert (await make_store(boot_id="boot-2").load()).excused
    assert log.events == []


async def test_nothing_there_is_nothing_known(make_store: Callable[..., SnapshotStore], folder: Path, log: Any) -> None:
    loaded = await make_store().load()
    assert (loaded.fleet, loaded.agents, loaded.report, loaded.set_aside) == (None, {}, None, "")
    assert (log.events, folder.exists()) == ([], False)


async def test_a_folder_that_vanished_is_made_again(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any
) -> None:
    store = make_store()
    assert await store.save(report, fleet)
    (folder / "snapshot.json").unlink()
    folder.rmdir()
    assert await store.save(report, fleet)
    assert await store.keep_evidence("20261122T110000000000Z-agent-mailer", b"{}")
    assert log.events == []


async def test_of_the_agents_only_what_their_own_code_still_keeps_is_saved(
    make_store: Callable[..., SnapshotStore], report: Report, fleet: FleetState, agents: dict[str, msgspec.Raw]
) -> None:
    agents["unreadable"] = msgspec.Raw(b'"noon"')
    await make_store().save(report, fleet)
    del agents["unreadable"]
    store = make_store()
    assert set((await store.load()).agents) == {"mailer", "unreadable"}
    await store.save(report, fleet)
    assert set((await make_store().load()).agents) == {"mailer"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}"])
async def test_what_cannot_be_used_is_set_aside_and_said(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any, content: bytes
) -> None:
    folder.mkdir()
    (folder / "snapshot.json").write_bytes(content)
    store = make_store()
    loaded = await store.load()
    assert loaded.fleet is None
    assert loaded.set_aside
    [kept] = aside(folder)
    assert (kept.name, kept.read_bytes()) == ("snapshot.json.unreadable-20261122T110000Z", content)
    [said] = log.of("supervisor.state_set_aside")
    assert (said["path"], said["reason"], said["kept_as"]) == (str(folder / "snapshot.json"), loaded.set_aside, str(kept))
    assert await store.save(report, fleet)
    assert kept.read_bytes() == content


async def test_who_must_not_touch_anything_only_says_so(make_store: Callable[..., SnapshotStore], folder: Path, log: Any) -> None:
    folder.mkdir()
    (folder / "snapshot.json").write_bytes(b"{")
    assert (await make_store().load(touch=False)).set_aside
    [said] = log.of("supervisor.state_set_aside")
    assert said["kept_as"] is None
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("snapshot.json", b"{")]


async def test_where_only_the_incidents_cannot_be_used_the_agents_are(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any
) -> None:
    await make_store().save(report, fleet)
    path = folder / "snapshot.json"
    torn = json.loads(path.read_bytes())
    torn["state"]["fleet"]["open"] = 7
    path.write_text(json.dumps(torn))
    loaded = await make_store().load()
    assert (loaded.fleet, list(loaded.agents)) == (None, ["mailer"])
    assert len(aside(folder)) == 1


async def test_what_is_much_too_large_is_not_read(make_store: Callable[..., SnapshotStore], folder: Path, log: Any) -> None:
    folder.mkdir()
    with (folder / "snapshot.json").open("wb") as file:
        file.truncate(store_module.LARGEST + 1)
    loaded = await make_store().load()
    assert "67108864 bytes" in loaded.set_aside
    assert len(aside(folder)) == 1


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
async def test_what_is_no_file_is_set_aside(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any, kind: str
) -> None:
    folder.mkdir()
    path = folder / "snapshot.json"
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.symlink_to("/etc/hostname")
    store = make_store()
    loaded = await store.load()
    assert "not a regular file" in loaded.set_aside
    assert len(aside(folder)) == 1
    assert await store.save(report, fleet)


@needs_limits
async def test_what_may_not_be_read_is_set_aside(make_store: Callable[..., SnapshotStore], folder: Path, log: Any) -> None:
    folder.mkdir()
    (folder / "snapshot.json").write_bytes(b"{}")
    (folder / "snapshot.json").chmod(0)
    assert (await make_store().load()).set_aside == "permission denied"
    assert len(aside(folder)) == 1


async def test_what_was_never_there_does_not_stay_in_the_way(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any
) -> None:
    folder.write_bytes(b"")
    store = make_store()
    assert (await store.load()).set_aside == "not a directory"
    # Nothing could be seen, or moved, and now that it can be there is nothing.
    folder.unlink()
    assert await store.save(report, fleet)
    assert (await make_store().load()).fleet == fleet


async def test_what_cannot_be_moved_is_not_overwritten(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any, clock: Clock
) -> None:
    folder.mkdir()
    path = folder / "snapshot.json"
    path.write_bytes(b"precious")
    # So many lie there already that no name is left: what keeps it in place here, and for whoever is allowed everything.
    names = [f"snapshot.json.unreadable-20261122T1100{second:02}Z" for second in (0, 20)]
    for name in names:
        for number in range(100):
            (folder / (name if number < 2 else f"{name}-{number}")).touch()
    store = make_store()
    loaded = await store.load()
    [said] = log.of("supervisor.state_set_aside")
    assert (loaded.fleet, said["kept_as"]) == (None, None)
    assert "it stays in the way" in said["message"]
    clock.mono += 20.0
    assert not await store.save(report, fleet)
    assert log.names(but=("supervisor.state_set_aside",)) == ["supervisor.store_failed"]
    assert path.read_bytes() == b"precious"
    clock.mono += 20.0
    assert await store.save(report, fleet), "and as soon as it can be moved, everything is saved"
    assert (folder / "snapshot.json.unreadable-20261122T110040Z").read_bytes() == b"precious"
    assert log.names(but=("supervisor.state_set_aside",))[-1] == "supervisor.store_resumed"


@contextmanager
def no_descriptor_left() -> Iterator[Any]:
    """Gives what ends it early: until then nothing can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_what_the_machine_lacks_for_a_moment_costs_nothing(
    make_store: Callable[..., SnapshotStore], report: Report, fleet: FleetState, log: Any
) -> None:
    await make_store().save(report, fleet)
    with no_descriptor_left() as give_back:
        async with anyio.create_task_group() as tasks:

            async def later() -> None:
                await anyio.sleep(0.1)
                give_back()

            tasks.start_soon(later)
            assert (await make_store().load()).fleet == fleet
    assert log.events == []


async def test_what_it_lacks_for_long_costs_nothing_that_is_on_disk(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any
) -> None:
    await make_store().save(report, fleet)
    whole = (folder / "snapshot.json").read_bytes()
    store = make_store()
    with no_descriptor_left():
        assert (await store.load()).set_aside == "too many open files"
    [said] = log.of("supervisor.state_set_aside")
    assert (said["kept_as"], (folder / "snapshot.json").read_bytes()) == (None, whole)
    assert await store.save(report, FleetState())
    assert [path.read_bytes() for path in aside(folder)] == [whole]


async def test_a_disk_that_refuses_is_said_once_and_everything_is_written_when_it_works_again(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any, clock: Clock
) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    store = make_store()
    for _ in range(5):
        assert not await store.save(report, fleet)
        assert await store.keep_evidence("x", b"{}") is None
        clock.mono += 11.0
    folder.unlink()
    assert await store.save(report, fleet)
    assert log.names() == ["supervisor.store_failed", "supervisor.store_resumed"]
    assert (await make_store().load()).fleet == fleet


async def test_it_is_not_tried_again_at_once(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, clock: Clock
) -> None:
    folder.write_text("a file where the folder should be")
    store = make_store()
    assert not await store.save(report, fleet)
    folder.unlink()
    clock.mono += 9.9
    assert not await store.save(report, fleet)
    clock.mono += 0.2
    assert await store.save(report, fleet)


# --- Evidence ---


async def test_evidence_is_private_and_named_after_the_incident(make_store: Callable[..., SnapshotStore], folder: Path) -> None:
    store = make_store()
    for incident_id in ("20261122T110000000000Z-agent-mailer", "20261122T110000000000Z-host-../../etc/x y"):
        name = await store.keep_evidence(incident_id, b'{"seen": 1}')
        assert name is not None
        path = folder / name
        assert (path.parent, path.read_bytes()) == (folder / "incidents", b'{"seen": 1}')
        assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


async def test_only_the_newest_evidence_is_kept_and_nothing_of_others_is_removed(
    make_store: Callable[..., SnapshotStore], folder: Path
) -> None:
    (folder / "incidents").mkdir(parents=True)
    for number in range(EVIDENCE + 20):
        (folder / "incidents" / f"20261121T{number:012}Z-agent-mailer.json").touch()
    (folder / "incidents" / "00-notes.json").touch()
    name = await make_store().keep_evidence("20261122T110000000000Z-agent-mailer", b"{}")
    found = sorted(path.name for path in (folder / "incidents").iterdir())
    assert found[0] == "00-notes.json"
    assert (len(found), f"incidents/{found[-1]}") == (EVIDENCE + 1, name)
    assert found[1] == "20261121T000000000021Z-agent-mailer.json"


async def test_evidence_that_cannot_be_kept_is_done_without(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState, log: Any
) -> None:
    folder.mkdir()
    (folder / "incidents").write_text("in the way")
    store = make_store()
    assert await store.keep_evidence("x", b"{}") is None
    assert await store.save(report, fleet)
    assert log.names() == ["supervisor.store_failed"]


# --- Somebody who only reads ---


async def test_a_saved_report_is_read_with_its_age(
    make_store: Callable[..., SnapshotStore], folder: Path, report: Report, fleet: FleetState
) -> None:
    await make_store().save(report, fleet)
    seen = await read_report(folder, EPOCH + timedelta(seconds=90))
    assert (seen.report, seen.age_s, seen.error) == (report, 90.0, "")
    assert (await read_report(folder, EPOCH - timedelta(seconds=90))).age_s == 0.0


@pytest.mark.parametrize("content", [None, b"{", b'{"schema": 1}'])
async def test_why_there_is_no_report_is_said_and_nothing_is_touched(folder: Path, content: bytes | None) -> None:
    folder.mkdir()
    if content is not None:
        (folder / "snapshot.json").write_bytes(content)
    seen = await read_report(folder, EPOCH)
    assert seen.report is None
    assert str(folder / "snapshot.json") in seen.error
    assert [path.name for path in folder.iterdir()] == ([] if content is None else ["snapshot.json"])


async def test_a_report_without_a_time_zone_is_none(folder: Path, report: Report) -> None:
    folder.mkdir()
    naive = msgspec.structs.replace(report, generated_at=EPOCH.replace(tzinfo=None))
    (folder / "snapshot.json").write_bytes(msgspec.json.encode(naive))
    assert (await read_report(folder, EPOCH)).report is None
