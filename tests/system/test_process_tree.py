"""Whole trees are found and ended, and nobody else."""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.system.process import Child, spawn
from collections_supervisor.system.process_table import HERE, Facilities, Process, is_alive, read_markers, read_table, start_time
from collections_supervisor.system.process_tree import Tree, end_trees, members

PYTHON = f"{sys.executable} -I -S -c"
ELSEWHERE = f'{PYTHON} \'import os; os.setsid(); print(os.getpid(), flush=True); os.execvp("sleep", ["sleep", "1000"])\''
"""A process that goes into a session of its own before it names itself."""
IGNORING = "trap '' TERM;"

Plant = Callable[..., Awaitable[tuple[Child, list[int]]]]


@pytest.fixture(params=[HERE, Facilities(pidfd=False, procfs=False)], ids=["here", "fallback"])
def facilities(request: pytest.FixtureRequest) -> Facilities:
    found = request.param
    assert isinstance(found, Facilities)
    if not found.procfs and shutil.which("ps") is None:
        pytest.skip("no ps on this machine")
    return found


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    """Start a shell script that prints `pids` pids; those and the shell are gone after the test."""
    planted: list[Child] = []
    others: list[tuple[int, int]] = []

    async def start(script: str, *, pids: int = 0, facilities: Facilities = HERE) -> tuple[Child, list[int]]:
        reading, writing = os.pipe()
        try:
            marker = f"tree-{os.getpid()}-{len(planted)}"
            argv = ["sh", "-c", script]
            child = await spawn(argv, env=os.environ, cwd=None, stdout=writing, stderr=None, marker=marker, facilities=facilities)
        finally:
            os.close(writing)
        planted.append(child)
        named = await read_pids(reading, pids)
        others.extend((pid, started) for pid in named if (started := start_time(pid)) is not None)
        return child, named

    yield start
    for pid, started in others:
        if is_alive(pid, started):
            os.kill(pid, signal.SIGKILL)
    for child in planted:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            with anyio.fail_after(10):
                await child.wait()


async def read_pids(fd: int, count: int) -> list[int]:
    said = b""
    try:
        with anyio.fail_after(20):
            while said.count(b"\n") < count:
                await anyio.wait_readable(fd)
                piece = os.read(fd, 4096)
                assert piece, said
                said += piece
    finally:
        os.close(fd)
    return [int(line) for line in said.split()]


async def end(*children: Child, grace: float, facilities: Facilities = HERE, **options: object) -> tuple[int, ...]:
    with anyio.fail_after(30):
        survivors = await end_trees([child.tree for child in children], grace=grace, facilities=facilities, **options)  # type: ignore[arg-type]
        for child in children:
            await child.wait()
    return survivors


def runs(pid: int) -> bool:
    process = read_table().get(pid)
    return process is not None and not process.exited


# --- Who belongs to a tree --------------------------------------------------------------------------------

OURS = 50


def table_of(*rows: tuple[int, int, int]) -> dict[int, Process]:
    """Rows of pid, parent, session; each started at its pid."""
    return {
        pid: Process(pid=pid, parent=parent, group=session, session=session, start_time=pid, exited=False)
        for pid, parent, session in rows
    }


def found(
    table: Mapping[int, Process], *trees: Tree, markers: Mapping[int, str] | None = None, known: tuple[int, ...] = ()
) -> set[int]:
    return set(members(table, markers or {}, trees, {(pid, pid) for pid in known}, OURS))


TREE = Tree(pid=100, start_time=100, marker="m")
ORDINARY = ((1, 0, 1), (OURS, 1, OURS), (60, OURS, OURS), (70, 1, 70), (100, OURS, 100))


def test_descendants_in_any_session() -> None:
    table = table_of(*ORDINARY, (101, 100, 100), (102, 101, 102), (103, 102, 102), (71, 70, 70))
    assert found(table, TREE) == {100, 101, 102, 103}


def test_the_session_of_the_tree_without_a_parent_in_it() -> None:
    assert found(table_of(*ORDINARY, (101, 1, 100)), TREE) == {100, 101}


def test_orphans_in_another_session_by_their_marker() -> None:
    table = table_of(*ORDINARY, (101, 1, 101), (102, 101, 102), (103, 1, 103))
    assert found(table, TREE, markers={101: "m", 103: "other"}) == {100, 101, 102}


def test_a_number_that_passed_to_somebody_else() -> None:
    table = table_of(*ORDINARY, (101, 100, 100))
    assert found(table, Tree(pid=100, start_time=99, marker="m")) == set()
    assert found(table, Tree(pid=100, start_time=99, marker="m"), markers={101: "m"}) == {101}


def test_the_session_of_a_dead_leader_needs_a_marker() -> None:
    table = table_of((1, 0, 1), (OURS, 1, OURS), (101, 1, 100), (102, 1, 100))
    assert found(table, TREE) == set()
    assert found(table, TREE, markers={102: "m"}) == {101, 102}


def test_what_was_known_stays_known_without_its_parents() -> None:
    table = table_of((1, 0, 1), (OURS, 1, OURS), (102, 1, 102), (103, 102, 103), (105, 1, 104), (106, 1, 106))
    assert found(table, TREE, known=(100, 102, 104)) == {102, 103, 105}
    assert found(table, TREE, known=()) == set()


def test_an_empty_marker_marks_nobody() -> None:
    table = table_of(*ORDINARY)
    assert found(table, Tree(pid=0, start_time=0, marker=""), markers=dict.fromkeys(table, "")) == set()


@pytest.mark.parametrize("pid", [0, 1, OURS, 60])
def test_never_ourselves(pid: int) -> None:
    table = table_of(*ORDINARY)
    marked = dict.fromkeys((0, 1, OURS, 60), "m")
    assert found(table, Tree(pid=pid, start_time=pid, marker="m"), markers=marked, known=(1, OURS, 60)) == set()


@st.composite
def forests(draw: st.DrawFn) -> dict[int, Process]:
    """Ourselves, commands we started, strangers, and what any of them forked, some of it in new sessions."""
    rows = {1: (0, 1), OURS: (1, OURS)}
    for pid in range(100, 100 + draw(st.integers(1, 30))):
        parent = draw(st.sampled_from(sorted(rows)))
        own = draw(st.booleans()) or parent in {1, OURS}
        rows[pid] = (parent, pid if own else rows[parent][1])
    dead = draw(st.sets(st.sampled_from(sorted(rows)), max_size=10)) - {1, OURS}
    return table_of(*((pid, 1 if rows[pid][0] in dead else rows[pid][0], rows[pid][1]) for pid in rows if pid not in dead))


@settings(max_examples=60)
@given(table=forests(), root=st.integers(100, 130))
def test_all_that_descends_and_nothing_that_does_not(table: dict[int, Process], root: int) -> None:
    tree = Tree(pid=root, start_time=root, marker="m")
    result = found(table, tree)
    for process in table.values():
        line = [process.pid]
        while (parent := table[line[-1]].parent) in table:
            line.append(parent)
        if root in line or (root in table and process.session == table[root].session == root):
            assert process.pid in result
    if root not in table:
        assert result == set()
    assert not {1, OURS} & result


@settings(max_examples=60)
@given(table=forests(), roots=st.sets(st.integers(100, 130), max_size=4))
def test_trees_together_are_the_trees_apart(table: dict[int, Process], roots: set[int]) -> None:
    leaders = {root for root in roots if root not in table or table[root].session == root}
    trees = [Tree(pid=root, start_time=root, marker="") for root in leaders]
    assert found(table, *trees) == set().union(*(found(table, tree) for tree in trees))


# --- Real trees -------------------------------------------------------------------------------------------


async def test_an_obedient_tree_ends_at_once(plant: Plant, facilities: Facilities) -> None:
    child, pids = await plant(f"sleep 1000 & echo $!; {ELSEWHERE} & wait", pids=2, facilities=facilities)
    started = time.monotonic()
    assert await end(child, grace=60, facilities=facilities) == ()
    assert time.monotonic() - started < 30
    assert child.returncode == -signal.SIGTERM
    assert not any(map(runs, pids))


async def test_a_tree_that_ignores_the_signal_is_killed(plant: Plant, facilities: Facilities) -> None:
    script = f"{IGNORING} sleep 1000 & echo $!; {ELSEWHERE} & while :; do sleep 1000; done"
    child, pids = await plant(script, pids=2, facilities=facilities)
    assert await end(child, grace=0.2, facilities=facilities) == ()
    assert child.returncode == -signal.SIGKILL
    assert not any(map(runs, pids))


async def test_the_grace_is_granted(plant: Plant) -> None:
    """What tidies up before it goes is let finish."""
    child, _ = await plant("trap 'sleep 0.3; exit 7' TERM; echo $$; while :; do sleep 0.01; done", pids=1)
    assert await end(child, grace=20) == ()
    assert child.returncode == 7


async def test_another_signal(plant: Plant) -> None:
    child, _ = await plant("trap 'exit 8' USR1; trap '' TERM; echo $$; while :; do sleep 0.01; done", pids=1)
    assert await end(child, grace=20, signal=signal.SIGUSR1) == ()
    assert child.returncode == 8


async def test_nobody_is_asked_twice(plant: Plant, facilities: Facilities) -> None:
    script = "n=0; trap 'n=$((n+1)); sleep 0.2; exit $n' TERM; sleep 1000 & echo $!; while :; do sleep 0.01; done"
    child, _ = await plant(script, pids=1, facilities=facilities)
    assert await end(child, grace=20, facilities=facilities) == ()
    assert child.returncode == 1


async def test_a_stopped_tree_hears_the_signal(plant: Plant) -> None:
    child, _ = await plant("trap 'exit 9' TERM; echo $$; while :; do sleep 0.01; done", pids=1)
    os.killpg(child.pid, signal.SIGSTOP)
    assert await end(child, grace=20) == ()
    assert child.returncode == 9


async def test_a_grandchild_elsewhere_whose_parents_are_dead(plant: Plant, facilities: Facilities) -> None:
    child, (orphan,) = await plant(f"({ELSEWHERE} &) ; exit 0", pids=1, facilities=facilities)
    with anyio.fail_after(20):
        assert await child.wait() == 0
    assert runs(orphan)
    assert await end(child, grace=5, facilities=facilities) == ()
    assert not runs(orphan)


async def test_a_grandchild_in_the_group_of_a_dead_leader(plant: Plant) -> None:
    """The one with the marker gives away the one without."""
    child, pids = await plant("sleep 1000 & echo $!; env -i sleep 1000 & echo $!; exit 0", pids=2)
    with anyio.fail_after(20):
        await child.wait()
    assert await end(child, grace=5) == ()
    assert not any(map(runs, pids))


async def test_a_grandchild_without_marker_whose_parents_live(plant: Plant, facilities: Facilities) -> None:
    script = f'{IGNORING} env -i {ELSEWHERE} & env -i sh -c "{IGNORING} env -i sleep 1000 & echo \\$!; wait" & wait'
    child, pids = await plant(script, pids=2, facilities=facilities)
    assert await end(child, grace=0.2, facilities=facilities) == ()
    assert not any(map(runs, pids))


async def test_a_grandchild_without_marker_whose_parent_obeys(plant: Plant) -> None:
    """Known from before the signal, since nothing names it after its parent's death."""
    child, (stubborn,) = await plant(f"(trap '' TERM; env -i {ELSEWHERE}) & wait", pids=1)
    assert await end(child, grace=0.2) == ()
    assert not runs(stubborn)


async def test_a_child_born_of_the_signal_is_found(plant: Plant) -> None:
    """What outlives the command that started it on its way out is ended too."""
    child, _ = await plant("trap 'setsid sleep 1000 & exit 0' TERM; echo $$; while :; do sleep 0.01; done", pids=1)
    assert await end(child, grace=1) == ()
    assert child.marker not in read_markers(read_table()).values()


async def test_a_child_born_of_the_signal_is_asked_too(plant: Plant, tmp_path: Path) -> None:
    heir = tmp_path / "heir"
    heir.write_text(f"trap 'echo > {tmp_path}/asked; exit' TERM; echo > {tmp_path}/ready; while :; do sleep 0.01; done")
    wait = f"while ! test -e {tmp_path}/ready; do sleep 0.01; done"
    child, _ = await plant(f"trap 'sh {heir} & {wait}; exit 0' TERM; echo $$; while :; do sleep 0.01; done", pids=1)
    assert await end(child, grace=20) == ()
    assert (tmp_path / "asked").exists()


async def test_many_trees_under_one_deadline(plant: Plant, facilities: Facilities) -> None:
    planted = [await plant(f"{IGNORING} echo $$; while :; do sleep 1000; done", pids=1, facilities=facilities) for _ in range(10)]
    started = time.monotonic()
    assert await end(*(child for child, _ in planted), grace=1, facilities=facilities) == ()
    assert time.monotonic() - started < 9  # one after the other would take ten graces
    assert {child.returncode for child, _ in planted} == {-signal.SIGKILL}


async def test_the_grace_cut_short(plant: Plant) -> None:
    child, _ = await plant(f"{IGNORING} echo $$; while :; do sleep 1000; done", pids=1)
    kill_now = anyio.Event()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: end(child, grace=600, kill_now=kill_now))
            await anyio.wait_all_tasks_blocked()
            kill_now.set()
    assert child.returncode == -signal.SIGKILL


async def test_no_grace_at_all(plant: Plant) -> None:
    child, _ = await plant(f"{IGNORING} echo $$; while :; do sleep 1000; done", pids=1)
    assert await end(child, grace=0) == ()


async def test_inside_a_cancelled_scope_under_a_shield(plant: Plant) -> None:
    child, pids = await plant(f"sleep 1000 & echo $!; {ELSEWHERE} & wait", pids=2)
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.move_on_after(20, shield=True):
            assert await end(child, grace=10) == ()
    assert not any(map(runs, pids))


async def test_a_tree_that_is_gone_already(plant: Plant, facilities: Facilities) -> None:
    child, _ = await plant("exit 0", facilities=facilities)
    await child.wait()
    assert await end(child, grace=600, facilities=facilities) == ()


async def test_a_dead_command_whose_status_nobody_took(plant: Plant, facilities: Facilities) -> None:
    child, _ = await plant("exit 5", facilities=facilities)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert await end(child, grace=600, facilities=facilities) == ()
    assert child.returncode == 5


async def test_no_trees() -> None:
    assert await end_trees([], grace=600) == ()


async def test_others_are_left_alone(plant: Plant, facilities: Facilities) -> None:
    """Neither another tree nor a process that only has the number of one that ended."""
    bystander, (neighbour,) = await plant(f"{ELSEWHERE} & wait", pids=1, facilities=facilities)
    victim, _ = await plant("sleep 1000", facilities=facilities)
    reused = Tree(pid=bystander.pid, start_time=bystander.start_time - 1, marker="nobody's")
    with anyio.fail_after(30):
        assert await end_trees([victim.tree, reused], grace=10, facilities=facilities) == ()
        assert await victim.wait() == -signal.SIGTERM
    assert runs(bystander.pid)
    assert runs(neighbour)


async def test_we_do_not_end_ourselves(plant: Plant) -> None:
    child, _ = await plant("echo $$; sleep 1000", pids=1)
    ourselves = Tree(pid=os.getpid(), start_time=start_time(os.getpid()) or 0, marker="")
    assert await end_trees([ourselves], grace=0) == ()
    assert runs(child.pid)


async def test_a_machine_that_shows_nothing(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is signalled blindly, and nobody is said to have ended."""
    child, _ = await plant("sleep 1000")
    monkeypatch.setenv("PATH", "/nowhere")
    assert await end_trees([child.tree], grace=0, facilities=Facilities(pidfd=False, procfs=False)) == (child.pid,)
    assert runs(child.pid)


async def run_alone(script: str) -> str:
    """What the script prints as a program of its own: it changes what cannot be changed back."""
    with anyio.fail_after(30):
        result = await anyio.run_process([sys.executable, "-c", script], check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode().strip()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
async def test_orphans_that_we_inherit_are_buried() -> None:
    """As pid 1 of a container would."""
    script = f"""
import anyio, ctypes, os
from collections_supervisor.system.process import spawn
from collections_supervisor.system.process_table import read_table
from collections_supervisor.system.process_tree import end_trees

async def main():
    PR_SET_CHILD_SUBREAPER = 36
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    reading, writing = os.pipe()
    argv = ["sh", "-c", {f"({ELSEWHERE} &); exit 0"!r}]
    child = await spawn(argv, env=os.environ, cwd=None, stdout=writing, stderr=None, marker=f"alone-{{os.getpid()}}")
    await child.wait()
    orphan = int(os.read(reading, 100))
    assert read_table()[orphan].parent == os.getpid()
    assert await end_trees([child.tree], grace=5) == ()
    print([process for process in read_table().values() if process.parent == os.getpid()])

anyio.run(main)
"""
    assert await run_alone(script) == "[]"


@pytest.mark.skipif(os.geteuid() != 0, reason="takes a process that we may not signal")
async def test_who_cannot_be_ended_is_named() -> None:
    script = """
import anyio, os, signal
from collections_supervisor.system.process import spawn
from collections_supervisor.system.process_tree import end_trees

async def main():
    child = await spawn(["sleep", "1000"], env=os.environ, cwd=None, stdout=None, stderr=None, marker=f"alone-{os.getpid()}")
    os.setresuid(65534, 65534, 0)
    survivors = await end_trees([child.tree], grace=0)
    os.setresuid(0, 0, 0)
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    print(survivors == (child.pid,))

anyio.run(main)
"""
    assert await run_alone(script) == "True"


async def test_no_descriptor_is_lost_and_no_zombie_stays(plant: Plant, facilities: Facilities) -> None:
    def count() -> int:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208

    await end((await plant("sleep 1000"))[0], grace=5, facilities=facilities)
    before = count()
    for _ in range(3):
        child, _ = await plant(f"{IGNORING} {ELSEWHERE} & {ELSEWHERE} & wait", pids=2, facilities=facilities)
        await end(child, grace=0.1, facilities=facilities)
    assert count() == before
    assert not [process for process in read_table().values() if process.parent == os.getpid() and process.exited]
