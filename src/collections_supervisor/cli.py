"""What a person types. Nothing is decided here: options are read, the work is called, its end becomes an exit status."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collections_supervisor import __version__, steering
from collections_supervisor.terminal import (
    CANNOT_TELL,
    CONFIGURATION,
    INTERNAL,
    INTERRUPTED,
    LOCKED,
    OK,
    UNHEALTHY,
    USAGE,
    Options,
    complete_agent,
    fail,
    load,
    now,
    screen,
    show,
)

if TYPE_CHECKING:
    from collections_supervisor.config.loader import Loaded
    from collections_supervisor.config.schema import Config

WATCH_EVERY = "2s"
SHORTEST_WATCH = 0.1
LONGEST_WATCH = 86400.0
"""Seconds between two looks."""

EPILOG = (
    "Exit status: 0 clean stop, or healthy; 1 not healthy, something to be mended, not done, not written, or too little history; "
    "2 usage, or no such agent; 3 no supervisor to ask; 70 internal error; 75 another supervisor holds the lock; "
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
@click.option("--dashboard", is_flag=True, help="Write the page of how things are now, and change nothing.")
@click.option("--metrics", is_flag=True, help="Print what is known as Prometheus reads it, and change nothing.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --dashboard or --metrics: the file that is replaced; without it everything goes to standard output.",
)
@click.option(
    "--template",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Wherever the page is written: draw it by this jinja2 template instead of dashboard.template and ours.",
)
@click.option("--json", "as_json", is_flag=True, help="With --health-check: the report as JSON.")
@click.option("--dry-run", is_flag=True, help="Decide and log; start, send and write nothing.")
@click.version_option(__version__, prog_name="collections-supervisor")
@click.pass_context
def cli(
    context: click.Context,
    config_path: Path | None,
    agents: str | None,
    health_check: bool,
    dashboard: bool,
    metrics: bool,
    output: Path | None,
    template: Path | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Watch AI agents by their heartbeats, restart them within a budget, and tell a human when that does not help.

    Without a command: supervise in the foreground until SIGTERM or SIGINT.
    """
    context.obj = (config_path, agents)
    if context.invoked_subcommand is not None:
        if health_check or dashboard or metrics or output is not None or template is not None or as_json or dry_run:
            raise click.UsageError("these options stand alone; a command has options of its own")
        return
    if (dashboard or metrics) and (health_check or as_json or dry_run or (dashboard and metrics)):
        raise click.UsageError("--dashboard and --metrics change nothing: they go together with --output and --template only")
    if output is not None and not (dashboard or metrics):
        raise click.UsageError("--output goes together with --dashboard or --metrics")
    if template is not None and (metrics or dry_run):
        raise click.UsageError("--template is of the page, which --metrics and --dry-run do not write")
    if as_json and not health_check:
        raise click.UsageError("--json goes together with --health-check")
    flags = {"dashboard.template": str(template.absolute())} if template is not None else {}
    loaded = load(config_path, agents, flags)
    if dashboard or metrics:
        sys.exit(_show_look(loaded.config, output, metrics=metrics))
    if health_check:
        sys.exit(_check_health(loaded.config, as_json=as_json, dry=dry_run))
    sys.exit(_supervise(loaded, agents, flags, dry=dry_run))


# --- Supervising -----------------------------------------------------------------------------------------------------


def _supervise(loaded: "Loaded", agents: str | None, flags: Mapping[str, object], *, dry: bool) -> int:
    import anyio

    from collections_supervisor.app.daemon import run_daemon
    from collections_supervisor.app.launch import LaunchError, launched
    from collections_supervisor.app.reload import Source
    from collections_supervisor.system.lock import LockHeldError

    source = Source(loaded=loaded, environ=os.environ, agents_flag=agents, flags=flags)
    try:
        with launched(loaded.config, os.environ, dry=dry) as (run, logs):
            anyio.run(run_daemon, run, logs, source)
    except LockHeldError as error:
        fail(LOCKED, str(error))
    except LaunchError as error:
        fail(CONFIGURATION, str(error))
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

    try:
        report = check_health(config, os.environ, dry=dry, now=now())
    except LockHeldError as error:
        fail(LOCKED, str(error))
    except LaunchError as error:
        fail(CONFIGURATION, str(error))
    except UnknownStateError as error:
        fail(UNHEALTHY, str(error))
    except (InterruptedSweepError, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - it stands in the log already
        click.echo(f"unexpected internal error: {error!r}", err=True)
        return INTERNAL
    if as_json:
        click.echo(encode_report(report))
    else:
        show(format_report(report, *screen()))
    return OK if report.verdict == "healthy" else UNHEALTHY


# --- Looking on ------------------------------------------------------------------------------------------------------


def _show_look(config: "Config", output: Path | None, *, metrics: bool) -> int:
    import anyio

    from collections_supervisor.app import look as looks
    from collections_supervisor.app.health_check import InterruptedSweepError
    from collections_supervisor.reporting.dashboard import TemplateFaultError
    from collections_supervisor.reporting.metrics_file import put_metrics
    from collections_supervisor.reporting.reporter import put_page
    from collections_supervisor.system.files import cause_of

    try:
        seen = looks.look(config, os.environ, now=now())
        data = looks.count(seen) if metrics else looks.draw(seen, config)
        if output is None:
            click.echo(data, nl=False)
        else:
            anyio.run(put_metrics if metrics else put_page, output, data)
    except (InterruptedSweepError, KeyboardInterrupt):
        return INTERRUPTED
    except TemplateFaultError as error:
        fail(CONFIGURATION, f"the page cannot be drawn: {error}")
    except OSError as error:
        fail(UNHEALTHY, f"{output or 'standard output'} cannot be written: {cause_of(error)}")
    except Exception as error:  # noqa: BLE001 - a person asked, and gets an answer
        click.echo(f"unexpected internal error: {error!r}", err=True)
        return INTERNAL
    return OK


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="The report as JSON; with --watch a line whenever it is another one.")
@click.option("--watch", "again", is_flag=True, help="Look again and again, until Ctrl-C; piped: one line for each change.")
@click.option("--interval", metavar="TIME", help=f"With --watch: the time between two looks.  [default: {WATCH_EVERY}]")
@click.pass_obj
def status(options: Options, as_json: bool, again: bool, interval: str | None) -> None:
    """Show what the running daemon knows now; without one what was known last, and exit 3."""
    import anyio

    from collections_supervisor.app import status as answers
    from collections_supervisor.app.launch import UnknownStateError
    from collections_supervisor.config.durations import parse_duration

    if interval is not None and not again:
        raise click.UsageError("--interval goes together with --watch")
    config = load(*options).config
    if again:
        try:
            every = parse_duration(interval or WATCH_EVERY)
        except ValueError as error:
            raise click.UsageError(f"--interval: {error}") from error
        if not SHORTEST_WATCH <= every <= LONGEST_WATCH:
            raise click.UsageError("--interval: from 100 ms to one day")
        sys.exit(_watch(config, every, as_json=as_json))
    try:
        saved = anyio.run(answers.ask, config, now())
    except UnknownStateError as error:
        fail(CANNOT_TELL, str(error))
    if as_json:
        click.echo(answers.as_json(saved))
    else:
        show(answers.table(saved, *screen()), nl=False)
    sys.exit(answers.exit_status(saved))


def _watch(config: "Config", every: float, *, as_json: bool) -> int:
    import anyio

    from collections_supervisor.app import watch
    from collections_supervisor.app.status import ask

    complain = lambda line: click.echo(line, err=True)  # noqa: E731
    face = watch.face_for(sys.stdout, show, click.echo, complain, as_json=as_json, colour=screen()[1])
    try:
        return anyio.run(watch.watch, lambda: ask(config, now()), face, every)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        face.close()


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
def simulate(options: Options, outage: str, agent: str | None, as_json: bool) -> None:
    """Show what this configuration would do in an outage: misses, restarts, and who is told when."""
    from collections_supervisor.app.simulate import simulate as run
    from collections_supervisor.app.simulation_text import encode, render
    from collections_supervisor.config.durations import parse_duration

    config = load(*options).config
    try:
        simulation = run(config, agent, parse_duration(outage))
    except ValueError as error:
        raise click.UsageError(f"--outage, --agent: {error}") from error
    if as_json:
        click.echo(encode(simulation))
    else:
        show(render(simulation, *screen()))


@cli.command()
@click.argument("agent", shell_complete=complete_agent)
@click.option(
    "--false-alarms", default="1/30d", show_default=True, metavar="N/TIME", help="How often a human may be told for nothing."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def tune(options: Options, agent: str, false_alarms: str, as_json: bool) -> None:
    """Read AGENT's own heartbeat history and propose its period, timeout and interval."""
    import anyio

    from collections_supervisor.app import tune as tuning

    config = load(*options).config
    try:
        allowed = tuning.parse_rate(false_alarms)
        text, status = anyio.run(tuning.tune, config, agent, allowed, as_json)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if status == USAGE and not as_json:
        raise click.UsageError(text)
    show(text)
    sys.exit(status)


# --- Commands --------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--show-effective", is_flag=True, help="Print every value in force and where it came from.")
@click.option("--diff", "as_diff", is_flag=True, help="Print what a reload of the running supervisor would change.")
@click.option(
    "--schema",
    type=click.Choice(["config", "report", "events", "notice"]),
    is_flag=False,
    flag_value="config",
    help="Print a JSON Schema: of the file (config), the report, a line of the log (events), or a notice. Nothing else is done.",
)
@click.pass_obj
def check(options: Options, show_effective: bool, as_diff: bool, schema: str | None) -> None:
    """Validate the configuration; exit 0 if it is sound, 78 with every fault named if not."""
    from collections_supervisor.config.effective import format_effective

    if schema is not None:
        from collections_supervisor.app import schemas

        if show_effective:
            raise click.UsageError("--schema stands alone")
        click.echo(schemas.schema(schema))
        return
    loaded = load(*options)
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


@cli.command()
@click.option("--notify-test", is_flag=True, help="Send a marked test notice through every channel, and remember which took it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def doctor(options: Options, notify_test: bool, as_json: bool) -> None:
    """Look at the surroundings and say what to do; exit 1 if anything has to be mended."""
    import anyio

    from collections_supervisor.app.doctor import Doctor
    from collections_supervisor.app.doctor_text import encode, is_sound, render

    examiner = Doctor(load(*options), os.environ)
    try:
        checks = anyio.run(lambda: examiner.examine(notify_test=notify_test))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if as_json:
        click.echo(encode(checks))
    else:
        show(render(checks, *screen()))
    sys.exit(OK if is_sound(checks) else UNHEALTHY)


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
def beat(options: Options, agent: str, status: str, until: str | None, message: str, command: tuple[str, ...]) -> None:
    """Append one heartbeat of AGENT; with `-- CMD…` run CMD, beat at its start and end, and pass its exit status on."""
    import anyio

    from collections_supervisor.agents import beat as beats
    from collections_supervisor.system.clock import SystemClock

    config = load(*options).config
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
        fail(1, f"no heartbeat was written: {error}")


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
