"""How restarts ended, counted for ever: every restart that began is counted once, by the first end that it comes to. Pure."""

from bisect import bisect_left

import msgspec

from collections_supervisor.agents.state import AgentState, Attempt
from collections_supervisor.messages import DURATION_BOUNDS, Durations, RestartOutcome

_CLASSES = len(DURATION_BOUNDS) + 1


def with_end(state: AgentState, outcome: RestartOutcome, took: float = 0.0) -> AgentState:
    """The state once its attempt is over: without it, and with its end counted.

    `took` is the seconds from the start of one that succeeded to its proof. `interrupted` is also the end of one that nobody
    waits for any more, so that it will never be known whether it worked.
    """
    attempt = state.attempt
    if attempt is not None and _counts(attempt):
        state = _counted(state, outcome, took)
    return msgspec.structs.replace(state, attempt=None)


def with_interruption(state: AgentState) -> AgentState:
    """The state once its attempt was interrupted: that is its end, even if a beat proves afterwards that it did help."""
    attempt = state.attempt
    if attempt is None or not _counts(attempt):
        return state
    return msgspec.structs.replace(_counted(state, "interrupted"), attempt=msgspec.structs.replace(attempt, counted=True))


def with_lost_end(state: AgentState, outcome: RestartOutcome) -> AgentState:
    """The state with the end of a restart that it knows nothing of."""
    return _counted(state, outcome)


def with_at_least(state: AgentState, outcomes: dict[RestartOutcome, int], durations: Durations) -> AgentState:
    """The state with what else was counted, where that was more: no count is ever taken back."""
    most = {name: max(state.outcomes.get(name, 0), outcomes.get(name, 0)) for name in {**state.outcomes, **outcomes}}
    known, other = sound(state.durations), sound(durations)
    longer = other if sum(other.counts) > sum(known.counts) else known
    return msgspec.structs.replace(state, outcomes=most, durations=longer)


def sound(durations: Durations) -> Durations:
    """What was counted; nothing, if it was in classes that are not ours."""
    return durations if len(durations.counts) == _CLASSES else Durations()


def _counts(attempt: Attempt) -> bool:
    return attempt.started is not None and not attempt.first and not attempt.counted


def _counted(state: AgentState, outcome: RestartOutcome, took: float = 0.0) -> AgentState:
    outcomes = {**state.outcomes, outcome: state.outcomes.get(outcome, 0) + 1}
    durations = _with_duration(sound(state.durations), max(0.0, took)) if outcome == "succeeded" else state.durations
    return msgspec.structs.replace(state, outcomes=outcomes, durations=durations)


def _with_duration(durations: Durations, seconds: float) -> Durations:
    counts = list(durations.counts)
    counts[bisect_left(DURATION_BOUNDS, seconds)] += 1
    return Durations(counts=tuple(counts), sum_s=round(durations.sum_s + seconds, 3))
