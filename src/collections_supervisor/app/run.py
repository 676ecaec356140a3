"""What a run of the program is, and what its settings say to more than one part of it."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from structlog.typing import FilteringBoundLogger

from collections_supervisor.app.own_counts import OwnCounts
from collections_supervisor.app.tokens import token_variable
from collections_supervisor.config.schema import Config
from collections_supervisor.system.clock import Clock
from collections_supervisor.system.lock import Lock
from collections_supervisor.system.sdnotify import ServiceManager

SHORTEST_CYCLE = 0.5
"""Seconds; whoever wants a sign of life more often than twice that gets one too rarely."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What this run of the program is, and what it finds around it."""

    config: Config
    log: FilteringBoundLogger
    run_id: str
    environ: Mapping[str, str]
    boot_id: str
    clock: Clock
    counts: OwnCounts
    lock: Lock | None = None
    """None where the state folder cannot be used: nothing is remembered then, and nobody else kept away."""
    once: bool = False
    """One sweep instead of supervising until asked to stop."""
    dry: bool = False
    """Decide and say so, and change nothing."""
    secrets: set[str] = set()
    """Names of the environment variables that hold tokens, by this configuration or one before it: what was one may still be in
    use. All who start something ask this very set, so that what a reload adds is hidden from everybody at once.
    """

    def __post_init__(self) -> None:
        """Take in what this configuration names, also where it has come in the place of another."""
        self.secrets.update(secrets_of(self.config))

    @property
    def manager(self) -> ServiceManager:
        """The service manager that waits for a word of this run; of a single sweep nobody does."""
        return ServiceManager({} if self.once else self.environ)

    @property
    def page(self) -> Path | None:
        """The page that is replaced; None where there is none, or nothing is written."""
        return None if self.dry else self.config.dashboard.path

    @property
    def cycle(self) -> float:
        """Seconds within which every agent is judged, the state saved and the page replaced."""
        watchdog = self.manager.watchdog
        return self.config.cycle if watchdog is None else min(self.config.cycle, max(SHORTEST_CYCLE, watchdog / 2))


def cycle_of(config: Config) -> float:
    """Seconds within which the report is made anew, and kept."""
    return min(config.cycle, config.dashboard.interval)


def secrets_of(config: Config) -> frozenset[str]:
    """Names of the environment variables that hold tokens: no child of ours is to see them."""
    return frozenset(filter(None, map(token_variable, config.escalation.channels)))


def folders_of(config: Config) -> tuple[Path, ...]:
    """The folders in which files of ours are replaced."""
    state = config.supervisor.state_dir
    shown = (path.parent for path in (config.dashboard.path, config.metrics.path) if path is not None)
    return (state, state / "actions", state / "incidents", *shown)
