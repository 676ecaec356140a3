"""From what pure code wants logged to the log."""

from typing import Any

import pytest

from collections_supervisor.messages import Emit
from collections_supervisor.system.emit import write


@pytest.mark.parametrize(("level", "number"), [("debug", 10), ("info", 20), ("warning", 30), ("error", 40), ("critical", 50)])
def test_an_entry_is_written_with_its_level_and_fields(log: Any, level: Any, number: int) -> None:
    write(log, Emit(level=level, event="agent.recovered", message="it beats again", fields={"agent": "mailer", "down_s": 1.5}))
    assert log.events == [
        {"level": number, "event": "agent.recovered", "message": "it beats again", "agent": "mailer", "down_s": 1.5}
    ]
