"""Whether an agent is at work, read from the answer of `openclaw gateway call tasks.list`. Pure.

Each task has `status`, `createdAt`, `startedAt`, `updatedAt` and `execution {state, lastActivityAt}`; times are Unix
milliseconds. While a turn streams only `execution.lastActivityAt` moves, `updatedAt` stays. A message that waits behind a hung
turn has the status `running` too, with the state `queued` and a start of just now.
"""

import math
from datetime import UTC, datetime

import msgspec

from collections_supervisor.agents.openclaw_answer import find_faults, read_object
from collections_supervisor.config.schema import RestartPolicy

_LEAST_WAIT = 1.0
_MOST_WAIT = 60.0
_MOST_TASKS = 1000
_NOT_AT_WORK = ("queued", "finished")
_ACTIVITY = ("lastActivityAt", "lastActivity", "lastEventAt", "updatedAt")
_START = ("startedAt", "createdAt")
_MILLISECONDS_FROM = 1e11
"""Below, a number is Unix seconds (up to the year 5138); from here on milliseconds (since 1973)."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent is doing at this moment."""

    busy: bool
    """A turn makes progress: restarting would kill good work."""
    hung: bool
    """A turn runs, and none makes progress that counts."""
    look_again: float
    """Seconds until the verdict may be another one without any news, from 1 to 60."""
    detail: str
    """One sentence for people."""


class _Run(msgspec.Struct, frozen=True):
    age: float
    idle: float


def judge_tasks(stdout: bytes, policy: RestartPolicy, now: datetime) -> Progress:
    """Whether a turn is at work: active within `busy_within` and begun less than `busy_limit` ago.

    Without a usable answer the agent counts as neither busy nor hung. Stamps in the future count as just now: the gateway's
    clock may be ahead of ours.
    """
    tasks = _read(stdout)
    if isinstance(tasks, str):
        return Progress(busy=False, hung=False, look_again=_MOST_WAIT, detail=f"openclaw did not list its tasks: {tasks}")
    runs = [_run(task, now.timestamp()) for task in tasks[:_MOST_TASKS] if isinstance(task, dict) and _is_running(task)]
    if not runs:
        return Progress(busy=False, hung=False, look_again=_MOST_WAIT, detail="no turn is running")
    # The veto of a run ends when its activity, or the run, has grown too old; the agent's ends with the last of them.
    left = {run: min(policy.busy_within - run.idle, policy.busy_limit - run.age) for run in runs}
    run = max(left, key=lambda run: left[run])
    busy = left[run] > 0
    return Progress(
        busy=busy,
        hung=not busy,
        look_again=min(max(left[run], _LEAST_WAIT), _MOST_WAIT) if busy else _MOST_WAIT,
        detail=_detail(run, policy),
    )


def _read(stdout: bytes) -> list[object] | str:
    answer = read_object(stdout)
    if isinstance(answer, str):
        return answer
    if faults := find_faults(answer):
        return faults[0].sentence
    result = answer.get("result")
    tasks = answer.get("tasks", result.get("tasks") if isinstance(result, dict) else None)
    return tasks if isinstance(tasks, list) else "the answer has no list of tasks"


def _is_running(task: dict[str, object]) -> bool:
    execution = task.get("execution")
    state = execution.get("state") if isinstance(execution, dict) else None
    return task.get("status") == "running" and task.get("endedAt") is None and state not in _NOT_AT_WORK


def _run(task: dict[str, object], now: float) -> _Run:
    execution = task.get("execution")
    observed = execution.get("lastActivityAt") if isinstance(execution, dict) else None
    active = [at for value in (observed, *(task.get(key) for key in _ACTIVITY)) if (at := _epoch(value)) is not None]
    begun = [at for key in _START if (at := _epoch(task.get(key))) is not None]
    # A running task without any time has shown no progress; one without a start can only be timed by its activity.
    last = max(active) if active else (begun[0] if begun else -math.inf)
    start = begun[0] if begun else last
    return _Run(age=max(0.0, now - start), idle=max(0.0, now - last))


def _epoch(value: object) -> float | None:
    """A Unix number, in seconds or milliseconds, or ISO 8601, as seconds; None for anything else and for 0."""
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        return None
    return min(value, 1e18) / 1000 if value >= _MILLISECONDS_FROM else float(value)


def _detail(run: _Run, policy: RestartPolicy) -> str:
    if not math.isfinite(run.age):
        return "a turn is running that shows no time of any activity"
    sentence = f"a turn has been running for {run.age:.0f} s and was last active {run.idle:.0f} s ago"
    if run.age >= policy.busy_limit:
        return f"{sentence}, longer than the {policy.busy_limit:.0f} s that a turn may take"
    return sentence
