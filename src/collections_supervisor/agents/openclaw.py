"""The commands that OpenClaw is given, and the verdict on how each ended. Pure.

Flags, units and answers are those of `openclaw` 2026.9.6, which was run to find them; `openclaw agent` counts `--timeout` in
whole seconds. Of 2026.2.9 it is known that it exits with 0 after a turn that was aborted, so no single sign is trusted.
"""

import json
import re
import signal
from collections.abc import Collection
from typing import Literal

import msgspec

from collections_supervisor.agents.openclaw_answer import (
    Fault,
    find_faults,
    is_undecided,
    last_words,
    plain,
    read_object,
    tokens_used,
    turn_hung,
)
from collections_supervisor.agents.openclaw_faults import Verdict, classify
from collections_supervisor.agents.openclaw_tasks import Progress, judge_tasks
from collections_supervisor.config.schema import RestartPolicy
from collections_supervisor.messages import ActionOutcome

__all__ = [
    "ANSWERED_GRACE",
    "MAX_ANSWER_BYTES",
    "SIDE_DEADLINE",
    "Progress",
    "abort_argv",
    "complete_answer",
    "environment",
    "judge",
    "judge_command",
    "judge_tasks",
    "new_session_argv",
    "restart_argv",
    "tasks_argv",
]

SIDE_DEADLINE = 15.0
"""Seconds that an abort, a list of tasks or a new session may take; their failure never fails the attempt."""

ANSWERED_GRACE = 5.0
"""Seconds after a complete answer until a program that does not exit is ended: some versions print and stay."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""How much of stdout must be kept, for a shortened answer is no JSON. 12 KB is usual; a long reply stands in it four times."""

_CLI_MARGIN = 45.0
"""The program itself waits 30 s longer than its `--timeout`, and takes seconds to start and to end."""

_NEVER_STARTED = {126: "not executable", 127: "command not found"}


def environment() -> dict[str, str]:
    """What the program needs in its environment.

    Its launcher otherwise puts the worker into a session of its own, where a kill of our process group does not reach it.
    """
    return {"OPENCLAW_NO_RESPAWN": "1"}


def restart_argv(policy: RestartPolicy, agent: str, message: str) -> tuple[str, ...]:
    """One paid turn of the agent, told to give up before our own deadline so that its answer is still read."""
    seconds = policy.timeout - _CLI_MARGIN if policy.timeout >= 2 * _CLI_MARGIN else policy.timeout / 2
    return _turn(policy, agent, message, seconds)


def new_session_argv(policy: RestartPolicy, agent: str) -> tuple[str, ...]:
    """Begin a new session: no model call, ends a hung turn too, loses the conversation."""
    return _turn(policy, agent, "/new", SIDE_DEADLINE)


def _turn(policy: RestartPolicy, agent: str, message: str, seconds: float) -> tuple[str, ...]:
    # A fraction is refused, and 0 would mean no deadline at all.
    timeout = str(max(1, int(seconds)))
    return (policy.openclaw, "agent", "--agent", agent, "--message", message, "--json", "--timeout", timeout)


def abort_argv(policy: RestartPolicy, agent: str) -> tuple[str, ...]:
    """Cancel what runs and waits in the agent's main session; no model call."""
    return _call(policy, "chat.abort", {"sessionKey": f"agent:{agent}:main"})


def tasks_argv(policy: RestartPolicy, agent: str) -> tuple[str, ...]:
    """List the agent's running tasks; no model call.

    Unlike every other command this one compares the agent's id letter by letter with its canonical form, and answers an
    empty list when they differ. Only running tasks are asked for: a hundred finished ones make an answer of 60 KB.
    """
    return _call(policy, "tasks.list", {"agentId": _canonical(agent), "status": "running"})


def _call(policy: RestartPolicy, method: str, params: dict[str, str]) -> tuple[str, ...]:
    text = json.dumps(params, ensure_ascii=False, separators=(",", ":"))
    return (policy.openclaw, "gateway", "call", method, "--params", text, "--json")


def _canonical(agent: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", agent.lower()).strip("-") or agent


def complete_answer(stdout: bytes) -> bool:
    """Whether this is one whole JSON document; a bare number or word is not, since more of it may follow."""
    text = stdout.strip()
    if not (text.startswith((b"{", b"[")) and text.endswith((b"}", b"]"))):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def judge(exit_code: int | None, stdout: bytes, stderr_tail: bytes, *, no_restart_exit_codes: Collection[int]) -> ActionOutcome:
    """How an `openclaw` command ended.

    `exit_code` is None when the program was ended after a complete answer, or outlived us: then the answer alone decides.
    Negative codes are signals. `ok` still wants its proof by a heartbeat.
    """
    answer = read_object(stdout)
    if isinstance(answer, str):
        if exit_code is None and not stdout.strip():
            return ActionOutcome(result="unknown", cause="it left neither an answer nor an exit status")
        return _failed(exit_code, [last_words(stderr_tail, answer)], no_restart_exit_codes)
    tokens = tokens_used(answer)
    faults = find_faults(answer)
    if not faults and exit_code in (0, None):
        return ActionOutcome(result="ok", exit_code=exit_code, tokens=tokens)
    outcome = _failed(exit_code, faults, no_restart_exit_codes, hung=turn_hung(answer), undecided=is_undecided(answer))
    return msgspec.structs.replace(outcome, tokens=tokens)


def _failed(
    exit_code: int | None,
    faults: list[Fault],
    no_restart_exit_codes: Collection[int],
    *,
    hung: bool = False,
    undecided: bool = False,
) -> ActionOutcome:
    final = _is_final(exit_code, no_restart_exit_codes)
    verdict = Verdict("configuration") if final else classify([fault.said for fault in faults])
    if verdict is None:
        # Words of a known kind say that the turn failed, whatever run they name; without them it may have worked.
        result: Literal["unknown", "failed"] = "unknown" if undecided else "failed"
        return ActionOutcome(result=result, cause=_cause(exit_code, faults), hung=hung, exit_code=exit_code)
    return ActionOutcome(
        result="failed",
        cause=_cause(exit_code, faults),
        classified=verdict.classified,
        retry_after=verdict.retry_after,
        hung=hung,
        exit_code=exit_code,
    )


def judge_command(exit_code: int | None, output_tail: bytes, no_restart_exit_codes: Collection[int]) -> ActionOutcome:
    """How a command of the user's own ended: nothing but its exit status counts.

    None, of a command that outlived us, is `unknown`; negative codes are signals.
    """
    if exit_code == 0:
        return ActionOutcome(result="ok", exit_code=0)
    if exit_code is None:
        return ActionOutcome(result="unknown", cause="its exit status is not known")
    final = _is_final(exit_code, no_restart_exit_codes)
    return ActionOutcome(
        result="failed",
        cause=_cause(exit_code, [fault] if (fault := last_words(output_tail, "")).sentence else []),
        classified="configuration" if final else "",
        exit_code=exit_code,
    )


def _is_final(exit_code: int | None, no_restart_exit_codes: Collection[int]) -> bool:
    return exit_code in _NEVER_STARTED or exit_code in no_restart_exit_codes


def _cause(exit_code: int | None, faults: list[Fault]) -> str:
    said = faults[0].sentence if faults else ""
    if exit_code in (0, None):
        return said
    ending = _ending(exit_code)
    return plain(f"{ending}: {said}") if said else ending


def _ending(exit_code: int) -> str:
    if exit_code < 0:
        return f"ended by {_signal_name(-exit_code)}"
    if exit_code in _NEVER_STARTED:
        return f"exit status {exit_code} ({_NEVER_STARTED[exit_code]})"
    # A program that handles a signal, and a shell, report it as 128 + its number.
    name = f" ({_signal_name(exit_code - 128)})" if 128 < exit_code <= 128 + 31 else ""
    return f"exit status {exit_code}{name}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
