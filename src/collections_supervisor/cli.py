"""What a person types. Nothing is decided here: options are read, the work is called, its end becomes an exit status."""

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collections_supervisor import __version__, steering
from collections_supervisor.terminal import (
    CONFIGURATION,
    INTERNAL,
    INTERRUPTED,
    LOCKED,
    OK,
    UNHEALTHY,
    USAGE,
    complete_agent,
)
from collections_supervisor.terminal import fail as _fail
from collections_supervisor.terminal import load as _load

if TYPE_CHECKING:
    from collections_supervisor.config.loader import Loaded
    from collections_supervisor.config.schema import Config

PLAIN_WIDTH = 100
"""Columns of a report that does not go to a terminal."""

EPILOG = (
    "Exit status: 0 clean stop, or healthy; 1 not healthy, not done, no beat written, or too little history; "
    "2 usage, or no such agent; 3 no supervisor runs; 70 internal error; 75 another supervisor holds the lock; "
    "78 configuration error; 130 interrupted. "
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
@click.option("--health-check", is_flag=True, help="Make one sweep: judge, restart, tell, report, exit; 0 only if all is well.")
@click.option("--json", "as_json", is_flag=True, help="With --health-check: the report as JSON.")
@click.option("--dry-run", is_flag=True, help="Decide and log; start, send and write nothing.")
@click.version_option(__version__, prog_name="collections-supervisor")
@click.pass_context
def cli(
    context: click.Context, config_path: Path | None, agents: str | None, health_check: bool, as_json: bool, dry_run: bool
) -> None:
    """Watch AI agents by their heartbeats, restart them within a budget, and tell a human when that does not help.

    Without a command: supervise in the foreground until SIGTERM or SIGINT.
    """
    context.obj = (config_path, agents)
    if context.invoked_subcommand is not None:
        if health_check or as_json or dry_run:
            raise click.UsageError("--health-check, --json and --dry-run stand alone; a command has options of its own")
        return
    if as_json and not health_check:
        raise click.UsageError("--json goes together with --health-check")
    loaded = _load(config_path, agents)
    if health_check:
        sys.exit(_check_health(loaded.config, as_json=as_json, dry=dry_run))
    sys.exit(_supervise(loaded, agents, dry=dry_run))


def _show(text: str) -> None:
    """Print for people; a terminal that knows fewer characters gets what it can show."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding))


def _screen() -> tuple[int, bool]:
    """The columns to print in, and whether in colour."""
    terminal = sys.stdout.isatty()
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return (shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH), colour


# --- Supervising -----------------------------------------------------------------------------------------------------


def _supervise(loaded: "Loaded", agents: str | None, *, dry: bool) -> int:
    import anyio

    from collections_supervisor.app.daemon import run_daemon
    from collections_supervisor.app.launch import LaunchError, launched
    from collections_supervisor.app.reload import Source
    from collections_supervisor.system.lock import LockHeldError

    source = Source(loaded=loaded, environ=os.environ, agents_flag=agents)
    try:
        with launched(loaded.config, os.environ, dry=dry) as (run, logs):
            anyio.run(run_daemon, run, logs, source)
    except LockHeldError as error:
        _fail(LOCKED, str(error))
    except LaunchError as error:
        _fail(CONFIGURATION, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - it stands in the log already
        return INTERNAL
    return OK


def _check_health(config: "Config", *, as_json: bool, dry: bool) -> int:
    from collections_supervisor.app.health_check import InterruptedSweepError, check_health
    from collections_supervisor.app.launch import LaunchError, UnknownStateError
    from collections_supervisor.reporting.report_json import encode_report
    from collections_supervisor.reporting.table import format_report
    from collections_supervisor.system.lock import LockHeldError

    now = datetime.now(UTC)  # noqa: TID251 - the age of a saved report is told in the clock of whoever reads it
    try:
        report = check_health(config, os.environ, dry=dry, now=now)
    except LockHeldError as error:
        _fail(LOCKED, str(error))
    except LaunchError as error:
        _fail(CONFIGURATION, str(error))
    except UnknownStateError as error:
        _fail(UNHEALTHY, str(error))
    except (InterruptedSweepError, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - it stands in the log already
        click.echo(f"unexpected internal error: {error!r}", err=True)
        return INTERNAL
    if as_json:
        click.echo(encode_report(report))
    else:
        _show(format_report(report, *_screen()))
    return OK if report.verdict == "healthy" else UNHEALTHY


# --- Looking ahead ---------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--outage", default="60h", show_default=True, metavar="TIME", help="How long the agent is silent.")
@click.option(
    "--agent",
    metavar="NAME",
    shell_complete=complete_agent,
    help="Which agent; without it the first one in full, the others in figures.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def simulate(options: tuple[Path | None, str | None], outage: str, agent: str | None, as_json: bool) -> None:
    """Show what this configuration would do in an outage: misses, restarts, and who is told when."""
    from collections_supervisor.app.simulate import simulate as run
    from collections_supervisor.app.simulation_text import encode, render
    from collections_supervisor.config.durations import parse_duration

    config = _load(*options).config
    try:
        simulation = run(config, agent, parse_duration(outage))
    except ValueError as error:
        raise click.UsageError(f"--outage, --agent: {error}") from error
    if as_json:
        click.echo(encode(simulation))
    else:
        _show(render(simulation, *_screen()))


@cli.command()
@click.argument("agent", shell_complete=complete_agent)
@click.option(
    "--false-alarms", default="1/30d", show_default=True, metavar="N/TIME", help="How often a human may be told for nothing."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def tune(options: tuple[Path | None, str | None], agent: str, false_alarms: str, as_json: bool) -> None:
    """Read AGENT's own heartbeat history and propose its period, timeout and interval."""
    import anyio

    from collections_supervisor.app import tune as tuning

    config = _load(*options).config
    try:
        allowed = tuning.parse_rate(false_alarms)
        text, status = anyio.run(tuning.tune, config, agent, allowed, as_json)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if status == USAGE and not as_json:
        raise click.UsageError(text)
    _show(text)
    sys.exit(status)


# --- Commands --------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--show-effective", is_flag=True, help="Print every value in force and where it came from.")
@click.option("--diff", "as_diff", is_flag=True, help="Print what a reload of the running supervisor would change.")
@click.pass_obj
def check(options: tuple[Path | None, str | None], show_effective: bool, as_diff: bool) -> None:
    """Validate the configuration; exit 0 if it is sound, 78 with every fault named if not."""
    from collections_supervisor.config.effective import format_effective

    loaded = _load(*options)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_diff:
        steering.show_diff(loaded)
        return
    if show_effective:
        click.echo(format_effective(loaded))
        return
    where = loaded.config.path or "built-in values"
    names = ", ".join(agent.name for agent in loaded.config.agents)
    click.echo(f"{where}: sound; agents: {names}; warnings: {len(loaded.warnings)}")


@cli.command(context_settings={"ignore_unknown_options": False})
@click.argument("agent", shell_complete=complete_agent)
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


for command in steering.COMMANDS:
    cli.add_command(command)


def main() -> None:
    """The console script."""
    cli.main(prog_name="collections-supervisor")
