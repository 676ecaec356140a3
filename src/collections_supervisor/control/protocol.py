"""What is asked of the running supervisor and what it answers: one JSON object on a line each. Pure."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from collections_supervisor.messages import Report

SOCKET = "control.sock"
"""The name of the socket in the state folder."""

EVERYONE = "*"

LONGEST = 65536
"""Bytes of a request, its newline included."""

OK = 0
REFUSED = 1
UNKNOWN = 2
REJECTED = 78
"""`Reply.code`: what the command ends with; 78 is a configuration that cannot be used."""

_TEXT = 1000
_SHOWN = 80

NOTHING = msgspec.Raw(b"null")


class RequestError(Exception):
    """What came is no request; the sentence says why."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a person wants. Which members count depends on `op`; unknown ones are ignored."""

    op: str
    agent: str = ""
    """An agent, `*` for all, or with `ack` any other name of an incident."""
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=_TEXT)] = ""
    wait: bool = False
    """Answer when it is over, not when it has begun."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request."""

    ok: bool
    error: str = ""
    """Why it was not done, for people."""
    message: str = ""
    """What was done, for people."""
    code: int = OK
    report: msgspec.Raw = NOTHING
    """What was asked for: the report of the fleet with `status`, else whatever the operation tells."""


def refused(error: str, code: int = REFUSED) -> Reply:
    """The answer to what is not done."""
    return Reply(ok=False, error=error, code=code)


def encode(message: Request | Reply) -> bytes:
    """The line, with its newline."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """What is asked for, its instant in UTC. Raises RequestError for whatever is no request."""
    try:
        request = msgspec.json.decode(line, type=Request)
        if request.until is not None:
            request = msgspec.structs.replace(request, until=request.until.astimezone(UTC))
    except OverflowError:
        raise RequestError("this is no request: until: lies beyond the years that can be told in UTC") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"this is no request: {str(error)[:_TEXT]}") from None
    if len(request.agent) > _TEXT:
        raise RequestError(f"no agent is called {request.agent[:_SHOWN]!r}…")
    return request


def decode_reply(line: bytes) -> Reply:
    """Raises ValueError for whatever is no reply."""
    try:
        return msgspec.json.decode(line, type=Reply)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def report_of(reply: Reply) -> Report | None:
    """The report of the fleet that was asked for; None if there is none, or none that this version understands."""
    try:
        return msgspec.json.decode(reply.report, type=Report | None)
    except (ValueError, RecursionError):
        return None
