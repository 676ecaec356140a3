"""What OpenClaw is asked, and what its answers mean."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collections_supervisor.agents import openclaw
from collections_supervisor.config.schema import RestartPolicy
from collections_supervisor.messages import ActionOutcome

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
POLICY = RestartPolicy()

GATEWAY_LOST = (
    "gateway timeout after 105000ms\nGateway target: ws://127.0.0.1:18789\n\nThe request was already sent to the gateway, so "
    "the operation may have been applied even though no response arrived; its outcome is unknown."
)
OVERFLOW = "Context overflow: prompt too large for the model. Try /reset (or /new) to start a fresh session."
BILLING = "⚠️ stub (stub-1) returned a billing error — your API key has run out of credits or has an insufficient balance."
DISABLED = (
    'Inline API key for provider "stub" is temporarily disabled after a provider auth/billing failure. '
    "Retry after about 10 minutes, or switch to a different auth profile/API key."
)
REFUSED_KEY = "Authentication failed (provider returned HTTP 401). Your provider token may have expired — try again in a moment."
BROKEN = "⚠️ stub/stub-1 request failed (provider internal error, HTTP 500). This is usually temporary — try again shortly."
ENDED = 'Session "agent:a:main" ended during restart recovery. Use /new or /reset to start a replacement session.'
GENERIC = "⚠️ Something went wrong while processing your request. Please try again, or use /new to start a fresh session."


def success(*texts: str, **members: Any) -> dict[str, Any]:
    payloads = [{"text": text, "mediaUrl": None} for text in texts or ("Back at work.",)]
    meta = {"durationMs": 804, "agentMeta": {"sessionId": "9bbe"}, "aborted": False}
    return {"runId": "r1", "status": "ok", "summary": "completed", "result": {"payloads": payloads, "meta": meta}, **members}


def refusal(message: str, **members: Any) -> dict[str, Any]:
    return {"ok": False, "error": {"type": "cli_error", "message": message}, **members}


def judge(answer: Any, exit_code: int | None = 0, stderr: bytes = b"") -> ActionOutcome:
    stdout = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return openclaw.judge(exit_code, stdout, stderr, no_restart_exit_codes=(78,))


# --- What is asked ---------------------------------------------------------------------------------------


def test_restart_begins_with_the_agent_and_its_message() -> None:
    argv = openclaw.restart_argv(POLICY, "payment-watcher", "restart")
    assert argv == (
        *("openclaw", "agent", "--agent", "payment-watcher", "--message", "restart"),
        *("--json", "--timeout", "75"),
    )


@pytest.mark.parametrize(
    ("timeout", "given_to_openclaw"),
    [(600.0, "555"), (90.0, "45"), (89.0, "44"), (30.0, "15"), (2.0, "1"), (0.5, "1")],
)
def test_turn_is_told_to_end_before_our_own_deadline(timeout: float, given_to_openclaw: str) -> None:
    argv = openclaw.restart_argv(RestartPolicy(timeout=timeout), "a", "restart")
    assert argv[argv.index("--timeout") + 1] == given_to_openclaw


def test_side_commands_name_the_agent() -> None:
    policy = RestartPolicy(openclaw="/opt/bin/openclaw")
    assert openclaw.abort_argv(policy, "Mixed.up") == (
        *("/opt/bin/openclaw", "gateway", "call", "chat.abort"),
        *("--params", '{"sessionKey":"agent:Mixed.up:main"}', "--json"),
    )
    # The one method that does not find an agent by any other spelling of its id.
    assert openclaw.tasks_argv(policy, "Mixed.up")[3:6] == (
        *("tasks.list", "--params"),
        '{"agentId":"mixed-up","status":"running"}',
    )
    new = openclaw.new_session_argv(policy, "a")
    assert new[:6] == ("/opt/bin/openclaw", "agent", "--agent", "a", "--message", "/new")


def test_launcher_must_not_put_its_worker_out_of_our_reach() -> None:
    assert openclaw.environment() == {"OPENCLAW_NO_RESPAWN": "1"}


# --- Success ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        success(),
        success()["result"],
        success(status="completed"),
        {"status": "ok", "result": None, "error": None, "payloads": None, "meta": None},
        {"payloads": [{"text": "x", "isError": False}, {"isError": None}, "a word", 7]},
        {},
        {"ok": True, "aborted": True, "runIds": ["r1"]},
    ],
    ids=["gateway", "top", "completed", "nulls", "no_errors", "empty", "abort"],
)
def test_answers_that_speak_of_success(answer: Any) -> None:
    assert judge(answer) == ActionOutcome(result="ok", exit_code=0)
    assert judge(answer, None) == ActionOutcome(result="ok")
    assert judge(answer, 1).result == "failed"


@given(st.lists(st.text()), st.text())
@example(["HTTP 402", "billing error, retry after about 10 minutes", ENDED, OVERFLOW, "HTTP 401 unauthorized"], "quota")
def test_no_word_of_a_reply_makes_a_success_a_failure(texts: list[str], summary: str) -> None:
    assert judge(success(*texts, summary=summary)).result == "ok"


@given(st.lists(st.text()))
@example(["HTTP 402", "billing error", ENDED, OVERFLOW])
def test_no_word_of_a_reply_classifies_a_failure(texts: list[str]) -> None:
    answer = success(*texts)
    answer["result"]["meta"]["aborted"] = True
    assert judge(answer).classified == ""
    assert judge(success(*texts), 1).classified == ""


# --- What it cost ----------------------------------------------------------------------------------------


def costing(total: Any, **members: Any) -> dict[str, Any]:
    agent = {"usage": {"input": 2400, "output": 68, "total": total}, "lastCallUsage": {"total": 1234}}
    return success(result={"payloads": [{"text": "Back at work."}], "meta": {"agentMeta": agent, **members}})


def test_a_turn_costs_the_tokens_of_all_its_model_calls() -> None:
    assert judge(costing(2468)) == ActionOutcome(result="ok", exit_code=0, tokens=2468)
    assert judge(costing(2468)["result"], None).tokens == 2468
    assert judge(costing(0)).tokens == 0


def test_a_turn_that_failed_costs_what_it_says() -> None:
    failed = judge(costing(2468, error={"kind": "context_overflow", "message": OVERFLOW}), 1)
    assert (failed.result, failed.classified, failed.tokens) == ("failed", "overflow", 2468)


@pytest.mark.parametrize("total", [None, True, -1, 1.5, "2468", [], {}, 10**9 + 1, 10**400])
def test_a_cost_that_is_no_number_of_tokens_is_not_known(total: Any) -> None:
    assert judge(costing(total)) == ActionOutcome(result="ok", exit_code=0)


@pytest.mark.parametrize("holder", [None, 7, "usage", [], {}, {"usage": 7}, {"lastCallUsage": {"total": 1234}}])
def test_what_stands_where_the_cost_should_does_not_matter(holder: Any) -> None:
    assert judge(costing(1, agentMeta=holder)) == ActionOutcome(result="ok", exit_code=0)


# --- Failure ---------------------------------------------------------------------------------------------


def with_meta(**members: Any) -> dict[str, Any]:
    return success(result={"payloads": [{"text": "the reply before"}], "meta": {**members}})


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (with_meta(aborted=True), "the turn was aborted: meta.aborted is true"),
        ({"payloads": [], "meta": {"aborted": True}}, "the turn was aborted: meta.aborted is true"),
        (with_meta(error={"kind": "retry_limit", "message": "gave up\nafter 3"}), "meta.error retry_limit: gave up"),
        (with_meta(error="broken"), "meta.error broken"),
        (with_meta(error=["a"]), 'meta.error ["a"]'),
        (
            success(result={"payloads": [{"text": "x"}, {"text": "tool broke", "isError": True}]}),
            "payload 2 has isError: tool broke",
        ),
        (success(result={"payloads": [{"text": "hm", "isError": "false"}]}), "payload 1 has isError: hm"),
        ({"payloads": [{"isError": 1}]}, "payload 1 has isError: isError is 1"),
        (success(status="timeout", summary="aborted"), 'status is "timeout" (aborted)'),
        (success(status=["ok"]), 'status is ["ok"] (completed)'),
        (success(ok=False), "ok is false"),
        (success(ok="yes"), 'ok is "yes"'),
        (success(result="done"), 'result is not an object: "done"'),
        (success(meta=7), "meta is not an object: 7"),
        (success(payloads={"isError": False}), 'payloads is not a list: {"isError": false}'),
        (success(error={"message": None}), "the error is without a type"),
        (success(error={"code": 7}), "the error is 7"),
        (success(error={"type": "x", "message": "no\x1b[2J way"}), "no [2J way"),
        (b"", "it answered nothing"),
        (b" \n", "it answered nothing"),
        (b"Done. The agent is back.", "the answer is not one JSON document: 'Done. The agent is back.'"),
        (b'{"status":"ok"}\n{"status":"ok"}', 'the answer is not one JSON document: \'{"status":"ok"} {"status":"ok"}\''),
        (b'{"status":"ok"', 'the answer is not one JSON document: \'{"status":"ok"\''),
        (b'log line\n{"status":"ok"}', 'the answer is not one JSON document: \'log line {"status":"ok"}\''),
        (b'[{"status":"ok"}]', 'the answer is not a JSON object: \'[{"status":"ok"}]\''),
        (b'"ok"', "the answer is not a JSON object: '\"ok\"'"),
    ],
)
def test_answers_that_are_no_success_although_the_exit_code_is_0(answer: Any, cause: str) -> None:
    outcome = judge(answer)
    assert (outcome.result, outcome.cause, outcome.classified) == ("failed", cause, "")


@pytest.mark.parametrize(
    ("exit_code", "stderr", "cause"),
    [
        (1, b"", "exit status 1: it answered nothing"),
        (1, b"noise\n[openclaw] Reason: it broke\n[openclaw] Help: openclaw --help\n", "exit status 1: it broke"),
        (1, b"noise\n\x1b[31mlast words\x1b[39m\n\n", "exit status 1: it answered nothing; it wrote: last words"),
        (143, b"", "exit status 143 (SIGTERM): it answered nothing"),
        (-9, b"", "ended by SIGKILL: it answered nothing"),
        (-250, b"", "ended by signal 250: it answered nothing"),
        (255, b"", "exit status 255: it answered nothing"),
    ],
)
def test_exit_status_and_last_words_are_named(exit_code: int, stderr: bytes, cause: str) -> None:
    assert judge(b"", exit_code, stderr) == ActionOutcome(result="failed", cause=cause, exit_code=exit_code)


def test_only_the_last_words_on_stderr_are_classified() -> None:
    noise = b"[whatsapp] HTTP 401 unauthorized, reconnecting\n" + b"waiting\n" * 10
    assert judge(b"", 1, noise).classified == ""
    assert judge(b"", 1, noise + b"[openclaw] Reason: HTTP 402\n").classified == "shared"


@pytest.mark.parametrize("exit_code", [78, 126, 127])
def test_exit_codes_after_which_nothing_is_tried_again(exit_code: int) -> None:
    for answer in (b"", success(), refusal(BILLING)):
        assert judge(answer, exit_code).classified == "configuration"
    assert openclaw.judge(78, b"", b"", no_restart_exit_codes=()).classified == ""


def test_hung_turn_is_told_from_one_that_somebody_aborted() -> None:
    assert judge(success(status="timeout", timeoutPhase="provider"), 1).hung
    assert judge(with_meta(aborted=True)).hung
    assert not judge({"runId": "r1", "status": "timeout", "summary": "aborted", "stopReason": "rpc"}, 1).hung
    assert not judge(refusal("no"), 1).hung


def test_outcome_is_unknown_where_the_turn_may_have_worked() -> None:
    lost = judge(refusal(GATEWAY_LOST, runId="r1", origin="gateway"), 1)
    assert (lost.result, lost.cause) == ("unknown", "exit status 1: gateway timeout after 105000ms")
    assert judge(refusal(GATEWAY_LOST), 1).result == "failed"
    assert judge({"runId": "r1", "status": "in_flight"}).result == "unknown"
    assert judge({"runId": "r1", "status": "accepted"}).result == "unknown"
    assert judge(b"", None).result == "unknown"
    assert judge(b"prose", None).result == "failed"


@pytest.mark.parametrize(
    ("message", "classified"),
    [
        (ENDED, "terminal"),
        ("SESSION_RESTART_RECOVERY_TOMBSTONE", "terminal"),
        ('Session "agent:a:main" is archived. Restore it before starting new work.', "terminal"),
        (OVERFLOW, "overflow"),
        ("429 context_overflow: Limit 30000 tokens per minute", "overflow"),
        ("The session expired. Start a new session and try again.", "overflow"),
        ("this session needs a reset", "overflow"),
        (GENERIC, ""),
        ("Message ordering conflict - please try again. If this persists, use /new to start a fresh session.", ""),
        (BILLING, "shared"),
        (DISABLED, "shared"),
        ("You exceeded your current quota", "shared"),
        ("insufficient_quota", "shared"),
        ("402 Payment Required", "shared"),
        ("HTTP/1.1 402", "shared"),
        ("429 status code (no body)", "shared"),
        ('{"status": 429, "title": "slow down"}', "shared"),
        ("⚠️ API rate limit reached.", "shared"),
        ("Too Many Requests", "shared"),
        ("billing: wait", "shared"),
        ("402 invoices could not be read", ""),
        ("invoice INV-429 of $402 failed after 429 ms", ""),
        ("sent 401 reminders, 0.402 s each", ""),
        ("error 402.5 is no status", ""),
        ("the client wants a billing address", ""),
        (REFUSED_KEY, "auth"),
        ("401 Incorrect API key provided", "auth"),
        ("invalid_api_key", "auth"),
        ("gateway closed (1008): unauthorized: gateway token mismatch", "auth"),
        ('Unknown agent id "nope". Use "openclaw agents list".', "configuration"),
        ('OpenClaw does not recognize option "--json".', "configuration"),
        ("SESSION_WORK_START_CHANGED", ""),
        ('Session "agent:a:main" changed while starting work. Retry.', ""),
        ("HTTP 503: Gateway is draining; new tasks are not accepted", ""),
        ("Gateway not reachable at ws://127.0.0.1:18789 (ECONNREFUSED).", ""),
        (BROKEN, ""),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        lambda message: (refusal(message), 1, b""),
        lambda message: (with_meta(error={"kind": "x", "message": message}), 0, b""),
        lambda message: (success(result={"payloads": [{"text": message, "isError": True}]}), 0, b""),
        lambda message: (b"", 1, message.encode()),
    ],
    ids=["refusal", "meta_error", "payload", "stderr"],
)
def test_known_words_are_classified(message: str, classified: str, shape: Callable[[str], tuple[Any, int, bytes]]) -> None:
    outcome = judge(*shape(message))
    assert (outcome.result, outcome.classified) == ("failed", classified)
    assert message.splitlines()[0] in outcome.cause


@pytest.mark.parametrize(
    ("message", "result", "classified"),
    [
        (BILLING, "failed", "shared"),
        (REFUSED_KEY, "failed", "auth"),
        ("SESSION_WORK_START_CHANGED", "failed", ""),
        (BROKEN, "failed", ""),
        ("⚠️ stub/stub-1 request failed (provider overloaded). This is usually temporary — try again shortly.", "failed", ""),
        ("⚠️ LLM request failed (authentication was rejected, HTTP 403).", "failed", "auth"),
        ("LLM request rejected: configured maxTokens is 9, above the provider maximum of 8.", "failed", ""),
        ("⚠️ Agent run failed: the Gateway state database was locked.", "failed", ""),
        (GENERIC, "failed", ""),
        ("Agent database cleanup failed", "unknown", ""),
        (GATEWAY_LOST, "unknown", ""),
        ("gateway closed (1006 abnormal closure (no close frame)): no close reason", "unknown", ""),
    ],
)
def test_known_words_are_certain_even_when_a_run_is_named(message: str, result: str, classified: str) -> None:
    outcome = judge(refusal(message, runId="r1", origin="gateway"), 1)
    assert (outcome.result, outcome.classified) == (result, classified)


def test_kind_of_an_error_classifies_too() -> None:
    assert judge(with_meta(error={"kind": "context_overflow", "message": "400"})).classified == "overflow"
    assert judge({"ok": False, "error": {"type": "billing", "message": "no"}}, 1).classified == "shared"
    assert judge({"ok": False, "error": {"type": "auth", "message": "no"}}, 1).classified == "auth"
    assert judge({"ok": False, "error": {"code": 402, "message": "no"}}, 1).classified == "shared"


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (BILLING, 600),
        (DISABLED, 600),
        ("billing hold, retry after about 3 minutes", 180),
        ("HTTP 429, retry-after: 120", 120),
        ('HTTP 429 {"retry_after": 45}', 45),
        ("rate limit; retryAfterMs: 90000", 90),
        ("rate limit reached, please try again in 20s", 20),
        ("Rate-limited — ready in ~3 min.", 180),
        ("rate limit, try again in 1h2m3.5s", 3723.5),
        ("usage limit reached: try again in an hour and 5 minutes", 3900),
        ("quota exceeded; plan renews in 2 days; retry after 10 minutes", 600),
        ("quota exceeded, retry after 0.2 seconds", 1),
        ("quota exceeded, retry after 250 ms", 1),
        ("quota exceeded, retry after 999999999 days", 86400),
        ("quota exceeded, Retry-After: 2026-11-22T14:00:00Z", 600),
        ("quota exceeded, Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", 600),
        ("rate limit, try again in a few minutes", 600),
        ("HTTP 401", 60),
        ("HTTP 401, retry after 30 seconds", 60),
        ("HTTP 401, retry after 5 minutes", 300),
        ("context_overflow, retry after 5 minutes", None),
        ("no such thing, retry after 5 minutes", None),
    ],
)
def test_pause_is_the_one_asked_for_within_bounds(message: str, seconds: float | None) -> None:
    assert judge(refusal(message), 1).retry_after == (None if seconds is None else pytest.approx(seconds))


# --- Hostile answers -------------------------------------------------------------------------------------

MEMBERS = (
    *("ok", "status", "result", "meta", "payloads", "isError", "error", "message", "kind", "text", "aborted", "runId", "origin"),
    *("tasks", "execution", "state", "lastActivityAt", "updatedAt", "startedAt", "createdAt", "x"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([BILLING, ENDED, "ok", "running"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(MEMBERS), inner),
    max_leaves=30,
)


def check(outcome: ActionOutcome) -> None:
    assert outcome.cause.isprintable()
    assert len(outcome.cause) <= 400
    assert (outcome.result == "ok") == (outcome.cause == "")
    assert (outcome.retry_after is not None) == (outcome.classified in ("shared", "auth"))


@given(st.none() | st.integers(-70, 300), st.binary(), st.binary())
def test_arbitrary_bytes_are_judged(exit_code: int | None, stdout: bytes, stderr: bytes) -> None:
    check(judge(stdout, exit_code, stderr))
    assert openclaw.judge_tasks(stdout, POLICY, NOW).busy is False
    openclaw.complete_answer(stdout)


@settings(max_examples=50)
@given(st.none() | st.integers(-70, 300), json_values)
@example(0, {"meta": [], "payloads": [[]], "result": {"payloads": 7}})
@example(0, {"error": {"type": 10**300, "code": True, "message": {}}})
@example(1, {"ok": False, "error": {"message": "\ud800" + "x" * 100_000}})
def test_arbitrary_json_is_judged(exit_code: int | None, answer: Any) -> None:
    check(judge(answer, exit_code))
    progress = openclaw.judge_tasks(json.dumps(answer).encode(), POLICY, NOW)
    assert 1 <= progress.look_again <= 60


def test_answers_that_no_parser_likes() -> None:
    for stdout in (b"[" * 200_000, b'{"a":' * 200_000, b"1" * 10_000, b"\xff\xfe{\x00", b"\x00" * 1000, b" " * 1_000_000 + b"x"):
        check(judge(stdout))
        assert not openclaw.complete_answer(stdout)
    for depth in range(sys.getrecursionlimit() - 250, sys.getrecursionlimit()):
        check(judge(b'{"ok":' + b"[" * depth + b"]" * depth + b"}"))
    many = {"payloads": [{"isError": True, "text": "billing " * 1000}] * 2000}
    check(judge(many))


@given(st.binary(), st.integers(1, 300))
def test_an_answer_is_complete_only_with_its_last_byte(reply: bytes, cut: int) -> None:
    stdout = json.dumps(success(reply.decode("latin-1")), indent=2).encode()
    assert openclaw.complete_answer(stdout + b"\n")
    assert not openclaw.complete_answer(stdout[: max(0, len(stdout) - cut)])


@pytest.mark.parametrize("stdout", [b"", b"7", b'"x"', b"true", b"{}{}", b'{"a": [1, {"b": 2}', b"prose {}", b"{]"])
def test_incomplete_answers(stdout: bytes) -> None:
    assert not openclaw.complete_answer(stdout)
    assert openclaw.complete_answer(b"[]")


# --- Commands of the user's own --------------------------------------------------------------------------


def test_command_is_judged_by_its_exit_status_alone() -> None:
    assert openclaw.judge_command(0, b"error: HTTP 402", (78,)) == ActionOutcome(result="ok", exit_code=0)
    assert openclaw.judge_command(None, b"", (78,)).result == "unknown"
    failed = openclaw.judge_command(3, b"first\nbilling error, HTTP 402\n", (78,))
    assert (failed.cause, failed.classified) == ("exit status 3: billing error, HTTP 402", "")
    assert openclaw.judge_command(-15, b"", (78,)).cause == "ended by SIGTERM"


@pytest.mark.parametrize(
    ("exit_code", "cause"),
    [(78, "exit status 78"), (126, "exit status 126 (not executable)"), (127, "exit status 127 (command not found)")],
)
def test_command_that_must_not_be_run_again(exit_code: int, cause: str) -> None:
    outcome = openclaw.judge_command(exit_code, b"", (78,))
    assert (outcome.result, outcome.cause, outcome.classified) == ("failed", cause, "configuration")


# --- Progress --------------------------------------------------------------------------------------------


def ago(seconds: float) -> int:
    return int((NOW - timedelta(seconds=seconds)).timestamp() * 1000)


def task(active: float | None, age: float, **members: Any) -> dict[str, Any]:
    """A running task as the gateway lists it: `updatedAt` stays at the start while a turn streams."""
    execution = {"state": "running"} | ({} if active is None else {"lastActivityAt": ago(active)})
    times = {"createdAt": ago(age + 1), "startedAt": ago(age), "updatedAt": ago(age)}
    return {"id": "t1", "status": "running", "execution": execution, **times, **members}


def progress(*tasks: Any, policy: RestartPolicy = POLICY) -> openclaw.Progress:
    return openclaw.judge_tasks(json.dumps({"tasks": tasks}).encode(), policy, NOW)


@pytest.mark.parametrize(
    ("active", "age", "busy"),
    [(10, 100, True), (299, 1000, True), (300, 1000, False), (10, 1499, True), (10, 1500, False), (400, 2000, False)],
)
def test_turn_with_fresh_activity_is_left_alone_within_its_limit(active: float, age: float, busy: bool) -> None:
    found = progress(task(active, age))
    assert (found.busy, found.hung) == (busy, not busy)
    assert f"running for {age} s and was last active {active} s ago" in found.detail


def test_nothing_that_runs_is_neither_busy_nor_hung() -> None:
    done = task(1, 10, status="completed", endedAt=ago(1))
    waiting = task(None, 1, execution={"state": "queued"})
    for tasks in ((), (done,), (waiting,), (task(1, 10, endedAt=ago(1)),), ("x", None, 7)):
        found = progress(*tasks)
        assert (found.busy, found.hung, found.detail) == (False, False, "no turn is running")


def test_message_waiting_behind_a_hung_turn_does_not_look_like_work() -> None:
    found = progress(task(None, 1, execution={"state": "queued"}), task(None, 600))
    assert (found.busy, found.hung) == (False, True)


def test_one_busy_turn_among_hung_ones_is_enough() -> None:
    assert progress(task(600, 700), task(5, 10), task(None, 600)).busy


@pytest.mark.parametrize(
    ("active", "age", "policy", "look_again"),
    [
        (10, 100, POLICY, 60.0),
        (270, 900, POLICY, 30.0),
        (10, 1480, POLICY, 20.0),
        (299.9, 900, POLICY, 1.0),
        (600, 900, POLICY, 60.0),
    ],
)
def test_next_look_is_when_the_veto_ends_by_itself(active: float, age: float, policy: RestartPolicy, look_again: float) -> None:
    assert progress(task(active, age), policy=policy).look_again == pytest.approx(look_again)


def test_next_look_waits_for_the_last_of_several_turns() -> None:
    assert progress(task(295, 400), task(280, 400)).look_again == pytest.approx(20.0)


def test_times_come_in_several_forms() -> None:
    iso = (NOW - timedelta(seconds=10)).isoformat()
    abroad = (NOW - timedelta(seconds=10)).astimezone(timezone(timedelta(hours=-5))).isoformat()
    for stamp in (iso, abroad, iso.replace("+00:00", "Z"), iso.replace("+00:00", ""), ago(10), ago(10) / 1000):
        found = progress({"status": "running", "startedAt": stamp})
        assert "running for 10 s and was last active 10 s ago" in found.detail
    newest = progress({"status": "running", "createdAt": ago(90), "updatedAt": ago(70), "lastActivityAt": ago(20)})
    assert "running for 90 s and was last active 20 s ago" in newest.detail


def test_a_turn_that_has_only_just_begun_is_at_work() -> None:
    # What stands there until the model was called.
    begun = {"execution": {"state": "unknown"}, "createdAt": ago(3), "updatedAt": ago(3), "startedAt": ago(3)}
    assert progress({"status": "running", **begun}).busy


def test_stamps_in_the_future_count_as_just_now() -> None:
    found = progress(task(-500, -400))
    assert found.busy
    assert "running for 0 s and was last active 0 s ago" in found.detail


def test_running_task_without_any_time_has_no_veto() -> None:
    stamps: tuple[Any, ...] = (None, 0, -5, True, "soon", [], {}, "", float("nan"), float("inf"))
    for stamp in stamps:
        found = progress({"status": "running", "startedAt": stamp, "execution": {"lastActivityAt": stamp}})
        assert (found.busy, found.hung, found.detail) == (False, True, "a turn is running that shows no time of any activity")


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        (b"", "it answered nothing"),
        (b"prose", "the answer is not one JSON document: 'prose'"),
        (b"{}", "the answer has no list of tasks"),
        (b'{"tasks": {"t1": {}}}', "the answer has no list of tasks"),
        (
            b'{"ok":false,"error":{"type":"gateway_transport_error","message":"Gateway not reachable (ECONNREFUSED)."}}',
            "Gateway not reachable (ECONNREFUSED).",
        ),
    ],
)
def test_without_a_usable_list_nothing_is_vetoed(stdout: bytes, why: str) -> None:
    found = openclaw.judge_tasks(stdout, POLICY, NOW)
    assert (found.busy, found.hung, found.detail) == (False, False, f"openclaw did not list its tasks: {why}")


@given(st.floats(-1e4, 1e6), st.floats(-1e4, 1e6), st.floats(0.1, 1e5), st.floats(0.1, 1e5))
def test_verdict_flips_at_the_next_look_and_not_before(active: float, age: float, within: float, limit: float) -> None:
    policy = RestartPolicy(busy_within=within, busy_limit=limit)
    stdout = json.dumps({"tasks": [task(active, max(active, age))]}).encode()
    found = openclaw.judge_tasks(stdout, policy, NOW)
    if found.busy and 1 < found.look_again < 60 and active > 0:
        early, late = (openclaw.judge_tasks(stdout, policy, NOW + timedelta(seconds=found.look_again + d)) for d in (-0.01, 0.01))
        assert early.busy
        assert not late.busy
