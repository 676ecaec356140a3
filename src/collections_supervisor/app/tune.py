"""`tune AGENT`: what its own heartbeat history says about its settings, for people and as JSON."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from collections_supervisor.agents.history import MOST_BYTES, History, Logged, history_of, read_logged
from collections_supervisor.agents.quality import MONTH, Quality
from collections_supervisor.app.tuning import OUTAGE, Setting, Tuned, search
from collections_supervisor.config.durations import format_duration, parse_duration
from collections_supervisor.config.problems import closest, quoted
from collections_supervisor.config.schema import AgentConfig, Config, LogSource, TouchSource
from collections_supervisor.system.clock import SystemClock, span
from collections_supervisor.system.files import cause_of
from collections_supervisor.system.plain import writable

OK, TOO_LITTLE, USAGE = 0, 1, 2
"""Exit statuses: proposed; there is no history, or not enough of it; no such agent."""

ENOUGH_BEATS = 50
ENOUGH_PERIODS = 10.0

_DAY = 86_400.0
_MANY_OUTAGES = 0.02
_OFF = 0.25


class _NothingToSay(Exception):  # noqa: N818 - an answer, given to whoever asked
    def __init__(self, message: str, status: int = TOO_LITTLE) -> None:
        super().__init__(message)
        self.status = status


def parse_rate(text: str) -> float:
    """How often in 30 days a text such as `1/30d` means; raises ValueError, which says what is wrong with it."""
    count, slash, days = text.partition("/")
    try:
        rate = float(count) * MONTH * _DAY / parse_duration(days.strip())
    except (ValueError, ZeroDivisionError):
        rate = math.nan
    if not slash or not 0 <= rate < math.inf:
        raise ValueError(f'{text!r} is not a rate: a number and a duration, such as "1/30d" or "0.5/7d"')
    return rate


async def tune(config: Config, agent_name: str, allowed_per_30d: float, as_json: bool) -> tuple[str, int]:
    """What to print, without a newline at its end, and the exit status; never raises for what is on disk."""
    try:
        policy = _agent(config, agent_name)
        logged = await _logged(policy)
        history = history_of(logged, policy.active_hours)
        _require_enough(policy, history)
    except _NothingToSay as nothing:
        if not as_json:
            return str(nothing), nothing.status
        said = {"agent": writable(agent_name), "error": writable(str(nothing))}
        return msgspec.json.encode(said).decode(), nothing.status
    tuned = search(policy, history, allowed_per_30d)
    notes = list(_notes(policy, logged, history, tuned))
    if as_json:
        return msgspec.json.encode(_document(history, tuned, allowed_per_30d, notes)).decode(), OK
    return "\n".join(_text(policy, history, tuned, allowed_per_30d, notes)), OK


def _agent(config: Config, name: str) -> AgentConfig:
    known = {agent.name: agent for agent in config.agents}
    if name in known:
        return known[name]
    suggestion = closest(name, known)
    hint = f"; did you mean {quoted(suggestion)}?" if suggestion else f"; there are: {', '.join(known)}"
    raise _NothingToSay(f"no agent is called {quoted(name)}{hint}", USAGE)


async def _logged(policy: AgentConfig) -> Logged:
    logs = [str(source.path) for source in policy.sources if isinstance(source, LogSource)]
    if not logs:
        why = "its heartbeat is a file that it touches" if policy.sources else "it is judged by being alive"
        raise _NothingToSay(f"{policy.name} has no history: {why}, and only a heartbeat log keeps past beats")
    now = SystemClock().now().wall
    try:
        return await read_logged(policy, now + timedelta(seconds=policy.future_tolerance))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise _NothingToSay(f"the history of {policy.name} cannot be read from {', '.join(logs)}: {cause_of(error)}") from None


def _require_enough(policy: AgentConfig, history: History) -> None:
    """Raise _NothingToSay, with what is missing, if a proposal would be made up."""
    lacking = max(ENOUGH_BEATS - history.beats, 0) * history.period
    lacking = max(lacking, ENOUGH_PERIODS * history.period - history.days * _DAY)
    if not history.gaps:
        raise _NothingToSay(
            f"{policy.name} has too short a history: no two beats in its log; "
            f"at least {ENOUGH_BEATS} over {ENOUGH_PERIODS:g} periods are needed"
        )
    if lacking > 0:
        raise _NothingToSay(
            f"{policy.name} has too short a history: {history.beats} beats over {span(history.days * _DAY)}, "
            f"one every {span(history.period)}; at least {ENOUGH_BEATS} over {ENOUGH_PERIODS:g} periods are needed, "
            f"which takes {span(lacking)} more"
        )


# --- For people ------------------------------------------------------------------------------------------------------


def _text(policy: AgentConfig, history: History, tuned: Tuned, allowed: float, notes: list[str]) -> Iterator[str]:
    yield (
        f"{policy.name} beats every {span(history.period)}: {history.beats} beats over {span(history.days * _DAY)}. "
        f"Outages, silences of more than {span(OUTAGE * history.period)}: {tuned.present.quality.outages}."
    )
    yield f"Allowed: {allowed:.3g} false escalation{_s(allowed)} in 30 days."
    yield ""
    yield f"{'':<16}{'FALSE ESCALATIONS':>18}{'FALSE MISSES':>14}{'TOLD AFTER':>14}{'OUTAGES SEEN':>15}"
    rows = {"present": tuned.present, "fixed deadline": tuned.fixed, "learned deadline": tuned.learned}
    for name, setting in rows.items():
        yield _row(name, setting.quality) + ("  <- proposed" if setting is tuned.best else "")
    yield ""
    yield "False escalations and misses are counted in 30 days; each miss costs a restart where one is configured."
    yield "Told after: the mean time from a crash until a human is told."
    yield from (f"Note: {note}." for note in notes)
    yield ""
    if tuned.present_will_do:
        yield "The present settings are as good as these. Otherwise, in the [[agents]] entry of " + policy.name + ":"
    else:
        yield f"In the [[agents]] entry of {policy.name}:"
    yield ""
    yield from _toml(tuned.best, tuned.present)


def _s(count: float) -> str:
    return "" if count == 1 else "s"


def _row(name: str, quality: Quality) -> str:
    told = span(quality.detection) if quality.detection is not None else "never"
    seen = f"{quality.seen} of {quality.outages}"
    return f"{name:<16}{quality.false_escalations_per_month:>18.2f}{quality.false_misses_per_month:>14.2f}{told:>14}{seen:>15}"


def _toml(best: Setting, present: Setting) -> Iterator[str]:
    policy = best.policy
    yield f"period = {quoted(format_duration(policy.period or 0.0))}"
    if policy.adaptive:
        yield "adaptive = true"
    else:
        yield f"timeout = {quoted(format_duration(policy.timeout))}"
    if policy.miss_threshold > 1:
        yield f"miss_interval = {quoted(format_duration(policy.miss_interval))}"
    if present.policy.adaptive and not policy.adaptive:
        yield "adaptive = false"


def _notes(policy: AgentConfig, logged: Logged, history: History, tuned: Tuned) -> Iterator[str]:
    if policy.period is not None and abs(history.period - policy.period) > _OFF * policy.period:
        yield f"its configured period is {span(policy.period)}, which is not how often it beats"
    if policy.miss_threshold > 1 and tuned.best.policy.miss_interval < history.period:
        yield "`check` warns of a miss_interval below the period; here it is meant, and leaves a restart its time"
    if tuned.allowed == 0:
        yield f"over {span(history.days * _DAY)} no lower rate can be told from none at all, so none is allowed in them"
    outages = tuned.present.quality.outages
    if outages > _MANY_OUTAGES * len(history.gaps):
        yield f"{outages} of {len(history.gaps)} silences were long; if they are planned, set its active_hours"
    if any(isinstance(source, TouchSource) for source in policy.sources):
        yield "beats by touching a file leave no history; only those in its log are counted"
    if logged.untimed:
        yield f"{logged.untimed} beat{_s(logged.untimed)} without a usable time left out"
    if logged.cut:
        yield f"only the last {MOST_BYTES >> 20} MiB of its log are counted"


# --- For programs ----------------------------------------------------------------------------------------------------


def _document(history: History, tuned: Tuned, allowed: float, notes: list[str]) -> dict[str, Any]:
    settings = {"present": tuned.present, "fixed": tuned.fixed, "learned": tuned.learned}
    return {
        "agent": tuned.present.policy.name,
        "beats": history.beats,
        "days": round(history.days, 3),
        "period_s": history.period,
        "outage_s": OUTAGE * history.period,
        "allowed_per_30d": allowed,
        "settings": {name: _plain(setting, history.period) for name, setting in settings.items()},
        "proposed": "learned" if tuned.best is tuned.learned else "fixed",
        "present_will_do": tuned.present_will_do,
        "toml": list(_toml(tuned.best, tuned.present)),
        "notes": notes,
    }


def _plain(setting: Setting, period: float) -> dict[str, Any]:
    policy, quality = setting.policy, setting.quality
    detection = quality.detection
    return {
        "adaptive": policy.adaptive,
        "timeout_s": None if policy.adaptive else policy.timeout,
        "timeout_periods": None if policy.adaptive else round(policy.timeout / period, 4),
        "miss_interval_s": policy.miss_interval,
        "miss_threshold": policy.miss_threshold,
        "false_escalations_per_30d": round(quality.false_escalations_per_month, 4),
        "false_misses_per_30d": round(quality.false_misses_per_month, 4),
        "detection_s": None if detection is None else round(detection, 3),
        "detection_periods": None if detection is None else round(detection / period, 4),
        "outages": quality.outages,
        "outages_seen": quality.seen,
    }
