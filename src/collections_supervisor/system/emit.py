"""From what pure code wants logged to the log."""

from logging import getLevelNamesMapping

from structlog.typing import FilteringBoundLogger

from collections_supervisor.messages import Emit

_LEVELS = getLevelNamesMapping()


def write(log: FilteringBoundLogger, entry: Emit) -> None:
    """Write one entry."""
    log.log(_LEVELS[entry.level.upper()], entry.event, message=entry.message, **entry.fields)
