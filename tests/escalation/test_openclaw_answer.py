"""What the gateway's answers mean for a notice."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation.openclaw_answer import judge_answer
from collections_supervisor.system.process_command import CommandResult


def refusal(message: str, kind: str = "gateway_request_error", **more: object) -> bytes:
    error = {"type": kind, "code": "INVALID_REQUEST", "message": message, "retryable": False, **more}
    return json.dumps({"ok": False, "error": error}, indent=2).encode()


@pytest.mark.parametrize(
    "answer",
    [
        {"runId": "k/1", "sessionKey": "agent:caine:main", "agentId": "caine", "status": "accepted", "acceptedAt": 1795355363242},
        {"runId": "k/1", "status": "in_flight", "sessionKey": "agent:caine:main"},
        {"runId": "k/1", "status": "ok", "summary": "completed", "result": {"payloads": [{"text": "error 402"}], "meta": {}}},
        {"ok": True, "result": {"status": "accepted"}},
        {"ok": True, "payload": {"status": "ok"}},
    ],
)
def test_taken(answer: dict[str, object]) -> None:
    assert judge_answer(CommandResult(exit_code=0, stdout=json.dumps(answer, indent=2).encode())).result == "ok"


def test_taken_by_a_program_that_then_does_not_exit() -> None:
    result = CommandResult(exit_code=-15, timed_out=True, stdout=b'{"status":"accepted"}')
    assert judge_answer(result).result == "ok"


@pytest.mark.parametrize(
    "stdout",
    [
        refusal('invalid agent params: unknown agent id "nobody"'),
        refusal("unauthorized: gateway token mismatch (use this gateway's gateway.auth.token or pair the device)"),
        refusal("unauthorized: gateway token missing (set gateway.remote.token)"),
        refusal("gateway.auth.token is a secret reference that cannot be resolved", kind="gateway_credentials_required"),
    ],
)
def test_refused_for_good(stdout: bytes) -> None:
    delivery = judge_answer(CommandResult(exit_code=1, stdout=stdout))
    assert delivery.result == "permanent"
    assert delivery.reason == json.loads(stdout)["error"]["message"]


def test_refused_for_good_by_a_version_that_says_so_on_stderr_only() -> None:
    stderr = b"[config] noise\nGateway call failed: Error: gateway closed (1008): unauthorized: gateway token mismatch\n"
    assert judge_answer(CommandResult(exit_code=1, stderr=stderr)).result == "permanent"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (
            CommandResult(exit_code=1, stdout=refusal("Gateway not reachable (ECONNREFUSED).", kind="gateway_transport_error")),
            "Gateway not reachable (ECONNREFUSED).",
        ),
        (
            CommandResult(exit_code=1, stdout=refusal("Authentication failed (provider returned HTTP 401).")),
            "Authentication failed (provider returned HTTP 401).",
        ),
        (
            CommandResult(exit_code=1, stdout=refusal("unauthorized: too many failed authentication attempts (retry later)")),
            "unauthorized: too many failed authentication attempts (retry later)",
        ),
        (CommandResult(exit_code=0, stdout=b'{"status":"timeout"}'), "it answered with status timeout"),
        (CommandResult(exit_code=0, stdout=b'{"status":["ok"]}'), "it answered without a status"),
        (CommandResult(exit_code=0, stdout=b"done"), "it answered without a status"),
        (CommandResult(exit_code=0), "it answered without a status"),
        (CommandResult(exit_code=1, stdout=b'{"status":"ok"}'), "it answered with status ok"),
        (CommandResult(exit_code=-9, stderr=b"one\ntwo\n"), "exit code -9: two"),
        (CommandResult(exit_code=-9, timed_out=True, stderr=b"unauthorized: no"), "no answer in time"),
        (CommandResult(exit_code=1, stdout=b'{"error":"text"}'), "text"),
        (CommandResult(exit_code=1, stdout=b"{" * 100_000, stderr=b"x"), "exit code 1: x"),
    ],
)
def test_worth_another_try(result: CommandResult, reason: str) -> None:
    delivery = judge_answer(result)
    assert (delivery.result, delivery.reason) == ("transient", reason)


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([0, 1, -9, None]), st.booleans())
def test_no_answer_is_too_strange(stdout: bytes, stderr: bytes, code: int | None, timed_out: bool) -> None:
    delivery = judge_answer(CommandResult(exit_code=code, stdout=stdout, stderr=stderr, timed_out=timed_out))
    assert delivery.result == "ok" or delivery.reason
    assert "\n" not in delivery.reason
