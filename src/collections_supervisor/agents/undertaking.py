"""Writing an action down before it costs anything, with its process as soon as there is one, and its end."""

from collections.abc import Awaitable, Callable

import msgspec

from collections_supervisor.agents.ports import Ports
from collections_supervisor.agents.resuming import ended, record_of
from collections_supervisor.agents.state import ActionRecord, ActionStarted, AgentState
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import ActionOutcome, ActionRequest


class Undertaking:
    """One action and its record in the journal."""

    def __init__(
        self,
        policy: AgentConfig,
        ports: Ports,
        request: ActionRequest,
        judge: Callable[[ActionRequest, ActionStarted], Awaitable[AgentState | None]],
    ) -> None:
        """`judge` takes the start in and gives the state with it; None if the action is not what is wanted any more."""
        self._policy = policy
        self._ports = ports
        self._request = request
        self._judge = judge
        self._record: ActionRecord | None = None

    async def begin(self, argv: tuple[str, ...]) -> bool:
        """Have it judged, and written down if it still counts."""
        now = self._ports.clock.now()
        state = await self._judge(self._request, ActionStarted(at=now.wall))
        self._record = record_of(self._policy, state, argv, self._ports.boot_id, now) if state is not None else None
        if self._record is None:
            return False
        await self._ports.journal.write(self._record)
        return True

    async def spawned(self, pid: int, start_time: int) -> None:
        """Write down which process it is."""
        if self._record is not None:
            deadline = self._ports.clock.now().mono + self._policy.restart.timeout
            self._record = msgspec.structs.replace(self._record, pid=pid, start_time=start_time, deadline=deadline)
            await self._ports.journal.write(self._record)

    async def end(self, outcome: ActionOutcome) -> None:
        """Write down that it is over. An owned process lives on: its record names it until the next one does."""
        if self._record is not None and self._policy.restart.kind != "process":
            self._record = ended(self._record, outcome)
            await self._ports.journal.write(self._record)
