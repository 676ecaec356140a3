"""The misses of one agent, as lines in its own heartbeat log."""

from datetime import datetime

from structlog.typing import FilteringBoundLogger

from collections_supervisor.agents.ports import Heartbeat
from collections_supervisor.agents.state import RecordMiss


class MissLines:
    """Has misses written down; that the disk refuses them is said once, and they count all the same."""

    def __init__(self, agent: str, log: FilteringBoundLogger) -> None:
        self._agent = agent
        self._log = log
        self._unwritable = ""

    async def write(self, heartbeat: Heartbeat, miss: RecordMiss, at: datetime) -> None:
        """Append one to the log, if there is one."""
        try:
            await heartbeat.record_miss(missed=miss.missed, last_heartbeat=miss.last_heartbeat, reason=miss.reason, at=at)
        except OSError as error:
            if str(error) != self._unwritable:
                self._unwritable = str(error)
                self._log.warning(
                    "agent.heartbeat.unwritable",
                    message=f"misses of {self._agent} cannot be recorded in its heartbeat log; they still count: {error}",
                    agent=self._agent,
                    reason=str(error),
                )
        else:
            self._unwritable = ""
