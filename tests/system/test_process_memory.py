"""What a tree of processes has in memory."""

import os
import sys
from collections.abc import Mapping

import anyio

from collections_supervisor.system.process import spawn
from collections_supervisor.system.process_memory import Meter, add_up
from collections_supervisor.system.process_table import Process
from collections_supervisor.system.process_tree import Tree, end_trees

MIB = 1 << 20


def table(*rows: tuple[int, int, int, int]) -> Mapping[int, Process]:
    """Rows of pid, parent, session and memory; each started at its pid."""
    return {
        pid: Process(pid=pid, parent=parent, group=session, session=session, start_time=pid, exited=False, rss=rss)
        for pid, parent, session, rss in rows
    }


def tree(pid: int, start_time: int | None = None) -> Tree:
    return Tree(pid=pid, start_time=pid if start_time is None else start_time, marker="m")


def test_a_tree_is_its_command_its_session_and_all_that_descends_from_either() -> None:
    processes = table(
        (1, 0, 1, 1000),
        (10, 1, 10, 1),
        (11, 10, 10, 2),
        (12, 11, 12, 4),  # in a session of its own
        (13, 1, 10, 8),  # its parent is gone
        (14, 13, 10, 16),
        (20, 1, 20, 32),
        (21, 20, 20, 64),
    )
    assert add_up(processes, [tree(10), tree(20)]) == {tree(10): 31, tree(20): 96}


def test_what_is_gone_or_somebody_else_has_no_memory() -> None:
    assert add_up(table((10, 1, 10, 1)), [tree(10, 9), tree(11)]) == {}


def test_processes_that_are_each_others_parents_are_counted_once() -> None:
    # No kernel says so, but the list is read process by process, and numbers are given out again meanwhile.
    assert add_up(table((10, 11, 10, 1), (11, 10, 10, 2)), [tree(10)]) == {tree(10): 3}


async def test_real_processes_are_measured_and_those_of_all_who_ask_at_once() -> None:
    script = "import sys, os, time; x = bytearray(60 * 2**20); print('up', flush=True); time.sleep(1000)"
    children = []
    reading, writing = os.pipe()
    for number in range(3):
        argv = [sys.executable, "-I", "-S", "-c", script] if number == 0 else ["sh", "-c", "echo up; exec sleep 1000"]
        children.append(await spawn(argv, env=os.environ, cwd=None, stdout=writing, stderr=None, marker=f"memory-{number}"))
    os.close(writing)
    said = b""
    with anyio.fail_after(20):
        while said.count(b"up") < 3:
            await anyio.wait_readable(reading)
            said += os.read(reading, 100)
    os.close(reading)
    meter = Meter()
    found: dict[int, int | None] = {}

    async def measure(number: int) -> None:
        found[number] = await meter.rss(children[number].tree)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(measure, number)
    await end_trees([child.tree for child in children], grace=5.0)
    for child in children:
        await child.wait()
    large, *small = (rss or 0 for _, rss in sorted(found.items()))
    assert 60 * MIB < large < 120 * MIB
    assert all(0 < rss < 10 * MIB for rss in small)
    assert await meter.rss(children[0].tree) is None
