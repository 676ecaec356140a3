"""Structs as JSON for files and pages: every instant with `Z` and six digits, and no text that could not be written. Pure."""

from datetime import datetime

import msgspec

from collections_supervisor.system.clock import stamp


def encode(struct: msgspec.Struct) -> bytes:
    """A struct as it is, as JSON; only text that is not valid Unicode is changed, as a path may hold it."""
    try:
        return msgspec.json.encode(struct)
    except UnicodeEncodeError:
        return msgspec.json.encode(plain(struct))


def writable(text: str) -> str:
    """The text with `?` for what is not valid Unicode, such as the bytes of a path that are no UTF-8."""
    return text.encode("utf-8", "replace").decode()


def plain(struct: msgspec.Struct) -> dict[str, object]:
    """Its members in what JSON knows. Text that is not valid Unicode keeps its place with `?` for what cannot be written."""
    return {name: _plain(item) for name, item in msgspec.to_builtins(struct, builtin_types=(datetime,)).items()}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return stamp(value)
        case str():
            return value if value.isascii() else writable(value)
        case dict():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
