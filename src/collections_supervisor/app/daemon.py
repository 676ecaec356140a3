"""The running program: the order of starting and stopping, and the signals."""

import contextlib
import os
import platform
import signal
from collections.abc import AsyncIterator
from functools import partial

import anyio
import anyio.to_thread

from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.app.lock_keeper import LockKeeper
from collections_supervisor.app.memory import recall
from collections_supervisor.app.parts import Parts, Run, channels_of, folders_of
from collections_supervisor.app.proofs import ProofReader
from collections_supervisor.app.pulse import Pulse
from collections_supervisor.app.rounds import PAGE
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.escalation.channels import names_of
from collections_supervisor.messages import ActorCrashed
from collections_supervisor.system.clock import span
from collections_supervisor.system.files import sweep_temporaries
from collections_supervisor.system.logs import LogSystem
from collections_supervisor.system.loop import report_loop_errors, task_stacks
from collections_supervisor.system.shutdown import Shutdown
from collections_supervisor.system.supervision import Actor, supervise

LAST_PAGE = 0.5
LAST_LINES = 0.4
"""Seconds that the last page and the last log lines may take; what is left of the grace belongs to processes being ended."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Daemon:
    """The life of the program, from its first look to its last page."""

    def __init__(self, run: Run, logs: LogSystem) -> None:
        self._run = run
        self._config = run.config
        self._logs = logs
        self._log = run.log
        self._shutdown = Shutdown(run.config.supervisor.shutdown_grace, run.clock)
        self._pulse: Pulse | None = None

    async def run(self) -> None:
        """Supervise until a signal asks to stop; returns when everything that runs has been ended."""
        report_loop_errors(self._logs.on_loop_exception)
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
                    with self._pulse.reloading() if self._pulse is not None else contextlib.nullcontext():
                        self._reject()

    def _reject(self) -> None:
        self._run.counts.note_reload("rejected")
        self._log.warning(
            "config.rejected",
            message="this release reads its configuration only at the start; restart it to apply changes",
            reason="reload is not in this release",
        )

    async def _serve(self, parts: Parts) -> None:
        self._pulse = parts.pulse
        self._tell_start()
        async with anyio.create_task_group() as sinks:
            self._supervise(sinks, "notifier", parts.notifier, parts)
            if not self._run.dry:
                folder = self._config.supervisor.state_dir
                self._supervise(sinks, "lock", LockKeeper(self._run.lock, folder, self._log, self._shutdown), parts)
                names = names_of(self._config.escalation)
                self._supervise(sinks, "proofs", ProofReader(folder, names, self._run.cycle, parts.coordinator.tell), parts)
            if isinstance(parts.journal, FileJournal):
                self._supervise(sinks, "journal", parts.journal, parts)
            if parts.deadman is not None:
                self._supervise(sinks, "deadman", parts.deadman, parts)
            self._supervise(sinks, "sweeper", parts.sweeper, parts)
            if parts.reporter is not None:
                self._supervise(sinks, "reporter", parts.reporter, parts)
            if parts.metrics is not None:
                self._supervise(sinks, "metrics", parts.metrics, parts)
            async with anyio.create_task_group() as middle:
                self._supervise(middle, "coordinator", parts.coordinator, parts)
                if parts.auditor is not None:
                    self._supervise(middle, "auditor", parts.auditor, parts)
                async with anyio.create_task_group() as agents:
                    for policy in self._config.agents:
                        agents.start_soon(self._supervise_agent, policy, parts, name=f"agent {policy.name}")
                    await self._shutdown.requested.wait()
                    self._tell_stop()
                    parts.pulse.stop()
                    agents.cancel_scope.cancel()
                middle.cancel_scope.cancel()
            report = await parts.coordinator.settle(stopped=True)
            sinks.cancel_scope.cancel()
        parts.coordinator.close()
        await parts.show_last(report, parts.coordinator.history, LAST_PAGE)

    def _supervise(self, tasks: anyio.abc.TaskGroup, name: str, actor: Actor, parts: Parts) -> None:
        # These keep their state over a crash: the same object runs again.
        tasks.start_soon(
            partial(
                supervise,
                name,
                lambda: actor,
                clock=self._run.clock,
                log=self._log,
                crashed=partial(self._note_crash, parts),
            ),
            name=name,
        )

    @staticmethod
    async def _note_crash(parts: Parts, crash: ActorCrashed) -> None:
        # A coordinator that crashes keeps the state from being saved, and whoever waits for a sign of life waits for that.
        parts.pulse.crashed(PAGE if crash.actor == "reporter" else crash.actor)
        await parts.coordinator.tell(crash)

    async def _supervise_agent(self, policy: AgentConfig, parts: Parts) -> None:
        await supervise(
            f"agent {policy.name}",
            partial(parts.agent, policy),
            clock=self._run.clock,
            log=self._log,
            crashed=partial(self._note_crash, parts),
            agent=policy.name,
        )

    def _tell_start(self) -> None:
        page = self._config.dashboard.path if not self._run.dry else None
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

    def _tell_stop(self) -> None:
        grace = self._config.supervisor.shutdown_grace
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


async def run_daemon(run: Run, logs: LogSystem) -> None:
    """Run the program until it is asked to stop."""
    await Daemon(run, logs).run()
