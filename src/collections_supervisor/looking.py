"""What a person looks at, and changes nothing by: the status, the page, the metrics."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collections_supervisor.terminal import (
    CONFIGURATION,
    INTERNAL,
    INTERRUPTED,
    OK,
    UNHEALTHY,
    Options,
    Target,
    fail,
    now,
    screen,
    show,
    target,
)

if TYPE_CHECKING:
    from collections_supervisor.config.schema import Config

WATCH_EVERY = "2s"
SHORTEST_WATCH = 0.1
LONGEST_WATCH = 86400.0
"""Seconds between two looks."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The report as JSON; with --watch a line whenever it is another one.")
@click.option("--watch", "again", is_flag=True, help="Look again and again, until Ctrl-C; piped: one line for each change.")
@click.option("--interval", metavar="TIME", help=f"With --watch: the time between two looks.  [default: {WATCH_EVERY}]")
@click.pass_obj
def status(options: Options, as_json: bool, again: bool, interval: str | None) -> None:
    """Show what the running daemon knows now; without one what was known last, and exit 3."""
    from collections_supervisor.app import status as answers
    from collections_supervisor.app.told import UnknownStateError
    from collections_supervisor.config.durations import parse_duration

    if interval is not None and not again:
        raise click.UsageError("--interval goes together with --watch")
    whom = target(*options)
    if again:
        try:
            every = parse_duration(interval or WATCH_EVERY)
        except ValueError as error:
            raise click.UsageError(f"--interval: {error}") from error
        if not SHORTEST_WATCH <= every <= LONGEST_WATCH:
            raise click.UsageError("--interval: from 100 ms to one day")
        sys.exit(_watch(whom, every, as_json=as_json))
    try:
        saved = answers.ask(whom.state_dir, whom.config, now())
    except UnknownStateError as error:
        fail(whom.unanswered, str(error))
    if as_json:
        click.echo(answers.as_json(saved))
    else:
        show(answers.table(saved, *screen()), nl=False)
    sys.exit(answers.exit_status(saved))


def _watch(whom: Target, every: float, *, as_json: bool) -> int:
    import anyio
    import anyio.to_thread

    from collections_supervisor.app import watch
    from collections_supervisor.app.status import ask

    complain = lambda line: click.echo(line, err=True)  # noqa: E731
    face = watch.face_for(sys.stdout, show, click.echo, complain, as_json=as_json, colour=screen()[1])
    try:
        return anyio.run(watch.watch, lambda: anyio.to_thread.run_sync(ask, whom.state_dir, whom.config, now()), face, every)
    finally:
        face.close()


def show_look(config: "Config", output: Path | None, *, metrics: bool) -> int:
    """Write the page, or the metrics, of how things are now; the exit status."""
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
    except InterruptedSweepError:
        return INTERRUPTED
    except TemplateFaultError as error:
        fail(CONFIGURATION, f"the page cannot be drawn: {error}")
    except OSError as error:
        fail(UNHEALTHY, f"{output or 'standard output'} cannot be written: {cause_of(error)}")
    except Exception as error:  # noqa: BLE001 - a person asked, and gets an answer
        click.echo(f"unexpected internal error: {error!r}", err=True)
        return INTERNAL
    return OK
