"""Incidents: opened, reminded of, resolved, each with its notices."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.coordination.incidents import (
    DAY,
    Incident,
    Subject,
    acknowledge,
    begin,
    open_incident,
    remind,
    reminder_due_at,
    resolve,
    settle,
    update,
)
from collections_supervisor.messages import AgentReport, Held, Trouble

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HOUR = 3600.0
REPEAT = 4 * HOUR

MakeReport = Callable[..., AgentReport]
MakeTrouble = Callable[..., Trouble]


def wall(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


@pytest.fixture
def subject(make_report: MakeReport, make_trouble: MakeTrouble) -> Subject:
    return Subject(kind="agent", name="mailer", report=make_report(status="escalated", restarts=2), trouble=make_trouble())


@pytest.fixture
def incident(subject: Subject, make_trouble: MakeTrouble) -> Incident:
    """Opened five seconds after the instant that made it so."""
    return open_incident(subject, make_trouble(), wall(5), 1000.0)


def delivered(incident: Incident) -> Incident:
    for notice in incident.outstanding:
        incident = settle(incident, notice.sequence, delivered=True, attempts=1, error="")
    return incident


# --- Opened ---


def test_an_incident_is_named_after_the_instant_that_made_it_so(subject: Subject, make_trouble: MakeTrouble) -> None:
    opened = [open_incident(subject, make_trouble(), wall(late), late) for late in (0.0, 99.0)]
    assert {(one.id, one.dedup_key) for one in opened} == {
        ("20261122T110000000000Z-agent-mailer", "agent/mailer/2026-11-22T11:00:00.000000Z")
    }
    assert [one.opened_at for one in opened] == [EPOCH, EPOCH]


def test_ids_sort_by_time_and_are_unique_per_subject(make_trouble: MakeTrouble) -> None:
    found = [
        open_incident(Subject(kind="agent", name=name), make_trouble(since=wall(at)), wall(at), at).id
        for at in (0, 0.5, 1, 3600)
        for name in ("a", "b")
    ]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_its_first_notice_says_what_since_when_and_what_was_tried(incident: Incident) -> None:
    [notice] = incident.outstanding
    assert (notice.notice, notice.sequence, notice.merged) == ("opened", 1, False)
    assert (notice.agent, notice.kind, notice.missed, notice.restarts) == ("mailer", "agent", 2, 2)
    assert (notice.since, notice.created_at) == (EPOCH, wall(5))
    assert notice.last_heartbeat == EPOCH - timedelta(minutes=5)
    assert notice.dedup_key == incident.dedup_key
    assert notice.incident_id == incident.id
    assert notice.reason == "no heartbeat since noon, 2 misses"
    assert notice.text
    assert not incident.delivered


def test_an_incident_of_our_own_names_no_agent(make_trouble: MakeTrouble) -> None:
    own = open_incident(Subject(kind="supervisor", name="reporter"), make_trouble(missed=0), EPOCH, 0.0)
    [notice] = own.outstanding
    assert (own.agent, notice.agent, notice.last_heartbeat, notice.restarts) == (None, None, None, 0)
    assert own.dedup_key.startswith("supervisor/reporter/")


# --- While it lasts ---


def test_what_is_known_is_kept_current_without_a_notice(incident: Incident, subject: Subject, make_trouble: MakeTrouble) -> None:
    changed = update(incident, subject, make_trouble(missed=7, reason="7 misses", recovered_at=wall(60)), wall(61))
    assert (changed.missed, changed.reason, changed.recovered_at) == (7, "7 misses", wall(60))
    assert changed.outstanding == incident.outstanding
    assert changed.dedup_key == incident.dedup_key


def test_being_held_is_told_at_once_and_once(incident: Incident, subject: Subject, make_trouble: MakeTrouble) -> None:
    incident = delivered(incident)
    held = make_trouble(held=True, reason="no more automatic restarts: used up")
    first = update(incident, subject, held, wall(600))
    [notice] = first.outstanding
    assert (notice.notice, notice.sequence, notice.reason) == ("reminder", 2, "no more automatic restarts: used up")
    assert update(delivered(first), subject, held, wall(601)).outstanding == ()


def test_one_that_was_opened_held_has_said_so(subject: Subject, make_trouble: MakeTrouble) -> None:
    held = make_trouble(held=True)
    opened = delivered(open_incident(subject, held, EPOCH, 0.0))
    assert update(opened, subject, held, wall(1)).outstanding == ()


def test_being_held_again_after_a_recovery_is_news(incident: Incident, subject: Subject, make_trouble: MakeTrouble) -> None:
    held = delivered(update(delivered(incident), subject, make_trouble(held=True), wall(600)))
    well = update(held, subject, make_trouble(recovered_at=wall(700)), wall(700))
    assert well.outstanding == ()
    again = update(well, subject, make_trouble(held=True), wall(900))
    assert [notice.notice for notice in again.outstanding] == ["reminder"]


def test_a_hold_that_ends_and_begins_again_by_itself_is_no_news(
    incident: Incident, subject: Subject, make_trouble: MakeTrouble
) -> None:
    # A budget of so many an hour holds, lets one through and holds again, for days.
    held = delivered(update(delivered(incident), subject, make_trouble(held=True), wall(600)))
    for hour in range(1, 5):
        held = update(held, subject, make_trouble(held=False), wall(hour * HOUR))
        held = update(held, subject, make_trouble(held=True), wall(hour * HOUR + 60))
    assert held.outstanding == ()


def test_a_hold_for_good_after_one_for_a_while_is_news(
    incident: Incident, make_report: MakeReport, make_trouble: MakeTrouble
) -> None:
    def subject(until: datetime | None) -> Subject:
        report = make_report(status="escalated", held=Held(reason="used up", until=until))
        return Subject(kind="agent", name="mailer", report=report, trouble=make_trouble(held=True))

    held = update(delivered(incident), subject(wall(HOUR)), make_trouble(held=True), wall(600))
    assert "go on at" in held.outstanding[-1].text
    held = update(delivered(held), subject(None), make_trouble(held=True), wall(HOUR + 60))
    [notice] = held.outstanding
    assert "Nothing more happens by itself" in notice.text


def test_another_kind_of_hold_is_news_once(incident: Incident, make_report: MakeReport, make_trouble: MakeTrouble) -> None:
    held = delivered(incident)
    told = []
    for kind, until in [
        ("budget", wall(HOUR)),
        ("shared", wall(HOUR)),
        ("budget", wall(2 * HOUR)),
        ("attempts", None),
        ("shared", wall(HOUR)),
        ("shared", None),
        ("attempts", None),
    ]:
        report = make_report(status="escalated", held=Held(reason=kind, until=until))
        trouble = make_trouble(held=True, hold=kind, reason=kind)
        held = update(held, Subject(kind="agent", name="mailer", report=report, trouble=trouble), trouble, wall(60))
        told += [(notice.reason, "go on at" in notice.text) for notice in held.outstanding]
        held = delivered(held)
    assert told == [("budget", True), ("shared", True), ("attempts", False), ("shared", False)]


def test_an_opening_that_waits_says_that_it_is_held(subject: Subject, make_trouble: MakeTrouble) -> None:
    waiting = update(begin(subject, make_trouble(), 1000.0), subject, make_trouble(held=True), wall(5))
    assert waiting.outstanding == ()
    assert update(waiting, subject, make_trouble(held=True), wall(6)).outstanding == ()
    assert remind(waiting, subject, REPEAT, wall(99 * HOUR), 1000.0 + 99 * HOUR) == waiting


def due(repeat_after: float, count: int, incident: Incident) -> list[float]:
    found = []
    for _ in range(count):
        found.append((reminder_due_at(incident, repeat_after) - incident.told_at) / HOUR)
        incident = msgspec.structs.replace(incident, reminders=incident.reminders + 1)
    return found


@pytest.mark.parametrize(
    ("repeat_hours", "expected"),
    [
        (4, [4, 8, 12, 24, 48, 72]),
        (1, [1, 2, 3, 24, 48, 72]),
        (8, [8, 16, 24, 48, 72, 96]),
        (10, [10, 20, 30, 48, 72, 96]),
        (24, [24, 48, 72, 96, 120, 144]),
    ],
)
def test_three_reminders_and_then_one_a_day_counted_from_the_opening(
    incident: Incident, repeat_hours: float, expected: list[float]
) -> None:
    assert due(repeat_hours * HOUR, 6, incident) == expected


@given(st.floats(60, 10 * DAY))
def test_reminders_never_come_twice_at_one_time(repeat_after: float) -> None:
    incident = open_incident(Subject(kind="agent", name="mailer"), Trouble(since=EPOCH, reason="dead", missed=2), EPOCH, 123.456)
    instants = due(repeat_after, 10, incident)
    assert all(later > earlier for earlier, later in pairwise(instants))


def test_a_reminder_replaces_the_one_that_nobody_got(incident: Incident, subject: Subject) -> None:
    for number in range(1, 4):
        at = 1000.0 + number * REPEAT
        assert remind(incident, subject, REPEAT, wall(at), at - 0.5) == incident
        incident = remind(incident, subject, REPEAT, wall(at), at)
    assert [(notice.notice, notice.sequence) for notice in incident.outstanding] == [("opened", 1), ("reminder", 4)]


def test_reminders_missed_meanwhile_count_as_one(incident: Incident, subject: Subject) -> None:
    late = remind(delivered(incident), subject, REPEAT, wall(30 * HOUR), 1000.0 + 30 * HOUR)
    assert [notice.sequence for notice in late.outstanding] == [2]
    assert reminder_due_at(late, REPEAT) == 1000.0 + 2 * DAY


def test_nobody_is_reminded_of_what_is_well_again(incident: Incident, subject: Subject, make_trouble: MakeTrouble) -> None:
    well = update(incident, subject, make_trouble(recovered_at=wall(60)), wall(60))
    assert remind(well, subject, REPEAT, wall(5 * HOUR), 1000.0 + 5 * HOUR) == well
    over = resolve(delivered(incident), subject, wall(60))
    assert remind(over, subject, REPEAT, wall(5 * HOUR), 1000.0 + 5 * HOUR) == over


# --- Acknowledged ---


def at_points(incident: Incident, subject: Subject, until: float, looks: list[float]) -> list[float]:
    """At which of these hours a reminder is made, if it is acknowledged until then."""
    incident = acknowledge(delivered(incident), wall(until * HOUR))
    made = []
    for hours in looks:
        incident = remind(incident, subject, REPEAT, wall(hours * HOUR), 1000.0 + hours * HOUR)
        made += [hours for _ in incident.outstanding]
        incident = delivered(incident)
    return made


@pytest.mark.parametrize(
    ("until", "looks", "expected"),
    [
        (10, [4, 8, 9, 10, 11, 12, 24, 48], [12, 24, 48]),
        (4, [4, 8], [4, 8]),
        (30, [4, 8, 12, 24, 29, 31, 47, 48], [48]),
        (10, [11, 12], [12]),
        (10, [13], [13]),
        (30, [40, 48], [48]),
        (1000, [4, 8, 12, 24, 48, 72, 999], []),
    ],
)
def test_reminders_go_on_at_the_next_point_of_the_same_schedule(
    incident: Incident, subject: Subject, until: float, looks: list[float], expected: list[float]
) -> None:
    assert at_points(incident, subject, until, looks) == expected


def test_who_knows_it_needs_no_reminder_that_is_still_owed(incident: Incident, subject: Subject) -> None:
    reminded = remind(incident, subject, REPEAT, wall(REPEAT), 1000.0 + REPEAT)
    assert [notice.notice for notice in acknowledge(reminded, wall(2 * REPEAT)).outstanding] == ["opened"]
    over = resolve(acknowledge(delivered(reminded), wall(99 * HOUR)), subject, wall(5 * HOUR))
    assert [notice.notice for notice in over.outstanding] == ["resolved"], "that it is over is told all the same"


def test_what_is_kept_silent_is_not_made_up(incident: Incident, subject: Subject, make_trouble: MakeTrouble) -> None:
    quiet = remind(delivered(incident), subject, REPEAT, wall(9 * HOUR), 1000.0 + 9 * HOUR, silent=True)
    assert quiet.outstanding == ()
    assert remind(quiet, subject, REPEAT, wall(10 * HOUR), 1000.0 + 10 * HOUR).outstanding == ()
    held = update(quiet, subject, make_trouble(held=True), wall(10 * HOUR), silent=True)
    assert held.outstanding == update(held, subject, make_trouble(held=True), wall(11 * HOUR)).outstanding == ()


# --- Delivered ---


def test_a_delivered_notice_is_owed_no_more(incident: Incident) -> None:
    got = settle(incident, 1, delivered=True, attempts=3, error="")
    assert (got.outstanding, got.delivered, got.attempts, got.error, got.next_at) == ((), True, 3, "", None)


def test_a_notice_given_up_is_owed_no_more_and_says_why(incident: Incident) -> None:
    lost = settle(incident, 1, delivered=False, attempts=9, error="exit status 1")
    assert (lost.outstanding, lost.delivered, lost.attempts, lost.error) == ((), False, 9, "exit status 1")


def test_an_earlier_delivery_is_not_forgotten_when_a_reminder_is_lost(incident: Incident, subject: Subject) -> None:
    reminded = remind(delivered(incident), subject, REPEAT, wall(REPEAT), 1000.0 + REPEAT)
    assert settle(reminded, 2, delivered=False, attempts=9, error="exit status 1").delivered


def test_a_sequence_of_another_notice_settles_nothing(incident: Incident) -> None:
    assert settle(incident, 7, delivered=True, attempts=1, error="").outstanding == incident.outstanding


# --- Resolved ---


def test_the_end_is_told_to_whom_was_told_of_the_beginning(incident: Incident, subject: Subject) -> None:
    over = resolve(delivered(incident), subject, wall(3600))
    [notice] = over.outstanding
    assert (notice.notice, notice.sequence, notice.merged) == ("resolved", 2, False)
    assert over.resolved_at == wall(3600)


def test_an_end_before_the_beginning_was_told_makes_one_notice_of_both(incident: Incident, subject: Subject) -> None:
    reminded = remind(incident, subject, REPEAT, wall(REPEAT), 1000.0 + REPEAT)
    over = resolve(reminded, subject, wall(17 * 60))
    [notice] = over.outstanding
    assert (notice.notice, notice.merged, notice.sequence) == ("resolved", True, 3)
    assert notice.since == EPOCH


def test_a_reminder_that_is_still_owed_is_outdated_by_the_end(incident: Incident, subject: Subject) -> None:
    reminded = remind(delivered(incident), subject, REPEAT, wall(REPEAT), 1000.0 + REPEAT)
    over = resolve(reminded, subject, wall(REPEAT + 60))
    assert [notice.notice for notice in over.outstanding] == ["resolved"]


def test_sequences_of_an_incident_never_repeat(incident: Incident, subject: Subject, make_trouble: MakeTrouble) -> None:
    seen: list[int] = [notice.sequence for notice in incident.outstanding]
    incident = update(incident, subject, make_trouble(held=True), wall(1))
    seen.append(incident.sequence)
    incident = remind(incident, subject, REPEAT, wall(REPEAT), 1000.0 + REPEAT)
    seen.append(incident.sequence)
    incident = resolve(incident, subject, wall(REPEAT + 1))
    seen.append(incident.sequence)
    assert seen == [1, 2, 3, 4]


def walk(seconds: float, subject: Subject, incident: Incident, repeat_after: float) -> list[Any]:
    told = list(incident.outstanding)
    incident = delivered(incident)
    at = 0.0
    while at <= seconds:
        incident = remind(incident, subject, repeat_after, wall(at), incident.told_at + at)
        told += incident.outstanding
        incident = delivered(incident)
        at += 60.0
    return [*told, *resolve(incident, subject, wall(seconds)).outstanding]


def test_sixty_hours_of_one_dead_agent_are_seven_notices(incident: Incident, subject: Subject) -> None:
    told = walk(60 * HOUR, subject, incident, REPEAT)
    assert [notice.notice for notice in told] == ["opened", *["reminder"] * 5, "resolved"]
    assert len({(notice.dedup_key, notice.sequence) for notice in told}) == 7
    assert [round((notice.created_at - EPOCH).total_seconds() / HOUR, 2) for notice in told[1:-1]] == [4, 8, 12, 24, 48]
