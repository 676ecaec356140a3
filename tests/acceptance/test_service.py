"""As a service: what a service manager and an outside monitor hear of the program."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.system.lock import Lock

TELL_ONLY = {"restart": {"kind": "none"}}


class Manager:
    """A socket as a service manager has it, and how it starts what it manages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(30)
        self.heard: list[str] = []

    def command(self, **environ: str) -> tuple[str, ...]:
        """What becomes the program, in the environment of a service."""
        return ("env", f"NOTIFY_SOCKET={self.path}", *(f"{name}={value}" for name, value in environ.items()))

    def next(self) -> str:
        """The next datagram."""
        self.heard.append(self.socket.recv(4096).decode())
        return self.heard[-1]

    def until(self, word: str) -> str:
        """The first datagram from here on with this line in it."""
        while word not in self.next().split("\n"):
            pass
        return self.heard[-1]


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    # Not below the site, where nothing may be left.
    made = Manager(tmp_path_factory.mktemp("run") / "notify")
    with made.socket:
        yield made


@pytest.fixture
def well(site: Any) -> Any:
    """A site with one agent that is well for an hour."""
    site.beat("mailer")
    site.configure([{"name": "mailer", "timeout": "1h", **TELL_ONLY}], supervisor={"check_interval": "1s"})
    return site


def test_a_service_manager_hears_of_the_whole_life(well: Any, manager: Manager) -> None:
    daemon = well.run(through=manager.command())
    ready = manager.until("READY=1")
    assert ready.split("\n") == ["READY=1", "WATCHDOG=1", "STATUS=healthy: 1 agent"]
    assert daemon.of("supervisor.ready")
    assert well.page_path.exists()
    assert (well.state / "snapshot.json").exists()
    manager.until("WATCHDOG=1")
    daemon.send(signal.SIGHUP)
    assert manager.until("READY=1").split("\n") == ["READY=1", "STATUS=healthy: 1 agent"]
    reloading = next(said for said in manager.heard if said.startswith("RELOADING=1"))
    assert reloading.partition("MONOTONIC_USEC=")[2].isdigit()
    assert daemon.stop() == 0
    manager.until("STOPPING=1")
    assert [said for said in manager.heard if "READY=1" in said.split("\n")] == [ready, "READY=1\nSTATUS=healthy: 1 agent"]


def test_a_page_that_is_written_no_longer_does_not_end_the_signs_of_life(well: Any, manager: Manager) -> None:
    agents: list[dict[str, Any]] = [{"name": "mailer", "timeout": "1h", **TELL_ONLY}]
    cycle = {"check_interval": "1s"}
    daemon = well.run(through=manager.command())
    manager.until("READY=1")
    for path in ("", "other.html"):
        well.configure(agents, supervisor=cycle, dashboard={"path": path, "interval": "1s"})
        daemon.send(signal.SIGHUP)
        manager.until("READY=1")
        for _ in range(3):
            manager.until("WATCHDOG=1")
    assert (well.root / "other.html").exists()
    assert [reloaded["keys"] for reloaded in daemon.of("supervisor.reloaded")] == [["dashboard.path"]] * 2


def test_a_sign_of_life_comes_in_half_the_time_that_it_is_waited_for(site: Any, manager: Manager) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer", "timeout": "1h", **TELL_ONLY}], dashboard={"interval": "1h"})
    daemon = site.run(through=manager.command(WATCHDOG_USEC="4000000"))
    manager.until("READY=1")
    first = daemon.wait_for("supervisor.ready")
    for _ in range(2):
        manager.until("WATCHDOG=1")
    daemon.send(signal.SIGUSR1)
    assert daemon.seconds(first, daemon.wait_for("supervisor.stack")) < 2 * 4.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_before_anything_runs_a_hang_up_is_kept_and_a_stop_ends_it(well: Any, number: signal.Signals) -> None:
    well.state.mkdir()
    sweep = Lock(well.state / "supervisor.lock", once=True)  # which both wait for
    waiting, ended = well.run(), well.run()
    for daemon in (waiting, ended):
        for early in (signal.SIGUSR1, signal.SIGHUP):
            well.until(lambda daemon=daemon, early=early: catches(daemon.process.pid, early))
            daemon.send(early)
    ended.send(number)
    ended.killed = True
    assert ended.wait() == (-number if number == signal.SIGTERM else 130)
    sweep.close()
    assert "nothing has changed" in waiting.wait_for("supervisor.reloaded")["message"]


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_what_is_meant_for_somebody_else_is_not_answered(well: Any, manager: Manager) -> None:
    daemon = well.run(through=manager.command(WATCHDOG_PID="1", WATCHDOG_USEC="4000000"))
    well.shown("mailer", status="healthy")
    assert daemon.stop() == 0
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.next()


def test_a_supervisor_that_stands_still_is_not_said_to_live(well: Any, manager: Manager) -> None:
    daemon = well.run(through=manager.command(WATCHDOG_USEC="2000000"))
    manager.until("READY=1")
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        manager.socket.settimeout(3)
        with pytest.raises(TimeoutError):
            manager.until("this is never said")
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    manager.socket.settimeout(30)
    manager.until("WATCHDOG=1")


def test_a_state_that_cannot_be_written_does_not_get_the_service_killed_but_no_round_is_complete(
    site: Any, manager: Manager, tmp_path: Path
) -> None:
    site.beat("mailer")
    site.state.mkdir()
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    read_only = [*unshare, "sh", "-c", 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"', str(site.state)]
    if subprocess.run([*read_only, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    calls = tmp_path / "calls"
    site.configure(
        [{"name": "mailer", "timeout": "1h", **TELL_ONLY}],
        deadman={"command": ["sh", "-c", 'echo >> "$0"', str(calls)]},
        supervisor={"check_interval": "1s"},
    )
    daemon = site.run(through=[*read_only, *manager.command()])
    manager.until("READY=1")
    manager.until("WATCHDOG=1")
    manager.until("WATCHDOG=1")
    assert daemon.stop() == 0
    assert daemon.of("supervisor.store_failed")
    assert not calls.exists()


def test_an_outside_monitor_is_told_after_each_round(site: Any, tmp_path: Path) -> None:
    site.beat("mailer")
    calls = tmp_path / "calls"
    seen = 'test -f "$1" -a -f "$2" && echo "${NOTIFY_SOCKET-none}" >> "$0"'
    command = ["sh", "-c", seen, str(calls), str(site.page_path), str(site.state / "snapshot.json")]
    site.configure(
        [{"name": "mailer", "timeout": "1h", **TELL_ONLY}],
        deadman={"command": command},
        supervisor={"check_interval": "1s"},
    )
    daemon = site.run()
    site.until(lambda: calls.exists() and len(calls.read_text().splitlines()) >= 3)
    assert daemon.stop() == 0
    assert set(calls.read_text().splitlines()) == {"none"}
    assert daemon.of("deadman.failed") == []


def test_a_sweep_tells_the_outside_monitor_too_and_a_dry_one_does_not(site: Any, tmp_path: Path) -> None:
    site.beat("mailer")
    calls = tmp_path / "calls"
    site.configure(
        [{"name": "mailer", "timeout": "1h", **TELL_ONLY}], deadman={"command": ["sh", "-c", 'echo x >> "$0"', str(calls)]}
    )
    site.check("--dry-run")
    assert not calls.exists()
    assert site.check().status == 0
    assert calls.read_text() == "x\n"


def test_a_monitor_that_cannot_be_reached_is_said_once(site: Any) -> None:
    site.beat("mailer")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a-secret-address"
        site.configure(
            [{"name": "mailer", "timeout": "1h", **TELL_ONLY}], deadman={"url": url}, supervisor={"check_interval": "1s"}
        )
        daemon = site.run()
        daemon.wait_for("deadman.failed")
        wait_for_pages(daemon, site)
        assert daemon.stop() == 0
    [failed] = daemon.of("deadman.failed")
    assert "a-secret-address" not in str(failed)


def wait_for_pages(daemon: Any, site: Any) -> None:
    """Until two more rounds are over."""
    read: Callable[[], str] = partial(site.page_path.read_text, encoding="utf-8")
    for _ in range(2):
        before = read()
        site.until(lambda before=before: read() != before)
