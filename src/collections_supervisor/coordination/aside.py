"""A file of ours that cannot be used is moved out of the way and named: nothing is lost, and there is room for a new one."""

from pathlib import Path

from structlog.typing import FilteringBoundLogger

from collections_supervisor.system.clock import Clock
from collections_supervisor.system.files import cause_of, set_aside


async def put_aside(path: Path, why: str, clock: Clock, log: FilteringBoundLogger, *, touch: bool) -> bool:
    """Move it and say so; False if it stays where it is, because nothing may be touched or it cannot be moved."""
    place, outcome = None, "it stays where it is"
    try:
        if touch:
            place = await set_aside(path, clock.now().wall)
            outcome = f"it is kept as {place.name}"
    except OSError as error:
        outcome = f"it stays in the way, and nothing is saved until it is gone: {cause_of(error)}"
    log.error(
        "supervisor.state_set_aside",
        message=f"{path} cannot be used ({why}); {outcome}",
        path=str(path),
        reason=why,
        kept_as=str(place) if place is not None else None,
    )
    return place is not None
