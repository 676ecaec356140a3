"""Keeps the history of the last day up to date, and on disk."""

import math
from collections.abc import Iterable
from datetime import timedelta

from collections_supervisor.coordination.history import Past, Seen, step
from collections_supervisor.coordination.ports import Histories
from collections_supervisor.coordination.state import Fleet
from collections_supervisor.messages import BooksAudited, History, Now, Report

UNWATCHED_CYCLES = 2
UNWATCHED_LEAST = 10.0
"""Cycles, and seconds, without a report beyond which the time between two of them counts as not watched."""


class Chronicle:
    """What was, from the first report of this life on, and from what an earlier one left."""

    def __init__(self, fleet: Fleet, histories: Histories | None, past: Past | None = None) -> None:
        """Without `histories` it is kept nowhere."""
        self._once = fleet.once
        self._cycle = fleet.cycle
        self._histories = histories
        self._past = past or Past()
        self._saved_at = -math.inf

    @property
    def history(self) -> History:
        """What was, up to the last report."""
        return self._past.history

    def note(self, report: Report, heard: Iterable[str], audited: BooksAudited | None) -> History:
        """Take a report in; `heard` names the agents that were looked at in this life."""
        seen = Seen(
            report=report,
            heard=frozenset(heard),
            audited_at=audited.at if audited is not None else None,
            patience=timedelta(seconds=max(UNWATCHED_CYCLES * self._cycle, UNWATCHED_LEAST)),
            once=self._once,
        )
        self._past = step(self._past, seen)
        return self._past.history

    async def save(self, now: Now, *, stopped: bool) -> None:
        """Keep it on disk if it is time to: once a cycle, and at the end, which is all that a sweep has."""
        if self._histories is None or not (stopped or self._is_due(now)):
            return
        self._saved_at = now.mono
        await self._histories.save(self._past.history)

    def _is_due(self, now: Now) -> bool:
        return not self._once and now.mono >= self._saved_at + self._cycle
