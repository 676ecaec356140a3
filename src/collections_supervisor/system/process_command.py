"""Running a short command to its end: within a deadline, with a bounded memory of what it said, and nothing left of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import msgspec

from collections_supervisor.system.process import Child, SpawnError, spawn
from collections_supervisor.system.process_pipes import Pipes
from collections_supervisor.system.process_table import HERE, Facilities
from collections_supervisor.system.process_tree import end_trees
from collections_supervisor.system.shutdown import TREE_GRACE, Shutdown

STDOUT_LIMIT = 1 << 20
"""Bytes kept of standard output, from the start: a JSON answer is of no use without its beginning."""

_END_DEADLINE = TREE_GRACE + 10.0


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended. Exactly one of `exit_code` and `spawn_error` is set, unless it could not even be killed."""

    exit_code: int | None = None
    """Negative: ended by that signal, also by ours after the deadline."""
    stdout: bytes = b""
    stdout_dropped: int = 0
    """Bytes that followed what was kept."""
    stderr: bytes = b""
    stderr_dropped: int = 0
    """Bytes that preceded what was kept."""
    timed_out: bool = False
    spawn_error: SpawnError | None = None
    survivors: tuple[int, ...] = ()
    """Processes of it that could not be ended after the deadline."""


async def run_command(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    timeout: float,  # noqa: ASYNC109 - what is over then must be ended first, which a bare cancellation would not do
    marker: str,
    stdin: bytes | None = None,
    tail_bytes: int = 65536,
    shutdown: Shutdown | None = None,
    facilities: Facilities = HERE,
) -> CommandResult:
    """Run `argv` for at most `timeout` seconds, with `stdin` as its input, and tell what became of it.

    After the deadline, or when cancelled, everything it started is ended first: SIGTERM, five seconds (or what `shutdown`
    leaves of them), SIGKILL. After an exit of its own accord what it left running is left alone, also if that still holds
    its output open.
    """
    deadline = anyio.current_time() + timeout
    try:
        pipes = Pipes(stdin, stdout_limit=STDOUT_LIMIT, stderr_limit=tail_bytes)
    except OSError as error:
        return CommandResult(spawn_error=SpawnError("failed", f"no pipes to be had for {list(argv)!r}: {error.strerror}"))
    with pipes:
        try:
            child = await spawn(
                argv,
                env=env,
                cwd=cwd,
                stdin=pipes.stdin_fd,
                stdout=pipes.stdout.theirs,
                stderr=pipes.stderr.theirs,
                marker=marker,
                facilities=facilities,
            )
        except SpawnError as error:
            return CommandResult(spawn_error=error)
        return await _attend(child, pipes, deadline, shutdown, facilities)


async def _attend(
    child: Child, pipes: Pipes, deadline: float, shutdown: Shutdown | None, facilities: Facilities
) -> CommandResult:
    survivors: tuple[int, ...] = ()
    timed_out = False
    try:
        with anyio.CancelScope(deadline=deadline):
            await pipes.pump_during(child.wait)
    finally:
        if child.returncode is None:
            timed_out, survivors = True, (child.pid,)
            with anyio.move_on_after(_END_DEADLINE, shield=True):
                survivors = await pipes.pump_during(lambda: _end(child, shutdown, facilities))
    return CommandResult(
        exit_code=child.returncode,
        stdout=pipes.stdout.kept,
        stdout_dropped=pipes.stdout.dropped,
        stderr=pipes.stderr.kept,
        stderr_dropped=pipes.stderr.dropped,
        timed_out=timed_out,
        survivors=survivors,
    )


async def _end(child: Child, shutdown: Shutdown | None, facilities: Facilities) -> tuple[int, ...]:
    grace = TREE_GRACE if shutdown is None else shutdown.tree_grace()
    kill_now = None if shutdown is None else shutdown.kill_now
    survivors = await end_trees([child.tree], grace=grace, kill_now=kill_now, facilities=facilities)
    if child.pid not in survivors:
        await child.wait()
    return survivors
