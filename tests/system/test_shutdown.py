"""How the program is asked to stop, and what time that leaves."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import anyio
import pytest

from collections_supervisor.messages import Now
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.shutdown import TREE_GRACE, Shutdown


class SetClock:
    def __init__(self) -> None:
        self.mono = 1000.0

    def now(self) -> Now:
        return Now(mono=self.mono, wall=datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def test_before_any_signal_every_grace_is_whole(clock: SetClock) -> None:
    shutdown = Shutdown(10.0, clock)
    assert not shutdown.requested.is_set()
    assert (shutdown.tree_grace(), shutdown.bounded(300.0)) == (TREE_GRACE, 300.0)
    assert shutdown.signal == ""


def test_the_first_signal_stops_and_starts_the_time(clock: SetClock) -> None:
    shutdown = Shutdown(10.0, clock)
    shutdown.ask(signal.SIGTERM)
    assert shutdown.requested.is_set()
    assert not shutdown.kill_now.is_set()
    assert shutdown.signal == "SIGTERM"
    assert (shutdown.tree_grace(), shutdown.bounded(300.0)) == (5.0, 10.0)
    clock.mono += 7.0
    assert (shutdown.tree_grace(), shutdown.bounded(300.0), shutdown.bounded(1.0)) == (3.0, 3.0, 1.0)
    clock.mono += 100.0
    assert (shutdown.tree_grace(), shutdown.bounded(300.0)) == (0.0, 0.0)


def test_a_small_grace_leaves_less_than_a_tree_has_otherwise(clock: SetClock) -> None:
    shutdown = Shutdown(2.0, clock)
    assert shutdown.tree_grace() == TREE_GRACE
    shutdown.ask(signal.SIGINT)
    assert shutdown.tree_grace() == 2.0
    assert shutdown.signal == "SIGINT"


def test_another_grace_holds_for_a_stop_that_was_not_asked_for_yet(clock: SetClock) -> None:
    shutdown = Shutdown(10.0, clock)
    shutdown.grant(2.0)
    shutdown.ask(signal.SIGTERM)
    assert shutdown.bounded(300.0) == 2.0


def test_the_second_signal_kills_what_runs_now(clock: SetClock) -> None:
    shutdown = Shutdown(10.0, clock)
    shutdown.ask(signal.SIGTERM)
    shutdown.ask(signal.SIGINT)
    assert shutdown.kill_now.is_set()
    assert (shutdown.tree_grace(), shutdown.bounded(300.0)) == (0.0, 0.0)
    assert shutdown.signal == "SIGTERM", "what asked first is what is said"


async def test_when_the_grace_is_over_what_still_runs_is_killed() -> None:
    shutdown = Shutdown(0.05, SystemClock())
    with anyio.fail_after(10.0):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shutdown.run)
            await anyio.sleep(0.1)
            assert not shutdown.kill_now.is_set(), "the grace begins with the signal"
            shutdown.ask(signal.SIGTERM)
            await shutdown.kill_now.wait()
    assert shutdown.tree_grace() == 0.0
    shutdown.ask(signal.SIGTERM)  # the second signal of an operator, not yet the third


THIRD = """
import anyio, signal
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.shutdown import Shutdown
async def main():
    shutdown = Shutdown(10.0, SystemClock())
    try:
        for number in (signal.SIGTERM, signal.SIGTERM, {third}):
            shutdown.ask(number)
    finally:
        print("cleaned up")
anyio.run(main)
"""


@pytest.mark.parametrize(("third", "code"), [("signal.SIGTERM", 143), ("signal.SIGINT", 130)])
def test_the_third_signal_ends_the_process_on_the_spot(third: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", THIRD.format(third=third)], capture_output=True, check=False, env=dict(os.environ)
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")
