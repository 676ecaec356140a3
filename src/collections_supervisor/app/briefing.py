"""What each room is told of a run: whom the coordinator knows, which ways to a human there are, which agents are our own."""

import socket
from collections.abc import Sequence
from functools import partial

from collections_supervisor import __version__
from collections_supervisor.agents.silence import is_owned
from collections_supervisor.app.run import Run, cycle_of
from collections_supervisor.config.schema import Config
from collections_supervisor.coordination.state import Fleet
from collections_supervisor.escalation.channels import Channel, dry_channels, open_channels
from collections_supervisor.system.process_command import run_command
from collections_supervisor.system.shutdown import Shutdown

HOST_SIZE = 3
"""Agents of a fleet below which a failure of the whole host cannot be told from failures of its agents."""


def fleet_of(run: Run) -> Fleet:
    """What the coordinator is to know of this run."""
    config = run.config
    return Fleet(
        names=tuple(agent.name for agent in config.agents),
        repeat_after=config.escalation.repeat_after,
        group_wait=config.escalation.group_wait,
        cycle=min(run.cycle, cycle_of(config)),
        host=socket.gethostname(),
        run_id=run.run_id,
        version=__version__,
        once=run.once,
        books=config.books.enabled,
        roles={agent.name: agent.role for agent in config.agents if agent.role},
    )


def channels_of(run: Run, shutdown: Shutdown) -> Sequence[Channel]:
    """The ways to a human in this run."""
    if run.dry:
        return dry_channels(run.config.escalation, run.log)
    return open_channels(
        run.config.escalation,
        dict(run.environ),
        secrets=run.secrets,
        run=partial(run_command, shutdown=shutdown),
    )


def reviewing(run: Run) -> bool:
    """Whether a failure of the whole host can be recognised, so that the coordinator is heard before many restarts."""
    grouping = run.config.escalation.group_wait > 0 and not run.once
    return grouping and len(run.config.agents) >= HOST_SIZE


def owned_by(config: Config) -> frozenset[str]:
    """The agents that are processes of ours."""
    return frozenset(agent.name for agent in config.agents if is_owned(agent))
