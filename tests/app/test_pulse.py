"""What the service manager hears of our rounds, over a real datagram socket."""

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collections_supervisor.app.pulse import Pulse, Witnessed
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import IncidentReport, Now, Report
from collections_supervisor.system.sdnotify import ServiceManager

EPOCH = datetime(2026, 11, 22, 11, tzinfo=UTC)


class Fixed:
    def now(self) -> Now:
        return Now(mono=12.5, wall=EPOCH)


class Manager:
    """A socket as a service manager has it, and a monitor outside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.complete = 0
        self.socket = self._opened()

    def _opened(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        opened.bind(str(self.path))
        opened.setblocking(False)
        return opened

    def vanish(self) -> None:
        self.socket.close()
        self.path.unlink()

    def return_(self) -> None:
        self.socket = self._opened()

    def heard(self) -> list[str]:
        """What was sent since this was asked for the last time; a datagram is there when it is sent."""
        found = []
        try:
            while True:
                found.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return found

    def pulse(self, *names: str, page: bool = True) -> Pulse:
        manager = ServiceManager({"NOTIFY_SOCKET": str(self.path)})
        return Pulse(names or ("a",), page=page, manager=manager, clock=Fixed(), complete=self._complete)

    def _complete(self) -> None:
        self.complete += 1


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


def round_of(pulse: Pulse, *, saved: bool = True, shown: bool = True) -> None:
    pulse.looked("a")
    pulse.saved(saved)
    pulse.shown(shown)


def report(incidents: int = 0) -> Report:
    opened = IncidentReport(
        id="1", kind="agent", agent="a", reason="", opened_at=EPOCH, missed=2, acknowledged_until=None, delivered=False,
        attempts=0, next_at=None,
    )  # fmt: skip
    return Report(
        schema=1, generated_at=EPOCH, run_id="r", version="1", verdict="healthy", agents=(), incidents=(opened,) * incidents
    )


def test_the_first_round_makes_it_ready_and_every_round_is_a_sign_of_life(manager: Manager) -> None:
    pulse = manager.pulse()
    pulse.looked("a")
    pulse.saved(True)
    assert manager.heard() == []
    pulse.shown(True)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS="]
    round_of(pulse)
    assert manager.heard() == ["WATCHDOG=1\nSTATUS="]
    assert manager.complete == pulse.completed == 2


def test_without_a_page_nobody_waits_for_one(manager: Manager) -> None:
    pulse = manager.pulse(page=False)
    pulse.looked("a")
    pulse.saved(True)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS="]


@pytest.mark.parametrize(("saved", "shown"), [(False, True), (True, False), (False, False)])
def test_a_full_disk_does_not_get_us_killed_and_is_no_complete_round(manager: Manager, saved: bool, shown: bool) -> None:
    pulse = manager.pulse()
    round_of(pulse, saved=saved, shown=shown)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS="]
    assert manager.complete == pulse.completed == 0


def test_a_coordinator_that_hangs_is_not_covered_up_by_the_others(manager: Manager) -> None:
    pulse = manager.pulse("a", "b")
    round_of(pulse)
    pulse.looked("b")
    pulse.saved(True)
    pulse.shown(True)
    manager.heard()
    for _ in range(100):
        pulse.looked("a")
        pulse.looked("b")
        pulse.shown(True)
    assert manager.heard() == []


def test_a_task_that_crashes_again_and_again_does_not_get_us_killed(manager: Manager) -> None:
    pulse = manager.pulse("a", "b")
    pulse.crashed("agent b")
    round_of(pulse)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS="]
    assert manager.complete == 0


def test_ready_is_said_again_until_it_got_through(manager: Manager) -> None:
    pulse = manager.pulse()
    manager.vanish()
    round_of(pulse)
    manager.return_()
    round_of(pulse)
    round_of(pulse)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS=", "WATCHDOG=1\nSTATUS="]


def test_the_status_follows_the_report_and_is_told_when_it_changes(manager: Manager) -> None:
    pulse = manager.pulse()
    pulse.report(report())
    pulse.report(report())
    pulse.report(report(incidents=1))
    assert manager.heard() == ["STATUS=healthy: 0 agents", "STATUS=healthy: 0 agents; 1 open incident"]
    round_of(pulse)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS=healthy: 0 agents; 1 open incident"]


def test_a_reload_is_told_with_its_time_and_ends_in_ready(manager: Manager) -> None:
    pulse = manager.pulse()
    round_of(pulse)
    manager.heard()
    with pulse.reloading():
        assert manager.heard() == ["RELOADING=1\nMONOTONIC_USEC=12500000"]
        round_of(pulse)
        assert manager.heard() == ["WATCHDOG=1\nSTATUS="]
    assert manager.heard() == ["READY=1\nSTATUS="]


def test_a_reload_that_goes_wrong_ends_in_ready_too(manager: Manager) -> None:
    pulse = manager.pulse()
    round_of(pulse)
    manager.heard()
    with pytest.raises(ValueError, match="bad file"), pulse.reloading():
        raise ValueError("bad file")
    assert manager.heard()[-1] == "READY=1\nSTATUS="


def test_a_reload_before_the_first_round_does_not_make_it_ready(manager: Manager) -> None:
    pulse = manager.pulse()
    with pulse.reloading():
        pass
    assert manager.heard() == []
    round_of(pulse)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS="]


def test_the_end_is_told_and_nothing_after_it(manager: Manager) -> None:
    pulse = manager.pulse()
    round_of(pulse)
    manager.heard()
    pulse.stop()
    round_of(pulse)
    pulse.report(report(incidents=1))
    assert manager.heard() == ["STOPPING=1\nSTATUS=stopping"]


def test_agents_that_come_have_a_turn_to_come(manager: Manager) -> None:
    pulse = manager.pulse()
    pulse.watch(["a", "b"], page=True)
    round_of(pulse)
    assert manager.heard() == []
    pulse.looked("b")
    pulse.saved(True)
    pulse.shown(True)
    assert manager.heard() == ["READY=1\nWATCHDOG=1\nSTATUS="]


def test_a_page_that_is_written_no_longer_is_not_waited_for_and_a_new_one_is(manager: Manager) -> None:
    pulse = manager.pulse()
    round_of(pulse)
    manager.heard()
    pulse.looked("a")
    pulse.saved(True)
    pulse.watch(["a"], page=False)
    assert manager.heard() == ["WATCHDOG=1\nSTATUS="], "nobody else is waited for in this round"
    pulse.looked("a")
    pulse.saved(True)
    assert manager.heard() == ["WATCHDOG=1\nSTATUS="]
    pulse.watch(["a"], page=True)
    pulse.looked("a")
    pulse.saved(True)
    assert manager.heard() == []
    pulse.shown(True)
    assert manager.heard() == ["WATCHDOG=1\nSTATUS="]
    assert manager.complete == pulse.completed == 4


async def test_a_store_says_when_its_writes_have_returned(make_store: Callable[[bool], object]) -> None:
    said: list[bool] = []
    for kept in (True, False):
        store = Witnessed(make_store(kept), said.append)  # type: ignore[arg-type]
        assert await store.save(report(), FleetState()) is kept
        assert await store.keep_evidence("1", b"{}") == "incidents/1.json"
    assert said == [True, False]


@pytest.fixture
def make_store() -> Callable[[bool], object]:
    class Kept:
        def __init__(self, kept: bool) -> None:
            self._kept = kept

        async def save(self, _report: Report, _fleet: FleetState) -> bool:
            return self._kept

        async def keep_evidence(self, incident_id: str, _data: bytes) -> str | None:
            return f"incidents/{incident_id}.json"

    return Kept
