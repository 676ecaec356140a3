"""What the coordinator is told, and how it is handed over."""

import contextlib
from collections.abc import Iterator

import anyio

from collections_supervisor.coordination.keeping import Keep
from collections_supervisor.coordination.state import Fleet
from collections_supervisor.messages import (
    Acknowledge,
    ActorCrashed,
    AgentChanged,
    AgentCommand,
    BooksAudited,
    ChannelsProven,
    ImpactAssessed,
    NoticeAttempted,
    NoticeDelivered,
    NoticeExpired,
)

Order = Acknowledge | AgentCommand | Fleet | Keep
"""What others want; all else is what happened."""

Message = (
    AgentChanged
    | ActorCrashed
    | BooksAudited
    | ChannelsProven
    | ImpactAssessed
    | NoticeAttempted
    | NoticeDelivered
    | NoticeExpired
    | Order
)

INBOX = 4096
"""Messages under way at one time; more agents than this take turns."""


class Hearing:
    """Takes what anybody tells, in the order in which it is told, for the one who listens."""

    def __init__(self) -> None:
        self._send, self._inbox = anyio.create_memory_object_stream[Message](INBOX)

    async def tell(self, message: Message, within: float) -> bool:
        """Hand over a message; False if the inbox stayed full, or nobody listens any more."""
        with anyio.move_on_after(within), contextlib.suppress(anyio.ClosedResourceError):
            await self._send.send(message)
            return True
        return False

    async def next(self) -> Message:
        """Wait for the next message."""
        return await self._inbox.receive()

    def waiting(self) -> Iterator[Message]:
        """All that was told and not listened to yet."""
        with contextlib.suppress(anyio.WouldBlock):
            while True:
                yield self._inbox.receive_nowait()

    def close(self) -> None:
        """Take no more messages; what comes now is said to nobody."""
        self._send.close()
        self._inbox.close()
