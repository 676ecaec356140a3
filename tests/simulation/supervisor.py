"""One life of the supervisor: the real parts, wired as the program wires them, in a world that is made up."""

import asyncio
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from logging import getLevelNamesMapping
from typing import Any, cast

import anyio
import msgspec
from anyio.abc import TaskGroup
from structlog.typing import FilteringBoundLogger
from tests.simulation.disk import Disk
from tests.simulation.loop import Call, VirtualLoop
from tests.simulation.world import Doom, World

from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.agents.ports import MemoryJournal, Runner
from collections_supervisor.app.daemon import Daemon
from collections_supervisor.app.memory import DryStore, Memory, recall
from collections_supervisor.app.oneshot import Sweep
from collections_supervisor.app.own_counts import OwnCounts
from collections_supervisor.app.parts import Parts
from collections_supervisor.app.run import Run, folders_of
from collections_supervisor.config.schema import AgentConfig, Config
from collections_supervisor.escalation.channels import Channel
from collections_supervisor.escalation.outbox import MemoryOutbox
from collections_supervisor.messages import Now
from collections_supervisor.system.files import sweep_temporaries
from collections_supervisor.system.log_queue import Counts
from collections_supervisor.system.logs import LogSystem
from collections_supervisor.system.shutdown import Shutdown
from collections_supervisor.system.supervision import Actor
from collections_supervisor.system.threads import WRITES

_LEVELS = getLevelNamesMapping()


class Outside(msgspec.Struct, kw_only=True):
    """What a life finds around it; each is asked for anew in every life."""

    runner: Callable[[AgentConfig], Runner]
    channels: Callable[[], Sequence[Channel]]
    heard: Callable[[int, str, dict[str, Any]], None]
    """Takes what is logged."""


class SimulatedParts(Parts):
    """The parts of a run whose restarts are made up."""

    def __init__(self, run: Run, outside: Outside, memory: Memory, shutdown: Shutdown, flaw: str) -> None:
        self._outside = outside
        self._flaw = flaw
        super().__init__(run, outside.channels(), memory, shutdown)

    def _runner(self, policy: AgentConfig) -> Runner:
        return self._outside.runner(policy)

    def _make_journal(self) -> FileJournal | MemoryJournal:
        return MemoryJournal() if self._flaw == "journal" else super()._make_journal()


class SimulatedDaemon(Daemon):
    """The daemon without its lock: there is one supervisor at a time in this world."""

    def _supervise(self, tasks: TaskGroup, name: str, actor: Actor, parts: Parts) -> None:
        if name != "lock":
            super()._supervise(tasks, name, actor, parts)


class Life:
    """From the start of the process to its end, whatever end that is."""

    def __init__(self, world: World, disk: Disk, config: Config, *, once: bool, flaw: str) -> None:
        self.alive = True
        self.since = world.now
        self.doom: Doom | None = None
        """What killed it."""
        self._world = world
        self._disk = disk
        self._config = msgspec.structs.replace(
            config, supervisor=msgspec.structs.replace(config.supervisor, state_dir=disk.folder)
        )
        self._once = once
        self._flaw = flaw
        self._died_at = 0.0
        self._loop: VirtualLoop | None = None
        self._stop: Callable[[], None] = lambda: None

    def live(self, outside: Outside) -> None:
        """Live until the work is done, a signal says stop, or death."""
        self._outside = outside
        world = self._world
        world.die = self._die
        self._disk.passed = lambda: world.passed("write")
        loop = self._loop = VirtualLoop(self._time, self._idle, self._execute)
        task = loop.create_task(self._main())

        def end(_: object) -> None:
            loop.stop()

        task.add_done_callback(end)
        loop.run_forever()
        task.remove_done_callback(end)
        was_alive = self.alive
        self.alive = False
        self._died_at = self._died_at or world.mono
        if not task.done():
            task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        if was_alive and not task.cancelled() and (error := task.exception()) is not None:
            world.wrong("the program crashed: " + "".join(traceback.format_exception(error)))

    def stop(self) -> None:
        """Ask it to stop in order."""
        if self.alive:
            self._world.note("asked to stop")
            self._stop()

    # --- What it runs on ---

    def now(self) -> Now:
        """The clocks; for the dead, time goes on without anybody else."""
        now = self._world.clock()
        return now if self.alive else msgspec.structs.replace(now, mono=self._died_at)

    def _time(self) -> float:
        return self._world.mono if self.alive else self._died_at

    def _idle(self, seconds: float | None) -> None:
        if not self.alive:
            if seconds is None:
                raise RuntimeError("what is dead waits for something")
            self._died_at += seconds
            return
        self._world.passed("turn")
        if self.alive and seconds != 0.0:  # type: ignore[redundant-expr]  # it may have died at that
            self._world.idle(seconds)
        if self._world.broken and self._loop is not None:
            self._loop.stop()

    def _die(self, doom: Doom) -> None:
        if self.alive and self._loop is not None:
            self.doom, self.alive, self._died_at = doom, False, self._world.mono
            self._disk.die(power_lost=doom.reboot)
            self._loop.stop()

    def _execute(self, executor: object, call: Call) -> "asyncio.Future[Any]":
        assert self._loop is not None
        future: asyncio.Future[Any] = self._loop.create_future()
        state = executor is WRITES

        def work() -> None:
            if not self.alive:
                return
            try:
                result = self._disk.perform(call, state=state)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the call
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if self.alive and not future.cancelled():  # type: ignore[redundant-expr]  # it may have died at that
                    future.set_result(result)

        delay = self._disk.hesitation() if state else 0.0
        if delay:
            self._loop.call_later(delay, work)
        else:
            work()
        return future

    # --- What it does ---

    async def _main(self) -> None:
        run = Run(
            config=self._config,
            log=cast("FilteringBoundLogger", _Log(self._hear)),
            run_id=f"life-{self.since:.0f}",
            environ={},
            boot_id=self._world.boot_id,
            clock=self,
            counts=OwnCounts(self.now().wall, lambda: Counts(events={}, dropped=0)),
            once=self._once,
        )
        shutdown = Shutdown(run.config.supervisor.shutdown_grace, run.clock)
        self._stop = lambda: None if shutdown.requested.is_set() else shutdown.ask(signal.SIGTERM)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shutdown.run)
            parts = await self._parts(run, shutdown)
            if self._once:
                sweep = Sweep(run)
                sweep._shutdown = shutdown
                await sweep._sweep(parts)
            else:
                daemon = SimulatedDaemon(run, cast("LogSystem", None))
                daemon._shutdown = shutdown
                await daemon._serve(parts)
            tasks.cancel_scope.cancel()

    async def _parts(self, run: Run, shutdown: Shutdown) -> Parts:
        for folder in folders_of(run.config):
            with suppress(OSError):
                await sweep_temporaries(folder, run.clock.now().wall)
        names = tuple(channel.name for channel in self._outside.channels())
        memory = await recall(run.config, names, clock=run.clock, log=run.log, boot_id=run.boot_id, dry=False)
        if self._flaw == "store":
            memory = msgspec.structs.replace(memory, store=DryStore())
        elif self._flaw == "outbox":
            memory = msgspec.structs.replace(memory, outbox=MemoryOutbox())
        return SimulatedParts(run, self._outside, memory, shutdown, self._flaw)

    def _hear(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self.alive:
            self._outside.heard(level, event, fields)


class _Log:
    """What the program logs with."""

    def __init__(self, hear: Callable[[int, str, dict[str, Any]], None]) -> None:
        self._hear = hear

    def log(self, level: int, event: str, **fields: Any) -> None:
        self._hear(level, event, fields)

    def __getattr__(self, level: str) -> Callable[..., None]:
        number = _LEVELS[level.upper()]
        return lambda event, **fields: self._hear(number, event, fields)
