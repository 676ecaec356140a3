"""What an earlier run left: read at the start, and where this run keeps what comes after."""

import contextlib
from pathlib import Path

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.states import AgentStates
from collections_supervisor.config.checks import Places, Refused
from collections_supervisor.config.schema import Config
from collections_supervisor.config.texts import agent_name
from collections_supervisor.coordination.history import Past
from collections_supervisor.coordination.history_file import HistoryFile
from collections_supervisor.coordination.history_repair import remember
from collections_supervisor.coordination.ports import Histories, Store
from collections_supervisor.coordination.rebuild import Sent, rebuild
from collections_supervisor.coordination.snapshot import Loaded
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.coordination.store import SnapshotStore
from collections_supervisor.escalation.entries import Entry
from collections_supervisor.escalation.outbox import MemoryOutbox, Outbox
from collections_supervisor.escalation.outbox_file import FileOutbox
from collections_supervisor.messages import Report
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import replace

_SHOWN = 80


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at the start, and the places where it is kept up."""

    states: AgentStates
    store: Store
    outbox: Outbox
    fleet: FleetState
    report: Report | None = None
    """What was told last."""
    past: Past = Past()
    """How it came to that."""
    histories: Histories | None = None


class DryStore:
    """Keeps nothing."""

    async def save(self, report: Report, fleet: FleetState) -> bool:  # noqa: ARG002 - nothing is kept
        """Say that it is kept."""
        return True

    async def keep_evidence(self, incident_id: str, data: bytes) -> str | None:  # noqa: ARG002 - nothing is kept
        """There is no file."""
        return None


async def recall(
    config: Config, channels: tuple[str, ...], *, clock: Clock, log: FilteringBoundLogger, boot_id: str, dry: bool
) -> Memory:
    """Read what an earlier run left. Whatever cannot be read is set aside and said, and what is known otherwise stands in.

    A `dry` run leaves everything where it is.
    """
    folder = config.supervisor.state_dir
    states = AgentStates()
    snapshots = SnapshotStore(folder, clock, log, boot_id, states.encoded)
    found = await snapshots.load(touch=not dry)
    await _restore(states, found, config, clock, log, dry=dry)
    histories = HistoryFile(folder, clock, log)
    past = remember(await histories.load(touch=not dry), found.report, clock.now().wall)
    outbox = await FileOutbox.load(folder / "outbox.jsonl", channels, clock, log)
    fleet = rebuild(found.fleet, map(_sent, outbox.entries()), config.escalation.repeat_after, clock.now())
    if dry:
        return Memory(states=states, store=DryStore(), outbox=MemoryOutbox(), fleet=fleet, report=found.report, past=past)
    await outbox.compact({incident.dedup_key for incident in (*fleet.open.values(), *fleet.closing.values())})
    return Memory(states=states, store=snapshots, outbox=outbox, fleet=fleet, report=found.report, past=past, histories=histories)


async def _restore(
    states: AgentStates, found: Loaded, config: Config, clock: Clock, log: FilteringBoundLogger, *, dry: bool
) -> None:
    """Take over what is kept of the agents; what cannot be read is gone from the next snapshot, and lies in a file of its own."""
    now = clock.now()
    agents = {name: data for name, data in found.agents.items() if _can_be_agent(name)}
    watched = {agent.name for agent in config.agents}
    wrong = states.restore(agents, found.shift, watched=watched, now=now, excused=found.excused)
    for name, why in wrong.items():
        path = config.supervisor.state_dir / f"{name}.unreadable-{now.wall:%Y%m%dT%H%M%SZ}"
        await _set_aside(name, path, agents[name], why, log, dry=dry)
    nameless = [name for name in found.agents if name not in agents]
    if nameless:
        log.error(
            "supervisor.state_set_aside",
            message=f"what was kept of {len(nameless)} agents is of no use, since none can be called {nameless[0][:_SHOWN]!r}",
            path=None,
            reason="no name of an agent",
            agents=len(nameless),
        )


def _can_be_agent(name: str) -> bool:
    try:
        agent_name(name, Places(None, None))
    except Refused:
        return False
    return True


async def _set_aside(name: str, path: Path, data: bytes, why: str, log: FilteringBoundLogger, *, dry: bool) -> None:
    """Keep what is known of an agent and cannot be read; its heartbeat log and its last action tell the rest."""
    kept: str | None = None
    if not dry:
        with contextlib.suppress(OSError, ValueError):  # a path that is none is no reason not to start either
            await replace(path, bytes(data))
            kept = str(path)
    outcome = f"is kept as {path.name}" if kept is not None else "could not be kept elsewhere" if not dry else "stays where it is"
    log.error(
        "supervisor.state_set_aside",
        message=f"what was kept of {name} cannot be read and {outcome}; it is judged anew: {why}",
        agent=name,
        path=kept,
        reason=why,
    )


def _sent(entry: Entry) -> Sent:
    return Sent(notice=entry.notice, taken=bool(entry.taken_by), pending=entry.pending, lost=entry.lost, error=entry.error)
