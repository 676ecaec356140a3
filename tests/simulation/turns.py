"""The paid turns that are to bring agents back: each has its price, and goes on when the supervisor dies."""

from collections.abc import Callable
from typing import Literal

import anyio
import msgspec
from tests.simulation.agents import Agent
from tests.simulation.world import World

from collections_supervisor.agents.ports import Attendant
from collections_supervisor.agents.state import ActionRecord, ChildExited
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.process_tree import Tree

Ending = Literal["ok", "useless", "fails", "hangs", "unknown", "shared", "terminal", "overflow", "not_found"]
"""`useless`: it says that all went well, and nothing is better."""

REFUSED_FOR = 600.0

_CLASSES: dict[Ending, Literal["shared", "terminal", "overflow"]] = {
    "shared": "shared",
    "terminal": "terminal",
    "overflow": "overflow",
}


class Turn(msgspec.Struct, kw_only=True):
    """One command that runs, and what it is about."""

    action_id: str
    agent: str
    pid: int
    begun: float
    end: float
    ending: Ending
    paid: bool = True
    """False for the free calls that come before."""
    trusted: bool = True
    """The disk was such that it was surely written down."""

    def runs(self, now: float) -> bool:
        """Whether it does at that moment."""
        return self.begun <= now < self.end


class Turns:
    """All commands that were ever started, whoever started them."""

    def __init__(self, world: World, agents: dict[str, Agent]) -> None:
        self.paid: list[Turn] = []
        self.endings: dict[str, Ending] = {}
        """How every turn of everybody ends for the time being; by agent, or all of them under ''."""
        self.check: Callable[[Turn], None] = lambda _: None
        self.check_begin: Callable[[str, float], None] = lambda *_: None
        self._world = world
        self._agents = agents
        self._free: list[Turn] = []
        self._pid = 1000

    def start(self, request: ActionRequest, *, paid: bool, seconds: float, ending: Ending) -> Turn:
        """A command begins."""
        self._pid += 1
        now = self._world.now
        turn = Turn(
            action_id=request.action_id,
            agent=request.agent,
            pid=self._pid,
            begun=now,
            end=now + seconds,
            ending=ending,
            paid=paid,
        )
        if not paid:
            self._free = [*(other for other in self._free if other.runs(now)), turn]
            return turn
        self._world.note(f"turn {turn.action_id} begins: {ending}, {seconds:.1f} s")
        self.check(turn)
        self.paid.append(turn)
        if ending in ("ok", "unknown"):
            cured_at = self._world.chance.uniform(0.001, seconds + 5.0)
            self._world.later(cured_at, lambda: self._cure(turn, now + cured_at))
        self._world.passed("spawn")
        return turn

    def _cure(self, turn: Turn, at: float) -> None:
        if turn.end >= min(at, turn.begun + 1.0):
            self._agents[turn.agent].cure()

    def stop(self, turn: Turn) -> None:
        """It is ended by whoever watches it."""
        turn.end = min(turn.end, self._world.now)

    def lose_power(self) -> None:
        """Nothing runs any more."""
        for turn in (*self.paid, *self._free):
            self.stop(turn)

    def running(self, agent: str = "") -> list[Turn]:
        """The paid turns under way, of one agent or of all."""
        now = self._world.now
        return [turn for turn in self.paid[-50:] if turn.runs(now) and agent in ("", turn.agent)]

    def find(self, action_id: str, pid: int) -> Turn | None:
        """A command that runs: the one of that number, or if that is 0 any with that mark."""
        now = self._world.now
        known = [turn for turn in (*self.paid[-50:], *self._free) if turn.action_id == action_id and turn.runs(now)]
        return next((turn for turn in known if pid in (0, turn.pid)), None)

    def fate(self, agent: str) -> tuple[Ending, float]:
        """How the next turn of this agent ends, and after how long."""
        chance = self._world.chance
        forced = self.endings.get(agent) or self.endings.get("")
        kinds: list[Ending] = ["ok", "useless", "fails", "hangs", "unknown"]
        ending = forced or chance.choices(kinds, (10, 2, 3, 2, 1))[0]
        seconds = {"hangs": 1e9, "shared": 0.9, "terminal": 0.7, "overflow": 1.2}.get(ending, chance.uniform(0.3, 30.0))
        return ending, seconds


class Runner:
    """Restarts one agent, in one life of the supervisor; implements what the agent's task needs."""

    def __init__(self, world: World, turns: Turns, agent: Agent, is_alive: Callable[[], bool], *, blind: bool = False) -> None:
        """`blind`: it finds nothing of what an earlier life began."""
        self._blind = blind
        self._world = world
        self._turns = turns
        self._agent = agent
        self._is_alive = is_alive

    async def run(self, request: ActionRequest, attendant: Attendant) -> ActionOutcome:
        """The free look first, then the turn that is paid."""
        chance = self._world.chance
        await self._pause(chance.uniform(0.0, 1.5))
        if chance.random() < 0.07:
            return ActionOutcome(result="busy", cause="a turn was active 3 s ago", retry_after=20.0)
        asked = self._world.now
        if not await attendant.begin(("restart", request.agent)):
            return ActionOutcome(result="busy", cause="it came back before its restart began")
        await self._alive()
        self._turns.check_begin(request.agent, asked)
        self._world.passed("begun")
        await self._prepare(request)
        ending, seconds = self._turns.fate(request.agent)
        if ending == "not_found":
            return ActionOutcome(result="failed", cause="no such program", classified="configuration")
        turn = self._turns.start(request, paid=True, seconds=seconds, ending=ending)
        try:
            await self._alive()
            await attendant.spawned(turn.pid, 1)
            return await self._watch(turn, self._agent.policy.restart.timeout)
        except BaseException:
            if self._is_alive():
                self._turns.stop(turn)
            raise

    async def find(self, record: ActionRecord) -> Tree | None:
        """What runs of it."""
        await self._pause(0.01)
        turn = self._turns.find(record.request.action_id, record.pid) if not self._blind else None
        return Tree(pid=turn.pid, start_time=1, marker=turn.action_id) if turn is not None else None

    async def adopt(self, record: ActionRecord, tree: Tree) -> ActionOutcome:
        """Watch it to its end."""
        turn = self._turns.find(tree.marker, tree.pid)
        if turn is None:
            return ActionOutcome(result="unknown", cause="it was over before it was watched")
        self._world.note(f"turn {turn.action_id} is adopted")
        try:
            return await self._watch(turn, max(0.0, record.deadline - self._world.mono))
        except BaseException:
            if self._is_alive():
                self._turns.stop(turn)
            raise

    async def wait(self) -> ChildExited | None:
        """There is no child."""
        return None

    def when_news(self, call: Callable[[], object]) -> bool:
        """Nothing is ever called."""
        return False

    async def close(self) -> None:
        """Nothing outlives `run`."""

    async def _prepare(self, request: ActionRequest) -> None:
        seconds = self._world.chance.choice((0.0, 0.4, 3.0))
        if seconds:
            self._turns.start(request, paid=False, seconds=seconds, ending="ok")
            await self._pause(seconds)

    async def _watch(self, turn: Turn, within: float) -> ActionOutcome:
        left = max(0.0, turn.end - self._world.now)
        await self._pause(min(left, within))
        if left > within:
            await self._pause(self._world.chance.uniform(0.2, 5.0))
            self._turns.stop(turn)
            return ActionOutcome(result="timed_out", cause="it did not end in time and was ended", hung=True)
        if not turn.paid:
            return ActionOutcome(result="failed", cause="it ended without an answer")
        match turn.ending:
            case "ok" | "useless":
                return ActionOutcome(result="ok")
            case "unknown":
                return ActionOutcome(result="unknown", cause="the gateway went away")
            case "shared" | "terminal" | "overflow":
                wait = REFUSED_FOR if turn.ending == "shared" else None
                classified = _CLASSES[turn.ending]
                return ActionOutcome(result="failed", cause=f"refused: {turn.ending}", classified=classified, retry_after=wait)
            case _:
                return ActionOutcome(result="failed", cause="exit code 1", exit_code=1)

    async def _pause(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        await self._alive()

    async def _alive(self) -> None:
        if not self._is_alive():
            await anyio.sleep_forever()
