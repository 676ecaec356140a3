"""From what was done to lines and back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.escalation import outbox_lines as lines
from collections_supervisor.escalation.entries import Entries, Entry
from collections_supervisor.messages import Notice, Now

Make = Callable[..., Notice]
AT = datetime(2026, 11, 22, tzinfo=UTC)
NOW = Now(mono=1000.0, wall=AT + timedelta(seconds=600))


def written(*found: lines.Line) -> bytes:
    return b"".join(lines.encode(line) + b"\n" for line in found)


def rendered(book: Entries) -> bytes:
    return written(*(line for entry in book.all() for line in lines.lines_of(entry)))


def intent(made: Notice, *channels: str) -> lines.Intent:
    return lines.Intent(at=AT, channels=channels, notice=made)


def test_the_way_of_one_notice(make_notice: Make) -> None:
    about: dict[str, Any] = {"dedup_key": "agent/payment-watcher/0", "sequence": 1}
    data = written(
        intent(make_notice(), "a", "b", "c"),
        lines.Attempt(**about, channel="a", attempt=1),
        lines.Failed(**about, channel="a", error="down", next_at=AT),
        lines.Attempt(**about, channel="a", attempt=2),
        lines.Delivered(**about, channel="a", at=AT),
        lines.Attempt(**about, channel="b", attempt=1),
        lines.Expired(**about, channel="b", error="refused"),
        lines.Skipped(**about, channel="c"),
    )
    book, unusable = lines.replay(data, NOW)
    assert unusable == []
    (entry,) = book.all()
    assert entry.notice == make_notice()
    assert (entry.put_at, entry.put_on, entry.taken_by, entry.taken_at) == (400.0, AT, "a", AT)
    assert [(leg.state, leg.attempts, leg.error) for leg in entry.legs.values()] == [
        ("delivered", 2, ""),
        ("expired", 1, "refused"),
        ("skipped", 0, ""),
    ]


def test_the_lines_are_json_that_a_person_can_read(make_notice: Make) -> None:
    line = json.loads(lines.encode(intent(make_notice(), "a")))
    assert (line["type"], line["channels"], line["at"]) == ("intent", ["a"], "2026-11-22T00:00:00Z")
    assert line["notice"]["dedup_key"] == "agent/payment-watcher/0"
    kinds = [lines.Attempt, lines.Failed, lines.Delivered, lines.Expired, lines.Skipped, lines.Dropped]
    assert [kind.__struct_config__.tag for kind in kinds] == ["attempt", "failed", "delivered", "expired", "skipped", "dropped"]


def test_what_was_under_way_or_waiting_is_due_again(make_notice: Make) -> None:
    about: dict[str, Any] = {"dedup_key": "agent/payment-watcher/0", "sequence": 1}
    data = written(
        intent(make_notice(), "a", "b"),
        lines.Attempt(**about, channel="a", attempt=7),
        lines.Attempt(**about, channel="b", attempt=1),
        lines.Failed(**about, channel="b", error="down", next_at=AT + timedelta(hours=1)),
    )
    (entry,) = lines.replay(data, NOW)[0].all()
    assert [(leg.state, leg.attempts, leg.error, leg.next_at) for leg in entry.legs.values()] == [
        ("pending", 7, "", None),
        ("pending", 1, "down", None),
    ]


def test_what_was_dropped_is_gone_with_all_that_was_said_of_it(make_notice: Make) -> None:
    about: dict[str, Any] = {"dedup_key": "agent/payment-watcher/0", "sequence": 1}
    gone = written(
        intent(make_notice(), "a"),
        lines.Dropped(**about),
        lines.Failed(**about, channel="a", error="down"),
        lines.Dropped(**about),
    )
    book, unusable = lines.replay(gone, NOW)
    assert (book.all(), unusable) == ((), [])
    again, _ = lines.replay(gone + written(intent(make_notice(text="again"), "b")), NOW)
    assert [entry.notice.text for entry in again.all()] == ["again"]


def test_a_clock_that_was_set_back_lets_nothing_grow_younger(make_notice: Make) -> None:
    data = written(lines.Intent(at=AT + timedelta(days=9), channels=("a",), notice=make_notice()))
    assert lines.replay(data, NOW)[0].all()[0].put_at == 1000.0


def test_what_makes_no_sense_is_handed_back(make_notice: Make) -> None:
    good = lines.encode(intent(make_notice(), "a"))
    newer = json.loads(good) | {"type": "postponed"}
    naive = json.loads(good) | {"at": "2026-11-22T00:00:00"}
    bad = [
        good[:-20],
        b"\x00\xff",
        b"[" * 100_000,
        b"7",
        b"{}",
        json.dumps(newer).encode(),
        json.dumps(naive).encode(),
        b'{"type":"delivered","dedup_key":"never/heard/of","sequence":1,"channel":"a","at":"2026-11-22T00:00:00Z"}',
        b'{"type":"expired","dedup_key":"agent/payment-watcher/0","sequence":1,"channel":"other"}',
        b'{"type":"attempt","dedup_key":"agent/payment-watcher/0","sequence":1,"channel":"a","attempt":-1}',
    ]
    book, unusable = lines.replay(b"\n".join([good, b"", b"  ", *bad]), NOW)
    assert unusable == bad
    assert [entry.notice for entry in book.all()] == [make_notice()]


def test_members_of_a_newer_release_are_ignored(make_notice: Make) -> None:
    line = json.loads(lines.encode(intent(make_notice(), "a")))
    line["mood"] = line["notice"]["mood"] = "new"
    assert [entry.notice for entry in lines.replay(json.dumps(line).encode(), NOW)[0].all()] == [make_notice()]


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    lines.replay(data, NOW)


def test_a_text_that_json_cannot_hold_is_made_fit(make_notice: Make) -> None:
    book = Entries()
    book.put(make_notice(text="\ud800", reason="x" * 1_000_000), ["a"], 0, AT)
    (entry,) = lines.replay(rendered(book), NOW)[0].all()
    assert entry.notice.text == "\N{REPLACEMENT CHARACTER}"
    assert len(entry.notice.reason) == 2000


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "attempt", "fail", "deliver", "expired", "skipped", "drop"]),
        st.integers(1, 3),
        st.sampled_from(["a", "b"]),
    ),
    max_size=30,
)


@given(STEPS)
def test_told_line_by_line_or_rendered_whole_it_is_the_same(steps: list[tuple[str, int, str]]) -> None:
    book, told = Entries(), []
    for step, sequence, channel in steps:
        line = follow(book, step, sequence, channel)
        told += [line] if line is not None else []
    known = [as_told(entry) for entry in book.all()]
    assert [as_told(entry) for entry in lines.replay(written(*told), NOW)[0].all()] == known
    assert [as_told(entry) for entry in lines.replay(rendered(book), NOW)[0].all()] == known
    # Rewritten whole in the middle, with some lines standing there a second time.
    assert [as_told(entry) for entry in lines.replay(rendered(book) + written(*told[-1:]), NOW)[0].all()] == known


def as_told(entry: Entry) -> object:
    legs = [(name, leg.state, leg.attempts, leg.error, leg.at) for name, leg in entry.legs.items()]
    return entry.notice, legs, entry.taken_by, entry.taken_at


def follow(book: Entries, step: str, sequence: int, channel: str) -> lines.Line | None:
    made = Notice(
        dedup_key="k", sequence=sequence, notice="opened", incident_id="1", kind="agent", agent="a", missed=2,
        created_at=AT, since=AT, last_heartbeat=None, restarts=0, reason="r", text="t",
    )  # fmt: skip
    key = ("k", sequence)
    about: dict[str, Any] = {"dedup_key": "k", "sequence": sequence}
    entry = book.get(key)
    if step == "put":
        return lines.intent(book.put(made, ["a", "b"], 0, AT)) if entry is None else None
    if entry is None:
        return None
    if step == "drop":
        book.drop(key)
        return lines.Dropped(**about)
    if entry.legs[channel].state != "pending":
        return None
    match step:
        case "attempt":
            return lines.Attempt(**about, channel=channel, attempt=book.attempt(key, channel))
        case "fail":
            book.fail(key, channel, "down", AT)
            return lines.Failed(**about, channel=channel, error="down", next_at=AT)
        case "deliver":
            book.deliver(key, channel, AT + timedelta(seconds=ord(channel)))
            return lines.Delivered(**about, channel=channel, at=AT + timedelta(seconds=ord(channel)))
        case "expired":
            book.close(key, channel, "expired", "refused")
            return lines.Expired(**about, channel=channel, error="refused")
        case _:
            book.close(key, channel, "skipped")
            return lines.Skipped(**about, channel=channel)


@pytest.mark.parametrize("state", ["pending", "failed", "delivered", "expired", "skipped"])
def test_a_rendered_leg_names_no_more_than_it_knows(make_notice: Make, state: Any) -> None:
    book = Entries()
    entry = book.put(make_notice(), ["a"], 0, AT)
    if state == "delivered":
        book.deliver(entry.key, "a", AT)
    elif state == "failed":
        book.fail(entry.key, "a", "down", AT)
    elif state != "pending":
        book.close(entry.key, "a", state)
    told = [str(type(line).__struct_config__.tag) for line in lines.lines_of(entry)]
    assert told == ["intent"] if state == "pending" else ["intent", state]
    assert msgspec.json.decode(lines.encode(lines.intent(entry)))["type"] == "intent"


@given(st.data())
def test_cut_off_anywhere_it_tells_what_came_before(data: st.DataObject) -> None:
    book, told = Entries(), []
    for sequence in range(1, 4):
        told += [
            follow(book, "put", sequence, "a"),
            follow(book, "attempt", sequence, "a"),
            follow(book, "deliver", sequence, "a"),
        ]
    whole = written(*(line for line in told if line is not None))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    before, unusable = lines.replay(cut, NOW)
    assert len(unusable) <= 1
    assert len(before.all()) == cut.count(b'"type":"intent"') - (1 if unusable and b'"intent"' in unusable[0] else 0)
    after_cut, _ = lines.replay(cut + b"\n" + whole, NOW)
    assert [as_told(entry) for entry in after_cut.all()] == [as_told(entry) for entry in book.all()]
