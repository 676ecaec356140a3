"""Short commands run to their end, whatever they do."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import pytest

from collections_supervisor.system.process_command import STDOUT_LIMIT, CommandResult, run_command
from collections_supervisor.system.process_table import HERE, Facilities, read_markers, read_table

MARKER = f"command-{os.getpid()}"


@pytest.fixture(params=[HERE, Facilities(pidfd=False, procfs=HERE.procfs)], ids=["pidfd", "polling"])
def facilities(request: pytest.FixtureRequest) -> Facilities:
    found = request.param
    assert isinstance(found, Facilities)
    return found


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    for pid in remains():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remains() -> set[int]:
    """What runs of the command, zombies of ours included."""
    table = read_table()
    zombies = {pid for pid, process in table.items() if process.exited and process.parent == os.getpid()}
    return zombies | {pid for pid, marker in read_markers(table).items() if marker == MARKER}


async def run(
    *argv: str,
    timeout: float = 20,
    stdin: bytes | None = None,
    tail_bytes: int = 65536,
    cwd: Path | None = None,
    facilities: Facilities = HERE,
) -> CommandResult:
    with anyio.fail_after(30):
        return await run_command(
            argv,
            env=os.environ,
            cwd=cwd,
            timeout=timeout,
            stdin=stdin,
            tail_bytes=tail_bytes,
            marker=MARKER,
            facilities=facilities,
        )


async def shell(script: str, *arguments: str, **options: object) -> CommandResult:
    return await run("sh", "-c", script, "sh", *arguments, **options)  # type: ignore[arg-type]


def python(script: str) -> Sequence[str]:
    return [sys.executable, "-I", "-S", "-c", script]


async def test_code_and_output(facilities: Facilities) -> None:
    result = await shell("echo out; echo err >&2; exit 3", facilities=facilities)
    assert result == CommandResult(exit_code=3, stdout=b"out\n", stderr=b"err\n")
    assert remains() == set()


async def test_no_input_is_an_end_of_input() -> None:
    assert await shell("cat; echo over") == CommandResult(exit_code=0, stdout=b"over\n")


async def test_input() -> None:
    data = os.urandom(300_000)
    assert (await run("cat", stdin=data)).stdout == data
    assert (await run("cat", stdin=b"")).stdout == b""


async def test_input_that_nobody_reads() -> None:
    assert await run("true", stdin=b"x" * (1 << 20)) == CommandResult(exit_code=0)
    assert await shell("exec <&-; echo late; sleep 0.1", stdin=b"x" * (1 << 20)) == CommandResult(exit_code=0, stdout=b"late\n")


async def test_not_started(tmp_path: Path) -> None:
    result = await run("nowhere")
    assert result.exit_code is None
    assert result.spawn_error is not None
    assert (result.spawn_error.kind, result.timed_out) == ("not_found", False)
    broken = await run("true", cwd=tmp_path / "missing")
    assert broken.spawn_error is not None
    assert broken.spawn_error.kind == "bad_cwd"


async def test_a_flood_stays_bounded() -> None:
    """The start of the answer and the end of the complaints; it says how much is missing."""
    script = (
        "import sys\n"
        "sys.stdout.write('begin'); sys.stderr.write('begin')\n"
        "for _ in range(50): sys.stdout.write('x' * 1_000_000); sys.stderr.write('y' * 1_000_000)\n"
        "sys.stdout.write('end'); sys.stderr.write('end')\n"
    )
    result = await run(*python(script), tail_bytes=1000)
    assert result.exit_code == 0
    assert (len(result.stdout), result.stdout[:6], result.stdout[-1:]) == (STDOUT_LIMIT, b"beginx", b"x")
    assert (len(result.stderr), result.stderr[:1], result.stderr[-4:]) == (1000, b"y", b"yend")
    assert len(result.stdout) + result.stdout_dropped == len(result.stderr) + result.stderr_dropped == 50_000_008


async def test_a_grandchild_that_holds_the_output_does_not_hold_us() -> None:
    """It is left alone: the command ended of its own accord."""
    result = await shell("sleep 1000 & echo $!")
    assert result.exit_code == 0
    assert int(result.stdout) in remains()


async def test_a_grandchild_that_floods_the_output_does_not_hold_us() -> None:
    result = await shell("yes & exit 0", tail_bytes=100)
    assert result.exit_code == 0
    assert len(result.stdout) <= STDOUT_LIMIT


async def test_the_deadline_ends_the_whole_tree(facilities: Facilities) -> None:
    result = await shell("setsid sleep 1000 & sleep 1000 & wait", timeout=0.3, facilities=facilities)
    assert (result.exit_code, result.timed_out, result.survivors) == (-signal.SIGTERM, True, ())
    assert remains() == set()


async def test_what_is_said_after_the_deadline_is_heard() -> None:
    """Also when it is more than a pipe holds: a command that tidies up must not get stuck on us."""
    last_words = "head -c 500000 /dev/zero | tr '\\0' z >&2; printf bye >&2; exit 4"
    result = await shell(f'trap "{last_words}" TERM; while :; do sleep 0.05; done', timeout=1)
    assert (result.exit_code, result.timed_out, result.stderr[-4:]) == (4, True, b"zbye")


async def test_cancellation_ends_the_whole_tree_first(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    scope = anyio.CancelScope()

    async def run_in_scope() -> None:
        with scope:
            await shell('setsid sleep 1000 & sleep 1000 & echo > "$1"; wait', str(ready))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run_in_scope)
            await anyio.to_thread.run_sync(ready.read_text, abandon_on_cancel=True)
            scope.cancel()
    assert scope.cancelled_caught
    assert remains() == set()


async def test_cancelled_at_any_moment_nothing_remains() -> None:
    for delay in range(12):
        with anyio.move_on_after(delay / 2000):
            await run("sleep", "1000", stdin=b"x")
    assert remains() == set()


async def test_no_descriptor_is_lost() -> None:
    def count() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    await run("true")
    before = count()
    for _ in range(5):
        await run("cat", stdin=b"x")
        await run("nowhere", stdin=b"x")
        await run("sleep", "1000", stdin=b"x", timeout=0.01)
        with anyio.move_on_after(0.01):
            await run("sleep", "1000", stdin=b"x" * (1 << 20))
    assert count() == before


async def test_out_of_descriptors_is_a_failure_to_start() -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    await run("true")
    highest = max(int(entry.name) for entry in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    spare = []
    try:
        with contextlib.suppress(OSError):
            while True:
                spare.append(os.open("/dev/null", os.O_RDONLY))
        result = await run("true")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in spare:
            os.close(fd)
    assert result.spawn_error is not None
    assert result.spawn_error.kind == "failed"
