"""What happens in one history: how the fleet is set up, which faults come when, and that all is well at its end."""

import gc
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from tests.simulation.agents import Agent, Nature
from tests.simulation.disk import Disk, Mood
from tests.simulation.people import Channel, Way
from tests.simulation.rules import DAY, HOUR, Rules
from tests.simulation.supervisor import Life, Outside
from tests.simulation.turns import Ending, Runner, Turns
from tests.simulation.world import Doom, World

from collections_supervisor.config.schema import (
    AgentConfig,
    Backoff,
    BooksConfig,
    CommandChannel,
    Config,
    DashboardConfig,
    DeadmanConfig,
    EscalationConfig,
    LoggingConfig,
    LogSource,
    MetricsConfig,
    RestartPolicy,
    SupervisorConfig,
)

MINUTE = 60.0
NOWHERE = Path("/nonexistent")

SWEEPS = 30
"""Sweeps without a fault after which all must be well."""

NATURES: tuple[Nature, ...] = ("asleep", "curable", "curable", "dead", "fickle")
ENDINGS: tuple[Ending, ...] = ("fails", "hangs", "shared", "terminal", "overflow", "not_found", "useless")
MOODS: tuple[Mood, ...] = ("full", "flaky", "slow", "hung")


Flaw = Literal["", "store", "outbox", "journal", "find"]
"""What is broken in the program on purpose, to see that it is noticed."""


Trouble = Callable[[Agent, float], None]
"""Befalls an agent, or all of them, for some seconds."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of history it is. Durations in seconds."""

    agents: int
    period: float
    lasts: float
    """For so long there are faults."""
    gap: float
    """Between two faults, on average."""
    sweeps: float = 0.0
    """The supervisor is run once in so many seconds; 0: all the time."""
    brisk: bool = False
    """Writes take no time."""
    flaw: Flaw = ""


class Told(msgspec.Struct, kw_only=True):
    """What became of a history."""

    seed: int
    seconds: float
    agents: int
    lives: int
    counts: Counter[str]
    broken: list[str]
    trail: list[str]

    @property
    def agent_years(self) -> float:
        """Years, summed over the agents."""
        return self.seconds * self.agents / (365 * DAY)


def configuration(shape: Shape, folder: Path, chance: random.Random) -> Config:
    """The settings of a history."""
    period = shape.period
    restart = RestartPolicy(
        kind="openclaw",
        timeout=45.0,
        verify_within=60.0,
        backoff=Backoff(initial=chance.choice((5.0, 30.0)), max=600.0),
        attempts_per_incident=chance.choice((0, 2, 3)),
        trial_every=chance.choice((None, None, 30 * MINUTE)),
        per_hour=chance.choice((3, 4)),
        per_day=12,
    )
    agents = tuple(
        AgentConfig(
            name=f"agent-{number}",
            period=chance.choice((None, period, period)),
            adaptive=False,
            timeout=4.0 * period,
            miss_interval=max(period, 105.0),
            startup_grace=4.0 * period,
            sources=(LogSource(path=folder / f"agent-{number}.log"),),
            restart=restart,
        )
        for number in range(shape.agents)
    )
    ways = [CommandChannel(command=("tell",), timeout=15.0)]
    if chance.random() < 0.6:
        ways.append(CommandChannel(command=("tell",), timeout=15.0, after=chance.choice((0.0, 10 * MINUTE))))
    return Config(
        path=None,
        supervisor=SupervisorConfig(state_dir=folder, check_interval=chance.choice((20.0, 900.0))),
        logging=LoggingConfig(),
        escalation=EscalationConfig(
            group_wait=chance.choice((0.0, 30.0, 30.0)),
            repeat_after=chance.choice((30 * MINUTE, 4 * HOUR)),
            give_up_after=chance.choice((HOUR, DAY)),
            channels=tuple(ways),
        ),
        books=BooksConfig(enabled=False, state_dir=NOWHERE, ledger=NOWHERE, queue_dir=NOWHERE, cache_dir=NOWHERE),
        dashboard=DashboardConfig(path=None),
        metrics=MetricsConfig(),
        deadman=DeadmanConfig(),
        agents=agents,
        max_concurrent=chance.choice((1, 1, 2)),
    )


class Story:
    """One history, from its seed."""

    def __init__(self, seed: int, shape: Shape, folder: Path) -> None:
        self.world = world = World(seed)
        self.shape = shape
        self.seed = seed
        self._chance = world.chance
        self._disk = Disk(folder, world.chance, lambda: world.now)
        self._disk.brisk = shape.brisk
        self._config = config = configuration(shape, folder, world.chance)
        self._agents = {policy.name: Agent(world, policy, shape.period) for policy in config.agents}
        self._turns = Turns(world, self._agents)
        names = [f"command-{number}" if number > 1 else "command" for number in range(1, len(config.escalation.channels) + 1)]
        self._ways = {
            name: Way(world, name, after=channel.after, timeout=channel.timeout)
            for name, channel in zip(names, config.escalation.channels, strict=True)
        }
        self.rules = Rules(world, self._disk, self._agents, self._turns, self._ways)
        self.rules.slots = config.max_concurrent
        self.lives = 0
        self._lives_before = 0
        """Lives before peace."""
        self._troubles = self._choose_troubles()
        self._life: Life | None = None
        self._over = False
        self._calm = False
        self._patience = 30 * MINUTE + 30 * shape.period
        """Seconds of undisturbed life after which all must be well."""

    def tell(self) -> Told:
        """Let it happen."""
        world = self.world
        jitter = random.getstate()
        random.seed(self.seed)
        restore = self._disk.install()
        try:
            world.later(self.shape.lasts, self._make_peace)
            world.later(self._chance.expovariate(1 / self.shape.gap), self._trouble)
            world.later(MINUTE, self._look)
            while not self._over and not world.broken:
                self._live()
            if not world.broken:
                self.rules.settled()
        finally:
            restore()
            random.setstate(jitter)
        return Told(
            seed=self.seed,
            seconds=world.now,
            agents=self.shape.agents,
            lives=self.lives,
            counts=self.rules.counts,
            broken=world.broken,
            trail=list(world.trail),
        )

    def _live(self) -> None:
        """One life, and the time until the next one."""
        world = self.world
        self.lives += 1
        once = self.shape.sweeps > 0.0
        life = self._life = Life(world, self._disk, self._config, once=once, flaw=self.shape.flaw)
        world.note(f"life {self.lives} begins")
        self.rules.begins(life)
        life.live(self._outside(life))
        self.rules.died(life)
        self._disk.bury()
        doom = life.doom
        if doom is not None and doom.reboot:
            self._turns.lose_power()
            world.boot(doom.down)
        elif doom is not None:
            world.let_pass(doom.down)
        elif not self._over:
            world.let_pass(self.shape.sweeps if once else self._chance.choice((1.0, 60.0, 600.0)))

    def _outside(self, life: Life) -> Outside:
        world, number = self.world, self.lives

        def is_alive() -> bool:
            return life.alive

        return Outside(
            runner=lambda policy: Runner(
                world, self._turns, self._agents[policy.name], is_alive, blind=self.shape.flaw == "find"
            ),
            channels=lambda: [Channel(world, way, number, is_alive, self.rules.sending) for way in self._ways.values()],
            heard=self.rules.heard,
        )

    def _look(self) -> None:
        self.rules.look()
        if not self._over:
            self.world.later(MINUTE, self._look)

    # --- Faults ---

    def _make_peace(self) -> None:
        """The last fault is over: mend everything, and wait until it must be seen to be well."""
        if self.world.now < self.world.disturbed_at:
            self.world.later(self.world.disturbed_at - self.world.now, self._make_peace)
            return
        self.world.note("peace")
        self._lives_before = self.lives
        self._calm = True
        self.world.doom = None
        self._disk.mood = "well"
        self._turns.endings.clear()
        for way in self._ways.values():
            way.mood = "well"
        for agent in self._agents.values():
            agent.steady()
            self.world.later(self._chance.uniform(0.0, 10 * MINUTE), agent.revive)
        self.world.later(self._patience, self._end)

    def _end(self) -> None:
        life = self._life
        lived = self.world.now - life.since if life is not None and life.alive else 0.0
        if lived < self._patience and not (self.shape.sweeps and self.lives > self._lives_before + SWEEPS):
            self.world.later(max(MINUTE, self._patience - lived), self._end)
            return
        self._over = True
        if life is not None and not self.shape.sweeps:
            life.stop()

    def _trouble(self) -> None:
        if self._calm:
            return
        chance, period = self._chance, self.shape.period
        self.world.later(chance.expovariate(1 / self.shape.gap), self._trouble)
        if self.world.now < self.world.disturbed_at:
            return
        happen = chance.choices([act for _, act in self._troubles], [weight for weight, _ in self._troubles])[0]
        happen(chance.choice(list(self._agents.values())), chance.expovariate(1 / (10 * period)))

    def _choose_troubles(self) -> list[tuple[int, Trouble]]:
        """What may happen in this history, and how often; not everything, or each would hide what the others do."""
        chance, world, period = self._chance, self.world, self.shape.period
        natures: tuple[Nature, ...] = ("asleep", "curable", "curable", "dead", "fickle")
        troubles: list[tuple[int, Trouble]] = [
            (2, lambda _, long: self._many(5 * period + long)),
            (1, lambda agent, long: agent.say(chance.choice(("fail", "stuck", "waiting")), long)),
            (1, lambda agent, long: agent.hide(long)),
            (1, lambda agent, _: agent.rotate()),
            (1, lambda agent, _: agent.be_busy()),
            (2, lambda _, long: self._endings(long)),
            (3, lambda _, long: self._channel(long)),
            (3, lambda _, long: self._spoil_disk(long / 4)),
            (2, lambda *_: self._stop()),
            (2, lambda *_: world.suspend(chance.choice((10.0, HOUR, 9 * HOUR)))),
            (2, lambda *_: self._stall(chance.choice((4.0, 30.0, 400.0, 20 * period)))),
            (2, lambda *_: world.set_clock(chance.choice((-1, 1)) * chance.choice((1.0, 30.0, period + 1, HOUR, DAY)))),
        ]
        return [
            (12, lambda agent, long: agent.fall_silent(chance.choice(natures), 5 * period + long)),
            (12, lambda *_: self._kill()),
            *(trouble for trouble in troubles if chance.random() < 0.6),
        ]

    def _stall(self, seconds: float) -> None:
        # Nobody can know of a standstill of the machine who did not live through it.
        if self._life is not None and self._life.alive:
            self.world.stall(seconds, everybody=self._chance.random() < 0.5)

    def _many(self, seconds: float) -> None:
        nature = self._chance.choice(NATURES[:4])
        for agent in self._agents.values():
            if self._chance.random() < 0.8:
                agent.fall_silent(nature, seconds)

    def _endings(self, seconds: float) -> None:
        who = self._chance.choice(("", *self._agents))
        what = self._chance.choice(ENDINGS)
        self._turns.endings[who] = what
        self.world.later(seconds, lambda: self._forget_ending(who))

    def _forget_ending(self, who: str) -> None:
        self._turns.endings.pop(who, None)

    def _channel(self, seconds: float) -> None:
        way = self._chance.choice(list(self._ways.values()))
        way.mood = self._chance.choice(("dead", "dead", "hangs", "refuses", "deaf"))
        self.world.later(seconds, lambda: setattr(way, "mood", "well"))

    def _spoil_disk(self, seconds: float) -> None:
        mood = self._chance.choice(MOODS)
        self.world.note(f"disk is {mood} for {seconds:.0f} s")
        self._disk.mood = mood
        self.world.later(seconds, lambda: setattr(self._disk, "mood", "well"))

    def _kill(self) -> None:
        chance = self._chance
        place = chance.choice(("turn", "write", "write", "begun", "spawn", "send", "accepted"))
        self.world.doom = Doom(
            place=place,
            times=chance.randint(1, 30) if place in ("turn", "write") else 1,
            turns=chance.choice((0, 0, 1, 2, 5, 20)),
            down=chance.choice((0.1, 1.0, 5.0, 60.0, 20 * MINUTE, 3 * HOUR)) if chance.random() < 0.5 else 0.5,
            reboot=chance.random() < 0.15,
        )

    def _stop(self) -> None:
        if self._life is not None:
            self._life.stop()


def tell(seed: int, shape: Shape) -> Told:
    """The history of this seed and shape."""
    memory = Path("/dev/shm")
    with warnings.catch_warnings():
        # A life that is killed cannot close anything; what it left is collected here, and not in whatever test comes next.
        warnings.simplefilter("ignore", ResourceWarning)
        with tempfile.TemporaryDirectory(prefix="simulation-", dir=memory if memory.is_dir() else None) as folder:
            told = Story(seed, shape, Path(folder)).tell()
        gc.collect()
    return told
