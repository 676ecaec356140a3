"""The names and the nesting of a line, as different log stores want them.

All of them hold the same event. `ecs` is the Elastic Common Schema, whose `agent`, `event` and `service` are objects: a text of
that name and Elasticsearch refuses the whole line. `gcp` has the names that Google's Cloud Logging lifts out of a line. What is
ours alone stands below `collections_supervisor` in both, where no name of theirs can be.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from collections_supervisor.system.log_budget import Plain
from collections_supervisor.system.log_errors import described

Fields: TypeAlias = dict[str, Plain]
Preset = Literal["json", "ecs", "gcp"]

SCHEMA = 1
SERVICE = "collections-supervisor"
ECS = "8.17.0"
"""The version of the Elastic Common Schema that the names are from."""

_encode = msgspec.json.Encoder().encode


class Always(NamedTuple):
    """What every event has of its own."""

    timestamp: str
    level: str
    event: str
    message: str


class Parts(NamedTuple):
    """A line without its sequence number, which belongs between the two and is known only when the line is queued."""

    head: bytes
    tail: bytes


class Layout(Protocol):
    """One way to write a line. A field makes it longer by no more than `,"name":value` in JSON."""

    def told(self, error: Plain) -> Fields:
        """The fields that tell of an error."""
        ...

    def parts(self, always: Always, shown: Fields) -> Parts:
        """The line with these fields."""
        ...


class JsonLayout:
    """Flat, with names of our own."""

    def __init__(self, version: str, run_id: str) -> None:
        constant = {"schema": SCHEMA, "service": SERVICE, "version": version, "run_id": run_id}
        self._middle = b"," + _encode(constant)[1:-1] + b',"seq":'

    def told(self, error: Plain) -> Fields:
        """As it is: `{type, message, frames}`, and `causes`."""
        return {"error": error}

    def parts(self, always: Always, shown: Fields) -> Parts:
        """`timestamp` to `seq`, then the event's own fields."""
        first = {"timestamp": always.timestamp, "level": always.level, "event": always.event, "message": always.message}
        tail = b"," + _encode(shown)[1:] + b"\n" if shown else b"}\n"
        return Parts(_encode(first)[:-1] + self._middle, tail)


class EcsLayout:
    """The Elastic Common Schema. `log.level` has a dot and is no object, as in what Elastic's own loggers write."""

    def __init__(self, version: str, run_id: str) -> None:
        schemes = {"ecs": {"version": ECS}, "service": {"name": SERVICE, "version": version}}
        event = {"kind": "event", "dataset": f"{SERVICE}.log"}
        self._middle = b"," + _encode(schemes)[1:-1] + b',"event":' + _encode(event)[:-1] + b',"action":'
        self._ours = b'},"collections_supervisor":' + _encode({"schema": SCHEMA, "run_id": run_id})[:-1]

    def told(self, error: Plain) -> Fields:
        """`error.type`, `error.message` and `error.stack_trace`, as far as they are known."""
        kind, message, trace = described(error)
        told = {"type": kind, "message": message, "stack_trace": trace}
        return {"error": {name: value for name, value in told.items() if value}}

    def parts(self, always: Always, shown: Fields) -> Parts:
        """What Elastic has names for, then what is ours, then the error."""
        first = {"@timestamp": always.timestamp, "log.level": always.level, "message": always.message}
        head = _encode(first)[:-1] + self._middle + _encode(always.event) + b',"sequence":'
        return Parts(head, _tail(self._ours, shown, "error"))


class GcpLayout:
    """Google's structured logging; a stack trace stands where Error Reporting looks for one."""

    def __init__(self, version: str, run_id: str) -> None:
        labels = {"logging.googleapis.com/labels": {"run_id": run_id}}
        service = {"serviceContext": {"service": SERVICE, "version": version}}
        self._middle = b"," + _encode(labels | service)[1:-1] + b',"event":{"action":'
        self._ours = b'},"collections_supervisor":' + _encode({"schema": SCHEMA})[:-1]

    def told(self, error: Plain) -> Fields:
        """`error.type` and `error.message` among what is ours, and `stack_trace`, if there is one."""
        kind, message, trace = described(error)
        told: Fields = {"error": {"type": kind, "message": message}}
        return told | {"stack_trace": trace} if trace else told

    def parts(self, always: Always, shown: Fields) -> Parts:
        """What Google has names for, then what is ours, then the stack trace."""
        first = {"time": always.timestamp, "severity": always.level.upper(), "message": always.message}
        head = _encode(first)[:-1] + self._middle + _encode(always.event) + b',"sequence":'
        return Parts(head, _tail(self._ours, shown, "stack_trace"))


LAYOUTS: dict[Preset, Callable[[str, str], Layout]] = {"json": JsonLayout, "ecs": EcsLayout, "gcp": GcpLayout}
"""By preset: what makes its layout of the program's version and the run's id."""


def _tail(ours: bytes, shown: Fields, apart: str) -> bytes:
    """The end of a line: our fields in an object of their own, and behind it the one that has a place apart."""
    if apart in shown:
        inside = {name: value for name, value in shown.items() if name != apart}
        end = b"," + _encode({apart: shown[apart]})[1:] + b"\n"
    else:
        inside, end = shown, b"}\n"
    return ours + (b"," + _encode(inside)[1:] if inside else b"}") + end
