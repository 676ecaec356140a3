"""Instants as the collections system writes them, read tolerantly. Pure."""

from datetime import UTC, datetime, tzinfo

_MILLISECONDS = 1e11
"""A larger number counts milliseconds: as seconds it would lie beyond the year 5000."""

_LIMIT = 1e14
"""Nothing larger is an instant; nor could every such integer be divided."""


def instant(value: object) -> float | None:
    """Seconds of the epoch from an ISO 8601 date and time (naive is UTC) or a number of seconds or milliseconds; else None."""
    if isinstance(value, str):
        return from_text(value, UTC)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LIMIT:
        return value / 1000 if value > _MILLISECONDS else float(value)
    return None


def from_text(text: str, zone: tzinfo) -> float | None:
    """The same from text alone, where naive times are those of `zone`."""
    try:
        if ":" not in text:
            return instant(float(text))  # a date alone is no instant, and as a number it does not parse
        when = datetime.fromisoformat(text.strip().upper())  # RFC 3339 allows a small t and z
        return plausible((when if when.tzinfo else when.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError):
        return None


def plausible(seconds: float) -> float | None:
    """What a date and time may give, so that it means the same as the number of seconds would."""
    return seconds if 0 <= seconds <= _MILLISECONDS else None
