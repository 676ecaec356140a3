"""What the outside wants of one agent's task, and how it learns that it is done."""

from typing import Generic, TypeVar

import anyio

from collections_supervisor.agents.ports import Heartbeat, Runner
from collections_supervisor.agents.state import Answer
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import AgentCommand, Emit

Given = TypeVar("Given")


class Promise(Generic[Given]):
    """A value that one task will have, and another one waits for."""

    def __init__(self) -> None:
        self._done = anyio.Event()
        self._value: Given

    def keep(self, value: Given) -> None:
        """It is this."""
        self._value = value
        self._done.set()

    async def wait(self) -> Given:
        """The value, as soon as there is one: whoever waits has a deadline of its own."""
        await self._done.wait()
        return self._value


class Asked(Promise[Answer]):
    """A person's word; its answer is given once the coordinator was told what came of it."""

    def __init__(self, word: AgentCommand) -> None:
        super().__init__()
        self.word = word


class Reconfigured(Promise[None]):
    """Other settings, and what reads and restarts by them; without a reader the present one goes on."""

    def __init__(self, policy: AgentConfig, heartbeat: Heartbeat | None, runner: Runner) -> None:
        super().__init__()
        self.policy = policy
        self.heartbeat = heartbeat
        self.runner = runner


class Retired:
    """Nobody watches the agent any more: what is paid for runs to its end unjudged, a process of ours is ended."""


Order = Asked | Reconfigured | Retired


class Endings:
    """How restarts ended, for those who wait for that."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Promise[Answer]]] = {}
        self._words: dict[str, Emit] = {}

    def note(self, said: Emit) -> None:
        """The newest that is said of a restart that somebody waits for is how it ended, once it has."""
        action_id = said.fields.get("action_id")
        if isinstance(action_id, str) and action_id in self._waiting:
            self._words[action_id] = said

    def settle(self, current: str | None) -> None:
        """Tell whoever waits for another restart than the one that is `current` now."""
        for action_id in [waited for waited in self._waiting if waited != current]:
            said = self._words.pop(action_id, None)
            ok = said is not None and said.event == "agent.restart.succeeded"
            sentence = said.message if said is not None and said.event != "agent.restart.started" else ""
            for promise in self._waiting.pop(action_id):
                promise.keep(Answer(ok=ok, sentence=sentence or "it is over, and nobody knows whether it helped"))

    async def of(self, action_id: str) -> Answer:
        """Wait for the end of this restart, which must be the current one."""
        promise: Promise[Answer] = Promise()
        self._waiting.setdefault(action_id, []).append(promise)
        try:
            return await promise.wait()
        finally:
            if promise in (waiting := self._waiting.get(action_id, [])):
                waiting.remove(promise)
            if not waiting:
                self._waiting.pop(action_id, None)
                self._words.pop(action_id, None)
