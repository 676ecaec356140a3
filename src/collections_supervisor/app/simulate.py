"""What a configuration would do when an agent falls silent, told by the product's own judgement under virtual time. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from collections_supervisor.agents.silence import is_owned
from collections_supervisor.app.simulated_notices import DELIVERED
from collections_supervisor.app.simulated_world import ACTION, HELD, MISSED, RESTARTED, Moment, World, after, beats_every
from collections_supervisor.config.schema import AgentConfig, Config
from collections_supervisor.reporting.words import clean
from collections_supervisor.system.clock import span

__all__ = ["Counted", "Moment", "Simulation", "Totals", "simulate"]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """A story in figures; instants in seconds since the last beat, None for what did not happen."""

    misses: int
    restarts: int
    notices: dict[str, int]
    """How many of each kind: opened, reminder, resolved."""
    first_restart_s: float | None
    told_s: float | None
    """When a human was told first."""
    cut_off_s: float | None = None
    """Where more happened than can be told: these figures are of what came before."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Another agent, in figures only."""

    agent: str
    totals: Totals


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen if `agent` fell silent for `outage_s` seconds, and no restart helped."""

    agent: str
    outage_s: float
    restart: str
    """How it is restarted: openclaw, command, process or none."""
    beats_every_s: float
    timeout_s: float | None
    """None where it is learned from the beats."""
    miss_interval_s: float
    miss_threshold: int
    events: tuple[Moment, ...]
    totals: Totals
    remarks: tuple[str, ...]
    """What is probably not meant."""
    others: tuple[Counted, ...] = ()


def simulate(config: Config, agent: str | None, outage: float) -> Simulation:
    """Let one agent (the first of the configuration, if none is named) fall silent for `outage` seconds.

    Without a name the others are told of in figures, each as if it were silent alone. Raises ValueError for an agent that is
    not configured, and for an outage that is not positive.
    """
    if not outage > 0:
        raise ValueError(f"the outage must be longer than 0, not {outage:g} s")
    policy = next((own for own in config.agents if agent is None or own.name == agent), None)
    if policy is None:
        known = ", ".join(own.name for own in config.agents)
        raise ValueError(f"no agent is called {agent!r}; there are: {known}")
    world = _told(policy, config, outage)
    return Simulation(
        agent=policy.name,
        outage_s=outage,
        restart=policy.restart.kind,
        beats_every_s=beats_every(policy),
        timeout_s=None if policy.adaptive else policy.timeout,
        miss_interval_s=policy.miss_interval,
        miss_threshold=policy.miss_threshold,
        events=tuple(world.moments),
        totals=_totals(world),
        remarks=tuple(_remarks(world, policy, config)),
        others=_others(config, outage) if agent is None else (),
    )


def _told(policy: AgentConfig, config: Config, outage: float) -> World:
    world = World(msgspec.structs.replace(policy, cycle=config.cycle), config.escalation, outage)
    world.run()
    return world


def _others(config: Config, outage: float) -> tuple[Counted, ...]:
    """The figures of all agents but the first; many of a large fleet differ by nothing but their names and files."""
    known: dict[tuple[str, bool], Totals] = {}
    counted = []
    for policy in config.agents[1:]:
        alike = (repr(msgspec.structs.replace(policy, name="", sources=())), bool(policy.sources))
        if alike not in known:
            known[alike] = _totals(_told(policy, config, outage))
        counted.append(Counted(agent=policy.name, totals=known[alike]))
    return tuple(counted)


def _totals(world: World) -> Totals:
    missed = [int(moment.fields["missed"] or 0) for moment in _all(world, MISSED)]
    return Totals(
        misses=max(missed, default=0),
        restarts=len(_all(world, RESTARTED)),
        notices=dict(world.notices.told),
        first_restart_s=_first(_all(world, RESTARTED)),
        told_s=_first(_all(world, DELIVERED)),
        cut_off_s=world.moments[-1].at_s if world.cut_off else None,
    )


def _all(world: World, kind: str) -> list[Moment]:
    return [moment for moment in world.moments if moment.kind == kind]


def _first(moments: Sequence[Moment]) -> float | None:
    return moments[0].at_s if moments else None


def _remarks(world: World, policy: AgentConfig, config: Config) -> Iterator[str]:
    recipient, totals = clean(config.escalation.recipient, 80), _totals(world)
    if world.false_alarms:
        yield (
            f"it beats every {span(beats_every(policy))} and may be silent for {span(policy.timeout)}: "
            "it counts as silent while it is well"
        )
    if not config.escalation.channels:
        yield f"escalation.channels is empty: {recipient} is never told"
    elif totals.told_s is None:
        yield f"{recipient} is not told: the outage is over before {policy.miss_threshold} misses"
    yield from _hasty(totals, policy, recipient)
    budget = _first([moment for moment in _all(world, HELD) if moment.fields["reason"] == "budget"])
    if budget is not None:
        yield f"the restart budget is used up {after(budget)}"
    if world.stays_down:
        yield "it does not come back by itself after the outage: a person has to act"
    if totals.cut_off_s is not None:
        yield f"more happens than can be told: the story is cut off {after(totals.cut_off_s)}"


def _hasty(totals: Totals, policy: AgentConfig, recipient: str) -> Iterator[str]:
    """Whether a human is woken while the restart that may help has hardly begun; processes of ours are restarted at once."""
    told, restart = totals.told_s, totals.first_restart_s
    if told is None or restart is None or is_owned(policy):
        return
    proof = restart + min(ACTION, policy.restart.timeout) + policy.restart.verify_within
    if told < proof:
        yield (
            f"{recipient} is told {after(told)}, before the first restart ({after(restart)}) has had its time to prove itself "
            f"(until {after(proof)})"
        )
