"""Listens to people: one request and one reply a connection, whoever is at the other end and whatever is sent."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskGroup
from structlog.typing import FilteringBoundLogger

from collections_supervisor.control.protocol import LONGEST, Reply, Request, RequestError, decode_request, encode, refused
from collections_supervisor.messages import Value
from collections_supervisor.system.clock import stamp
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.threads import WRITES, hop
from collections_supervisor.system.unix_socket import Listening, listen, peer_uid

AT_ONCE = 128
"""Conversations at one time."""

WITHIN = 5.0
"""Seconds that a request may take to arrive, and as many that a reply may take to be taken."""

LOOK = 5.0
"""Seconds between two looks whether the socket can still be found, and two attempts to open it."""

LAST = 1.0
"""Seconds that removing the socket may take at the end."""

_PIECE = 65536


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of request does."""

    run: Callable[[Request], Awaitable[Reply]]
    within: float = 15.0
    """Seconds that it may take."""
    looks: bool = False
    """It changes nothing: worth no more than a line for debugging."""


class _Nothing(Exception):  # noqa: N818 - nothing is wrong
    """Somebody connected and said nothing."""


_GONE = (_Nothing, anyio.BrokenResourceError, anyio.ClosedResourceError)
"""Whoever asked does not wait for an answer."""


class ControlServer:
    """Listens at `control.sock`; does what `operations` can do, by name, for the users of `allowed`."""

    def __init__(
        self,
        path: Path,
        operations: Mapping[str, Operation],
        log: FilteringBoundLogger,
        *,
        allowed: Collection[int],
        peer: Callable[..., int | None] = peer_uid,
        within: float = WITHIN,
        every: float = LOOK,
    ) -> None:
        """`peer` tells who is at the other end of a connection; where no system does, the mode of the file has to do."""
        self._path = path
        self._operations = operations
        self._log = log
        self._allowed = frozenset(allowed)
        self._peer = peer
        self._within = within
        self._every = every
        self._busy = 0
        self._fault = ""

    async def run(self) -> None:
        """Listen until cancelled; where that is not possible say so once, and try again."""
        while True:
            try:
                listening = await hop(WRITES, listen, self._path)
            except OSError as error:
                self._tell_deaf(error)
                await anyio.sleep(self._every)
                continue
            try:
                await self._serve(listening)
            finally:
                with anyio.move_on_after(LAST, shield=True):
                    await hop(WRITES, listening.close)

    def _tell_deaf(self, error: BaseException) -> None:
        fault = cause_of(error) if isinstance(error, OSError) else repr(error)
        if fault != self._fault:
            self._fault = fault
            self._log.error(
                "control.failed",
                message=f"commands cannot be taken at {self._path}: {fault}; supervision goes on without them",
                path=str(self._path),
                error=fault,
            )

    async def _serve(self, listening: Listening) -> None:
        """Take connections as long as others can find the socket."""
        async with await SocketListener.from_socket(listening.socket) as listener, anyio.create_task_group() as tasks:
            tasks.start_soon(self._accept, listener, tasks)
            in_place = True
            while in_place:
                await anyio.sleep(self._every)
                in_place = await hop(WRITES, listening.is_in_place)
            tasks.cancel_scope.cancel()

    async def _accept(self, listener: SocketListener, tasks: TaskGroup) -> None:
        while True:
            try:
                stream = await listener.accept()
            except anyio.BrokenResourceError as error:
                # No descriptor is left, most likely: whoever waits is served when there is one.
                self._tell_deaf(error.__cause__ or error)
                await anyio.sleep(self._every)
            else:
                self._fault = ""
                self._busy += 1
                tasks.start_soon(self._converse, stream)

    # --- One conversation ---

    async def _converse(self, stream: SocketStream) -> None:
        try:
            async with stream:
                line = await self._answer(stream)
                with anyio.move_on_after(self._within):
                    await stream.send(line)
        except _GONE:
            pass
        finally:
            self._busy -= 1

    async def _answer(self, stream: SocketStream) -> bytes:
        """The line to send. Whatever goes wrong here is answered too: all conversations run beside each other."""
        try:
            return encode(await self._reply(stream))
        except _GONE:
            raise
        except Exception as error:  # noqa: BLE001 - it stands in the log
            return encode(self._tell_bug("a bug kept a request from being answered", error))

    async def _reply(self, stream: SocketStream) -> Reply:
        uid = self._peer(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - this is no Django
        if uid is not None and uid not in self._allowed:
            return self._refuse(uid, "this supervisor belongs to another user")
        if self._busy > AT_ONCE:
            return self._refuse(uid, f"more than {AT_ONCE} ask something at one time: try again")
        try:
            request = decode_request(await self._read(stream))
        except (RequestError, TimeoutError) as error:
            return self._refuse(uid, str(error))
        operation = self._operations.get(request.op)
        if operation is None:
            known = ", ".join(sorted(self._operations))
            return self._refuse(uid, f"there is no operation {request.op[:80]!r}, only {known}")
        return await self._carry_out(operation, request, uid)

    async def _read(self, stream: SocketStream) -> bytes:
        """A line, or all there is; never more than a request may have."""
        data = b""
        with anyio.move_on_after(self._within):
            while b"\n" not in data and len(data) <= LONGEST:
                try:
                    data += await stream.receive(_PIECE)
                except anyio.EndOfStream:
                    if not data:
                        raise _Nothing from None
                    return data
            line, newline, _ = data.partition(b"\n")
            if len(line) + 1 > LONGEST:
                raise RequestError(f"a request has at most {LONGEST} bytes")
            if newline:
                return line
        raise TimeoutError(f"no whole request came within {self._within:g} s")

    async def _carry_out(self, operation: Operation, request: Request, uid: int | None) -> Reply:
        tell = self._log.debug if operation.looks else self._log.info
        tell("control.request", message=_sentence(request, uid), **_fields(request, uid))
        reply = refused(f"this takes longer than {operation.within:g} s; it may still be done")
        try:
            with anyio.move_on_after(operation.within):
                reply = await operation.run(request)
        except Exception as error:  # noqa: BLE001 - it stands in the log
            return self._tell_bug(f"a bug kept {request.op} from being done", error, **_fields(request, uid))
        if not reply.ok:
            message = f"{request.op} was not done: {reply.error}"
            self._log.warning("control.failed", message=message, error=reply.error, **_fields(request, uid))
        return reply

    def _tell_bug(self, what: str, error: Exception, **fields: Value) -> Reply:
        self._log.critical("control.failed", message=f"{what}: {error!r}", exc_info=error, **fields)
        return refused(f"unexpected internal error, see the log: {error!r}")

    def _refuse(self, uid: int | None, error: str) -> Reply:
        self._log.warning("control.failed", message=f"a request was refused: {error}", uid=uid, error=error)
        return refused(error)


def _sentence(request: Request, uid: int | None) -> str:
    who = f"user {uid}" if uid is not None else "somebody"
    until = f" until {stamp(request.until)}" if request.until is not None else ""
    why = f": {request.reason}" if request.reason else ""
    return f"{who} asked for {request.op}{f' {request.agent}' if request.agent else ''}{until}{why}"


def _fields(request: Request, uid: int | None) -> dict[str, Value]:
    return {
        "op": request.op,
        "agent": request.agent or None,
        "uid": uid,
        "until": stamp(request.until) if request.until is not None else None,
        "reason": request.reason or None,
    }
