"""A log in which only faults of the program itself are heard: for whoever looks and does nothing about what there is to see."""

from collections.abc import MutableMapping
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger

_HEARD = frozenset({"supervisor", "python"})


def faults_of(log: FilteringBoundLogger) -> FilteringBoundLogger:
    """What passes warnings and worse on to `log` if they are about the program, not about what it watches."""
    proxy = structlog.wrap_logger(log, processors=[_pass_on], wrapper_class=structlog.make_filtering_bound_logger("warning"))
    return cast("FilteringBoundLogger", proxy.bind())


def _pass_on(_log: object, _method: str, event: MutableMapping[str, object]) -> tuple[tuple[object], MutableMapping[str, object]]:
    name = str(event.pop("event"))
    if name.partition(".")[0] not in _HEARD:
        raise structlog.DropEvent
    return (name,), event
