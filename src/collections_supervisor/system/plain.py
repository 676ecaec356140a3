"""Structs as JSON for files and pages: every instant with `Z` and six digits, and no text that could not be written. Pure."""

from datetime import datetime

import msgspec

from collections_supervisor.system.clock import stamp


def plain(struct: msgspec.Struct) -> dict[str, object]:
    """Its members in what JSON knows. Text that is not valid Unicode keeps its place with `?` for what cannot be written."""
    return {name: _plain(item) for name, item in msgspec.to_builtins(struct, builtin_types=(datetime,)).items()}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return stamp(value)
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case dict():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
