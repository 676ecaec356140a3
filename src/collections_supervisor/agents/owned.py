"""An agent that is a long-lived process of ours: started with us, started again when it ends or falls silent, ended with us."""

import contextlib
import os
import signal

import anyio

from collections_supervisor.agents.orphan import Orphan
from collections_supervisor.agents.ports import Attendant
from collections_supervisor.agents.state import ActionRecord, ChildExited
from collections_supervisor.agents.workplace import UNNEEDED, Workplace, not_started, words
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.placeholders import substitute
from collections_supervisor.system.process import Child, SpawnError, spawn
from collections_supervisor.system.process_adopt import find_tree
from collections_supervisor.system.process_tree import Tree

LINES = 100
"""Lines of output a second that become log events; the rest is counted."""

LINE = 4096
PIECE = 65536


class OwnedProcess:
    """Starts and ends the process of one agent; its output becomes log events."""

    def __init__(self, policy: AgentConfig, place: Workplace) -> None:
        self._policy = policy
        self._place = place
        self._child: Child | None = None
        self._last: Child | None = None
        self._started_at = 0.0
        self._lines: _Lines | None = None

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        """End what is left of the process before, then start it anew."""
        # Before the start counts: what it beats while it is being ended proves nothing of the next one.
        await self._end()
        argv = substitute(self._policy.restart.command, words(request))
        if not await attendant.begin(argv):
            return UNNEEDED
        lines = _Lines(self._policy.name, self._place)
        try:
            child = await self._spawn(request, argv, lines.theirs)
        except BaseException as error:
            lines.close()
            if not isinstance(error, SpawnError):
                raise
            return not_started(error)
        lines.handed_over()
        self._child, self._last, self._lines = child, child, lines
        self._started_at = self._place.clock.now().mono
        await attendant.spawned(child.pid, child.start_time)
        return ActionOutcome(result="ok")

    def adjust(self, policy: AgentConfig, place: Workplace) -> None:
        """Go by these settings from now on; the process lives on as it was started."""
        self._policy, self._place = policy, place

    async def find(self, record: ActionRecord) -> Tree | None:
        """Nothing: what an earlier life of ours left running is ended, since its output leads nowhere any more."""
        tree = await find_tree(record.pid, record.start_time, record.request.action_id)
        if tree is not None:
            await self._place.end(self._policy.name, Orphan(tree), grace=self._policy.restart.stop_grace, number=self._signal())
        return None

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:  # noqa: ARG002 - nothing is ever found
        """Never asked for, since nothing is found."""
        return ActionOutcome(result="interrupted", cause="it is started anew")

    def _signal(self) -> signal.Signals:
        return signal.Signals[f"SIG{self._policy.restart.stop_signal}"]

    async def _spawn(self, request: ActionRequest, argv: tuple[str, ...], output: int) -> Child:
        return await spawn(
            argv,
            env=self._place.env(self._policy, request, {}),
            cwd=self._policy.restart.cwd,
            stdout=output,
            stderr=output,
            marker=request.action_id,
        )

    async def wait(self) -> ChildExited | None:
        """Wait for the process to end, logging its output; None if it was ended by us."""
        child, lines = self._child, self._lines
        if child is None or lines is None:
            return None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lines.pump)
                code = await child.wait()
                tasks.cancel_scope.cancel()
            lines.drain()
        finally:
            lines.close()
        if self._child is not child:
            return None
        self._child = None
        return ChildExited(
            exit_code=code if code >= 0 else None,
            signal=_signal_name(-code) if code < 0 else None,
            uptime_s=self._place.clock.now().mono - self._started_at,
        )

    async def close(self) -> None:
        """End the process and everything it started, within what the shutdown leaves."""
        await self._end()
        if self._lines is not None:
            self._lines.close()

    async def _end(self) -> None:
        # Forgotten first: what we end ourselves is no exit to be judged. One that died may have left children behind.
        last, self._last, self._child = self._last, None, None
        if last is not None:
            grace = self._place.shutdown.bounded(self._policy.restart.stop_grace)
            await self._place.end(self._policy.name, last, grace=grace, number=self._signal())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Lines:
    """The pipe from a child: each line an `agent.output` event, at most so many a second."""

    def __init__(self, agent: str, place: Workplace) -> None:
        self._agent = agent
        self._place = place
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)
        self._rest = b""
        self._second = 0.0
        self._count = 0
        self._skipped = 0
        self._ended = False

    def handed_over(self) -> None:
        """The child has its own copy of the other end."""
        os.close(self.theirs)
        self.theirs = -1

    def close(self) -> None:
        for end in (self._ours, self.theirs):
            if end >= 0:
                os.close(end)
        self._ours = self.theirs = -1

    async def pump(self) -> None:
        """Read until the last holder of the other end is gone."""
        while not self._ended:
            await anyio.wait_readable(self._ours)
            self._read()

    def drain(self) -> None:
        """Take what is there at the end, and the unfinished last line."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(16):
                if not self._ended:
                    self._read()
        if self._rest:
            self._take([self._rest])
        self._tell_skipped()

    def _read(self) -> None:
        piece = os.read(self._ours, PIECE)
        self._ended = not piece
        *lines, self._rest = (self._rest + piece).split(b"\n")
        # A line without an end must not be kept for ever.
        if len(self._rest) > LINE:
            lines.append(self._rest)
            self._rest = b""
        self._take(lines)

    def _take(self, lines: list[bytes]) -> None:
        """Log what the second has room for. The rest is only counted: a piece may hold tens of thousands of lines."""
        now = self._place.clock.now().mono
        if now >= self._second + 1.0:
            self._tell_skipped()
            self._second, self._count = now, 0
        room = LINES - self._count
        for line in lines[:room]:
            self._tell(line)
        self._count += len(lines[:room])
        self._skipped += len(lines[room:])

    def _tell(self, line: bytes) -> None:
        text = line[:LINE].decode("utf-8", "replace").rstrip("\r")
        if text.strip():
            self._place.log.info("agent.output", message=text, agent=self._agent)

    def _tell_skipped(self) -> None:
        if self._skipped:
            skipped, self._skipped = self._skipped, 0
            self._place.log.warning(
                "agent.output.skipped",
                message=f"{skipped} lines of {self._agent} came too fast and were skipped",
                agent=self._agent,
                dropped=skipped,
            )
