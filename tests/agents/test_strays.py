"""What children left behind in other sessions is ended for all of them at once."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from collections_supervisor.agents.strays import Stray, Strays, Sweeper
from collections_supervisor.system.clock import SystemClock
from collections_supervisor.system.process import spawn
from collections_supervisor.system.process_table import is_alive, start_time
from collections_supervisor.system.process_tree import Tree
from collections_supervisor.system.shutdown import Shutdown


def alive(pid: int) -> bool:
    started = start_time(pid)
    return started is not None and is_alive(pid, started)


class Left:
    """Processes whose parents are gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, int] = {}

    async def behind(self, agent: str, script: str = "exec sleep 1000") -> Stray:
        path = self.folder / agent
        inner = f"echo $$ > {path}.new; mv {path}.new {path}; {script}"
        argv = ["sh", "-c", f"setsid sh -c '{inner}' & until [ -e {path} ]; do sleep 0.01; done"]
        marker = f"stray-{os.getpid()}-{agent}"
        child = await spawn(argv, env=os.environ, cwd=None, stdout=None, stderr=None, marker=marker)
        with anyio.fail_after(20):
            await child.wait()
        self.pids[agent] = int(path.read_text())
        return Stray(agent=agent, tree=child.tree, signal=signal.SIGTERM, grace=0.5)


@pytest.fixture
async def left(tmp_path: Path) -> AsyncIterator[Left]:
    left = Left(tmp_path)
    yield left
    for pid in left.pids.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_they_are_ended_whatever_they_think_of_it_and_nobody_else_is(left: Left, log: Any) -> None:
    strays = Strays()
    kept = await left.behind("kept")
    for agent, script in (("a", "exec sleep 1000"), ("b", 'trap "" TERM; while :; do sleep 0.05; done')):
        strays.add(await left.behind(agent, script))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Sweeper(strays, Shutdown(10.0, SystemClock()), log).run)
        with anyio.fail_after(20):
            while alive(left.pids["a"]) or alive(left.pids["b"]):
                await anyio.sleep(0.02)
        # It goes on with what comes later.
        strays.add(await left.behind("c"))
        with anyio.fail_after(20):
            while alive(left.pids["c"]):
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    assert alive(left.pids["kept"])
    assert kept.agent == "kept"
    assert log.events == []


async def test_what_is_being_ended_when_we_stop_is_ended(left: Left, log: Any) -> None:
    strays = Strays()
    strays.add(await left.behind("a", 'trap "" TERM; while :; do sleep 0.05; done'))
    sweeper = Sweeper(strays, Shutdown(10.0, SystemClock()), log)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweeper.run)
        with anyio.fail_after(20):
            while strays.take("nobody") or strays._waiting:
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    assert not alive(left.pids["a"])


def test_those_of_one_agent_can_be_taken_away() -> None:
    strays = Strays()
    made = [
        Stray(agent=agent, tree=Tree(pid=number, start_time=1, marker=""), signal=15, grace=1.0)
        for number, agent in enumerate("aba")
    ]
    for stray in made:
        strays.add(stray)
    assert strays.take("a") == [made[0], made[2]]
    assert strays.take("a") == []
    assert strays.take("b") == [made[1]]
