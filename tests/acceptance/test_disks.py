"""Disks that are full, folders that may not be written or are gone: it is said once, and the work goes on."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

HOUR = 3600.0

MOUNTING = 'mount -t tmpfs -o size=256k tmpfs "$0" && mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"'
"""Small file systems over two folders, seen by what is run and by nobody else, and gone with it."""

UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""What makes a superuser respect permissions."""

READ_ONLY = 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"'
"""The same, only that nothing can be written there."""

LOCKLESS = Path(__file__).parent / "lockless.py"

AGENTS: list[dict[str, Any]] = [
    {"name": "first", "restart": {"kind": "none"}},
    {"name": "second", "restart": {"verify_within": "5m"}},
]


def is_permitted(command: Sequence[str]) -> bool:
    try:
        return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def prepare(site: Any, **sections: Any) -> Any:
    """One agent is dead from the beginning, the other one lives."""
    site.beat("first", ago=3 * HOUR)
    site.beat("second")
    site.configure(
        AGENTS,
        heartbeats={"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"},
        supervisor={"state_dir": "state", "check_interval": "1s"},
        **sections,
    )
    return site


def kill_second(site: Any) -> None:
    for _ in range(2):
        site.stale("second")


@pytest.fixture(scope="module")
def victims(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A run without room, one without permission, and one without a folder; side by side, because each takes its time."""
    with ExitStack() as stack:
        sites = {name: stack.enter_context(open_site(tmp_path_factory.mktemp(name))) for name in ("full", "forbidden", "removed")}
        start_forbidden(sites["forbidden"])
        start_removed(sites["removed"])
        with small_disks(sites["full"]):
            permit(sites["forbidden"])
            yield sites


# --- Full ---


def mounting(site: Any) -> list[str]:
    """The command before one that is to find its state and its log on small disks."""
    folders = [site.state, site.root / "logs"]
    for folder in folders:
        folder.mkdir()
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    return [*unshare, "sh", "-c", MOUNTING, *map(str, folders)]


@contextmanager
def small_disks(site: Any) -> Iterator[None]:
    """A run whose state and log lie where there is little room; what it sees there is to be found by its process alone."""
    site.through = mounting(site)
    if not is_permitted(site.through):
        site.daemon = None
        yield
        return
    log = site.root / "logs" / "supervisor.log"
    site.daemon = prepare(site, logging={"file": str(log)}).run(through=site.through)
    seen = Path(f"/proc/{site.daemon.process.pid}/root")
    site.disk, site.log = seen / site.state.relative_to("/"), seen / log.relative_to("/")
    site.until(site.log.exists)
    with site.log.open("rb") as file:
        site.until(lambda: said(site, "escalation.delivered", agent="first"))
        site.filler = fill(site.disk)
        kill_second(site)
        yield
        site.daemon.stop()
        # It goes with its last reader.
        (site.root / "copy.log").write_bytes(file.read())
    site.daemon.logs.append(site.root / "copy.log")


def fill(folder: Path) -> Path:
    """Leave no room on a disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return filler


def said(site: Any, name: str, **fields: Any) -> list[Any]:
    return [event for event in site.read_lines(site.log) if event.items() >= {"event": name, **fields}.items()]


def test_full_disks_stop_nothing_and_are_made_up_for(victims: Any) -> None:
    site = victims["full"]
    if site.daemon is None:
        pytest.skip(f"nobody here may mount a file system: {' '.join(site.through[:3])}")
    [failed, *_] = site.until(lambda: said(site, "supervisor.store_failed"))
    assert failed["reason"] == "no space left on device"
    # A human hears of it all the same, and a restart is made, whose answer is understood.
    site.until(lambda: site.notices("second"))
    site.until(lambda: site.ended_calls("second", "restart"))
    assert site.shown("second", restarts=1)["errors"] == []

    blocker = fill(site.log.parent)
    site.daemon.send(signal.SIGUSR1)
    # So much is said now that the last block of the log is full too.
    site.until(lambda: site.log.stat().st_size % resource.getpagesize() == 0)
    site.beat("first")
    site.shown("first", status="healthy")
    site.beat("first")
    site.until(lambda: site.notices("first")[-1]["notice"] == "resolved")
    assert not said(site, "escalation.delivered", agent="first", notice="resolved")
    blocker.unlink()
    site.until(lambda: said(site, "escalation.delivered", agent="first", notice="resolved"))

    site.filler.unlink()
    # What was seen of an incident is not seen again: that file is not made up for.
    lost = {"incidents"}
    site.until(lambda: kinds(said(site, "supervisor.store_resumed")) >= kinds(said(site, "supervisor.store_failed")) - lost)
    # Once for each kind of file, however often that was tried.
    told = said(site, "supervisor.store_failed")
    assert len(told) == len(kinds(told))
    expect_all_kept(site.disk)


def kinds(events: Any) -> set[str]:
    """What the files are of which these tell."""
    return {"actions" if "actions" in (path := Path(event["path"])).parts else path.name for event in events}


def expect_all_kept(state: Path) -> None:
    kept = {
        json.loads(line)["notice"]["agent"] for line in (state / "outbox.jsonl").read_bytes().splitlines() if b'"notice"' in line
    }
    assert kept >= {"second"}
    assert b"agent/second/" in (state / "snapshot.json").read_bytes()
    assert b"second" in (state / "actions" / "second.json").read_bytes()


# --- Forbidden ---


def start_forbidden(site: Any) -> None:
    """A run whose state folder may not be written."""
    site.state.mkdir()
    site.state.chmod(0o500)
    site.through = UNPRIVILEGED if os.geteuid() == 0 else []
    site.daemon = prepare(site).run(through=site.through) if is_permitted(site.through) else None


def permit(site: Any) -> None:
    """See it work without its folder, and give that back."""
    if site.daemon is not None:
        site.daemon.wait_for("escalation.delivered", agent="first")
        kill_second(site)
        site.daemon.wait_for("escalation.delivered", agent="second")
        site.daemon.wait_for("supervisor.store_failed", path=str(site.state / "actions" / "second.json"))
        site.state.chmod(0o700)


def test_a_folder_that_may_not_be_used_stops_nothing_and_is_used_as_soon_as_it_may_be(victims: Any) -> None:
    site = victims["forbidden"]
    if site.daemon is None:
        pytest.skip("a superuser who cannot give up his privileges may write everywhere")
    failed = site.daemon.wait_for("supervisor.store_failed")
    assert (failed["path"], failed["reason"]) == (str(site.state), "permission denied")
    site.daemon.wait_for("supervisor.store_resumed", path=str(site.state / "snapshot.json"))
    site.daemon.wait_for("supervisor.store_resumed", path=str(site.state / "actions"))
    assert site.shown("second", restarts=1)["errors"] == []
    expect_all_kept(site.state)


# --- Removed ---


def start_removed(site: Any) -> None:
    """A run whose state folder is removed under its feet."""
    site.daemon = prepare(site).run()
    site.daemon.wait_for("escalation.delivered", agent="first")
    shutil.rmtree(site.state)
    kill_second(site)


def test_a_folder_that_is_gone_is_made_anew_with_all_that_was_in_it(victims: Any) -> None:
    site = victims["removed"]
    site.daemon.wait_for("escalation.delivered", agent="second")
    site.until(lambda: site.ended_calls("second", "restart"))
    site.shown("second", restarts=1)
    site.until(lambda: b"first" in (site.state / "outbox.jsonl").read_bytes())
    expect_all_kept(site.state)
    kept = [site.state, *site.state.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600, 0o700}


# --- Read-only, and without locks ---


def read_only(site: Any) -> list[str]:
    """The command before one that is to find its state folder on a disk that cannot be written."""
    site.state.mkdir()
    through = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(site.state)]
    if not is_permitted(through):
        pytest.skip(f"nobody here may mount a file system: {' '.join(through[:3])}")
    return through


def expect_work_done(site: Any) -> None:
    """A human is told of who was dead and of who dies now, and that one is restarted."""
    site.daemon.wait_for("escalation.delivered", agent="first")
    kill_second(site)
    site.daemon.wait_for("escalation.delivered", agent="second")
    site.until(lambda: site.ended_calls("second", "restart"))
    assert site.shown("second", restarts=1)["errors"] == []


def test_a_disk_that_cannot_be_written_stops_nothing(site: Any) -> None:
    through = read_only(site)
    site.daemon = prepare(site).run(through=through)
    failed = site.daemon.wait_for("supervisor.store_failed", path=str(site.state))
    assert failed["reason"] == "read-only file system"
    expect_work_done(site)
    told = site.daemon.of("supervisor.store_failed")
    assert len({event["path"] for event in told}) == len(told)


def test_a_file_system_without_locks_is_said_and_stops_nothing(site: Any) -> None:
    through = [sys.executable, str(LOCKLESS)]
    site.daemon = prepare(site).run(through=through)
    unlocked = site.daemon.wait_for("supervisor.unlocked")
    assert (unlocked["level"], unlocked["path"]) == ("warning", str(site.state))
    assert "no locks available" in unlocked["reason"].lower()
    expect_work_done(site)
    expect_all_kept(site.state)
    assert site.daemon.stop() == 0
    assert len(site.daemon.of("supervisor.unlocked")) == 1
    # A sweep there acts as ever: what restarts have cost is kept.
    sweep = site.check(through=through)
    assert [event["path"] for event in sweep.of("supervisor.unlocked")] == [str(site.state)]
    assert (sweep.status, sweep.agent("second")["restarts"]) == (1, 1)


# --- A sweep ---


def test_a_sweep_that_may_not_look_into_the_folder_does_nothing(site: Any) -> None:
    through = UNPRIVILEGED if os.geteuid() == 0 else []
    if not is_permitted(through or ["env"]):
        pytest.skip("a superuser who cannot give up his privileges may write everywhere")
    prepare(site)
    site.state.mkdir()
    site.state.chmod(0o500)
    done = site.call("--config", str(site.root / "supervisor.toml"), "--health-check", through=through)
    assert (done.returncode, done.stdout) == (1, "")
    assert "permission denied" in done.stderr
    assert site.calls("first") == site.calls("second") == site.notices() == []
    site.state.chmod(0o700)


def test_a_sweep_on_a_disk_that_cannot_be_written_restarts_nobody_and_tells(site: Any) -> None:
    through = read_only(site)
    prepare(site)
    site.stale("second")
    sweep = site.check(through=through)
    assert sweep.status == 1
    [skipped] = sweep.of("agent.restart.skipped", agent="second")
    assert skipped["reason"] == "no_memory"
    assert sweep.of("supervisor.store_failed", path=str(site.state))
    assert site.calls("second", "restart") == []
    assert [notice["agent"] for notice in site.notices()] == ["first"]
