"""What a person types. Nothing is decided here: options are read, the work is called, its end becomes an exit status."""

import os
import signal
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collections_supervisor import __version__, preparing, steering
from collections_supervisor.beating import beat
from collections_supervisor.looking import show_look, status
from collections_supervisor.terminal import (
    CONFIGURATION,
    INTERNAL,
    INTERRUPTED,
    LOCKED,
    OK,
    UNHEALTHY,
    fail,
    load,
    now,
    screen,
    show,
)

if TYPE_CHECKING:
    from collections_supervisor.config.loader import Loaded
    from collections_supervisor.config.schema import Config

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
        sys.exit(show_look(loaded.config, output, metrics=metrics))
    if health_check:
        sys.exit(_check_health(loaded.config, as_json=as_json, dry=dry_run))
    sys.exit(_supervise(loaded, agents, flags, dry=dry_run))


def _supervise(loaded: "Loaded", agents: str | None, flags: Mapping[str, object], *, dry: bool) -> int:
    from collections_supervisor.system.early_signals import leaving, remembered

    # It takes a while until there is a loop that listens, and longer where a single sweep of another is waited for.
    with leaving(signal.SIGINT, INTERRUPTED), remembered(signal.SIGHUP, signal.SIGUSR1) as early:
        return _run(loaded, agents, flags, early, dry=dry)


def _run(loaded: "Loaded", agents: str | None, flags: Mapping[str, object], early: Collection[int], *, dry: bool) -> int:
    import anyio

    from collections_supervisor.app.daemon import run_daemon
    from collections_supervisor.app.launch import LaunchError, launched
    from collections_supervisor.app.reload import Source
    from collections_supervisor.system.lock import LockHeldError

    source = Source(loaded=loaded, environ=os.environ, agents_flag=agents, flags=flags)
    try:
        with launched(loaded.config, os.environ, dry=dry) as (run, logs):
            anyio.run(run_daemon, run, logs, source, early)
    except LockHeldError as error:
        fail(LOCKED, str(error))
    except LaunchError as error:
        fail(CONFIGURATION, str(error))
    except Exception:  # noqa: BLE001 - it stands in the log already
        return INTERNAL
    return OK


def _check_health(config: "Config", *, as_json: bool, dry: bool) -> int:
    from collections_supervisor.app.health_check import InterruptedSweepError, check_health
    from collections_supervisor.app.launch import LaunchError
    from collections_supervisor.app.told import UnknownStateError
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
    except InterruptedSweepError:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - it stands in the log already
        click.echo(f"unexpected internal error: {error!r}", err=True)
        return INTERNAL
    if as_json:
        click.echo(encode_report(report))
    else:
        show(format_report(report, *screen()))
    return OK if report.verdict == "healthy" else UNHEALTHY


for command in (beat, status, *preparing.COMMANDS, *steering.COMMANDS):
    cli.add_command(command)


def main() -> None:
    """The console script."""
    try:
        status = cli.main(prog_name="collections-supervisor", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        # Of any moment; click by itself makes it 1, which is "not healthy", and lets a second one through.
        status = INTERRUPTED
        # An interrupt that met text being executed (a dataclass being made by an import) is remembered by CPython, which under
        # `python -m` then ends by the signal whatever the status: until the next text (run_eval_code_obj in pythonrun.c).
        exec("")  # noqa: S102 - there is nothing in it
    sys.exit(status)
