"""Signals reach exactly the process that was meant."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import msgspec
import pytest

from collections_supervisor.system.process_signal import open_pidfd, send
from collections_supervisor.system.process_table import HERE, Facilities, Process, read_table

WITHOUT_PIDFD = Facilities(pidfd=False, procfs=HERE.procfs)

Sleep = Callable[[], Process]


@pytest.fixture(params=[HERE, WITHOUT_PIDFD], ids=["pidfd", "pid"])
def facilities(request: pytest.FixtureRequest) -> Facilities:
    found = request.param
    assert isinstance(found, Facilities)
    return found


@pytest.fixture
def sleep() -> Iterator[Sleep]:
    children: list[subprocess.Popen[bytes]] = []

    def start() -> Process:
        group = children[0].pid if children else 0
        children.append(subprocess.Popen(["sleep", "1000"], process_group=group))
        return read_table()[children[-1].pid]

    yield start
    for child in children:
        child.kill()
        child.wait()


def end_of(process: Process) -> int | None:
    """The signal that ended it; None if it runs."""
    status = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    return None if status is None else status.si_status


def wait_for(process: Process) -> int:
    status = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert status is not None
    return status.si_status


def test_a_group_is_signalled_whole(sleep: Sleep, facilities: Facilities) -> None:
    """Also a member that nobody has seen yet."""
    leader, unseen = sleep(), sleep()
    send([leader], {leader.pid: leader}, [signal.SIGTERM], facilities)
    assert wait_for(leader) == wait_for(unseen) == signal.SIGTERM


def test_without_a_known_leader_each_is_signalled_alone(sleep: Sleep, facilities: Facilities) -> None:
    leader, member = sleep(), sleep()
    send([member], {member.pid: member}, [signal.SIGTERM], facilities)
    assert wait_for(member) == signal.SIGTERM
    assert end_of(leader) is None


def test_signals_come_in_order_and_wake_a_stopped_process(sleep: Sleep, facilities: Facilities) -> None:
    process = sleep()
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    send([process], {process.pid: process}, [signal.SIGTERM, signal.SIGCONT], facilities)
    assert wait_for(process) == signal.SIGTERM


@pytest.mark.parametrize("known_leader", [True, False])
def test_never_another_process_with_the_same_number(sleep: Sleep, facilities: Facilities, known_leader: bool) -> None:
    process = sleep()
    earlier = msgspec.structs.replace(process, start_time=process.start_time - 1)
    send([earlier], {earlier.pid: earlier} if known_leader else {}, [signal.SIGKILL], facilities)
    assert end_of(process) is None
    send([process], {}, [signal.SIGTERM], facilities)
    assert wait_for(process) == signal.SIGTERM


def test_what_is_gone_is_passed_over(sleep: Sleep, facilities: Facilities) -> None:
    process = sleep()
    gone = msgspec.structs.replace(process, pid=(1 << 22) + 1, group=(1 << 22) + 1)
    send([gone, process], {}, [signal.SIGTERM], facilities)
    assert wait_for(process) == signal.SIGTERM


@pytest.mark.skipif(not HERE.pidfd, reason="no pidfd on this machine")
def test_a_pidfd_is_of_exactly_that_process(sleep: Sleep) -> None:
    process = sleep()
    pidfd = open_pidfd(process, HERE)
    assert pidfd is not None
    os.close(pidfd)
    with pytest.raises(ProcessLookupError):
        open_pidfd(msgspec.structs.replace(process, start_time=process.start_time - 1), HERE)
    assert open_pidfd(process, WITHOUT_PIDFD) is None
