"""What this run counts of itself."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from collections_supervisor.messages import Counters
from collections_supervisor.system.log_queue import Counts

Reload = Literal["applied", "rejected"]


class OwnCounts:
    """The log's own figures, and how often somebody wanted the configuration to be read anew."""

    def __init__(self, started_at: datetime, logged: Callable[[], Counts]) -> None:
        self._started_at = started_at
        self._logged = logged
        self._reloads: dict[Reload, int] = {"applied": 0, "rejected": 0}

    def note_reload(self, outcome: Reload) -> None:
        """Count one more."""
        self._reloads[outcome] += 1

    def counters(self) -> Counters:
        """All of it as it is now."""
        logged = self._logged()
        return Counters(
            started_at=self._started_at, log_events=logged.events, log_dropped=logged.dropped, reloads=dict(self._reloads)
        )
