"""The commands by which a person steers the running supervisor, or what the next one will find."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
import msgspec

from collections_supervisor.terminal import LOCKED, OK, UNHEALTHY, Options, Target, complete_agent, fail, now, target

if TYPE_CHECKING:
    from collections_supervisor.config.loader import Loaded
    from collections_supervisor.control.protocol import Reply, Request

LONG = 3 * 86_400.0
"""Seconds that the end of a restart is waited for: the supervisor knows how long it can take, and answers then."""

STARTING = 5.0
"""Seconds in which a supervisor that has the lock may begin to listen."""

reason = click.option("--reason", default="", metavar="TEXT", help="Why, for the log and for others.")
agent_argument = click.argument("agent", shell_complete=complete_agent)
agent_or_all = click.argument("agent", required=False, shell_complete=complete_agent)


@click.command()
@agent_argument
@reason
@click.option("--wait", is_flag=True, help="Wait for its end: 0 only if the agent is back.")
@click.pass_obj
def restart(options: Options, agent: str, reason: str, wait: bool) -> None:
    """Restart AGENT now, whatever was held against it; outside of the budget, also while it is paused."""
    request = _request("restart", agent=agent, reason=reason, wait=wait)
    _finish(_ask(target(*options), request, timeout=LONG if wait else None))


@click.command()
@agent_or_all
@click.option("--all", "everyone", is_flag=True, help="All agents, also those added later, until resumed with --all.")
@click.option("--for", "lasts", metavar="TIME", help="How long, such as 2h; without it until it is resumed.")
@reason
@click.pass_obj
def pause(options: Options, agent: str | None, everyone: bool, lasts: str | None, reason: str) -> None:
    """Count no misses of AGENT, make no restarts and send no notices until it is resumed."""
    whom = _whom(agent, everyone)
    _finish(_ask_or_write(target(*options), _request("pause", agent=whom, until=_end(lasts), reason=reason)))


@click.command()
@agent_or_all
@click.option("--all", "everyone", is_flag=True, help="End the pause of all; those paused by name stay so.")
@reason
@click.pass_obj
def resume(options: Options, agent: str | None, everyone: bool, reason: str) -> None:
    """Watch AGENT again: it gets a moment to beat, and what it missed before does not count."""
    _finish(_ask_or_write(target(*options), _request("resume", agent=_whom(agent, everyone), reason=reason)))


@click.command()
@agent_argument
@reason
@click.pass_obj
def stop(options: Options, agent: str, reason: str) -> None:
    """End AGENT, a process of the supervisor's own, and leave it so until it is started by hand."""
    _finish(_ask(target(*options), _request("stop", agent=agent, reason=reason)))


@click.command()
@agent_argument
@reason
@click.pass_obj
def start(options: Options, agent: str, reason: str) -> None:
    """Start AGENT, a process of the supervisor's own, that was stopped or ended."""
    _finish(_ask(target(*options), _request("start", agent=agent, reason=reason)))


@click.command()
@click.argument("subject", metavar="AGENT", shell_complete=complete_agent)
@click.option("--for", "lasts", metavar="TIME", help="How long, such as 8h; without it escalation.ack_for.")
@reason
@click.pass_obj
def ack(options: Options, subject: str, lasts: str | None, reason: str) -> None:
    """Stop the reminders of the open incident of AGENT (or of its id, or of any other subject); its end is still told."""
    _finish(_ask_or_write(target(*options), _request("ack", agent=subject, until=_end(lasts), reason=reason)))


@click.command()
@click.pass_obj
def reload(options: Options) -> None:
    """Have the running supervisor read its configuration again; what has not changed is not touched."""
    _finish(_ask(target(*options), _request("reload"), timeout=90.0))


@click.command()
@click.pass_obj
def audit(options: Options) -> None:
    """Have the running supervisor look at the books now."""
    _finish(_ask(target(*options), _request("audit")))


COMMANDS: Sequence[click.Command] = (restart, pause, resume, stop, start, ack, reload, audit)


def show_diff(loaded: "Loaded") -> None:
    """Print what a reload would change, as the running supervisor sees it."""
    reply = _ask(Target(loaded.config.supervisor.state_dir, loaded.config), _request("diff"))
    told = msgspec.json.decode(reply.report)
    theirs = told.get("path") if isinstance(told, dict) else None
    ours = str(loaded.config.path) if loaded.config.path is not None else None
    if theirs != ours:
        click.echo(f"note: the running supervisor reads {theirs or 'no file'}, not {ours or 'no file'}", err=True)
    _finish(reply)


# --- What is typed ---


def _request(op: str, **members: object) -> "Request":
    from collections_supervisor.control.protocol import Request

    try:
        return msgspec.convert({"op": op, **members}, Request)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error


def _whom(agent: str | None, everyone: bool) -> str:
    from collections_supervisor.control.protocol import EVERYONE

    if everyone == (agent is not None):
        raise click.UsageError("name one agent, or --all")
    return EVERYONE if agent is None else agent


def _end(lasts: str | None) -> datetime | None:
    """The instant that lies so far ahead."""
    from collections_supervisor.config.durations import parse_duration

    if lasts is None:
        return None
    try:
        end = now() + timedelta(seconds=parse_duration(lasts))
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"--for: {error}") from error
    return end


# --- What becomes of it ---


def _ask(whom: Target, request: "Request", timeout: float | None = None) -> "Reply":
    from collections_supervisor.control.client import PATIENCE, ControlError, NoDaemonError, ask

    try:
        return ask(whom.state_dir, request, timeout or PATIENCE)
    except NoDaemonError as error:
        fail(whom.unanswered, f"{error}: nothing was done")
    except ControlError as error:
        fail(UNHEALTHY, str(error))


def _ask_or_write(whom: Target, request: "Request") -> "Reply":
    """Ask the supervisor; where none runs, write what the next one finds."""
    from collections_supervisor.app.elsewhere import ElsewhereError
    from collections_supervisor.app.launch import LaunchError
    from collections_supervisor.app.told import UnknownStateError
    from collections_supervisor.app.unattended import decide
    from collections_supervisor.control.client import ControlError, NoDaemonError, ask, ask_patiently
    from collections_supervisor.system.lock import LockHeldError

    try:
        return ask(whom.state_dir, request)
    except NoDaemonError as error:
        if whom.config is None:
            fail(whom.unanswered, f"{error}: nothing was done")
    except ControlError as error:
        fail(UNHEALTHY, str(error))
    try:
        return decide(whom.config, request, os.environ)
    except LockHeldError as held:
        try:
            # It has only just been started, most likely, and will listen in a moment.
            return ask_patiently(whom.state_dir, request, STARTING)
        except ControlError as error:
            fail(LOCKED, f"{held}, and takes no commands: {error}")
    except ElsewhereError as error:
        fail(LOCKED, str(error))
    except (LaunchError, UnknownStateError) as error:
        fail(UNHEALTHY, str(error))


def _finish(reply: "Reply") -> None:
    """Tell the person, with instants as people write them, and end with what it came to."""
    from collections_supervisor.system.visible import dated

    if reply.ok:
        click.echo(dated(reply.message))
        sys.exit(OK)
    fail(reply.code or UNHEALTHY, dated(reply.error))
