"""What a person types. Nothing is decided here: options are read, the work is called, its end becomes an exit status."""

import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from collections_supervisor import __version__
from collections_supervisor.config.problems import ConfigError

if TYPE_CHECKING:
    from collections_supervisor.config.loader import Loaded

OK = 0
USAGE = 2
INTERNAL = 70
LOCKED = 75
CONFIGURATION = 78
INTERRUPTED = 130
"""Ctrl-C in the moment before signals are listened to; what a shell expects of a program that SIGINT ended."""

EPILOG = (
    "Exit status: 0 clean stop; 2 usage; 70 internal error; 75 another supervisor holds the lock; 78 configuration error. "
    "SIGTERM or SIGINT stops cleanly, a second one kills running actions, a third ends at once."
)


@click.group(invoke_without_command=True, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file. Default: ./supervisor.toml, else the one in the user's configuration folder, else built-in values.",
)
@click.option("--agents", metavar="A,B", help="Watch these instead of the configured agents; known ones keep their settings.")
@click.version_option(__version__, prog_name="collections-supervisor")
@click.pass_context
def cli(context: click.Context, config_path: Path | None, agents: str | None) -> None:
    """Watch AI agents by their heartbeats, restart them within a budget, and tell a human when that does not help.

    Without a command: supervise in the foreground until SIGTERM or SIGINT.
    """
    context.obj = (config_path, agents)
    if context.invoked_subcommand is None:
        sys.exit(_run(config_path, agents))


def _load(config_path: Path | None, agents: str | None) -> "Loaded":
    from collections_supervisor.config.loader import find_config, load

    try:
        return load(config_path or find_config(os.environ), environ=os.environ, agents_flag=agents)
    except ConfigError as error:
        _fail(CONFIGURATION, str(error))


def _fail(status: int, message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(status)


# --- Supervising -----------------------------------------------------------------------------------------------------


def _run(config_path: Path | None, agents: str | None) -> int:
    import anyio

    from collections_supervisor.app import prepare_state, run_daemon
    from collections_supervisor.system.files import cause_of
    from collections_supervisor.system.lock import LockHeldError
    from collections_supervisor.system.logs import open_log

    config = _load(config_path, agents).config
    state_dir = config.supervisor.state_dir
    _occupy_standard_streams()
    try:
        lock = prepare_state(state_dir)
    except LockHeldError as error:
        _fail(LOCKED, str(error))
    except OSError as error:
        _fail(CONFIGURATION, f"supervisor.state_dir: {state_dir} cannot be used: {cause_of(error)}")
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"  # noqa: TID251 - there is no clock before there is a run
    try:
        logs = open_log(config.logging, run_id=run_id, fallback=state_dir / "fallback.log")
    except OSError as error:
        _fail(CONFIGURATION, f"logging.file: {config.logging.file} cannot be opened: {cause_of(error)}")
    logs.capture()
    try:
        anyio.run(run_daemon, config, logs, run_id, os.environ)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        logs.logger.critical("supervisor.crashed", message=f"unexpected internal error: {error!r}", exc_info=error)
        return INTERNAL
    finally:
        logs.close(1.0)
        lock.close()
    return OK


def _occupy_standard_streams() -> None:
    """Open those that are closed, lest a file of ours take the number of one: the log would be written into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Not for writing: the log is to learn that nobody reads it, and to go on in its fallback.
            os.open(os.devnull, os.O_RDONLY)


# --- Commands --------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--show-effective", is_flag=True, help="Print every value in force and where it came from.")
@click.pass_obj
def check(options: tuple[Path | None, str | None], show_effective: bool) -> None:
    """Validate the configuration; exit 0 if it is sound, 78 with every fault named if not."""
    from collections_supervisor.config.effective import format_effective

    loaded = _load(*options)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    if show_effective:
        click.echo(format_effective(loaded))
        return
    where = loaded.config.path or "built-in values"
    names = ", ".join(agent.name for agent in loaded.config.agents)
    click.echo(f"{where}: sound; agents: {names}; warnings: {len(loaded.warnings)}")


@cli.command(context_settings={"ignore_unknown_options": False})
@click.argument("agent")
@click.option(
    "--status",
    type=click.Choice(["ok", "start", "fail", "busy", "stuck", "waiting"]),
    default="ok",
    show_default=True,
    help="What the agent says of itself.",
)
@click.option("--until", metavar="TIME", help="With busy: until when, as ISO 8601 or a duration such as 20m.")
@click.option("--message", default="", help="One line for people.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def beat(
    options: tuple[Path | None, str | None], agent: str, status: str, until: str | None, message: str, command: tuple[str, ...]
) -> None:
    """Append one heartbeat of AGENT; with `-- CMD…` run CMD, beat at its start and end, and pass its exit status on."""
    import anyio

    from collections_supervisor.agents import beat as beats
    from collections_supervisor.system.clock import SystemClock

    config = _load(*options).config
    policy = next((known for known in config.agents if known.name == agent), None)
    if policy is None:
        known = ", ".join(known.name for known in config.agents)
        where = config.path or "no configuration file was found, so the built-in agents hold"
        raise click.UsageError(f"{where}: no agent is called {agent!r}; there are: {known}")
    _check_beat(status, until, message, command)
    if command:
        complain = lambda line: click.echo(line, err=True)  # noqa: E731
        sys.exit(anyio.run(lambda: beats.run_and_beat(policy, command, clock=SystemClock(), complain=complain)))

    async def append() -> None:
        now = SystemClock().now().wall
        when = beats.parse_until(until, now=now) if until is not None else None
        if when is not None and when <= now:
            raise ValueError(f"{until!r} is in the past")
        await beats.append_beat(policy, now=now, status=status, until=when, message=message)  # type: ignore[arg-type]

    try:
        anyio.run(append)
    except ValueError as error:
        raise click.UsageError(f"--until: {error}") from error
    except (OSError, beats.NoHeartbeatLogError) as error:
        _fail(1, f"no heartbeat was written: {error}")


def _check_beat(status: str, until: str | None, message: str, command: tuple[str, ...]) -> None:
    """Refuse what would be ignored: a beat that says less than its caller meant is worse than none."""
    if command and (status != "ok" or until is not None or message):
        raise click.UsageError("with a command, status and message are the command's own: leave the options out")
    if not command and sys.argv[-1] == "--":
        raise click.UsageError("there is no command behind --")
    if (status == "busy") != (until is not None):
        raise click.UsageError("--status busy and --until go together")


def main() -> None:
    """The console script."""
    cli.main(prog_name="collections-supervisor")
