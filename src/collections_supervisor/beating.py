"""The command by which an agent's work, or a person in its place, says that it is alive."""

import sys

import click

from collections_supervisor.terminal import Options, complete_agent, fail, load


@click.command(context_settings={"ignore_unknown_options": False})
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
    from collections_supervisor.system.ownership import OthersFolderError

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
    except (OSError, OthersFolderError, beats.NoHeartbeatLogError) as error:
        fail(1, f"no heartbeat was written: {error}")


def _check_beat(status: str, until: str | None, message: str, command: tuple[str, ...]) -> None:
    """Refuse what would be ignored: a beat that says less than its caller meant is worse than none."""
    if command and (status != "ok" or until is not None or message):
        raise click.UsageError("with a command, status and message are the command's own: leave the options out")
    if not command and sys.argv[-1] == "--":
        raise click.UsageError("there is no command behind --")
    if (status == "busy") != (until is not None):
        raise click.UsageError("--status busy and --until go together")
