"""The running program: the order of starting and stopping, and the signals."""

import contextlib
import os
import platform
import signal
import sys
from collections.abc import AsyncIterator, Collection
from functools import partial

import anyio
import anyio.to_thread

from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.app.briefing import channels_of
from collections_supervisor.app.lock_keeper import LockKeeper
from collections_supervisor.app.memory import recall
from collections_supervisor.app.operator import Operator
from collections_supervisor.app.parts import Parts
from collections_supervisor.app.proofs import ProofReader
from collections_supervisor.app.reload import Reloader, Source
from collections_supervisor.app.run import Run, folders_of
from collections_supervisor.app.thrift import Thrift
from collections_supervisor.control.protocol import SOCKET
from collections_supervisor.control.server import ControlServer
from collections_supervisor.escalation.channels import names_of
from collections_supervisor.system import heap
from collections_supervisor.system.clock import span
from collections_supervisor.system.files import sweep_temporaries
from collections_supervisor.system.logs import LogSystem
from collections_supervisor.system.loop import report_loop_errors, task_stacks
from collections_supervisor.system.shutdown import Shutdown
from collections_supervisor.system.supervision import Actor, supervise
from collections_supervisor.system.threads import WRITES, hop

LAST_PAGE = 0.5
LAST_LINES = 0.4
"""Seconds that the last page and the last log lines may take; what is left of the grace belongs to processes being ended."""

CLEARING = 2.0
"""Seconds that all agents wait at the most for the end of what runs for those that are gone."""

SWITCH = 0.0005
"""Seconds for which a thread that draws or reads may keep the interpreter from the event loop.

Python's own 5 ms come together at each step of a restart, while the page of hundreds of agents is drawn.
"""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Daemon:
    """The life of the program, from its first look to its last page."""

    def __init__(self, run: Run, logs: LogSystem, source: Source | None = None, early: Collection[int] = ()) -> None:
        """`source` is where its configuration came from; without one it is never read again. `early` are signals of before."""
        self._run = run
        self._config = run.config
        self._logs = logs
        self._log = run.log
        self._shutdown = Shutdown(run.config.supervisor.shutdown_grace, run.clock)
        self._source = source
        self._reloader: Reloader | None = None
        self._early = early
        self._hung_up = False

    async def run(self) -> None:
        """Supervise until a signal asks to stop; returns when everything that runs has been ended."""
        report_loop_errors(self._logs.on_loop_exception)
        sys.setswitchinterval(SWITCH)
        heap.share()
        # Opened first and closed last: outside of it a second SIGTERM would kill us in the middle of stopping.
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, signals)
                tasks.start_soon(self._shutdown.run)
                await self._serve(await open_parts(self._run, self._shutdown))
                tasks.cancel_scope.cancel()
            self._log.info("supervisor.stopped", message="stopped cleanly")
            await anyio.to_thread.run_sync(self._logs.close, LAST_LINES)

    async def _listen(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            match number:
                case signal.SIGTERM | signal.SIGINT:
                    self._shutdown.ask(number)
                case signal.SIGUSR1:
                    for name, stack in task_stacks():
                        self._log.info("supervisor.stack", message=f"task {name}", task=name, stack=stack)
                case _:
                    self._hung_up = True
                    if self._reloader is not None:
                        self._reloader.ask()

    async def _serve(self, parts: Parts) -> None:
        self._tell_start()
        async with anyio.create_task_group() as sinks:
            self._supervise(sinks, "notifier", parts.notifier, parts)
            if not self._run.dry:
                folder = self._config.supervisor.state_dir
                self._supervise(sinks, "lock", LockKeeper(self._run.lock, folder, self._log, self._shutdown), parts)
                proofs = ProofReader(folder, lambda: names_of(parts.config.escalation), self._run.cycle, parts.coordinator.tell)
                self._supervise(sinks, "proofs", proofs, parts)
            if isinstance(parts.journal, FileJournal):
                self._supervise(sinks, "journal", parts.journal, parts)
            self._supervise(sinks, "thrift", Thrift(heap.settle, partial(hop, WRITES, heap.give_back)), parts)
            self._supervise(sinks, "deadman", parts.monitor, parts)
            self._supervise(sinks, "sweeper", parts.sweeper, parts)
            self._supervise(sinks, "reporter", parts.display.page, parts)
            self._supervise(sinks, "metrics", parts.display.figures, parts)
            async with anyio.create_task_group() as middle:
                self._supervise(middle, "coordinator", parts.coordinator, parts)
                self._supervise(middle, "auditor", parts.audit, parts)
                async with anyio.create_task_group() as agents:
                    await self._clear(agents, parts)
                    parts.watchers.open(agents, self._config.agents)
                    async with anyio.create_task_group() as people:
                        self._listen_to_people(people, parts)
                        await self._shutdown.requested.wait()
                        self._tell_stop(parts.config.supervisor.shutdown_grace)
                        parts.pulse.stop()
                        people.cancel_scope.cancel()
                    agents.cancel_scope.cancel()
                middle.cancel_scope.cancel()
            report = await parts.coordinator.settle(stopped=True)
            sinks.cancel_scope.cancel()
        parts.coordinator.close()
        await parts.display.close(report, parts.coordinator.history, LAST_PAGE)

    def _supervise(self, tasks: anyio.abc.TaskGroup, name: str, actor: Actor, parts: Parts) -> None:
        # These keep their state over a crash: the same object runs again.
        tasks.start_soon(
            partial(
                supervise,
                name,
                lambda: actor,
                clock=self._run.clock,
                log=self._log,
                crashed=parts.note_crash,
            ),
            name=name,
        )

    async def _clear(self, tasks: anyio.abc.TaskGroup, parts: Parts) -> None:
        """End what still runs of agents that are gone: another one by now may do the same work, and twice at a time is wrong."""
        if self._source is not None and self._source.loaded.chosen:
            # By a flag: whoever is not watched this time may be configured all the same.
            return
        if (left_behind := parts.left_behind()) is not None:
            self._supervise(tasks, "left behind", left_behind, parts)
            with anyio.move_on_after(CLEARING):
                await left_behind.over.wait()

    def _listen_to_people(self, tasks: anyio.abc.TaskGroup, parts: Parts) -> None:
        """Take signals and commands that concern the work; the first to end when the program stops."""
        if self._source is not None:
            self._reloader = Reloader(self._source, parts, self._logs, self._run)
            self._reloader.tell_loaded(self._source.loaded)
            if self._hung_up or signal.SIGHUP in self._early:
                # It may have been meant for a file that is newer than what was read at the start.
                self._reloader.ask()
            self._supervise(tasks, "reload", self._reloader, parts)
            if self._run.lock is not None and not self._run.dry:
                # Without the lock it may be somebody else's folder.
                path = self._config.supervisor.state_dir / SOCKET
                operations = Operator(parts, self._reloader, self._run.clock).operations()
                server = ControlServer(path, operations, self._log, allowed={os.geteuid(), 0})
                self._supervise(tasks, "control", server, parts)

    def _tell_start(self) -> None:
        page = self._run.page
        where = f"; page: {page}" if page is not None else ""
        names = ", ".join(agent.name for agent in self._config.agents[:10])
        more = f" and {len(self._config.agents) - 10} more" if len(self._config.agents) > 10 else ""
        dry = "dry run, nothing is changed: " if self._run.dry else ""
        self._log.info(
            "supervisor.started",
            message=f"{dry}watching {names}{more}{where}",
            pid=os.getpid(),
            config=str(self._config.path) if self._config.path is not None else None,
            agents=len(self._config.agents),
            dashboard=str(page) if page is not None else None,
            python=platform.python_version(),
            dry_run=self._run.dry,
        )

    def _tell_stop(self, grace: float) -> None:
        self._log.info(
            "supervisor.stopping",
            message=f"{self._shutdown.signal}: ending what runs, within {span(grace)}",
            signal=self._shutdown.signal,
            grace_s=grace,
        )


async def open_parts(run: Run, shutdown: Shutdown) -> Parts:
    """Take over what an earlier run left, and make everything that acts."""
    if not run.dry:
        for folder in folders_of(run.config):
            with contextlib.suppress(OSError):  # a folder that cannot be used is said by whoever needs it
                await sweep_temporaries(folder, run.clock.now().wall)
    channels = channels_of(run, shutdown)
    names = tuple(channel.name for channel in channels)
    memory = await recall(run.config, names, clock=run.clock, log=run.log, boot_id=run.boot_id, dry=run.dry)
    return Parts(run, channels, memory, shutdown)


async def run_daemon(run: Run, logs: LogSystem, source: Source, early: Collection[int]) -> None:
    """Run the program until it is asked to stop; `early` are signals that came before."""
    await Daemon(run, logs, source, early).run()
