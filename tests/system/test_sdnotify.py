"""Telling a service manager, which here is a real datagram socket."""

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from collections_supervisor.system.sdnotify import ServiceManager, monotonic, status


class Manager:
    """A socket as a service manager has it."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(10)

    def heard(self) -> str:
        return self.socket.recv(4096).decode()

    def environ(self, **others: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.name, **others}


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    if request.param == "path":
        path = str(tmp_path / "notify")
        made = Manager(path, path)
    else:
        name = f"collections-supervisor-{secrets.token_hex(8)}"
        made = Manager(f"\0{name}", f"@{name}")
    with made.socket:
        yield made


def test_assignments_go_together_in_one_datagram(manager: Manager) -> None:
    ours = ServiceManager(manager.environ())
    assert ours.tell("READY=1", "STATUS=all is well")
    assert ours.tell("WATCHDOG=1")
    assert manager.heard() == "READY=1\nSTATUS=all is well"
    assert manager.heard() == "WATCHDOG=1"


def test_where_the_watchdog_is_ours_it_is_told(manager: Manager) -> None:
    ours = ServiceManager(manager.environ(WATCHDOG_PID=str(os.getpid()), WATCHDOG_USEC="180000000"))
    assert ours.watchdog == 180
    assert ours.tell("WATCHDOG=1")
    assert manager.heard() == "WATCHDOG=1"


def test_without_a_pid_the_watchdog_is_ours(manager: Manager) -> None:
    assert ServiceManager(manager.environ(WATCHDOG_USEC="500000")).watchdog == 0.5


def test_what_is_meant_for_a_process_further_up_is_not_answered(manager: Manager) -> None:
    theirs = ServiceManager(manager.environ(WATCHDOG_PID="1", WATCHDOG_USEC="180000000"), pid=4711)
    assert theirs.watchdog is None
    assert not theirs.tell("READY=1")
    assert ServiceManager(manager.environ()).tell("the first to arrive")
    assert manager.heard() == "the first to arrive"


@pytest.mark.parametrize("usec", ["", "0", "-1", "soon", "1.5", "²"])
def test_a_watchdog_without_a_time_is_none(manager: Manager, usec: str) -> None:
    assert ServiceManager(manager.environ(WATCHDOG_USEC=usec)).watchdog is None


@pytest.mark.parametrize("name", ["", "@", "notify", "vsock:2:1234", "/" + "x" * 200])
def test_where_nobody_listens_nothing_happens(name: str) -> None:
    assert not ServiceManager({"NOTIFY_SOCKET": name}).tell("READY=1")
    assert not ServiceManager({}).tell("READY=1")


def test_a_socket_that_vanished_is_no_trouble(manager: Manager, tmp_path: Path) -> None:
    ours = ServiceManager(manager.environ())
    manager.socket.close()
    (tmp_path / "notify").unlink(missing_ok=True)
    assert not ours.tell("WATCHDOG=1")


def test_a_manager_that_does_not_read_holds_nobody_up(manager: Manager) -> None:
    ours = ServiceManager(manager.environ())
    sent = [ours.tell("WATCHDOG=1") for _ in range(5000)]
    assert sent[0]
    assert not sent[-1]


def test_a_status_is_one_line_of_a_readable_length() -> None:
    assert status("degraded:\nmailer  is\tsilent\n") == "STATUS=degraded: mailer is silent"
    assert status("x" * 500) == f"STATUS={'x' * 199}…"


def test_a_reload_is_dated_in_whole_microseconds() -> None:
    assert monotonic(12.3456789) == "MONOTONIC_USEC=12345678"
