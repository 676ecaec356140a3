"""Builds the actors from the settings, and owns their life: the order of starting and stopping, and the signals."""

import os
import platform
import random  # noqa: TID251 - the one source of chance; whoever needs a random number is given it
import signal
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor import __version__
from collections_supervisor.agents.action import ActionRunner
from collections_supervisor.agents.actor import AgentActor
from collections_supervisor.agents.heartbeat import HeartbeatReader
from collections_supervisor.agents.owned import OwnedProcess
from collections_supervisor.agents.ports import MemoryStore, Ports, Runner
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.config.schema import AgentConfig, Config, OpenClawChannel, WebhookChannel
from collections_supervisor.coordination.coordinator import Coordinator, Fleet
from collections_supervisor.escalation.channels import open_channels
from collections_supervisor.escalation.notifier import Notifier
from collections_supervisor.escalation.outbox import MemoryOutbox
from collections_supervisor.messages import Notice, NoticeAttempted, NoticeDelivered, NoticeExpired, Report
from collections_supervisor.reporting.reporter import Reporter
from collections_supervisor.system.clock import Clock, SystemClock, span
from collections_supervisor.system.files import replace
from collections_supervisor.system.lock import Lock
from collections_supervisor.system.logs import LogSystem
from collections_supervisor.system.loop import report_loop_errors, task_stacks
from collections_supervisor.system.process_command import run_command
from collections_supervisor.system.shutdown import Shutdown
from collections_supervisor.system.supervision import supervise

LAST_PAGE = 0.5
LAST_LINES = 0.4
"""Seconds that the last page and the last log lines may take; what is left of the grace belongs to processes being ended."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Faces:
    """Where the coordinator's word goes: the page and the notices."""

    def __init__(self, reporter: Reporter | None, notifier: Notifier) -> None:
        self._reporter = reporter
        self._notifier = notifier

    def show(self, report: Report) -> None:
        """Render this report."""
        if self._reporter is not None:
            self._reporter.publish(report)

    def notify(self, notices: tuple[Notice, ...]) -> None:
        """See to it that a human gets these."""
        self._notifier.publish(notices)


class Daemon:
    """The running program: its actors, wired together."""

    def __init__(self, config: Config, logs: LogSystem, run_id: str, environ: Mapping[str, str]) -> None:
        self._config = config
        self._logs = logs
        self._log: FilteringBoundLogger = logs.logger
        self._clock: Clock = SystemClock()
        self._shutdown = Shutdown(config.supervisor.shutdown_grace, self._clock)
        self._place = Workplace(
            folder=config.supervisor.state_dir / "actions",
            environment=dict(environ),
            secrets=secrets_of(config),
            shutdown=self._shutdown,
            clock=self._clock,
            log=self._log,
        )
        self._ports = Ports(
            clock=self._clock,
            store=MemoryStore(),
            log=self._log,
            slots=anyio.CapacityLimiter(config.max_concurrent),
            jitter=random.random,
        )
        self._reporter = self._make_reporter()
        self._notifier = self._make_notifier()
        self._coordinator = Coordinator(
            Fleet(
                names=tuple(agent.name for agent in config.agents),
                repeat_after=config.escalation.repeat_after,
                cycle=min(config.cycle, config.dashboard.interval),
                run_id=run_id,
                version=__version__,
            ),
            self._clock,
            self._log,
            Faces(self._reporter, self._notifier),
        )

    def _make_reporter(self) -> Reporter | None:
        page = self._config.dashboard
        if page.path is None:
            return None
        recipient = self._config.escalation.recipient
        return Reporter(page, self._clock, partial(replace, mode=None), self._log, recipient=recipient)

    def _make_notifier(self) -> Notifier:
        escalation = self._config.escalation
        return Notifier(
            open_channels(
                escalation,
                self._place.environment,
                secrets=self._place.secrets,
                run=partial(run_command, shutdown=self._shutdown),
            ),
            MemoryOutbox(),
            self._ports,
            give_up_after=escalation.give_up_after,
            tell=self._tell,
            bounded=self._shutdown.bounded,
        )

    async def _tell(self, message: NoticeAttempted | NoticeDelivered | NoticeExpired) -> bool:
        # The two know each other: the coordinator says what is due, the notifier what became of it.
        return await self._coordinator.tell(message)

    # --- Life ---

    async def run(self) -> None:
        """Supervise until a signal asks to stop; returns when everything that runs has been ended."""
        report_loop_errors(self._logs.on_loop_exception)
        # Opened first and closed last: outside of it a second SIGTERM would kill us in the middle of stopping.
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, signals)
                tasks.start_soon(self._shutdown.run)
                await self._serve()
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
                    self._log.warning(
                        "config.rejected",
                        message="this release reads its configuration only at the start; restart it to apply changes",
                        reason="reload is not in this release",
                    )

    async def _serve(self) -> None:
        self._tell_start()
        async with anyio.create_task_group() as sinks:
            self._supervise(sinks, "notifier", self._notifier)
            if self._reporter is not None:
                self._supervise(sinks, "reporter", self._reporter)
            async with anyio.create_task_group() as middle:
                self._supervise(middle, "coordinator", self._coordinator)
                async with anyio.create_task_group() as agents:
                    for policy in self._config.agents:
                        agents.start_soon(self._supervise_agent, policy, name=f"agent {policy.name}")
                    await self._shutdown.requested.wait()
                    self._tell_stop()
                    agents.cancel_scope.cancel()
                middle.cancel_scope.cancel()
            report = self._coordinator.settle(stopped=True)
            sinks.cancel_scope.cancel()
        self._coordinator.close()
        if self._reporter is not None:
            with anyio.move_on_after(LAST_PAGE, shield=True):
                await self._reporter.close(report)

    def _supervise(self, tasks: anyio.abc.TaskGroup, name: str, actor: Notifier | Reporter | Coordinator) -> None:
        # These keep their state over a crash: the same object runs again.
        tasks.start_soon(
            partial(
                supervise,
                name,
                lambda: actor,
                clock=self._clock,
                log=self._log,
                crashed=self._coordinator.tell,
            ),
            name=name,
        )

    async def _supervise_agent(self, policy: AgentConfig) -> None:
        await supervise(
            f"agent {policy.name}",
            partial(self._make_agent, policy),
            clock=self._clock,
            log=self._log,
            crashed=self._coordinator.tell,
            agent=policy.name,
        )

    def _make_agent(self, policy: AgentConfig) -> AgentActor:
        policy = msgspec.structs.replace(policy, cycle=self._config.cycle)
        return AgentActor(policy, self._ports, HeartbeatReader(policy), self._make_runner(policy), self._coordinator.tell)

    def _make_runner(self, policy: AgentConfig) -> Runner:
        return OwnedProcess(policy, self._place) if policy.restart.kind == "process" else ActionRunner(policy, self._place)

    def _tell_start(self) -> None:
        page = self._config.dashboard.path
        where = f"; page: {page}" if page is not None else ""
        names = ", ".join(agent.name for agent in self._config.agents[:10])
        more = f" and {len(self._config.agents) - 10} more" if len(self._config.agents) > 10 else ""
        self._log.info(
            "supervisor.started",
            message=f"watching {names}{more}{where}",
            pid=os.getpid(),
            config=str(self._config.path) if self._config.path is not None else None,
            agents=len(self._config.agents),
            dashboard=str(page) if page is not None else None,
            python=platform.python_version(),
        )

    def _tell_stop(self) -> None:
        grace = self._config.supervisor.shutdown_grace
        self._log.info(
            "supervisor.stopping",
            message=f"{self._shutdown.signal}: ending what runs, within {span(grace)}",
            signal=self._shutdown.signal,
            grace_s=grace,
        )


def secrets_of(config: Config) -> frozenset[str]:
    """Names of the environment variables that hold tokens: no child of ours is to see them."""
    named = (channel.token_env for channel in config.escalation.channels if isinstance(channel, OpenClawChannel | WebhookChannel))
    return frozenset(name for name in named if name)


def prepare_state(folder: Path) -> Lock:
    """Make the state folder if it is missing, private, and take its lock; raises OSError or LockHeldError."""
    # One that exists keeps its mode: it may be somebody else's too, and all files of ours are private anyway.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "actions").mkdir(mode=0o700, exist_ok=True)
    return Lock(folder / "supervisor.lock")


async def run_daemon(config: Config, logs: LogSystem, run_id: str, environ: Mapping[str, str]) -> None:
    """Run the program until it is asked to stop."""
    await Daemon(config, logs, run_id, environ).run()
