"""What every line of the log has, whatever event it tells of."""

from typing import Annotated, Literal

import msgspec

Stamp = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$",
        extra_json_schema={"format": "date-time"},
    ),
]
"""An instant in UTC, always with six digits of a second: readers that expect a fraction get one."""

Count = Annotated[int, msgspec.Meta(ge=0)]


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"):
    """The fields that come first in every line. `event` is the tag; `level` each event has for itself."""

    timestamp: Stamp
    message: str
    """One sentence for people; programs have the fields."""
    schema: Literal[1]
    service: Literal["collections-supervisor"]
    version: str
    run_id: str
    """The same in all lines of one run of the program."""
    seq: Annotated[int, msgspec.Meta(ge=1)]
    """One more with every line of a run; only a `log.dropped` accounts for a gap."""
    truncated: bool | msgspec.UnsetType = msgspec.UNSET
    """True where the line would have been too long: texts are cut, and the largest fields may be missing."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in the program where an exception passed."""

    file: str
    line: int
    function: str


class Cause(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An error that led to another one, or that a group of them holds."""

    type: str
    message: str
    frames: tuple[Frame, ...]


class Error(Cause, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An error, the innermost frame first; of one that is known by its text only, type and frames are empty."""

    causes: tuple[Cause, ...] | msgspec.UnsetType = msgspec.UNSET
