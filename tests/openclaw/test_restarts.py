"""One run of the program, and an agent of the real OpenClaw for each thing that happens to them."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.openclaw.conftest import RealSite
from tests.openclaw.model import CALL, Hang, Prompt, Refuse, Reply, Stream

pytestmark = [pytest.mark.openclaw, pytest.mark.timeout(600)]

LONG = 180.0
"""Seconds that one agent's story may take while those of ten others go on beside it."""

TOO_LONG = "This model's maximum context length is 200000 tokens. However, your messages resulted in 250000 tokens."

BUSY_WITH = {"poisoned": "POISON", "collections-emailer": "send", "streaming": "write", "overflowing": "LEDGER"}
"""The turns that have begun when our program starts."""

HICCUP = "Agent database cleanup failed"
"""What OpenClaw answers once in a while in place of what the model said, when it lets go of an agent's files."""

FAILING = {
    "refused": Refuse(401, "Incorrect API key provided.", "invalid_api_key"),
    "unpaid": Refuse(402, "Payment required: insufficient credits.", "billing"),
    "over-quota": Refuse(429, "You exceeded your current quota, please check your plan.", "insufficient_quota"),
    "limited": Refuse(429, "Rate limit reached for requests.", "rate_limit_exceeded"),
    "broken": Refuse(500, "The server had an error while processing your request.", "server_error"),
}


def told(words: str, reply: Reply, otherwise: Reply) -> Callable[[Prompt], Reply]:
    """Answers one way as long as these words stand anywhere in the conversation, and another way afterwards."""
    return lambda prompt: reply if words in prompt.text else otherwise


@pytest.fixture(scope="module")
def office(real: RealSite) -> RealSite:
    """Eleven agents that have all missed one heartbeat, and what keeps each of them from working."""
    model = real.gateway.model
    model.plan("payment-watcher", real.beats("payment-watcher"))
    model.plan("collections-emailer", lambda prompt: Hang() if prompt.number == 1 else real.beats("collections-emailer"))
    model.plan("poisoned", told("POISON", Hang(), real.beats("poisoned")))
    model.plan("overflowing", told("LEDGER", Refuse(400, TOO_LONG, "context_length_exceeded"), real.beats("overflowing")))
    model.plan("streaming", Stream())
    for agent, reply in FAILING.items():
        model.plan(agent, reply)
    agents = ["payment-watcher", "collections-emailer", "streaming", "poisoned", "overflowing", *FAILING, "nobody", "offline"]
    for agent in agents:
        real.beat(agent, ago=601)
    for agent, message in BUSY_WITH.items():
        real.gateway.begin_turn(agent, message)
        model.wait_for(agent, 1)
    # There is nothing to abort, and every call costs a second of the machine.
    once = {"attempts_per_incident": 1, "abort_first": False}
    only: dict[str, dict[str, Any]] = dict.fromkeys((*FAILING, "nobody"), once)
    only["offline"] = {**once, "env": {"OPENCLAW_CONFIG_PATH": str(real.gateway.elsewhere(["offline"]))}}
    only["poisoned"] = {"attempts_per_incident": 2, "timeout": "30s"}
    real.configure(
        [{"name": agent, **({"restart": only[agent]} if agent in only else {})} for agent in agents],
        heartbeats={"dir": "heartbeats", "timeout": "10m", "miss_interval": "1h"},
        restart={"max_concurrent": 2, "timeout": "100s", "verify_within": "30s", "busy_within": "8s", "attempts_per_incident": 3},
    )
    real.run()
    return real


def test_a_restart_is_a_turn_in_which_the_agent_beats(office: RealSite) -> None:
    done = office.daemon.wait_for("agent.restart.succeeded", agent="payment-watcher", timeout=LONG)
    assert done["attempt"] == 1
    assert office.daemon.wait_for("agent.recovered", agent="payment-watcher")["by_itself"] is False
    first, second = office.gateway.model.prompts("payment-watcher")
    assert "restart" in first.latest
    assert second.has_worked


def test_what_the_turn_cost_is_told(office: RealSite) -> None:
    done = office.daemon.wait_for("agent.restart.succeeded", agent="payment-watcher", timeout=LONG)
    # Two calls of the model: one that asks for the tool, one that is given its result.
    assert (done["tokens"], done["tokens_total"]) == (2 * CALL, 2 * CALL)
    assert office.shown("payment-watcher", tokens_total=2 * CALL)["status"] == "healthy"


def test_a_turn_that_hangs_is_aborted_so_that_the_restart_gets_through(office: RealSite) -> None:
    done = office.daemon.wait_for("agent.restart.succeeded", agent="collections-emailer", timeout=LONG)
    assert done["attempt"] == 1
    assert office.daemon.wait_for("agent.restart.prepared", agent="collections-emailer")["step"] == "abort"
    hung, *_ = office.gateway.model.prompts("collections-emailer")
    assert office.gateway.model.wait_for_end(hung) == "hung up"


def test_a_turn_that_writes_for_long_is_left_alone(office: RealSite) -> None:
    office.daemon.wait_for("agent.restart.skipped", agent="streaming", reason="busy", count=2, timeout=LONG)
    [prompt] = office.gateway.model.prompts("streaming")
    assert prompt.end == ""
    assert office.daemon.of("agent.restart.started", agent="streaming") == []


def test_a_poisoned_conversation_is_begun_anew_at_the_last_attempt(office: RealSite) -> None:
    done = office.daemon.wait_for("agent.restart.succeeded", agent="poisoned", timeout=LONG)
    first, second = office.daemon.of("agent.restart.started", agent="poisoned")
    assert (first["fresh"], second["fresh"], done["attempt"]) == (False, True, 2)
    # The abort emptied the lane, and the text that had hung was put before ours.
    seeded, brought_back, *_ = office.gateway.model.prompts("poisoned")
    assert "restart" in brought_back.latest
    assert [office.gateway.model.wait_for_end(prompt) for prompt in (seeded, brought_back)] == ["hung up", "hung up"]
    assert any("conversation before it is lost" in error["reason"] for error in office.shown("poisoned")["errors"])


def test_a_conversation_that_is_too_long_is_begun_anew_at_once(office: RealSite) -> None:
    office.daemon.wait_for("agent.restart.succeeded", agent="overflowing", timeout=LONG)
    failed = office.daemon.wait_for("agent.restart.failed", agent="overflowing")
    assert failed["classified"] == "overflow"
    first, second = office.daemon.of("agent.restart.started", agent="overflowing")
    assert (first["fresh"], second["fresh"]) == (False, True)


def skip_if_openclaw_failed_by_itself(office: RealSite, agent: str) -> None:
    """What it answered then says nothing of the fault that was planned for it."""
    if HICCUP in (office.root / "state" / "actions" / f"{agent}.out").read_text():
        pytest.skip(f"OpenClaw answered {HICCUP!r} instead of what the model said")


@pytest.mark.parametrize(
    ("agent", "classified", "words"),
    [
        ("refused", "auth", "HTTP 401"),
        ("unpaid", "shared", "billing error"),
        ("over-quota", "shared", "billing error"),
        ("limited", "shared", "rate limit"),
        ("broken", None, "HTTP 500"),
        ("nobody", "configuration", "Unknown agent id"),
        ("offline", None, "Gateway not reachable"),
    ],
)
def test_a_failure_is_told_for_what_it_is(office: RealSite, agent: str, classified: str | None, words: str) -> None:
    failed = office.daemon.wait_for("agent.restart.failed", agent=agent, timeout=LONG)
    skip_if_openclaw_failed_by_itself(office, agent)
    assert (failed["classified"], failed["exit_code"]) == (classified, 1)
    assert words in failed["reason"]
    assert failed["tokens"] is None


def test_whoever_is_refused_for_money_is_no_agent_s_trouble(office: RealSite) -> None:
    for agent in ("unpaid", "over-quota", "limited"):
        office.daemon.wait_for("agent.restart.skipped", agent=agent, reason="held", timeout=LONG)
        skip_if_openclaw_failed_by_itself(office, agent)
        assert office.shown(agent, restarts=1)["held"]["until"] is not None
        assert office.daemon.of("agent.escalated", agent=agent) == []


def test_the_gateway_that_is_down_is_no_reason_to_lose_a_conversation(office: RealSite) -> None:
    office.daemon.wait_for("agent.restart.failed", agent="offline", timeout=LONG)
    assert [event["fresh"] for event in office.daemon.of("agent.restart.started", agent="offline")] == [False]
