"""What works and is probably not meant: said by `check`, never refused."""

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from collections_supervisor.config.agents import Agent
from collections_supervisor.config.durations import format_duration
from collections_supervisor.config.keys import plain_url
from collections_supervisor.config.problems import quoted
from collections_supervisor.config.schema import Channel

_SHORTEST_PAID_BACKOFF = 30.0
_ONLY_PROCESS = ("cwd", "ok_exit_codes", "stop_signal", "stop_grace", "output", "output_max", "output_keep", "max_rss")
_NAMED_AGENTS = 5
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def advice(agents: Iterable[Agent], channels: Sequence[Channel]) -> tuple[str, ...]:
    """One sentence for each thing worth a second thought, with the agents that it is about."""
    found: dict[str, list[str]] = {}
    for agent in agents:
        for sentence in (*_deadlines(agent), *_restarts(agent)):
            found.setdefault(sentence, []).append(agent.config.name)
    return (*(f"{sentence} ({_names(names)})" for sentence, names in found.items()), *_channels(channels))


def _names(names: list[str]) -> str:
    shown = ", ".join(quoted(name) for name in names[:_NAMED_AGENTS])
    more = f" and {len(names) - _NAMED_AGENTS} more" if len(names) > _NAMED_AGENTS else ""
    return f"{'agent' if len(names) == 1 else 'agents'} {shown}{more}"


def _deadlines(agent: Agent) -> Iterator[str]:
    config = agent.config
    if config.period is not None and config.period > config.timeout:
        yield (
            f"period {format_duration(config.period)} is longer than timeout {format_duration(config.timeout)}: "
            "every beat will come after its deadline"
        )
    # A child of our own has no action to wait for: it runs at once.
    paid = config.restart.kind in {"openclaw", "command"}
    proof = config.restart.timeout + config.restart.verify_within if paid else 0.0
    least = max(config.period or 0.0, proof)
    if config.miss_interval < least and agent.settings["miss_interval"].where is not None:
        yield (
            f"miss_interval {format_duration(config.miss_interval)} is shorter than {format_duration(least)}: "
            "a human is told before a restarted agent has had time to beat"
        )


def _restarts(agent: Agent) -> Iterator[str]:
    restart = agent.config.restart
    if restart.kind == "openclaw" and restart.backoff.initial < _SHORTEST_PAID_BACKOFF:
        yield (
            f"restart.backoff.initial {format_duration(restart.backoff.initial)} is shorter than "
            f"{format_duration(_SHORTEST_PAID_BACKOFF)}: OpenClaw itself retries a failing model for longer than that"
        )
    if restart.kind != "process":
        for name in _ONLY_PROCESS:
            where = agent.settings[f"restart.{name}"].where
            # What the section sets may be meant for other agents.
            if where is not None and where.agent is not None:
                yield f'restart.{name} has no effect with restart.kind = "{restart.kind}"'


def _channels(channels: Sequence[Channel]) -> Iterator[str]:
    kinds = {channel.__struct_config__.tag for channel in channels}
    for channel in channels:
        url = getattr(channel, "url", "")
        if url.startswith("http://") and (urlsplit(url).hostname or "") not in _LOOPBACK:
            yield f"escalation.channels: {plain_url(url)} is not encrypted: notices, and a token, can be read on their way"
    if not channels:
        yield "escalation.channels is empty: no human is ever told"
    elif kinds == {"openclaw"}:
        yield (
            "escalation.channels holds OpenClaw alone: if OpenClaw itself is down nobody is told; "
            'add a second channel, such as { kind = "command", command = ["…"] }'
        )
