"""The report for a terminal."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collections_supervisor.messages import Held, Report, Undelivered
from collections_supervisor.reporting.report_json import encode_report
from collections_supervisor.reporting.table import format_report
from collections_supervisor.reporting.text import columns_of, wrap

Make = Callable[..., Any]

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b[31mred\x1b[0m\x07\r\nINJECTED\x00\x9b2J \u202eevil\u2028\udc80"


def lines_of(text: str) -> list[str]:
    assert text.endswith("\n")
    return text[:-1].split("\n")


@pytest.fixture
def lost(now: datetime) -> Undelivered:
    return Undelivered(
        dedup_key="agent/mailer/1",
        sequence=1,
        incident_id="1-mailer",
        agent="mailer",
        text="mailer needs you",
        error="exit code 1",
        at=now - timedelta(days=2),
    )


# --- What it says --------------------------------------------------------------------------------------------------------


def test_the_verdict_comes_first_with_its_time(make_agent: Make, make_report: Make) -> None:
    first = lines_of(format_report(make_report(make_agent()), 120, color=False))[0]

    assert first == "HEALTHY, as of 2026-11-22 11:01:44 UTC: payment-watcher is healthy"


def test_a_stale_report_says_so(make_agent: Make, make_report: Make) -> None:
    text = format_report(make_report(make_agent(), stale=True), 120, color=False)

    assert text.startswith("HEALTHY, STALE, as of")
    assert "by now it may be different" in text


def test_a_fresh_report_does_not_say_stale(make_agent: Make, make_report: Make) -> None:
    assert "STALE" not in format_report(make_report(make_agent()), 120, color=False)


def test_a_stopped_program_watches_nothing(make_agent: Make, make_report: Make, now: datetime) -> None:
    text = format_report(make_report(make_agent(), stopped_at=now), 120, color=False)

    assert text.startswith("STOPPED, as of")
    assert "nothing is being watched" in text


def test_nothing_comes_where_nobody_would_do_it(make_agent: Make, make_report: Make, now: datetime) -> None:
    dead = make_agent("mailer", "unhealthy", next_attempt_at=now + timedelta(seconds=30))
    agents = (dead, make_agent("watcher"))

    def coming(**how: object) -> list[str]:
        lines = lines_of(format_report(make_report(*agents, **how), 120, color=False))
        return [line.rpartition("  ")[2] for line in lines if line.startswith(("unhealthy", "healthy"))]

    assert coming() == ["restart in 30 s", "miss in 59 min"]
    assert coming(stopped_at=now) == coming(stale=True) == ["-", "-"]


def test_one_row_for_each_agent_the_worst_on_top(make_agent: Make, make_report: Make, now: datetime) -> None:
    mailer = make_agent("mailer", missed=0, restarts_24h=1, budget_left_24h=11)
    watcher = make_agent("watcher", "unhealthy", missed=1, last_heartbeat=now - timedelta(hours=3), budget_left_24h=None)

    lines = lines_of(format_report(make_report(mailer, watcher, verdict="degraded"), 120, color=False))

    head = next(index for index, line in enumerate(lines) if line.startswith("STATE"))
    assert re.split(r"\s{2,}", lines[head]) == ["STATE", "AGENT", "LAST BEAT", "MISSED", "RESTARTS IN 24 H", "NEXT"]
    assert re.split(r"\s{2,}", lines[head + 1]) == [
        "unhealthy", "watcher", "08:01:44, 3 h 00 min ago", "1", "0", "miss in 59 min",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", lines[head + 2]) == [
        "healthy", "mailer", "11:01:14, 30 s ago", "0", "1, 11 left", "miss in 59 min",
    ]  # fmt: skip


def test_the_two_usual_agents_have_one_row_each_on_a_usual_terminal(make_agent: Make, make_report: Make) -> None:
    report = make_report(make_agent("collections-emailer", "escalated"), make_agent("payment-watcher"), verdict="degraded")

    lines = lines_of(format_report(report, 80, color=False))

    assert [line.split()[:2] for line in lines[-2:]] == [["escalated", "collections-emailer"], ["healthy", "payment-watcher"]]
    assert "30 s ago" in lines[-1]


def test_a_narrow_terminal_has_the_fields_below_each_other(make_agent: Make, make_report: Make) -> None:
    lines = lines_of(format_report(make_report(make_agent(missed=2)), 40, color=False))

    assert "healthy payment-watcher" in lines
    below = " ".join(line.strip() for line in lines[lines.index("healthy payment-watcher") + 1 :])
    assert below == "last beat 11:01:14, 30 s ago; missed 2; restarts in 24 h: 0, 12 left; next: miss in 59 min"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"next_attempt_at": timedelta(minutes=5)}, "restart in 5 min"),
        ({"next_attempt_at": timedelta(minutes=-5)}, "restart due"),
        ({"next_deadline": timedelta(minutes=-1)}, "miss due"),
        ({"next_deadline": timedelta(minutes=3)}, "miss in 3 min"),
        ({"next_deadline": timedelta(minutes=3), "paused": True}, "-"),
        ({"next_deadline": None}, "-"),
    ],
)
def test_what_comes_next(changes: dict[str, Any], said: str, make_agent: Make, make_report: Make, now: datetime) -> None:
    instants = {name: now + value if isinstance(value, timedelta) else value for name, value in changes.items()}

    last = lines_of(format_report(make_report(make_agent(**instants)), 120, color=False))[-1]

    assert re.split(r"\s{2,}", last)[-1] == said


def test_an_agent_never_seen(make_agent: Make, make_report: Make) -> None:
    assert "never" in lines_of(format_report(make_report(make_agent(last_heartbeat=None)), 120, color=False))[-1]


def test_the_detail_and_what_ends_a_hold_stand_below_the_row(make_agent: Make, make_report: Make, now: datetime) -> None:
    held = Held(reason="the budget is used up", until=now + timedelta(minutes=30))
    agent = make_agent("mailer", "escalated", detail="no heartbeat since noon", held=held)

    lines = lines_of(format_report(make_report(agent), 120, color=False))

    assert lines[-2:] == [
        "  no heartbeat since noon",
        "  not restarted automatically until 11:31:44 UTC, in 30 min: the budget is used up",
    ]


def test_the_reason_of_a_hold_is_not_said_twice(make_agent: Make, make_report: Make) -> None:
    agent = make_agent("mailer", "escalated", detail="held: it is broken", held=Held(reason="it is broken"))

    text = format_report(make_report(agent), 120, color=False)

    assert text.count("it is broken") == 1
    assert "until it recovers or a person acts" in text


def test_open_incidents_stand_above_the_agents(make_agent: Make, make_incident: Make, make_report: Make, now: datetime) -> None:
    incident = make_incident(acknowledged_until=now + timedelta(hours=1), recovered_at=now - timedelta(minutes=2))

    lines = lines_of(format_report(make_report(make_agent(), incidents=(incident,)), 200, color=False))

    assert lines[2:5] == [
        "Open incidents:",
        (
            "  payment-watcher: no heartbeat for 3 h (since 09:01:44 UTC, 2 h 00 min ago, 3 missed); "
            "acknowledged until 12:01:44 UTC, in 1 h 00 min; beats again since 10:59:44 UTC, 2 min ago"
        ),
        "    a human is not told yet (about to be sent)",
    ]


def test_an_incident_of_a_host_names_its_agents(make_incident: Make, make_report: Make) -> None:
    host = make_incident(kind="host", agent=None, subject="gateway", agents=("a", "b"), missed=0)

    assert "  a, b: no heartbeat for 3 h (since 09:01:44 UTC, 2 h 00 min ago)\n" in format_report(
        make_report(incidents=(host,)), 120, color=False
    )


def test_an_incident_without_agents_is_called_by_its_subject(make_incident: Make, make_report: Make) -> None:
    ours = make_incident(kind="supervisor", agent=None, subject="reporter")
    queue = make_incident(kind="queue", agent=None, subject="mailer", reason="150 messages wait")

    said = format_report(make_report(incidents=(ours, queue)), 120, color=False)
    assert "  reporter: no heartbeat" in said
    assert "  queue mailer: 150 messages wait" in said, "the agent of that name is well"


def test_what_nobody_could_be_told_stays_visible(make_report: Make, lost: Undelivered) -> None:
    lines = lines_of(format_report(make_report(undelivered=(lost,)), 120, color=False))

    assert lines[-3:] == [
        "Nobody could be told:",
        "  2026-11-20 11:01:44 UTC, 2 d 0 h ago: mailer needs you",
        "    given up: exit code 1",
    ]


def test_an_empty_fleet(make_report: Make) -> None:
    assert format_report(make_report(verdict="unknown"), 80, color=False) == (
        "UNKNOWN, as of 2026-11-22 11:01:44 UTC: No agents are watched\n"
    )


def test_a_saved_report_looks_the_same(make_agent: Make, make_incident: Make, make_report: Make, lost: Undelivered) -> None:
    report = make_report(make_agent(), incidents=(make_incident(),), undelivered=(lost,))

    saved = msgspec.convert(msgspec.json.decode(encode_report(report)), Report)

    assert format_report(saved, 80, color=True) == format_report(report, 80, color=True)


# --- Colour --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 200])
def test_colour_changes_nothing_but_colours(make_agent: Make, make_report: Make, width: int) -> None:
    report = make_report(make_agent(status="escalated", detail="dead " * 40), make_agent("mailer"), verdict="degraded")

    painted = format_report(report, width, color=True)

    assert "\x1b[1;31mDEGRADED\x1b[0m" in painted
    assert "\x1b[1;31mescalated\x1b[0m" in painted
    assert ESCAPE.sub("", painted) == format_report(report, width, color=False)


def test_without_colour_plain_texts_stay_ascii(make_agent: Make, make_report: Make, make_incident: Make) -> None:
    long = make_incident(reason="dead " * 500, error=HOSTILE, attempts=2)

    text = format_report(make_report(make_agent(detail=HOSTILE), incidents=(long,)), 80, color=False)

    assert text.isascii()


# --- Hostile texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("color", [True, False])
def test_texts_from_outside_cannot_write_lines_or_escape_codes(
    make_agent: Make, make_incident: Make, make_report: Make, lost: Undelivered, color: bool
) -> None:
    report = make_report(
        make_agent(HOSTILE, detail=HOSTILE, held=Held(reason=f"{HOSTILE}.")),
        incidents=(make_incident(agent=HOSTILE, reason=HOSTILE, error=HOSTILE, attempts=1), make_incident(agents=(HOSTILE,))),
        undelivered=(msgspec.structs.replace(lost, text=HOSTILE, error=HOSTILE),),
    )

    text = ESCAPE.sub("", format_report(report, 80, color=color)) if color else format_report(report, 80, color=color)

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", text)
    assert not any(line.startswith("INJECTED") for line in lines_of(text))
    text.encode()


texts = st.text(alphabet=st.characters(codec=None), max_size=400) | st.text(alphabet="ab 漢字\u0301é-😀", max_size=200)


@given(text=texts, name=texts, width=st.sampled_from([1, 40, 80, 200]), color=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_no_line_is_wider_than_the_terminal(
    make_agent: Make, make_incident: Make, make_report: Make, lost: Undelivered, text: str, name: str, width: int, color: bool
) -> None:
    report = make_report(
        make_agent(name, "escalated", detail=text, held=Held(reason=name)),
        incidents=(make_incident(agent=name, reason=text, error=text, attempts=3),),
        undelivered=(msgspec.structs.replace(lost, text=text, error=text),),
        stale=True,
    )

    lines = lines_of(ESCAPE.sub("", format_report(report, width, color=color)))

    assert max(columns_of(line) for line in lines) <= max(width, 40)


# --- Columns and wrapping --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("abc", 3), ("漢字", 4), ("e\u0301", 1), ("é", 1), ("😀", 2)])
def test_columns(text: str, columns: int) -> None:
    assert columns_of(text) == columns


def test_what_follows_the_first_line_stands_further_in() -> None:
    assert wrap("one two three four", 12, indent=2) == ["  one two", "    three", "    four"]


def test_a_line_may_be_exactly_as_wide_as_allowed() -> None:
    assert wrap("one two", 7) == ["one two"]
    assert wrap("one twos", 7) == ["one", "  twos"]


def test_a_word_wider_than_a_line_is_cut() -> None:
    assert wrap("x abcdefgh", 6) == ["x abcd", "  efgh"]


def test_nothing_is_one_empty_line() -> None:
    assert wrap(" ", 40) == [""]


@given(text=st.text(alphabet="ab 漢\u0301", max_size=200), width=st.integers(6, 60), indent=st.integers(0, 2))
def test_wrapping_loses_nothing(text: str, width: int, indent: int) -> None:
    lines = wrap(text, width, indent)

    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(columns_of(line) <= width for line in lines)
