"""One sweep over everything: judge, act, tell, keep, and report."""

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import msgspec

from collections_supervisor.app.daemon import open_parts
from collections_supervisor.app.parts import Parts
from collections_supervisor.app.progress import show_progress
from collections_supervisor.app.run import Run
from collections_supervisor.app.tokens import tell_missing_tokens
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.coordination.coordinator import CRASHES
from collections_supervisor.messages import ActorCrashed, History, Report
from collections_supervisor.system.shutdown import Shutdown

if TYPE_CHECKING:
    from collections_supervisor.books.auditor import Auditor

LAST_WRITES = 2.0
"""Seconds that the page, and the metrics, may take."""

OVERTIME = 30.0
"""Seconds beyond the deadlines of its channels after which a try to tell somebody is left to the next sweep."""


class Sweep:
    """The actors of the daemon, each run once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._shutdown = Shutdown(run.config.supervisor.shutdown_grace, run.clock)
        self.config = run.config
        self.history = History()
        """How it came to the report, once that is there."""

    @property
    def interrupted(self) -> bool:
        """Whether a signal cut it short."""
        return self._shutdown.requested.is_set()

    async def run(self) -> Report:
        """Sweep; a signal ends what runs and leaves the rest to the next sweep."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, signals)
                tasks.start_soon(self._shutdown.run)
                tell_missing_tokens(self.config.escalation.channels, self._run.environ, self._run.log)
                report = await self._sweep(await open_parts(self._run, self._shutdown))
                tasks.cancel_scope.cancel()
        return report

    async def _listen(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            self._shutdown.ask(number)

    async def _sweep(self, parts: Parts) -> Report:
        async with anyio.create_task_group() as sinks:
            sinks.start_soon(parts.notifier.run)
            async with anyio.create_task_group() as middle:
                # Beside the actions: a human is not to wait for the end of a restart.
                middle.start_soon(parts.coordinator.run)
                if parts.auditor is not None:
                    middle.start_soon(self._audit, parts.auditor, parts)
                    middle.start_soon(show_progress, parts.auditor, sys.stderr)
                await self._look_at_all(parts)
                if parts.auditor is not None:
                    await self._unless_stopped(parts.auditor.finished.wait)
                middle.cancel_scope.cancel()
            # An audit that was stopped has not let go of its thread yet, and one more would find that nothing answers.
            if parts.auditor is not None and not self.interrupted:
                await parts.coordinator.settle(patient=True)
                await self._unless_stopped(parts.auditor.assess)
            await parts.coordinator.settle()
            await self._let_tell(parts)
            report = await parts.coordinator.settle(stopped=True)
            self.history = parts.coordinator.history
            sinks.cancel_scope.cancel()
        parts.coordinator.close()
        await parts.display.close(msgspec.structs.replace(report, stopped_at=None), self.history, LAST_WRITES)
        if parts.deadman is not None and parts.pulse.completed:
            await self._unless_stopped(parts.deadman.call)
        return report

    async def _look_at_all(self, parts: Parts) -> None:
        async def look() -> None:
            async with anyio.create_task_group() as agents:
                for policy in self._run.config.agents:
                    agents.start_soon(self._look_at, policy, parts, name=f"agent {policy.name}")

        await self._unless_stopped(look)

    async def _audit(self, auditor: "Auditor", parts: Parts) -> None:
        try:
            await auditor.run()
        except Exception as error:
            self._run.log.critical(
                "supervisor.actor_crashed",
                message=f"a bug ended the audit: {error!r}",
                actor="auditor",
                agent=None,
                crashes=1,
                exc_info=error,
            )
            await parts.coordinator.tell(ActorCrashed(actor="auditor", agent=None, crashes=CRASHES, error=repr(error)))
            auditor.finished.set()

    async def _look_at(self, policy: AgentConfig, parts: Parts) -> None:
        try:
            await parts.agent(policy).once()
        except Exception as error:
            self._run.log.critical(
                "supervisor.actor_crashed",
                message=f"a bug ended the look at {policy.name}: {error!r}",
                actor=f"agent {policy.name}",
                agent=policy.name,
                crashes=1,
                exc_info=error,
            )
            crash = ActorCrashed(actor=f"agent {policy.name}", agent=policy.name, crashes=1, error=repr(error))
            await parts.coordinator.tell(crash)

    async def _let_tell(self, parts: Parts) -> None:
        """Wait until every channel had its try, or is out of time."""
        longest = max((channel.timeout for channel in self._run.config.escalation.channels), default=0.0)
        with anyio.move_on_after(longest + OVERTIME):
            await self._unless_stopped(parts.notifier.drained)

    async def _unless_stopped(self, work: Callable[[], Awaitable[None]]) -> None:
        async with anyio.create_task_group() as race:

            async def stop() -> None:
                await self._shutdown.requested.wait()
                race.cancel_scope.cancel()

            race.start_soon(stop)
            await work()
            race.cancel_scope.cancel()
