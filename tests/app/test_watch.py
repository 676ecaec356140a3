"""What `status --watch` shows, without a daemon."""

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collections_supervisor.app import status
from collections_supervisor.app.told import Saved
from collections_supervisor.app.watch import Lines, Objects, Screen
from collections_supervisor.messages import AgentReport, Report
from collections_supervisor.system.lock import Holder

NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def agent(name: str = "mailer", state: Any = "healthy") -> AgentReport:
    return AgentReport(
        name=name,
        status=state,
        detail="",
        missed=0,
        last_heartbeat=NOW,
        next_deadline=None,
        restarts=0,
        restarts_24h=0,
        budget_left_24h=None,
        errors=(),
        incident=None,
        last_exit=None,
        paused=False,
        held=None,
        next_attempt_at=None,
    )


def saved(*agents: AgentReport, daemon: Holder | None = Holder(7), after: float = 0.0, **changes: Any) -> Saved:  # noqa: B008
    report = Report(
        schema=1,
        generated_at=NOW + timedelta(seconds=after),
        run_id="r",
        version="1",
        verdict="healthy",
        agents=agents or (agent(),),
        incidents=(),
    )
    return Saved(report=msgspec.structs.replace(report, **changes), age_s=3.0, daemon=daemon)


@pytest.mark.parametrize(
    ("known", "exit_status", "words"),
    [
        (saved(), 0, "Saved by the running supervisor (process 7) 3 s ago."),
        (saved(daemon=Holder(None)), 0, "Saved by the running supervisor (its process is not known) 3 s ago."),
        (saved(verdict="degraded"), 1, "Saved by the running supervisor (process 7) 3 s ago."),
        (saved(verdict="unknown", stale=True), 1, "The supervisor (process 7) runs, and has saved nothing for 3 s."),
        (saved(verdict="unknown", stale=True, daemon=None), 3, "No supervisor runs; this was saved 3 s ago."),
    ],
)
def test_what_it_comes_to_and_where_it_comes_from(known: Saved, exit_status: int, words: str) -> None:
    assert status.exit_status(known) == exit_status
    table = status.table(known, 60, False)
    assert " ".join(table.split()).endswith(words)
    assert max(map(len, table.splitlines())) <= 60
    assert msgspec.json.decode(status.as_json(known))["stale"] is known.report.stale


def show(face: Any, *looks: Saved | str) -> None:
    for one in looks:
        if isinstance(one, str):
            face.complain(one)
        else:
            face.show(one)
    face.close()


def test_lines_say_what_is_different_and_nothing_twice() -> None:
    said: list[str] = []
    escalated = agent(state="escalated")
    show(
        Lines(said.append),
        saved(),
        saved(after=1),
        saved(escalated, after=2, verdict="degraded"),
        saved(escalated, after=3, verdict="degraded"),
        saved(escalated, after=3, verdict="unknown", stale=True),
        saved(escalated, after=3, verdict="unknown", stale=True, daemon=None),
        "it is gone\x1b[31m",
        "it is gone\x1b[31m",
        saved(after=4),
    )
    assert said == [
        "2026-11-22 11:00:00 UTC healthy: mailer is healthy",
        "2026-11-22 11:00:02 UTC mailer is escalated, was healthy",
        "2026-11-22 11:00:02 UTC degraded: mailer is escalated",
        "2026-11-22 11:00:03 UTC unknown: mailer is escalated (the supervisor saves nothing)",
        "2026-11-22 11:00:03 UTC unknown: mailer is escalated (no supervisor runs)",
        "it is gone [31m",
        "2026-11-22 11:00:04 UTC mailer is healthy, was escalated",
        "2026-11-22 11:00:04 UTC healthy: mailer is healthy",
    ]


def test_objects_are_reports_and_complaints_go_elsewhere() -> None:
    said: list[bytes] = []
    complained: list[str] = []
    show(Objects(said.append, complained.append), saved(), saved(), saved(after=1), "gone", "gone", saved(after=1))
    assert [msgspec.json.decode(line)["generated_at"][17:19] for line in said] == ["00", "01", "01"]
    assert complained == ["gone"]


@pytest.fixture
def terminal() -> Callable[..., tuple[Screen, io.StringIO]]:
    def make(columns: int = 60, lines: int = 20) -> tuple[Screen, io.StringIO]:
        out = io.StringIO()
        return Screen(out, lambda: os.terminal_size((columns, lines)), colour=False), out

    return make


def test_a_screen_is_drawn_over_and_given_back(terminal: Callable[..., tuple[Screen, io.StringIO]]) -> None:
    screen, out = terminal()
    show(screen, saved(), "it is gone\x07")
    text = out.getvalue()
    assert text.startswith("\x1b[?1049h\x1b[?25l\x1b[HHEALTHY")
    assert text.endswith("\x1b[Hit is gone\x1b[K\x1b[J\x1b[?25h\x1b[?1049l")


def test_a_screen_too_low_says_how_much_is_missing(terminal: Callable[..., tuple[Screen, io.StringIO]]) -> None:
    screen, out = terminal(lines=5)
    show(screen, saved(*(agent(f"agent-{number}") for number in range(20))))
    lines = out.getvalue().split("\x1b[H")[1].split("\n")
    whole = len(status.table(saved(*(agent(f"agent-{number}") for number in range(20))), 60, False).splitlines())
    assert len(lines) == 5
    assert lines[-1].startswith(f"... and {whole - 4} more lines")
