"""The programs that a configuration has started, and whether they are there."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from collections_supervisor.app.doctor_checks import Program
from collections_supervisor.app.run import secrets_of
from collections_supervisor.config.schema import AgentConfig, CommandChannel, Config, OpenClawChannel
from collections_supervisor.system.placeholders import substitute
from collections_supervisor.system.process import child_environment
from collections_supervisor.system.process_errors import find_program


def named_programs(config: Config, environ: Mapping[str, str]) -> Iterator[Program]:
    """Each once for each PATH on which it would be sought. Reads folders: call it in a thread."""
    hidden = secrets_of(config)
    found: dict[tuple[str, str], Program] = {}

    def look(program: str, key: str, extra: Mapping[str, str], cwd: Path | None = None) -> None:
        env = child_environment(environ, extra, drop=hidden)
        program = substitute(program, {"python": sys.executable or "python3"})
        spot = (program, env.get("PATH", os.defpath))
        if program and spot not in found:
            found[spot] = _find(program, key, env, cwd)

    for agent in config.agents:
        kind = "openclaw" if agent.restart.kind == "openclaw" else "command"
        look(_program_of(agent), f"restart.{kind} of {agent.name}", agent.restart.env, agent.restart.cwd)
    for channel in config.escalation.channels:
        match channel:
            case OpenClawChannel(via="cli"):
                look(channel.openclaw, "escalation.channels", {})
            case CommandChannel():
                look(channel.command[0], "escalation.channels", {})
            case _:
                pass
    if config.deadman.command:
        look(config.deadman.command[0], "deadman.command", {})
    yield from found.values()


def _program_of(agent: AgentConfig) -> str:
    match agent.restart.kind:
        case "openclaw":
            return agent.restart.openclaw
        case "command" | "process":
            return agent.restart.command[0]
        case "none":
            return ""


def _find(program: str, key: str, env: Mapping[str, str], cwd: Path | None) -> Program:
    found = find_program(program, env, cwd)
    executable = found is not None and Path(found).is_file() and os.access(found, os.X_OK)
    return Program(program=program, key=key, path=env.get("PATH", os.defpath), found=found, executable=executable)
