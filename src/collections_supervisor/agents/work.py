"""What is done to one agent while it is looked at: a restart that waits, runs or is adopted, and a process of ours."""

import asyncio  # noqa: TID251 - anyio's lock takes a kilobyte, and there is one for each agent
from collections.abc import Awaitable, Callable

import anyio

from collections_supervisor.agents.ports import Ports, Runner
from collections_supervisor.agents.resuming import ended
from collections_supervisor.agents.state import ActionEnded, ActionRecord, ChildExited, Event, SlotGranted
from collections_supervisor.agents.undertaking import Undertaking
from collections_supervisor.messages import ActionOutcome, ActionRequest
from collections_supervisor.system.process_tree import Tree


class Work:
    """One thing at a time; each method is a task of its own, and `tell` brings what came of it to whoever judges."""

    def __init__(self, agent: str, ports: Ports, runner: Runner, tell: Callable[[Event], Awaitable[None]]) -> None:
        self.runner = runner
        """What restarts the agent at present."""
        self._agent = agent
        self._ports = ports
        self._tell = tell
        self._queueing: anyio.CancelScope | None = None
        self._single = asyncio.Lock()

    async def wait_for_slot(self, action_id: str) -> None:
        """Wait until this restart may begin."""
        with anyio.CancelScope() as self._queueing:
            async with self._single:
                await self._ports.slots.acquire(self._agent)
            await self._tell(SlotGranted(action_id=action_id))

    def leave_queue(self) -> None:
        """Wait for a slot no longer."""
        if self._queueing is not None:
            self._queueing.cancel()

    async def act(self, request: ActionRequest, undertaking: Undertaking) -> ActionOutcome:
        """Do it, and give the slot back."""
        # One that was given up in its preparations is still on its way out when the next one may be asked for.
        async with self._single:
            if request.by_hand:
                # It waits for nobody; but others wait for it.
                self._ports.slots.seize(self._agent)
            try:
                outcome = await self.runner.run(request, undertaking)
            finally:
                self._ports.slots.release(self._agent)
            await undertaking.end(outcome)
        return outcome

    async def find(self, record: ActionRecord | None) -> Tree | None:
        """What still runs of what an earlier life of ours began."""
        if record is None or record.ended or record.boot_id != self._ports.boot_id:
            return None
        return await self.runner.find(record)

    async def adopt(self, record: ActionRecord, tree: Tree) -> None:
        """See such an action to its end."""
        try:
            outcome = await self.runner.adopt(record, tree)
        finally:
            self._ports.slots.release(self._agent)
        await self._ports.journal.write(ended(record, outcome))
        await self._tell(ActionEnded(outcome=outcome))

    async def watch_child(self) -> None:
        """Tell what becomes of a process of ours until it ends."""
        while (news := await self.runner.wait()) is not None:
            await self._tell(news)
            if isinstance(news, ChildExited):
                return

    async def end_child(self) -> None:
        """End a process of ours."""
        async with self._single:
            # Started again meanwhile, it waits for this and is not what is to be ended.
            await self.runner.close()
