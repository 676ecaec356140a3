"""What `openclaw gateway call agent --json` answers, and what that means for a notice. Pure.

Seen with OpenClaw 2026.9.6. A turn that was taken is `{"runId", "status": "accepted", …}`; the same idempotency key again is
`in_flight` while the turn runs and `ok`, with the whole result, afterwards. A refusal is exit code 1 and
`{"ok": false, "error": {"type", "code", "message", "details", …}}`. `agent.wait` answers `{"runId", "status": "ok", …}` once the
turn is over, `timeout` if it is not yet, and `error` with the cause as text in `error` if it failed.
"""

import msgspec

from collections_supervisor.escalation.delivery import Delivery, brief
from collections_supervisor.system.process_command import CommandResult

_TAKEN = frozenset({"accepted", "in_flight", "ok"})
_NO_CREDENTIALS = "gateway_credentials_required"
# The gateway's own words about our token. A provider that refuses the agent's model key is described otherwise, and heals.
_REFUSED = ("unknown agent id", "unauthorized: ")
_HEALS = ("too many failed authentication attempts",)


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Inner(msgspec.Struct):
    status: object = None


class _Answer(msgspec.Struct):
    status: object = None
    result: object = None
    payload: object = None
    error: object = None


def judge_answer(result: CommandResult) -> Delivery:
    """Whether the gateway took the notice. A command that could not be started is judged elsewhere."""
    answer = _decode(result.stdout)
    # Some versions answer and never exit: they were ended after the deadline, which takes nothing from the answer.
    if (result.exit_code == 0 or result.timed_out) and answer is not None and _status(answer) in _TAKEN:
        return Delivery("ok")
    if result.timed_out:
        return Delivery("transient", "no answer in time")
    said = _said(result, answer)
    if answer is not None and _type(answer) == _NO_CREDENTIALS:
        return Delivery("permanent", said)
    lowered = said.lower()
    if any(words in lowered for words in _REFUSED) and not any(words in lowered for words in _HEALS):
        return Delivery("permanent", said)
    return Delivery("transient", said)


def failure_of_turn(result: CommandResult) -> str:
    """Why the turn failed that was waited for; empty if it did not, or if that is not known."""
    answer = _decode(result.stdout)
    return _said(result, answer) if answer is not None and _status(answer) == "error" else ""


def _decode(stdout: bytes) -> _Answer | None:
    begin = stdout.find(b"{")
    try:
        return msgspec.json.decode(stdout[begin:], type=_Answer) if begin >= 0 else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _status(answer: _Answer) -> str:
    """The status, at the top or one level down as other versions have it."""
    for place in (answer.status, _inner(answer.result), _inner(answer.payload)):
        if isinstance(place, str):
            return place
    return ""


def _inner(value: object) -> object:
    try:
        return msgspec.convert(value, _Inner).status
    except msgspec.ValidationError:
        return None


def _error(answer: _Answer) -> _Error:
    try:
        return msgspec.convert(answer.error, _Error)
    except msgspec.ValidationError:
        return _Error(message=answer.error) if isinstance(answer.error, str) else _Error()


def _type(answer: _Answer) -> str:
    return _error(answer).type


def _said(result: CommandResult, answer: _Answer | None) -> str:
    """The cause in the words of the other side, or what little is known."""
    if answer is not None:
        if message := brief(_error(answer).message):
            return message
        if status := brief(_status(answer)):
            return f"it answered with status {status}"
    noise = brief(result.stderr.decode("utf-8", "replace"), last=True)
    code = f"exit code {result.exit_code}"
    if result.exit_code == 0:
        return f"it answered without a status{': ' + noise if noise else ''}"
    return f"{code}: {noise}" if noise else code
