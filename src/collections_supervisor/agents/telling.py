"""What the coordinator is told of one agent. Pure."""

from datetime import datetime

from collections_supervisor.agents.silence import deadline_stamp, deadlines_passed, threshold_deadline
from collections_supervisor.agents.state import AgentState
from collections_supervisor.agents.view import view
from collections_supervisor.config.schema import AgentConfig
from collections_supervisor.messages import AgentChanged, Evidence, Now, StaleLine
from collections_supervisor.system.clock import stamp

SHOWN_LINES = 5


def changed(policy: AgentConfig, state: AgentState, now: Now) -> AgentChanged:
    """The agent as the coordinator is to know it. Nobody is told of an agent's trouble while a person has it paused."""
    passed = deadlines_passed(policy, state, now)
    attempt = state.attempt
    paused = state.paused is not None
    return AgentChanged(
        report=view(policy, state, now),
        trouble=state.trouble if not paused else None,
        missed_at=deadline_stamp(policy, state, 1) if passed and state.missed and not paused else None,
        opens_at=_opens_at(policy, state, now, passed) if not paused else None,
        acting=attempt is not None and attempt.phase != "proving",
        evidence=_evidence(state),
    )


def _opens_at(policy: AgentConfig, state: AgentState, now: Now, passed: int) -> datetime | None:
    if state.trouble is not None or passed >= policy.miss_threshold or state.source == "unreadable":
        return None
    if threshold_deadline(policy, state, now) is None:
        return None
    return deadline_stamp(policy, state, policy.miss_threshold)


def _words(line: StaleLine) -> str:
    at = stamp(line.stamp) if line.stamp is not None else "without a time"
    return f"{at}: miss {line.missed}, recorded by us" if line.ours else f"{at}: a miss, recorded by another program"


def _evidence(state: AgentState) -> Evidence:
    lines = tuple(_words(line) for line in state.trailing[-SHOWN_LINES:])
    outcome = state.outcome
    if outcome is None:
        return Evidence(lines=lines)
    return Evidence(
        lines=lines,
        cause=outcome.cause,
        exit_code=outcome.exit_code,
        output_tail=outcome.output_tail,
        task=outcome.task,
    )
