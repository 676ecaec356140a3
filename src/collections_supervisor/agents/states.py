"""The states of all agents between two snapshots: what was kept of them at the start, and what is to be kept next."""

from collections.abc import Collection, Mapping

import msgspec

from collections_supervisor.agents.ports import Kept
from collections_supervisor.agents.saved import decode, dormant, encode
from collections_supervisor.agents.state import AgentState
from collections_supervisor.messages import Now

DORMANT = 1000
"""States of agents that nobody watches now which are carried on, should they be watched again."""


class AgentStates:
    """Keeps states in memory and gives them as JSON; encodes again only what has changed."""

    def __init__(self) -> None:
        self._states: dict[str, AgentState] = {}
        self._fresh: set[str] = set()
        """Who was not asked for yet since the start."""
        self._excused = False
        self._resting: dict[str, None] = {}
        """Whom nobody watches, the longest first."""
        self._encoded: dict[str, tuple[AgentState, msgspec.Raw]] = {}

    def restore(
        self,
        kept: Mapping[str, msgspec.Raw],
        shift: float,
        *,
        watched: Collection[str],
        now: Now,
        excused: bool,
    ) -> dict[str, str]:
        """Take over what an earlier life kept, as far as it can be read; by name, why the rest cannot.

        Of agents that are not `watched` now, only what still matters if they are again.
        """
        wrong = {}
        resting: dict[str, AgentState] = {}
        for name, data in kept.items():
            try:
                state = decode(data, shift, now.mono)
            except msgspec.DecodeError as error:
                wrong[name] = str(error)
                continue
            if name in watched:
                self._states[name] = state
            elif len(resting) < DORMANT:
                resting[name] = dormant(state, now.mono)
        self._fresh, self._excused = set(self._states), excused
        # Behind the watched ones: who was given up last is then read first, and the oldest are those that are forgotten.
        self._states |= resting
        self._resting = dict.fromkeys(resting)
        return wrong

    def load(self, name: str) -> Kept | None:
        """What was kept of this agent; what happened to the machine since then is told once, at the start."""
        state = self._states.get(name)
        if state is None:
            return None
        if name not in self._fresh:
            return Kept(state=state)
        self._fresh.discard(name)
        return Kept(state=state, excused=self._excused)

    def save(self, name: str, state: AgentState) -> None:
        """Keep this state of the agent."""
        self._states[name] = state
        self._resting.pop(name, None)

    def rest(self, name: str, now: float) -> None:
        """Nobody watches this agent any more: keep what matters if somebody does again; `now` is monotonic."""
        state = self._states.pop(name, None)
        if state is not None:
            self._resting[name] = None
            self._states[name] = dormant(state, now)
        while len(self._resting) > DORMANT:
            self._forget(next(iter(self._resting)))

    def _forget(self, name: str) -> None:
        for kept in (self._resting, self._states, self._encoded):
            kept.pop(name, None)

    def encoded(self) -> dict[str, msgspec.Raw]:
        """Every state as JSON."""
        for name, state in self._states.items():
            known = self._encoded.get(name)
            if known is None or known[0] is not state:
                self._encoded[name] = (state, msgspec.Raw(encode(state)))
        return {name: raw for name, (_, raw) in self._encoded.items()}
