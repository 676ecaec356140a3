"""Which notice goes where, and when."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation.entries import Entries, Entry
from collections_supervisor.escalation.planning import NOT_YET, Ladder, Plan, channels_for, plan
from collections_supervisor.messages import Grouped, Notice

Make = Callable[..., Notice]
AT = datetime(2026, 11, 22, tzinfo=UTC)
KEY = "agent/payment-watcher/0"

LADDER = Ladder({"low": 0.0, "also-low": 0.0, "mid": 60.0, "high": 600.0})


class Desk:
    """Entries, and the plan for them."""

    def __init__(self) -> None:
        self.book = Entries()

    def put(self, notice: Notice, at: float = 0.0) -> Entry:
        return self.book.put(notice, channels_for(notice, LADDER, self.book.telling_of), at, AT)

    def plan(self, now: float = 0.0, pressing: Collection[str] = (), busy: Collection[Any] = ()) -> Plan:
        return plan(self.book.pending(), self.book.telling_of, LADDER, pressing=pressing, busy=busy, now=now)

    def starts(self, now: float = 0.0, pressing: Collection[str] = (), busy: Collection[Any] = ()) -> list[tuple[int, str]]:
        return [(entry.notice.sequence, name) for entry, name in self.plan(now, pressing, busy).start]

    def settle(self, entry: Entry, *names: str, how: str = "ok") -> None:
        for name in names:
            if how == "ok":
                self.book.deliver(entry.key, name, AT)
            else:
                self.book.close(entry.key, name, "expired", how)


def test_rungs_count_from_the_lowest() -> None:
    assert [LADDER.rung(name) for name in LADDER.names] == [0, 0, 1, 2]
    assert LADDER.rung("not configured any more") == 0


def test_the_lowest_rung_is_used_at_once_and_the_next_in_time(make_notice: Make) -> None:
    desk = Desk()
    entry = desk.put(make_notice(), at=100)
    found = desk.plan(100)
    assert [name for _, name in found.start] == ["low", "also-low"]
    assert (found.wake_at, found.waiting) == (160, True)
    desk.settle(entry, "low", "also-low")
    assert desk.starts(160, pressing=[KEY]) == [(1, "mid")]
    assert desk.starts(700, pressing=[KEY]) == [(1, "mid"), (1, "high")]


def test_what_somebody_knows_of_waits(make_notice: Make) -> None:
    desk = Desk()
    desk.settle(desk.put(make_notice()), "low", "also-low")
    found = desk.plan(10_000)
    assert (found.start, found.skip, found.wake_at, found.waiting) == ([], [], NOT_YET, True)


def test_a_rung_that_failed_altogether_brings_the_next(make_notice: Make) -> None:
    desk = Desk()
    entry = desk.put(make_notice())
    desk.settle(entry, "low", how="refused")
    assert desk.starts() == [(1, "also-low")]
    desk.settle(entry, "also-low", how="refused")
    assert desk.starts() == [(1, "mid")]
    desk.settle(entry, "mid", how="refused")
    assert desk.starts() == [(1, "high")]


def test_what_was_begun_goes_on_whoever_knows_of_it(make_notice: Make) -> None:
    desk = Desk()
    entry = desk.put(make_notice())
    desk.settle(entry, "low", "also-low")
    desk.book.attempt(entry.key, "mid")
    assert desk.starts() == [(1, "mid")]


def test_later_channels_get_the_latest_news_only(make_notice: Make) -> None:
    desk = Desk()
    desk.settle(desk.put(make_notice(1)), "low", "also-low")
    reminder = desk.put(make_notice(2, notice="reminder"), at=50)
    found = desk.plan(50, pressing=[KEY])
    assert [name for _, name in found.skip] == ["mid", "high"]
    assert found.wake_at == 60  # counted from the first notice
    desk.settle(reminder, "low", "also-low")
    for entry, name in found.skip:
        desk.book.close(entry.key, name, "skipped")
    assert desk.starts(60, pressing=[KEY]) == [(2, "mid")]


def test_a_first_notice_that_nobody_has_is_not_overtaken(make_notice: Make) -> None:
    desk = Desk()
    desk.put(make_notice(1))
    desk.put(make_notice(2, notice="reminder"), at=50)
    found = desk.plan(60, pressing=[KEY])
    assert found.skip == []
    assert [(entry.notice.sequence, name) for entry, name in found.start] == [(1, "low"), (1, "also-low"), (1, "mid")]


def test_of_one_incident_a_channel_gets_one_notice_at_a_time(make_notice: Make) -> None:
    desk = Desk()
    first, second = desk.put(make_notice(1)), desk.put(make_notice(2, notice="reminder"))
    assert desk.starts(busy={(first.key, "low")}) == [(1, "also-low")]
    desk.settle(first, "low")
    assert desk.starts(busy={(first.key, "also-low")}) == [(2, "low")]
    assert desk.starts(busy={(first.key, "also-low"), (second.key, "low")}) == []


def test_what_is_told_together_is_in_the_way_of_each(make_notice: Make, make_together: Any) -> None:
    desk = Desk()
    both = desk.put(make_together(make_notice(agent="a"), make_notice(agent="b")))
    desk.settle(both, "low")
    desk.put(make_notice(2, agent="b", notice="resolved"))
    desk.put(make_notice(1, agent="c"))
    assert desk.starts() == [(1, "also-low"), (2, "low"), (1, "low"), (1, "also-low")]


def test_what_is_told_together_climbs_as_long_as_one_of_them_presses(make_notice: Make, make_together: Any) -> None:
    desk = Desk()
    both = desk.put(make_together(make_notice(agent="a"), make_notice(agent="b")))
    desk.settle(both, "low", "also-low")
    assert desk.starts(100, pressing=["agent/b/0"]) == [(1, "mid")]
    desk.put(make_notice(2, agent="b", notice="resolved"), at=50)
    assert desk.plan(100, pressing=["agent/a/0"]).skip == []
    desk.put(make_notice(2, agent="a", notice="resolved"), at=50)
    assert [name for _, name in desk.plan(100).skip] == ["mid", "high"]


# --- The end of an incident ---


def test_the_end_goes_where_the_beginning_went(make_notice: Make) -> None:
    desk = Desk()
    opened = desk.put(make_notice(1))
    desk.settle(opened, "low")
    desk.settle(opened, "also-low", how="refused")
    desk.settle(opened, "high")
    assert list(desk.put(make_notice(2, notice="resolved")).legs) == ["low", "high"]
    assert desk.starts() == [(2, "low"), (2, "high")]


def test_the_end_waits_where_the_beginning_is_on_its_way(make_notice: Make) -> None:
    desk = Desk()
    opened = desk.put(make_notice(1))
    desk.settle(opened, "low")
    desk.book.attempt(opened.key, "mid")
    end = desk.put(make_notice(2, notice="resolved"))
    assert list(end.legs) == ["low", "also-low", "mid"]
    assert desk.starts() == [(1, "also-low"), (1, "mid"), (2, "low")]
    desk.settle(opened, "mid", how="refused")
    assert [name for _, name in desk.plan().unheard] == ["mid"]


def test_the_end_follows_an_alarm_that_is_told_later_for_the_sake_of_another(make_notice: Make, make_together: Any) -> None:
    desk = Desk()
    both = desk.put(make_together(make_notice(agent="a"), make_notice(agent="b")))
    desk.settle(both, "low", "also-low")
    end = desk.put(make_notice(2, agent="b", notice="resolved"), at=50)
    assert list(end.legs) == ["low", "also-low", "mid", "high"]
    assert desk.starts(50, pressing=["agent/a/0"]) == [(2, "low"), (2, "also-low")]
    desk.settle(end, "low", "also-low")
    assert desk.starts(60, pressing=["agent/a/0"]) == [(1, "mid")]
    assert desk.starts(60, busy={(both.key, "mid")}) == []
    desk.settle(both, "mid")
    assert desk.starts(60) == [(2, "mid")]
    desk.settle(both, "high", how="refused")
    assert [(entry.notice.sequence, name) for entry, name in desk.plan(60).unheard] == [(2, "high")]


def test_where_the_alarm_is_not_told_any_more_its_end_is_not_missed(make_notice: Make, make_together: Any) -> None:
    desk = Desk()
    both = desk.put(make_together(make_notice(agent="a"), make_notice(agent="b")))
    ends = [desk.put(make_notice(2, agent=agent, notice="resolved"), at=50) for agent in "ab"]
    desk.settle(both, "low", "also-low")
    for end in ends:
        desk.settle(end, "low", "also-low")
    for entries in ([both], ends):
        found = desk.plan(1000)
        assert (found.start, found.unheard) == ([], [])
        assert found.skip == [(entry, name) for entry in entries for name in ("mid", "high")]
        for entry, name in found.skip:
            desk.book.close(entry.key, name, "skipped")
    assert desk.book.pending() == ()


def test_the_end_of_something_unknown_goes_to_the_lowest_rung(make_notice: Make) -> None:
    desk = Desk()
    desk.put(make_notice(2, notice="resolved"))
    assert desk.starts() == [(2, "low"), (2, "also-low")]


def test_a_merged_end_climbs_only_when_nobody_below_can_be_told(make_notice: Make) -> None:
    desk = Desk()
    merged = desk.put(make_notice(1, notice="resolved", merged=True))
    assert desk.starts(10_000) == [(1, "low"), (1, "also-low")]
    desk.settle(merged, "low", "also-low", how="refused")
    assert desk.starts() == [(1, "mid")]
    desk.settle(merged, "mid")
    assert [name for _, name in desk.plan().skip] == ["high"]


def test_a_merged_end_goes_at_once_where_the_alarm_may_have_got_through(make_notice: Make) -> None:
    desk = Desk()
    opened = desk.put(make_notice(1))
    for name in ("low", "also-low", "mid"):
        desk.book.attempt(opened.key, name)
    desk.put(make_notice(2, notice="resolved", merged=True))
    assert desk.starts() == [(1, "low"), (1, "also-low"), (1, "mid")]
    desk.settle(opened, "mid")
    assert (2, "mid") in desk.starts()
    assert (2, "high") not in desk.starts()


@given(st.data())
def test_nothing_is_ever_stuck_and_order_is_kept(data: st.DataObject) -> None:
    """Whatever fails: in the end every alarm was delivered or given up everywhere it was due, in order on each channel."""
    desk = Desk()
    seen: dict[str, list[int]] = {name: [] for name in LADDER.names}
    count = data.draw(st.integers(1, 4))
    for sequence in range(1, count + 1):
        kind = "opened" if sequence == 1 else data.draw(st.sampled_from(["reminder", "resolved"]))
        desk.put(notice_of(sequence, kind), at=float(sequence * 30))
    now = 0.0
    for _ in range(200):
        found = desk.plan(now, pressing=[KEY])
        for entry, name in found.skip:
            desk.book.close(entry.key, name, "skipped")
        for entry, name in found.unheard:
            desk.book.close(entry.key, name, "expired", "unheard")
        for entry, name in found.start:
            seen[name].append(entry.notice.sequence)
            desk.settle(entry, name, how=data.draw(st.sampled_from(["ok", "refused"])))
        if not (found.start or found.skip or found.unheard):
            if found.wake_at == NOT_YET:
                break
            now = found.wake_at
    assert desk.book.pending() == ()
    assert all(sequences == sorted(set(sequences)) for sequences in seen.values())
    first = desk.book.all()[0]
    assert first.taken_by or first.lost


@given(st.data())
def test_of_what_is_told_together_nobody_misses_an_end(data: st.DataObject) -> None:
    """Whatever fails and whoever recovers when: who had the alarm has the end of each, and nobody has an end without it."""
    desk = Desk()
    ends = {
        KEY: data.draw(st.sampled_from([10.0, 70.0, 700.0])),
        "agent/other/0": data.draw(st.sampled_from([20.0, 90.0, 800.0])),
    }
    grouped = tuple(Grouped(incident_id=key, dedup_key=key, agent=None, missed=2, reason="") for key in ends)
    both = desk.put(msgspec.structs.replace(notice_of(1, "opened"), grouped=grouped))
    had: dict[str, list[Entry]] = {name: [] for name in LADDER.names}
    now = 0.0
    for _ in range(200):
        over = [key for key, at in ends.items() if at <= now]
        for key in over:
            desk.put(notice_of(2, "resolved", key), at=ends[key])
        found = desk.plan(now, pressing=[key for key in ends if key not in over])
        for entry, name in found.skip:
            desk.book.close(entry.key, name, "skipped")
        for entry, name in found.unheard:
            desk.book.close(entry.key, name, "expired", "unheard")
        for entry, name in found.start:
            # Somebody has to hear of it, or it would be told as one with its end.
            works = name == "low" or data.draw(st.booleans())
            desk.settle(entry, name, how="ok" if works else "refused")
            had[name] += [entry] if works or entry is not both else []
        if not (found.start or found.skip or found.unheard):
            now = min([found.wake_at, *(at for at in ends.values() if at > now)])
            if now == NOT_YET:
                break
    assert desk.book.pending() == ()
    for entries in had.values():
        assert [entry.notice.notice for entry in entries] in ([], ["opened", "resolved", "resolved"])


def notice_of(sequence: int, kind: Any, key: str = KEY) -> Notice:
    return Notice(
        dedup_key=key,
        sequence=sequence,
        notice=kind,
        incident_id="1",
        kind="agent",
        agent="payment-watcher",
        missed=2,
        created_at=AT,
        since=AT,
        last_heartbeat=None,
        restarts=0,
        reason="",
        text="",
    )
