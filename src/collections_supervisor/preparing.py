"""The commands by which a person finds out, before relying on it, whether a configuration and its surroundings will do."""

import os
import sys
from collections.abc import Sequence

import click

from collections_supervisor import steering
from collections_supervisor.terminal import OK, UNHEALTHY, USAGE, Options, complete_agent, load, screen, show


@click.command()
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
    from collections_supervisor.app.tokens import missing_tokens
    from collections_supervisor.config.effective import format_effective

    if schema is not None:
        from collections_supervisor.app import schemas

        if show_effective:
            raise click.UsageError("--schema stands alone")
        click.echo(schemas.schema(schema))
        return
    loaded = load(*options)
    tokens = missing_tokens(loaded.config.escalation.channels, os.environ)
    elsewhere = "whoever starts the supervisor, such as a service, may set it"
    warnings = [*loaded.warnings, *(f"{each} here; {elsewhere}" for each in tokens)]
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_diff:
        steering.show_diff(loaded)
        return
    if show_effective:
        click.echo(format_effective(loaded))
        return
    where = loaded.config.path or "built-in values"
    names = ", ".join(agent.name for agent in loaded.config.agents)
    click.echo(f"{where}: sound; agents: {names}; warnings: {len(warnings)}")


@click.command()
@click.option("--notify-test", is_flag=True, help="Send a marked test notice through every channel, and remember which took it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def doctor(options: Options, notify_test: bool, as_json: bool) -> None:
    """Look at the surroundings and say what to do; exit 1 if anything has to be mended."""
    import anyio

    from collections_supervisor.app.doctor import Doctor
    from collections_supervisor.app.doctor_text import encode, is_sound, render

    examiner = Doctor(load(*options), os.environ)
    checks = anyio.run(lambda: examiner.examine(notify_test=notify_test))
    if as_json:
        click.echo(encode(checks))
    else:
        show(render(checks, *screen()))
    sys.exit(OK if is_sound(checks) else UNHEALTHY)


@click.command()
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


@click.command()
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


COMMANDS: Sequence[click.Command] = (check, doctor, simulate, tune)
