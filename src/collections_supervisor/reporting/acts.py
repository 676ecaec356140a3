"""What a person can do, as commands to copy. Pure."""

import re
from collections.abc import Iterator

from collections_supervisor.messages import Report
from collections_supervisor.reporting.words import worst_first

_AGENTS = 3
"""That commands are written out for."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What may stand in a command: the text of a name is not trusted to be one."""


def acts(report: Report) -> Iterator[tuple[str, str]]:
    """What for, and the command."""
    named = [
        agent.name for agent in worst_first(report) if agent.status not in ("healthy", "late") and _NAME.fullmatch(agent.name)
    ]
    names = named[:_AGENTS] or ["NAME"]
    for name in names:
        yield f"Restart {_called(name)} by hand, where OpenClaw runs it", f"openclaw agent --agent {name} --message restart"
    yield "See what is known now", "collections-supervisor status"
    yield "Look at everything once: judge, restart, tell and report", "collections-supervisor --health-check"
    yield "Say that an agent lives, once its work is seen to be well", f"collections-supervisor beat {names[0]}"
    yield "Make this page anew", "collections-supervisor --dashboard --output dashboard.html"


def _called(name: str) -> str:
    return "an agent" if name == "NAME" else name
