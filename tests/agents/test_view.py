"""One agent in the words of the report."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.state import AgentState, Attempt, Child, Hold, Pause
from collections_supervisor.agents.view import detail, status, view
from collections_supervisor.config.schema import AgentConfig, LogSource, RestartPolicy
from collections_supervisor.messages import ActionRequest, AgentError, Beat, Now, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
NOW = Now(mono=1000.0, wall=EPOCH)


def policy(kind: Any = "openclaw", **agent: Any) -> AgentConfig:
    settled = {"sources": (LogSource(path=Path("/nowhere/mailer.log")),), "timeout": 600.0, **agent}
    return AgentConfig(name="mailer", restart=RestartPolicy(kind=kind), **settled)


def state(**known: Any) -> AgentState:
    return AgentState(known_at=900.0, known=EPOCH, **known)


def seen(age: float = 10.0, **known: Any) -> AgentState:
    return state(**{"beat": Beat(stamp=EPOCH - timedelta(seconds=age)), "beat_at": 1000.0 - age, **known})


def attempt(phase: Any, **more: Any) -> Attempt:
    return Attempt(request=ActionRequest(action_id="x", agent="mailer", attempt=2), phase=phase, **more)


TROUBLE = Trouble(since=EPOCH, reason="no heartbeat since noon, 2 misses", missed=2)
HOLD = Hold(kind="attempts", reason="2 restart attempts in a row did not bring it back", since=EPOCH)
CHILD = Child(started_at=990.0, started=EPOCH)


@pytest.mark.parametrize(
    ("settings", "known", "word", "sentence"),
    [
        (policy(), seen(), "healthy", ""),
        (policy(), state(), "unknown", "no heartbeat yet; it counts as missed 1 h 00 min after it was first known"),
        (policy(), seen(source="missing", vanished_at=NOW.mono - 59.0), "unknown", "its heartbeat file is gone"),
        (policy(), seen(source="missing", vanished_at=NOW.mono - 61.0), "healthy", ""),
        (
            policy(),
            seen(source="unreadable", source_error="cannot read /x: permission denied"),
            "unknown",
            "its heartbeat cannot be read: cannot read /x: permission denied",
        ),
        (
            policy(),
            seen(future=Beat(stamp=EPOCH + timedelta(hours=2))),
            "unknown",
            "its clock is wrong: the newest beat is stamped 2026-11-22T13:00:00.000000Z, in the future",
        ),
        (
            policy(period=60.0),
            seen(age=60.0),
            "late",
            "no beat within its period of 1 min; it counts as missed after 10 min",
        ),
        (policy(period=60.0), seen(age=59.0), "healthy", ""),
        (policy(), seen(missed=1), "unhealthy", "no heartbeat since 2026-11-22T10:59:50.000000Z, 1 missed"),
        (policy(), state(missed=1, source="missing"), "unhealthy", "never seen, 1 missed"),
        (policy(), state(missed=1), "unhealthy", "no valid heartbeat in its log, 1 missed"),
        (policy(), seen(missed=1, attempt=attempt("waiting")), "restarting", "attempt 2 waits for its turn"),
        (policy(), seen(missed=1, attempt=attempt("running")), "restarting", "attempt 2 runs (openclaw)"),
        (
            policy(),
            seen(missed=1, attempt=attempt("proving")),
            "restarting",
            "attempt 2 is done; its proof, a fresh heartbeat, is awaited",
        ),
        (policy(), seen(attempt=attempt("waiting")), "healthy", ""),
        (policy(), seen(missed=2, trouble=TROUBLE, attempt=attempt("running")), "escalated", TROUBLE.reason),
        (policy(), seen(missed=1, hold=HOLD), "escalated", HOLD.reason),
        (
            policy(),
            seen(trouble=TROUBLE, recovered_at=999.0),
            "healthy",
            "beats again; its incident is closed when it keeps doing so",
        ),
        (
            policy(),
            seen(missed=1, trouble=TROUBLE, recovered_at=999.0),
            "unhealthy",
            "no heartbeat since 2026-11-22T10:59:50.000000Z, 1 missed",
        ),
        (policy("process", sources=()), state(), "unhealthy", "not running"),
        (
            policy("process", sources=()),
            state(last_exit="exit code 1 after 3 s"),
            "unhealthy",
            "not running: exit code 1 after 3 s",
        ),
        (policy("process", sources=()), state(attempt=attempt("running", first=True)), "restarting", "being started"),
        (policy("process", sources=()), state(attempt=attempt("running")), "restarting", "attempt 2 runs (process)"),
        (policy("process", sources=()), state(child=CHILD), "healthy", ""),
        (
            policy("process", sources=()),
            state(ended=True, last_exit="exit code 0 after 1 h 00 min"),
            "healthy",
            "ended by itself: exit code 0 after 1 h 00 min",
        ),
        (
            policy("process"),
            state(child=CHILD),
            "unknown",
            "no heartbeat yet; it counts as missed 1 h 00 min after it was first known",
        ),
        (policy("process"), seen(child=CHILD), "healthy", ""),
        (
            policy("process", startup_grace=5.0),
            state(child=CHILD),
            "unhealthy",
            "it runs, and has not beaten since its start",
        ),
        (policy(), seen(missed=2, trouble=TROUBLE, pause=Pause(since=EPOCH)), "paused", "paused until it is resumed"),
        (
            policy(),
            seen(pause=Pause(since=EPOCH, until=1060.0, reason="moving house")),
            "paused",
            "paused until 2026-11-22T11:01:00.000000Z: moving house",
        ),
    ],
)
def test_the_word_and_the_sentence(settings: AgentConfig, known: AgentState, word: str, sentence: str) -> None:
    assert (status(settings, known, NOW), detail(settings, known, NOW)) == (word, sentence)


def test_what_the_agent_says_of_itself() -> None:
    busy = seen(beat=Beat(stamp=EPOCH, status="busy", until=EPOCH + timedelta(hours=1)))
    assert detail(policy(), busy, NOW) == "busy, as it says itself"


def test_instants_are_the_walls() -> None:
    known = seen(
        missed=1,
        next_attempt_at=1030.0,
        hold=Hold(kind="budget", reason="used up", since=EPOCH, until=1060.0),
        starts=(100.0, 500.0),
        restarts=7,
        errors=(AgentError(timestamp=EPOCH, reason="words"),),
        last_exit="exit code 1 after 3 s",
    )
    report = view(policy(), known, NOW)
    assert report.name == "mailer"
    assert report.last_heartbeat == EPOCH - timedelta(seconds=10)
    assert report.next_deadline == EPOCH + timedelta(seconds=590)
    assert report.next_attempt_at == EPOCH + timedelta(seconds=30)
    assert report.held is not None
    assert (report.held.reason, report.held.until) == ("used up", EPOCH + timedelta(seconds=60))
    assert (report.restarts, report.restarts_24h, report.budget_left_24h) == (7, 2, 10)
    assert (report.missed, report.errors[0].reason, report.last_exit) == (1, "words", "exit code 1 after 3 s")
    assert (report.incident, report.paused) == (None, False)


def test_what_is_not_known_is_left_out() -> None:
    report = view(policy("process", sources=()), state(child=CHILD), NOW)
    assert (report.last_heartbeat, report.next_deadline, report.next_attempt_at, report.held) == (None, None, None, None)


def test_an_attempt_that_is_due_has_no_time_any_more() -> None:
    assert view(policy(), seen(missed=1, next_attempt_at=1000.0), NOW).next_attempt_at is None


def test_a_hold_without_an_end_has_none() -> None:
    held = view(policy(), seen(missed=1, hold=HOLD), NOW).held
    assert held is not None
    assert held.until is None


def test_what_the_figures_are_made_of(make_world: Any) -> None:
    report = make_world(timeout=600.0, miss_threshold=3).report()
    assert (report.timeout_s, report.miss_threshold, report.outcomes) == (600.0, 3, {})
    learned = make_world(timeout=600.0, adaptive=True, period=60.0)
    learned.state = msgspec.structs.replace(learned.state, learned=81.5)
    assert learned.report().timeout_s == 81.5
    assert make_world(restart={"kind": "process", "command": ("x",)}, sources=()).report().timeout_s is None
