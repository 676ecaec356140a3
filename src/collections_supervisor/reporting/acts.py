"""What a person can do, as commands to copy. Pure."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from collections_supervisor.messages import Report
from collections_supervisor.reporting.words import worst_first

_AGENTS = 3
"""That commands are written out for."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What may stand in a command: the text of a name is not trusted to be one."""

_LONGEST_PATH = 200
"""Characters: a command that had to be cut would be another one."""


def names_config(config: Path | None) -> bool:
    """Whether commands can name that configuration file, so that they need nothing added."""
    path = str(config or "")
    return 0 < len(path) <= _LONGEST_PATH and path.isprintable() and path.isascii()


def acts(report: Report, config: Path | None = None) -> Iterator[tuple[str, str]]:
    """What for, and the command, which names the configuration file wherever it can."""
    program = "collections-supervisor"
    if names_config(config):
        program += f" --config {shlex.quote(str(config))}"
    named = [
        agent.name for agent in worst_first(report) if agent.status not in ("healthy", "late") and _NAME.fullmatch(agent.name)
    ]
    names = named[:_AGENTS] or ["NAME"]
    for name in names:
        yield f"Restart {_called(name)} by hand, where OpenClaw runs it", f"openclaw agent --agent {name} --message restart"
    yield "See what is known now", f"{program} status"
    yield "Look at everything once: judge, restart, tell and report", f"{program} --health-check"
    yield "Say that an agent lives, once its work is seen to be well", f"{program} beat {names[0]}"
    yield "Make this page anew", f"{program} --dashboard --output dashboard.html"


def _called(name: str) -> str:
    return "an agent" if name == "NAME" else name
