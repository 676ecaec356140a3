"""What the doctor says of others: who looks after the same agents, which supervisors run, and who can be told. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from collections_supervisor.app.doctor_checks import NAMED, Check, listed
from collections_supervisor.app.tokens import missing_tokens
from collections_supervisor.config.schema import AgentConfig, Channel
from collections_supervisor.system.clock import span

ENVIRONMENT = "/etc/collections-supervisor/environment"
"""Where config/systemd/collections-supervisor.service has its variables from."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor that runs."""

    pid: int
    config: str
    """The file it was started with, in words."""
    path: Path | None = None
    """That file; None where there is none, or none that can be told."""
    state_dir: Path | None = None
    """None where it cannot be told."""
    known: bool = False
    """Its lock was seen, or that it has none yet; otherwise `state_dir` is what the file says by now."""
    watches: frozenset[str] = frozenset()
    """What it looks at and restarts, see `watched`."""
    variables: frozenset[str] | None = None
    """The names of those that it was started with, but for blank ones; None where they cannot be seen."""
    why: str = ""
    """Why it cannot be told."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """Something else that looks after the same agents."""

    where: str
    what: str
    text: str
    """The line, or the arguments."""


def watchdogs(sightings: Sequence[Sighting]) -> Iterator[Check]:
    """Whoever else restarts these agents: two who do it pay twice, and end each other's turns."""
    if not sightings:
        yield Check(name="other watchdogs", result="ok", found="none found in crontabs, units, launch agents and processes")
    for sighting in sightings[:NAMED]:
        found = f"{sighting.where} {sighting.what}: {_short(sighting.text)}"
        fix = 'end it, or set restart = { kind = "none" } for these agents here'
        yield Check(name="other watchdogs", result="warn", found=found, fix=fix)
    if len(sightings) > NAMED:
        yield Check(name="other watchdogs", result="warn", found=f"and {len(sightings) - NAMED} more", fix="end them likewise")


def watched(agents: Sequence[AgentConfig]) -> frozenset[str]:
    """What two supervisors must not have in common: a heartbeat file, or an agent of one OpenClaw."""
    files = {str(source.path) for agent in agents for source in agent.sources}
    return frozenset(files | {f"OpenClaw's {agent.name}" for agent in agents if agent.restart.kind == "openclaw"})


def services(folder: Path, watches: Collection[str], running: Sequence[Service]) -> Iterator[Check]:
    """Whether the supervisors that run keep their state where this configuration has it."""
    ours = [service for service in running if service.state_dir == folder]
    for service in ours[:1]:
        yield Check(name="service", result="ok", found=f"process {service.pid} runs with {service.config}, state in {folder}")
    for service in running:
        if service.state_dir is None:
            found = f"process {service.pid} is a supervisor too; where it keeps its state cannot be told: {service.why}"
            yield Check(name="service", result="note", found=found, fix=f"look at it: ps -o user=,args= -p {service.pid}")
        elif service.state_dir != folder and not service.watches.isdisjoint(watches):
            found = (
                f"process {service.pid} runs with {service.config} and keeps its state in {service.state_dir}, while this "
                f"configuration has {folder}: two locks, so both watch {listed(sorted(service.watches.intersection(watches)))}"
            )
            fix = f'set supervisor.state_dir = "{service.state_dir}" in the configuration, and use the same file for both'
            yield Check(name="service", result="warn", found=found, fix=fix)
    if all(service.state_dir is not None and service.watches.isdisjoint(watches) for service in running):
        fix = "start it in the foreground, or install the service: README, Five minutes to production"
        yield Check(name="service", result="note", found="no supervisor of these agents runs at this moment", fix=fix)


def channels(configured: Sequence[Channel]) -> Iterator[Check]:
    """Whether somebody can be told in more than one way."""
    kinds = [str(channel.__struct_config__.tag) for channel in configured]
    fix = 'add one to escalation.channels that works without the others, such as { kind = "command", command = ["…"] }'
    if not kinds:
        yield Check(name="channels", result="warn", found="there is none: no human is ever told", fix=fix)
    elif len(kinds) == 1:
        yield Check(name="channels", result="warn", found=f"there is one only: {kinds[0]}", fix=fix)
    elif set(kinds) == {"openclaw"}:
        found = f"all {len(kinds)} are OpenClaw's: if OpenClaw itself is down nobody is told"
        yield Check(name="channels", result="warn", found=found, fix=fix)
    else:
        yield Check(name="channels", result="ok", found=f"{len(kinds)}: {', '.join(kinds)}")


def tokens(
    configured: Sequence[Channel], here: Mapping[str, str], ours: Sequence[Service], places: Sequence[str]
) -> Iterator[Check]:
    """Whether the supervisor has the tokens that channels need: the one that runs, else one that would be started from `here`.

    `places` are those from which an installed service has its environment.
    """
    seen = next((service for service in ours if service.variables is not None), None)
    has = here if seen is None else dict.fromkeys(seen.variables or (), "set")
    who = "this shell" if seen is None else f"process {seen.pid}, the supervisor"
    missing = missing_tokens(configured, has)
    for each in missing:
        fix = f"see to it that the service reads {each.variable}=… from {listed(places or [ENVIRONMENT])} (mode 0600)"
        if seen is not None:
            yield Check(
                name="tokens", result="fail", found=f"{each} for {who}: nobody is told this way", fix=f"{fix}; restart it"
            )
        elif places:
            yield Check(name="tokens", result="note", found=f"{each} in {who}; the service may have it", fix=fix)
        else:
            yield Check(name="tokens", result="fail", found=f"{each} in {who}", fix=f"export {each.variable}; later on {fix}")
    if not missing and (needed := [each.variable for each in missing_tokens(configured, {})]):
        yield Check(name="tokens", result="ok", found=f"{who} has {listed(needed)}")


def proofs(names: Sequence[str], proven: Mapping[str, datetime], now: datetime, command: str) -> Iterator[Check]:
    """When each channel last delivered anything: one that never did is a hope, not a channel."""
    for name in names:
        if name in proven:
            age = max(0.0, (now - proven[name]).total_seconds())
            yield Check(name="delivery", result="ok", found=f"{name} last delivered {span(age)} ago")
        else:
            fix = f"{command} doctor --notify-test"
            yield Check(name="delivery", result="note", found=f"{name} has never delivered anything", fix=fix)


def notified(name: str, problem: str, seconds: float) -> Check:
    """How the test notice fared on one channel."""
    if not problem:
        return Check(name="test notice", result="ok", found=f"{name} took it, after {span(round(seconds, 1))}")
    fix = "mend what is named here; until then nobody is told this way"
    return Check(name="test notice", result="fail", found=f"{name} did not take it: {problem}", fix=fix)


def untested(advice: str) -> Check:
    """No notice was sent: that it arrived could not be kept where the supervisor looks."""
    return Check(name="test notice", result="fail", found="not sent: what it proves could not be kept", fix=advice)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:159]}…"
