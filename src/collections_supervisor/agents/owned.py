"""An agent that is a long-lived process of ours: started with us, started again when it ends or falls silent, ended with us.

It outlives our crash: the next supervisor takes it over, unless it would be started in another way by now.
"""

import contextlib
import os
import signal
from collections.abc import Callable

import anyio

from collections_supervisor.agents.orphan import Orphan
from collections_supervisor.agents.owned_life import settings
from collections_supervisor.agents.owned_output import FileOutput, LogOutput, Output
from collections_supervisor.agents.ports import Attendant
from collections_supervisor.agents.state import ActionRecord, ChildExited, MemoryRead
from collections_supervisor.agents.strays import Stray
from collections_supervisor.agents.workplace import UNNEEDED, Workplace, not_started, words
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.placeholders import substitute
from collections_supervisor.system.process import Child, SpawnError, spawn
from collections_supervisor.system.process_adopt import find_tree
from collections_supervisor.system.process_tree import Tree


class OwnedProcess:
    """Starts and ends the process of one agent, and takes what it writes."""

    def __init__(self, policy: AgentConfig, place: Workplace) -> None:
        self._policy = policy
        self._place = place
        self._child: Child | Orphan | None = None
        self._last: Child | Orphan | None = None
        """The one that lives, or the last one, as long as something of it may be left."""
        self._started_at = 0.0
        self._waiting: anyio.CancelScope | None = None
        """Left when the settings change, to wait by those of now."""
        self._call: Callable[[], object] | None = None
        """Who is to wait once there is news, and nobody does yet."""
        self._output = _output(policy, place)
        self._goes_to = policy.restart.output
        """Where the one that lives writes, whatever the settings say by now."""

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        """End what is left of the process before, then start it anew."""
        # Before the start counts: what it beats while it is being ended proves nothing of the next one.
        await self._make_way()
        argv = substitute(self._policy.restart.command, words(request))
        if not await attendant.begin(argv):
            return UNNEEDED
        try:
            child = await self._spawn(request, argv)
        except SpawnError as error:
            return not_started(error)
        self._child = self._last = child
        self._started_at = self._place.clock.now().mono
        await attendant.spawned(child.pid, child.start_time)
        return ActionOutcome(result="ok")

    def adjust(self, policy: AgentConfig) -> None:
        """Go by these settings from now on; the process lives on as it was started, and writes where it did."""
        self._policy = policy
        if self._waiting is not None:
            self._waiting.cancel()
        if self._looks_after:
            # There is more to wait for than its end from now on.
            self._tell_news()

    async def _spawn(self, request: ActionRequest, argv: tuple[str, ...]) -> Child:
        self._redirect()
        handle = await self._output.handle()
        try:
            return await spawn(
                argv,
                env=self._place.env(self._policy, request, {}),
                cwd=self._policy.restart.cwd,
                stdout=handle,
                stderr=handle,
                marker=request.action_id,
            )
        finally:
            os.close(handle)

    def _redirect(self) -> None:
        """Before a process is begun, or gone on with: have its output go where the settings say."""
        if self._goes_to != self._policy.restart.output:
            # What the one before wrote at last may still lie there.
            self._output.drain()
            self._output.close()
            self._goes_to = self._policy.restart.output
            self._output = _output(self._policy, self._place)

    # --- What an earlier life of ours left ---

    async def find(self, record: ActionRecord) -> Tree | None:
        """Its process, if it runs and is the one that we would start; any other is ended."""
        tree = await find_tree(record.pid, record.start_time, record.request.action_id)
        if tree is None:
            if record.pid:
                # It ended while nobody watched: what it started may run on.
                self._last = Orphan(Tree(pid=record.pid, start_time=record.start_time, marker=record.request.action_id))
            return None
        if tree.pid and record.settings == settings(self._policy) and self._can_listen():
            return tree
        self._place.log.info(
            "agent.outdated",
            message=f"{self._policy.name} runs with other settings than it has now: it is ended and started anew",
            agent=self._policy.name,
            pid=tree.pid or None,
        )
        await self._place.end(self._policy.name, Orphan(tree), grace=self._policy.restart.stop_grace, number=self._signal())
        return None

    def _can_listen(self) -> bool:
        self._redirect()
        if isinstance(self._output, LogOutput):
            try:
                self._output.attach()
            except OSError:
                return False
        return True

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:
        """Go on with the process that was found; how it will end is for its parent to know."""
        now = self._place.clock.now()
        self._child = self._last = Orphan(tree)
        self._started_at = now.mono - max(0.0, (now.wall - record.started).total_seconds())
        return ActionOutcome(result="ok")

    # --- While it lives ---

    async def wait(self) -> ChildExited | MemoryRead | None:
        """Wait for the process to end, or to be measured; None if it was ended by us."""
        child, output = self._child, self._output
        if child is None:
            return None
        output.listen()
        code = await self._news_of(child)
        if isinstance(code, MemoryRead):
            return code
        if self._child is not None and self._child is not child:
            # Whoever learns late that it ended must not close the ears that are its successor's by now.
            return None
        output.drain()
        if self._child is not child:
            return None
        self._child = None
        adopted = isinstance(child, Orphan)
        return ChildExited(
            exit_code=code if code is not None and code >= 0 else None,
            signal=_signal_name(-code) if code is not None and code < 0 else None,
            uptime_s=self._place.clock.now().mono - self._started_at,
            adopted=adopted,
        )

    def when_news(self, call: Callable[[], object]) -> bool:
        """Have this called when the process ends, where that is all there is to wait for, or once there is more."""
        if not isinstance(self._child, Child) or self._looks_after or not self._child.when_ended(self._tell_news):
            return False
        self._call = call
        self._output.listen()
        return True

    def _tell_news(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()

    @property
    def _looks_after(self) -> bool:
        """Whether it is looked at once a cycle."""
        return self._policy.restart.max_rss is not None or self._goes_to is not None

    async def _news_of(self, child: Child | Orphan) -> int | MemoryRead | None:
        while True:
            with anyio.CancelScope() as self._waiting:
                if self._looks_after:
                    return await self._wait_and_look_after(child)
                return await child.wait()

    async def _wait_and_look_after(self, child: Child | Orphan) -> int | MemoryRead | None:
        measured: list[MemoryRead] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look_after, child, measured, tasks.cancel_scope)
            code = await child.wait()
            tasks.cancel_scope.cancel()
        return measured[0] if measured else code

    async def _look_after(self, child: Child | Orphan, measured: list[MemoryRead], scope: anyio.CancelScope) -> None:
        """Once a cycle, and everybody's at the same moment: all that are measured share one look then."""
        cycle = self._policy.cycle
        while True:
            await anyio.sleep(cycle - anyio.current_time() % cycle)
            restart = self._policy.restart
            await self._output.look_after(restart.output_max, restart.output_keep)
            if restart.max_rss is None:
                continue
            rss = await self._place.meter.rss(child.tree)
            if rss is not None:
                measured.append(MemoryRead(rss=rss))
                scope.cancel()
                return

    # --- Its end ---

    async def close(self) -> None:
        """End the process and everything it started, within what the shutdown leaves. It may be run again."""
        if strays := self._place.strays.take(self._policy.name):
            async with anyio.create_task_group() as tasks:
                for stray in strays:
                    tasks.start_soon(self._end_one, Orphan(stray.tree), False)
                await self._end()
        else:
            await self._end()
        self._output.drain()
        self._output.close()

    async def _make_way(self) -> None:
        last = self._last
        if isinstance(last, Child) and last.returncode is not None and not last.left_group:
            # What it may have left in other sessions is looked for once the next one runs.
            self._last = None
            restart = self._policy.restart
            self._place.strays.add(
                Stray(agent=self._policy.name, tree=last.tree, signal=self._signal(), grace=restart.stop_grace)
            )
            return
        await self._end()
        # Perhaps nobody waits: its last words are its own, and not the beginning of what the next one says.
        self._output.drain()

    async def _end(self) -> None:
        # Forgotten first: what we end ourselves is no exit to be judged. One that died may have left children behind.
        last, self._last, self._child, self._call = self._last, None, None, None
        if last is not None:
            asked = isinstance(last, Child) and last.returncode is None
            if isinstance(last, Child):
                last.when_ended(None)
                # Before anybody looks who belongs to it: many may be ended at once.
                last.signal_group(self._signal(), signal.SIGCONT)
            await self._end_one(last, asked)

    async def _end_one(self, child: Child | Orphan, asked: bool) -> None:
        grace = self._place.shutdown.bounded(self._policy.restart.stop_grace)
        await self._place.end(self._policy.name, child, grace=grace, number=self._signal(), asked=asked)

    def _signal(self) -> signal.Signals:
        return signal.Signals[f"SIG{self._policy.restart.stop_signal}"]


def _output(policy: AgentConfig, place: Workplace) -> Output:
    restart = policy.restart
    if restart.output is not None:
        return FileOutput(restart.output, policy.name, place.log)
    return LogOutput(policy.name, place.folder / f"{policy.name}.out", place.clock, place.log)


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
