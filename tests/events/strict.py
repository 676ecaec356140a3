"""Whether a line of the log is exactly what the catalogue says of its event."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from collections_supervisor.events.catalogue import EVENTS
from collections_supervisor.events.line import Line


def fault(line: Mapping[str, Any]) -> str:
    """What is wrong with a line: an unknown event or field, a missing one, one of another type or level. Empty: nothing."""
    event = EVENTS.get(line["event"])
    if event is None:
        return f"no such event is described: {line}"
    try:
        msgspec.convert(line, type=lenient(event) if line.get("truncated") else event)
    except msgspec.ValidationError as error:
        return f"{error}: {line}"
    return ""


@cache
def lenient(event: type[Line]) -> type[msgspec.Struct]:
    """The same for a line that had to be cut: its own fields may be missing."""
    always = set(Line.__struct_fields__) | {"level"}
    fields = [
        (field.name, field.type) if field.name in always and field.required else (field.name, field.type | msgspec.UnsetType, ...)
        for field in msgspec.structs.fields(event)
    ]
    return msgspec.defstruct(
        event.__name__,
        [field if len(field) == 2 else (*field[:2], msgspec.UNSET) for field in fields],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        tag_field="event",
        tag=event.__struct_config__.tag,
    )
