"""The last day as it grows from report to report, and whatever a file may claim that it was."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.coordination.history import CHANGES, DAY, OTHERS, RUNS, SAMPLES, SLOT, Past, Seen, step
from collections_supervisor.coordination.history_repair import remember
from collections_supervisor.messages import (
    AgentReport,
    Change,
    History,
    QueueReport,
    QueueSample,
    QueuesReport,
    Report,
    StateRun,
    Status,
)

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PATIENCE = 2 * MINUTE
STATUSES: tuple[Status, ...] = ("healthy", "late", "unhealthy", "restarting", "escalated", "paused", "unknown")

MakeReport = Callable[..., AgentReport]


def report(*agents: AgentReport, at: datetime = EPOCH, **changes: Any) -> Report:
    return Report(
        schema=1, generated_at=at, run_id="r", version="1", verdict="healthy", agents=agents, **{"incidents": (), **changes}
    )


def look(
    past: Past, seen: Report, *, heard: Sequence[str] | None = None, audited_at: datetime | None = None, once: bool = False
) -> Past:
    names = frozenset(agent.name for agent in seen.agents) if heard is None else frozenset(heard)
    return step(past, Seen(report=seen, heard=names, audited_at=audited_at, patience=PATIENCE, once=once))


def queues(**depths: int) -> QueuesReport:
    items = (
        QueueReport(
            name=name, depth=depth, oldest_age_s=None, invalid=0, healthy=depth < 100, reason="" if depth < 100 else "full"
        )
        for name, depth in depths.items()
    )
    return QueuesReport(healthy=True, limit=100, items=tuple(items))


def words(past: Past, name: str = "mailer") -> list[tuple[str, float]]:
    """The runs of an agent: each status, and for how many minutes."""
    return [(run.status, (run.until - run.since) / MINUTE) for run in past.history.agents[name]]


def told(past: Past) -> list[str]:
    return [f"{change.subject} {change.what}" for change in past.history.changes]


# --- Runs ----------------------------------------------------------------------------------------------------------------


def test_what_stays_the_same_is_one_run(make_report: MakeReport) -> None:
    past = Past()
    for minute, status in enumerate(["healthy", "healthy", "late", "late", "late", "healthy"]):
        past = look(past, report(make_report(status=status), at=EPOCH + minute * MINUTE))
    assert words(past) == [("healthy", 2), ("late", 3), ("healthy", 0)]
    assert past.history.seen_at == EPOCH + 5 * MINUTE


def test_time_that_nobody_watched_is_said_to_be_so(make_report: MakeReport) -> None:
    past = look(Past(), report(make_report()))
    past = look(past, report(make_report(), at=EPOCH + 2 * MINUTE))
    past = look(past, report(make_report(), at=EPOCH + 60 * MINUTE))
    past = look(past, report(make_report(), at=EPOCH + 61 * MINUTE))
    assert words(past) == [("healthy", 2), ("not_watched", 58), ("healthy", 1)]


def test_who_was_not_looked_at_yet_is_not_known(make_report: MakeReport) -> None:
    past = look(Past(), report(make_report(), make_report("watcher")))
    for minute in (1, 2, 3):
        blind = make_report("watcher", status="unknown", detail="not looked at yet")
        past = look(past, report(make_report(), blind, at=EPOCH + minute * MINUTE), heard=["mailer"])
    assert (words(past), words(past, "watcher")) == ([("healthy", 3)], [("healthy", 0)])
    past = look(past, report(make_report(), make_report("watcher"), at=EPOCH + 4 * MINUTE))
    assert words(past, "watcher") == [("not_watched", 4), ("healthy", 0)]
    assert told(past) == ["the supervisor started"]


def test_who_is_removed_is_forgotten_after_a_day(make_report: MakeReport) -> None:
    past = look(Past(), report(make_report(), make_report("gone")))
    past = look(past, report(make_report(), at=EPOCH + DAY - MINUTE))
    assert words(past, "gone") == [("healthy", 0)]
    past = look(past, report(make_report(), at=EPOCH + DAY + MINUTE))
    assert list(past.history.agents) == ["mailer"]


def test_restless_agents_are_told_by_slots_of_the_worst(make_report: MakeReport) -> None:
    past, at = Past(), EPOCH
    for _ in range(24 * 60):
        for status in ("healthy", "late"):
            at += MINUTE / 2
            past = look(past, report(make_report(status=status), at=at))
        if at - EPOCH == 6 * 60 * MINUTE:
            past = look(past, report(make_report(status="escalated"), at=at))
    runs = past.history.agents["mailer"]
    assert len(runs) <= RUNS
    assert runs[-1] == StateRun(status="late", since=at, until=at)
    [worst] = [run for run in runs if run.status == "escalated"]
    assert (worst.since, worst.until) == (EPOCH + 24 * SLOT, EPOCH + 25 * SLOT)
    assert {run.status for run in runs} == {"healthy", "late", "escalated"}
    assert_sound(past.history, at)


def test_more_slots_than_runs_make_the_oldest_one_longer(make_report: MakeReport) -> None:
    past, at = Past(), EPOCH + timedelta(minutes=7)
    for number in range(400):
        at += timedelta(minutes=7.4)
        past = look(past, report(make_report(status=("healthy", "late", "unhealthy", "restarting")[number % 4]), at=at))
        assert_sound(past.history, at)
    assert at - past.history.agents["mailer"][0].since == DAY


def test_a_clock_that_was_set_back_leaves_nothing_in_the_future(make_report: MakeReport) -> None:
    past = Past()
    for minute, status in enumerate(["healthy", "unhealthy", "unhealthy", "escalated"]):
        past = look(past, report(make_report(status=status), at=EPOCH + minute * MINUTE, queues=queues(mail=minute)))
    at = EPOCH + 1.5 * MINUTE
    past = look(past, report(make_report(status="escalated"), at=at, queues=queues(mail=9)))
    assert words(past) == [("healthy", 1), ("unhealthy", 0.5), ("escalated", 0)]
    assert told(past) == ["mailer is escalated, was unhealthy", "mailer is unhealthy, was healthy", "the supervisor started"]
    assert [change.at for change in past.history.changes] == [at, EPOCH + MINUTE, EPOCH]
    assert_sound(past.history, at)


# --- Sweeps ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "between"),
    [
        ({}, {"last_heartbeat": EPOCH + 55 * MINUTE}, "healthy"),
        ({}, {"last_heartbeat": EPOCH + 56 * MINUTE}, "not_watched"),
        ({}, {"last_heartbeat": EPOCH + 50 * MINUTE, "status": "late"}, "healthy"),
        ({"next_deadline": None}, {"last_heartbeat": EPOCH + 50 * MINUTE}, "not_watched"),
        ({"status": "escalated"}, {"status": "escalated"}, "escalated"),
        ({"status": "escalated"}, {"status": "escalated", "last_heartbeat": EPOCH + MINUTE}, "not_watched"),
        ({"status": "unhealthy"}, {"status": "escalated"}, "not_watched"),
        ({}, {"status": "unhealthy"}, "not_watched"),
    ],
)
def test_between_sweeps_only_what_beats_prove_is_known(
    make_report: MakeReport, first: dict[str, Any], second: dict[str, Any], between: str
) -> None:
    past = look(Past(), report(make_report(**first)), once=True)
    again = msgspec.structs.replace(past, life="")
    past = look(again, report(make_report(**second), at=EPOCH + 60 * MINUTE), once=True)
    assert words(past)[0] == (between, 60)
    # A daemon only believes what it saw itself.
    assert ("not_watched", 60) in words(look(again, report(make_report(**second), at=EPOCH + 60 * MINUTE)))


def test_sweeps_come_and_go_without_a_word(make_report: MakeReport) -> None:
    past = look(Past(), report(make_report()), once=True)
    past = look(past, report(make_report(), at=EPOCH + MINUTE, stopped_at=EPOCH + MINUTE), once=True)
    assert told(past) == []


# --- Queues ------------------------------------------------------------------------------------------------------------


def test_a_queue_has_one_sample_for_each_quarter_of_an_hour_the_deepest(make_report: MakeReport) -> None:
    past = Past()
    for minute, depth in [(0, 3), (5, 7), (10, 5), (15, 0), (45, 2)]:
        at = EPOCH + minute * MINUTE
        past = look(past, report(make_report(), at=at + MINUTE, queues=queues(mail=depth)), audited_at=at)
        past = look(past, report(make_report(), at=at + 2 * MINUTE, queues=queues(mail=depth)), audited_at=at)
    assert [((sample.at - EPOCH) / MINUTE, sample.depth) for sample in past.history.queues["mail"]] == [(5, 7), (15, 0), (45, 2)]


def test_a_queue_has_a_day_of_samples_at_most_and_none_that_nobody_took(make_report: MakeReport) -> None:
    past = Past()
    for number in range(200):
        at = EPOCH + number * SLOT
        past = look(past, report(make_report(), at=at, queues=queues(mail=number)), audited_at=at)
    assert [sample.depth for sample in past.history.queues["mail"]] == list(range(200 - SAMPLES, 200))
    at += DAY / 2 + MINUTE
    past = look(past, report(make_report(), at=at), audited_at=None)
    assert len(past.history.queues["mail"]) == SAMPLES // 2
    old = look(past, report(make_report(), at=at + DAY, queues=queues(mail=1)), audited_at=at - DAY)
    assert old.history.queues == {}


# --- Changes -----------------------------------------------------------------------------------------------------------


def test_a_life_begins_and_ends_once(make_report: MakeReport) -> None:
    past = look(Past(), report(make_report()))
    for minute in (1, 2):
        at = EPOCH + minute * MINUTE
        past = look(past, report(make_report(), at=at, stopped_at=at))
    assert told(past) == ["the supervisor stopped", "the supervisor started"]
    next_life = remember(past.history, report(make_report()), EPOCH + 62 * MINUTE)
    assert told(look(next_life, report(make_report(), at=EPOCH + 62 * MINUTE)))[0] == (
        "the supervisor started; nothing was watched for 1 h 00 min"
    )


def test_what_happened_while_nobody_watched_is_told_by_the_next_life(make_report: MakeReport) -> None:
    past = look(Past(), report(make_report()))
    past = remember(past.history, report(make_report()), EPOCH + MINUTE)
    past = look(past, report(make_report(status="unhealthy"), at=EPOCH + MINUTE))
    assert told(past)[0] == "mailer is unhealthy, was healthy"


def test_of_many_changes_the_newest_are_kept(make_report: MakeReport) -> None:
    names = [f"agent-{number:03}" for number in range(2 * CHANGES)]
    past = look(Past(), report(*map(make_report, names)))
    past = look(past, report(*(make_report(name, status="unhealthy") for name in names), at=EPOCH + MINUTE))
    assert told(past) == [f"{name} is unhealthy, was healthy" for name in names[: CHANGES - 1 : -1]]


# --- Properties ----------------------------------------------------------------------------------------------------------

NAMES = ("mailer", "watcher", "sync")


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[timedelta, dict[str, Status], dict[str, int], bool]]:
    """Reports with the time between them, which may be none, long, or back."""
    between = st.one_of(
        st.timedeltas(timedelta(), 20 * MINUTE), st.timedeltas(timedelta(), 2 * DAY), st.timedeltas(-DAY, timedelta())
    )
    agents = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(STATUSES))
    depths = st.dictionaries(st.sampled_from(["mail", "pay"]), st.integers(0, 200), max_size=2)
    return draw(st.lists(st.tuples(between, agents, depths, st.booleans()), max_size=60))


def assert_sound(history: History, now: datetime) -> None:
    for runs in history.agents.values():
        assert 0 < len(runs) <= RUNS
        assert all(now - DAY <= run.since <= run.until <= now for run in runs)
        assert all(one.until == next_one.since for one, next_one in pairwise(runs))
    for samples in history.queues.values():
        assert 0 < len(samples) <= SAMPLES
        assert [sample.at for sample in samples] == sorted({sample.at for sample in samples})
        assert all(now - DAY <= sample.at <= now for sample in samples)
    assert len(history.changes) <= CHANGES
    at = [change.at for change in history.changes]
    assert at == sorted(at, reverse=True)
    assert all(instant <= now for instant in at)


@given(story=stories(), once=st.booleans())
def test_whatever_happens_it_is_in_order_without_gaps_and_bounded(
    story: list[tuple[timedelta, dict[str, Status], dict[str, int], bool]], once: bool
) -> None:
    past, now = Past(), EPOCH
    for passed, statuses, depths, stopped in story:
        now += passed
        agents = [AGENT(name, status) for name, status in statuses.items()]
        seen = report(*agents, at=now, queues=queues(**depths) if depths else None, stopped_at=now if stopped else None)
        past = look(past, seen, once=once)
        assert_sound(past.history, now)
        assert all(past.history.agents[name][-1].status == status for name, status in statuses.items())
        assert look(past, seen, once=once) == past, "the same report once more is no news"
    assert remember(past.history, None, now).history == past.history, "what was kept is taken over as it is"


def AGENT(name: str, status: Status) -> AgentReport:  # noqa: N802 - reads like the fixture that it stands for
    return AgentReport(
        name=name,
        status=status,
        detail="",
        missed=0,
        last_heartbeat=None,
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


anything = st.datetimes(timezones=st.sampled_from([None, UTC]) | st.timezones())
near = st.timedeltas(-2 * DAY, DAY).map(lambda apart: EPOCH + apart)
instants = near | anything
texts = st.text(max_size=1000)
hostile = st.builds(
    History,
    version=st.integers(),
    seen_at=st.none() | instants,
    agents=st.dictionaries(
        texts,
        st.lists(st.builds(StateRun, status=st.sampled_from([*STATUSES, "not_watched"]), since=instants, until=instants)).map(
            tuple
        ),
    ),
    queues=st.dictionaries(texts, st.lists(st.builds(QueueSample, at=instants, depth=st.integers())).map(tuple)),
    changes=st.lists(st.builds(Change, at=instants, subject=texts, what=texts), max_size=70).map(tuple),
)


@given(history=hostile)
def test_a_history_that_somebody_made_up_is_put_in_order(history: History) -> None:
    past = remember(history, None, EPOCH)
    assert_sound(past.history, EPOCH)
    for change in past.history.changes:
        assert len(change.subject) <= 300
        assert len(change.what) <= 300
    assert msgspec.json.decode(msgspec.json.encode(past.history), type=History) == past.history
    after = look(past, report(AGENT("mailer", "healthy"), at=EPOCH + MINUTE))
    assert_sound(after.history, EPOCH + MINUTE)


def test_what_a_kept_history_does_not_tell_was_not_watched() -> None:
    def run(status: Any, since: int, until: int) -> StateRun:
        return StateRun(status=status, since=EPOCH - since * MINUTE, until=EPOCH - until * MINUTE)

    found = (run("healthy", 30, 5), run("escalated", 60, 50), run("late", 55, 45))
    past = remember(History(agents={"mailer": found}), None, EPOCH)
    assert past.history.agents["mailer"] == (
        run("escalated", 60, 50),
        run("late", 50, 45),
        run("not_watched", 45, 30),
        run("healthy", 30, 5),
    )


def test_a_history_of_very_many_is_cut_down(make_report: MakeReport) -> None:
    runs = (StateRun(status="healthy", since=EPOCH - MINUTE, until=EPOCH),)
    many: dict[str, tuple[StateRun, ...]] = {f"agent-{number}": runs for number in range(20 * OTHERS)}
    lined: dict[str, tuple[QueueSample, ...]] = {
        f"queue-{number}": (QueueSample(at=EPOCH, depth=1),) for number in range(20 * OTHERS)
    }
    past = remember(History(agents=many, queues=lined), None, EPOCH)
    assert len(past.history.agents) == 10 * OTHERS
    past = look(past, report(make_report(), at=EPOCH + MINUTE, queues=queues(mail=1)))
    assert (len(past.history.agents), len(past.history.queues)) == (OTHERS + 2, OTHERS + 1)
