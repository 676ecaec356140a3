"""The time zone of the machine, with its daylight-saving changes."""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

LOCALTIME = Path("/etc/localtime")


def local_zone(environ: Mapping[str, str], localtime: Path = LOCALTIME) -> tzinfo:
    """The zone that TZ names, else the one of the machine (as tzfile(5) has it), else UTC."""
    named = environ.get("TZ", "").lstrip(":")
    if named and (zone := _named(named)) is not None:
        return zone
    try:
        _, _, name = str(localtime.resolve()).partition("zoneinfo/")
        if name and (zone := _named(name)) is not None:
            return zone
        with localtime.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def _named(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a zone that is not known is a KeyError
        return None
