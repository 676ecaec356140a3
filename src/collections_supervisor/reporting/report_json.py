"""The report as JSON: the same bytes for every reader, on the page and off it. Pure."""

from datetime import datetime

import msgspec

from collections_supervisor.messages import Report
from collections_supervisor.system.clock import stamp


def encode_report(report: Report) -> bytes:
    """The report as one line of UTF-8 JSON, members in the order of the struct, every instant with `Z` and six digits.

    Text that is not valid Unicode (a file name with stray bytes) keeps its place with `?` for what cannot be written.
    """
    return msgspec.json.encode(_plain(msgspec.to_builtins(report, builtin_types=(datetime,))))


def _plain(value: object) -> object:
    match value:
        case datetime():
            return stamp(value)
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
