"""The parts of a run, wired together: what the daemon and the single sweep have in common."""

import random  # noqa: TID251 - the one source of chance; whoever needs a random number is given it
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio
import msgspec

from collections_supervisor.agents.action import ActionRunner
from collections_supervisor.agents.actor import AgentActor
from collections_supervisor.agents.bystander import Bystander, Onlooker
from collections_supervisor.agents.heartbeat import HeartbeatReader
from collections_supervisor.agents.journal import FileJournal
from collections_supervisor.agents.left_behind import LeftBehind
from collections_supervisor.agents.owned import OwnedProcess
from collections_supervisor.agents.ports import Heartbeat, MemoryJournal, Runner
from collections_supervisor.agents.ports import Ports as AgentPorts
from collections_supervisor.agents.silence import is_owned
from collections_supervisor.agents.slots import RestartSlots
from collections_supervisor.agents.strays import Sweeper
from collections_supervisor.agents.workplace import Workplace
from collections_supervisor.app.briefing import channels_of, fleet_of, owned_by, reviewing
from collections_supervisor.app.display import Display
from collections_supervisor.app.faces import Faces
from collections_supervisor.app.memory import Memory
from collections_supervisor.app.pulse import Pulse, Witnessed
from collections_supervisor.app.rounds import PAGE
from collections_supervisor.app.run import Run
from collections_supervisor.app.watchers import Watchers
from collections_supervisor.config.schema import AgentConfig, Config
from collections_supervisor.coordination.coordinator import Coordinator
from collections_supervisor.coordination.ports import Ports as FleetPorts
from collections_supervisor.escalation.channels import Channel
from collections_supervisor.escalation.courier import Persistence
from collections_supervisor.escalation.notifier import Notifier
from collections_supervisor.messages import (
    ActorCrashed,
    BooksAudited,
    ImpactAssessed,
    NoticeAttempted,
    NoticeDelivered,
    NoticeExpired,
    Report,
    Source,
)
from collections_supervisor.system.post import Post
from collections_supervisor.system.process import child_environment
from collections_supervisor.system.process_command import run_command
from collections_supervisor.system.shutdown import Shutdown

if TYPE_CHECKING:
    from collections_supervisor.books.auditor import Auditor
    from collections_supervisor.escalation.deadman import Deadman


class Parts:
    """Everything that acts in one run, made once."""

    def __init__(self, run: Run, channels: Sequence[Channel], memory: Memory, shutdown: Shutdown) -> None:
        config = run.config
        self._run = run
        self._unsure = False
        """Whether nobody knows what of the configuration is in force."""
        self._memory = memory
        self._shutdown = shutdown
        self._place = Workplace(
            folder=config.supervisor.state_dir / "actions",
            environment=dict(run.environ),
            secrets=run.secrets,
            shutdown=shutdown,
            clock=run.clock,
            log=run.log,
        )
        self.deadman = self._make_deadman()
        self.monitor = Post(self.deadman)
        self.pulse = self._make_pulse()
        self.sweeper = Sweeper(self._place.strays, shutdown, run.log)
        self.journal = self._make_journal()
        self._slots = RestartSlots(config.max_concurrent, reviewing=reviewing(run))
        self._ports = AgentPorts(
            clock=run.clock,
            store=memory.states,
            journal=self.journal,
            log=run.log,
            slots=self._slots,
            boot_id=run.boot_id,
            jitter=random.random,
            looked=self.pulse.looked,
            standing=lambda: self.coordinator.pause_of_all(),  # noqa: PLW0108 - there is none yet
        )
        self.display = Display(run, self.pulse.shown)
        self.notifier = self._make_notifier(channels, memory)
        self.auditor = self._make_auditor(memory.report)
        self.audit = Post(self.auditor)
        self._readers: dict[str, HeartbeatReader] = {}
        store = Witnessed(memory.store, self.pulse.saved)
        ports = FleetPorts(clock=run.clock, log=run.log, store=store, histories=memory.histories, sources=self._sources)
        self._faces = Faces(self.display, self.notifier, self._slots, self.pulse, self.auditor)
        self.coordinator = Coordinator(fleet_of(run), ports, self._faces, memory.fleet, memory.past, memory.report)
        self.watchers = Watchers(self.agent, self._rest, clock=run.clock, log=run.log, crashed=self.note_crash)

    @property
    def config(self) -> Config:
        """What is in force."""
        return self._run.config

    async def note_crash(self, crash: ActorCrashed) -> None:
        """Say that one of our tasks crashed; a round in which that happened is none."""
        # A coordinator that crashes keeps the state from being saved, and whoever waits for a sign of life waits for that.
        self.pulse.crashed(PAGE if crash.actor == "reporter" else crash.actor)
        await self.coordinator.tell(crash)

    def _make_journal(self) -> FileJournal | MemoryJournal:
        if self._run.dry:
            return MemoryJournal()
        return FileJournal(self._place.folder, self._run.clock, self._run.log, owned=owned_by(self._run.config))

    def left_behind(self) -> LeftBehind | None:
        """What looks for that which runs for nobody any more."""
        lock = self._run.lock
        if lock is None or lock.unsupported is not None or not isinstance(self.journal, FileJournal):
            # Without a lock it may be somebody else's folder.
            return None
        return LeftBehind(self.journal, self._place, self._run.boot_id, lambda: [agent.name for agent in self.config.agents])

    def _make_deadman(self) -> "Deadman | None":
        run, settings = self._run, self._run.config.deadman
        if run.dry or not (settings.url or settings.command):
            return None
        # Nobody else needs it, nor what speaks HTTP.
        from collections_supervisor.escalation.deadman import Deadman

        env = partial(child_environment, run.environ, {}, drop=run.secrets)
        return Deadman(settings, env, partial(run_command, shutdown=self._shutdown), run.log)

    def _make_pulse(self) -> Pulse:
        run = self._run
        return Pulse(
            [agent.name for agent in run.config.agents],
            page=run.page is not None,
            manager=run.manager,
            clock=run.clock,
            complete=self._complete,
        )

    def _complete(self) -> None:
        """A round is over, and nothing was amiss in it."""
        if self.deadman is not None:
            self.deadman.round()

    def _make_notifier(self, channels: Sequence[Channel], memory: Memory) -> Notifier:
        return Notifier(
            channels,
            memory.outbox,
            self._ports,
            persistence=self._persistence(),
            tell=self._tell,
        )

    def _persistence(self) -> Persistence:
        return Persistence(
            give_up_after=self._run.config.escalation.give_up_after,
            retries=not self._run.once,
            bounded=self._shutdown.bounded,
        )

    def _make_auditor(self, report: Report | None) -> "Auditor | None":
        config = self._run.config
        if not config.books.enabled:
            return None
        # Nobody else needs these, and some fleets have no books.
        from collections_supervisor.books.audit import Books
        from collections_supervisor.books.auditor import Auditor, Ports
        from collections_supervisor.books.telling import told_before
        from collections_supervisor.system.zone import local_zone

        books = Books(config.books, local_zone(self._run.environ), window=config.metrics.window)
        findings = report.books.findings if report is not None and report.books is not None else ()
        queues = report.queues.items if report is not None and report.queues is not None else ()
        ports = Ports(clock=self._run.clock, log=self._run.log, tell=self._tell)
        return Auditor(books, config.supervisor.check_interval, ports, told_before(findings, queues))

    async def _tell(self, message: BooksAudited | ImpactAssessed | NoticeAttempted | NoticeDelivered | NoticeExpired) -> bool:
        # They know each other: the coordinator says what is due or worth knowing, they what became of it.
        return await self.coordinator.tell(message)

    def agent(self, policy: AgentConfig) -> AgentActor:
        """A new task for this agent; it goes on where the one before it ended."""
        policy = self.policy(policy)
        return AgentActor(policy, self._ports, self._heartbeat(policy), self._runner(policy), self.coordinator.tell)

    def policy(self, policy: AgentConfig) -> AgentConfig:
        """An agent's settings with those that hold for all."""
        return msgspec.structs.replace(policy, cycle=self._run.cycle, settles=not self._run.once)

    def _heartbeat(self, policy: AgentConfig) -> Heartbeat:
        reader = self._readers[policy.name] = HeartbeatReader(policy)
        return Onlooker(reader) if self._run.dry else reader

    def _runner(self, policy: AgentConfig) -> Runner:
        if self._run.dry:
            return Bystander(policy, "dry_run")
        if self._run.once and policy.restart.kind == "process":
            return Bystander(policy, "daemon_only")
        if self._run.once and self._run.lock is None:
            # Each sweep would begin with a full budget.
            return Bystander(policy, "no_memory")
        return OwnedProcess(policy, self._place) if policy.restart.kind == "process" else ActionRunner(policy, self._place)

    def _rest(self, name: str) -> None:
        self._readers.pop(name, None)
        self._memory.states.rest(name, self._run.clock.now().mono)

    def _sources(self) -> Iterator[Source]:
        for agent in self._run.config.agents:
            yield from self._readers[agent.name].origins if agent.name in self._readers else ()

    # --- Another configuration ---

    async def reconfigure(self, config: Config) -> None:
        """Go by this one from now on: what has not changed is not touched, and whatever runs is not restarted.

        After a bug that cut this short nobody knows what is in force, and the next time everything counts as changed.
        """
        before, self._run = self._run.config, msgspec.structs.replace(self._run, config=config)
        unsure, self._unsure = self._unsure, True
        self._shutdown.grant(config.supervisor.shutdown_grace)
        self._slots.resize(config.max_concurrent, reviewing=reviewing(self._run))
        if isinstance(self.journal, FileJournal):
            self.journal.own(owned_by(config))
        if unsure or before.deadman != config.deadman:
            self.deadman = self._make_deadman()
            self.monitor.give(self.deadman)
        if unsure or before.escalation != config.escalation:
            self.notifier.adjust(channels_of(self._run, self._shutdown), self._persistence())
        if unsure or _shown_by(before) != _shown_by(config):
            report, history = self.coordinator.report, self.coordinator.history
            await self.display.replace(self._run, report, history)
            self._faces.show(report, history)
        if unsure or _audited_by(before) != _audited_by(config):
            self.auditor = self._make_auditor(self.coordinator.report)
            self._faces.hire(self.auditor)
            self.audit.give(self.auditor)
        while not await self.coordinator.tell(fleet_of(self._run)):
            pass  # its inbox stays full for seconds: nothing goes on before it knows whom it is about
        self.pulse.watch([agent.name for agent in config.agents], page=self._run.page is not None)
        await self._change_agents(before, config, unsure=unsure)
        self._unsure = False

    async def _change_agents(self, before: Config, config: Config, *, unsure: bool) -> None:
        old = {name: policy for name in self.watchers.names if (policy := self.watchers.policy(name)) is not None}
        new = {agent.name: agent for agent in config.agents}
        # Who becomes a process of ours, or is none any more, is another agent of the same name.
        other = {name for name in old.keys() & new.keys() if is_owned(old[name]) != is_owned(new[name])}
        failed: list[Exception] = []

        async def apply(change: Callable[[], Awaitable[None]]) -> None:
            # What goes wrong with one must not cut short what is done to the others.
            try:
                await change()
            except Exception as error:  # noqa: BLE001 - it is raised below
                failed.append(error)

        async with anyio.create_task_group() as tasks:
            for name in [name for name in old if name not in new or name in other]:
                tasks.start_soon(apply, partial(self.watchers.retire, name))
            for name in [name for name in new if name in old and name not in other]:
                if unsure or (new[name], config.cycle) != (old[name], before.cycle):
                    change = partial(self._reconfigure_agent, before=None if unsure else old[name])
                    tasks.start_soon(apply, partial(self.watchers.change, new[name], change))
        for name, policy in new.items():
            if name not in old or name in other:
                self.watchers.begin(policy)
        if failed:
            raise ExceptionGroup("agents could not be changed", failed)

    async def _reconfigure_agent(self, actor: AgentActor, policy: AgentConfig, *, before: AgentConfig | None) -> None:
        same = before is not None and (policy.sources, policy.future_tolerance) == (before.sources, before.future_tolerance)
        policy, runner = self.policy(policy), actor.runner
        if isinstance(runner, OwnedProcess):
            runner.adjust(policy)
        else:
            runner = self._runner(policy)
        await actor.reconfigure(policy, None if same else self._heartbeat(policy), runner)


def _shown_by(config: Config) -> tuple[object, ...]:
    return (config.dashboard, config.metrics.path, config.escalation.recipient)


def _audited_by(config: Config) -> tuple[object, ...]:
    return (config.books, config.metrics.window, config.supervisor.check_interval)
