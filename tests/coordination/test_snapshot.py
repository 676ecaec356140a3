"""The file from which the next life goes on."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.coordination.report import build
from collections_supervisor.coordination.snapshot import decode_report, decode_snapshot, encode_snapshot
from collections_supervisor.coordination.state import FleetState
from collections_supervisor.messages import Now, Report, Trouble
from collections_supervisor.system.plain import plain

EPOCH = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
SAVED = Now(mono=1000.0, wall=EPOCH, slept=5.0)
AGENTS = {"mailer": msgspec.Raw(b'{"beat_at":990.5}'), "gone": msgspec.Raw(b'{"any":"thing"}')}


@pytest.fixture
def fleet(make_world: Callable[..., Any], make_trouble: Callable[..., Trouble]) -> FleetState:
    world = make_world("mailer")
    world.hear("mailer", trouble=make_trouble())
    world.look()
    return world.state  # type: ignore[no-any-return]


@pytest.fixture
def report(make_report: Any, fleet: FleetState) -> Report:
    return build([make_report()], fleet, at=EPOCH, run_id="r", version="1")


@pytest.fixture
def data(report: Report, fleet: FleetState) -> bytes:
    return encode_snapshot(plain(report), fleet, AGENTS, "boot-1", SAVED)


def later(mono: float, wall: float, slept: float = 5.0) -> Now:
    return Now(mono=1000.0 + mono, wall=EPOCH + timedelta(seconds=wall), slept=slept)


def test_it_is_the_report_and_the_state(data: bytes, report: Report) -> None:
    found = json.loads(data)
    state = found.pop("state")
    assert found == json.loads(msgspec.json.encode(plain(report)))
    assert (state["version"], state["boot_id"], list(state)) == (
        1,
        "boot-1",
        ["version", "boot_id", "saved", "fleet", "agents"],
    )
    assert state["saved"] == {"mono": 1000.0, "wall": "2026-11-22T11:00:00.000000Z", "slept": 5.0}
    assert state["agents"]["mailer"] == {"beat_at": 990.5}
    assert msgspec.json.decode(data, type=Report) == report, "who knows only the report can read it"


def test_within_the_same_boot_every_instant_stays(data: bytes, fleet: FleetState, report: Report) -> None:
    loaded = decode_snapshot(data, "boot-1", later(60.0, 90.0))
    assert (loaded.fleet, loaded.report, loaded.set_aside) == (fleet, report, "")
    assert (loaded.shift, loaded.excused) == (0.0, False)
    assert {name: bytes(raw) for name, raw in loaded.agents.items()} == {name: bytes(raw) for name, raw in AGENTS.items()}


@pytest.mark.parametrize(("here", "then"), [("boot-2", "boot-1"), ("", "boot-1"), ("boot-1", ""), ("", "")])
def test_after_another_boot_every_instant_keeps_its_time_of_day(here: str, then: str, fleet: FleetState, report: Report) -> None:
    data = encode_snapshot(plain(report), fleet, AGENTS, then, SAVED)
    loaded = decode_snapshot(data, here, Now(mono=40.0, wall=EPOCH + timedelta(seconds=300)))
    assert (loaded.shift, loaded.excused) == (40.0 - 1000.0 - 300.0, True)
    assert loaded.fleet is not None
    told_at = loaded.fleet.open["agent/mailer"].told_at
    assert told_at - 40.0 == pytest.approx(-300.0), "it was opened 300 seconds ago by the wall, and so it is by the other clock"


def test_a_clock_that_is_behind_after_a_boot_moves_nothing_into_the_future(fleet: FleetState, report: Report) -> None:
    data = encode_snapshot(plain(report), fleet, AGENTS, "boot-1", Now(mono=1060.0, wall=EPOCH + timedelta(seconds=60)))
    loaded = decode_snapshot(data, "boot-2", Now(mono=40.0, wall=EPOCH - timedelta(hours=8)))
    assert loaded.shift == 40.0 - 1060.0
    assert loaded.fleet is not None
    assert loaded.fleet.open["agent/mailer"].told_at == 40.0 - 60.0, "as old as it was, and no younger"
    assert decode_snapshot(data, "boot-1", later(60.0, -8 * 3600.0)).shift == 0.0


def test_nor_does_a_file_that_says_so(data: bytes) -> None:
    edited = json.loads(data)
    edited["state"]["fleet"]["open"]["agent/mailer"]["told_at"] = 1e6
    loaded = decode_snapshot(json.dumps(edited).encode(), "boot-1", later(60.0, 60.0))
    assert loaded.fleet is not None
    assert loaded.fleet.open["agent/mailer"].told_at == 1060.0


def test_a_clock_that_goes_back_is_of_another_boot_whatever_it_is_called(data: bytes) -> None:
    loaded = decode_snapshot(data, "boot-1", later(-990.0, 60.0))
    assert (loaded.shift, loaded.excused) == (-990.0 - 60.0, True)


@pytest.mark.parametrize(
    ("mono", "wall", "slept", "same"),
    [
        (3600.0, 3600.0, 5.0, True),
        (3600.0, 3660.0, 5.0, True),
        (3600.0, 3540.0, 5.0, True),
        (3600.0, 7200.0, 3605.0, True),
        (3600.0, 3661.0, 5.0, False),
        (3600.0, 3539.0, 5.0, False),
        (-1.0, -1.0, 5.0, False),
    ],
)
def test_where_boots_have_no_names_the_clocks_tell_them_apart(
    fleet: FleetState, report: Report, mono: float, wall: float, slept: float, same: bool
) -> None:
    data = encode_snapshot(plain(report), fleet, AGENTS, "", SAVED)
    loaded = decode_snapshot(data, "", later(mono, wall, slept))
    assert (loaded.shift == 0.0, loaded.excused) == (same, not same or slept > 5.0)


@pytest.mark.parametrize(("slept", "excused"), [(5.0, False), (7.0, False), (7.1, True), (3600.0, True)])
def test_a_machine_that_slept_meanwhile_excuses(data: bytes, slept: float, excused: bool) -> None:
    assert decode_snapshot(data, "boot-1", later(60.0, 60.0, slept)).excused == excused


def test_a_newer_form_is_read_as_far_as_it_is_known(data: bytes, fleet: FleetState) -> None:
    newer = json.loads(data)
    newer["state"]["version"] = 99
    newer["state"]["moods"] = newer["weather"] = ["sunny"]
    newer["state"]["fleet"]["version"] = 99
    loaded = decode_snapshot(json.dumps(newer).encode(), "boot-1", later(1.0, 1.0))
    assert loaded.fleet is not None
    assert (loaded.fleet.open, loaded.set_aside) == (fleet.open, "")


def test_where_only_the_incidents_cannot_be_read_the_rest_is_used(data: bytes) -> None:
    torn = json.loads(data)
    torn["state"]["fleet"]["open"]["agent/mailer"]["told_at"] = "noon"
    loaded = decode_snapshot(json.dumps(torn).encode(), "boot-1", later(1.0, 1.0))
    assert loaded.fleet is None
    assert loaded.set_aside.startswith("its incidents: ")
    assert "told_at" in loaded.set_aside
    assert set(loaded.agents) == {"mailer", "gone"}


def test_an_incident_is_found_where_it_belongs_however_it_was_filed(data: bytes, fleet: FleetState) -> None:
    edited = json.loads(data)
    edited["state"]["fleet"]["open"] = {"somewhere": edited["state"]["fleet"]["open"]["agent/mailer"]}
    loaded = decode_snapshot(json.dumps(edited).encode(), "boot-1", later(1.0, 1.0))
    assert loaded.fleet == fleet


def test_a_report_that_is_not_understood_is_done_without(data: bytes, fleet: FleetState) -> None:
    other = json.loads(data)
    other["agents"] = "none"
    loaded = decode_snapshot(json.dumps(other).encode(), "boot-1", later(1.0, 1.0))
    assert (loaded.report, loaded.fleet) == (None, fleet)
    assert decode_report(b"\xff") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"{}",
        b'{"state": {}}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"state": {"boot_id": "x", "saved": {"mono": 1, "wall": "2026-11-22T11:00:00"}, "fleet": {}}}',
        b'{"state": {"boot_id": "x", "saved": {"mono": 1e300, "wall": "2026-11-22T11:00:00Z"}, "fleet": {}}}',
        b'{"state": {"boot_id": "x", "saved": {"mono": 1, "wall": "0001-01-01T00:00:00Z"}, "fleet": {}}}',
        b'{"x": "\xff", "state": {"boot_id": "x", "saved": {"mono": 1, "wall": "2026-11-22T11:00:00Z"}, "fleet": {}}}',
    ],
)
def test_what_we_could_not_have_written_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_snapshot(data, "boot-1", later(1.0, 1.0))


@given(st.binary(max_size=300))
def test_no_bytes_are_a_surprise(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_snapshot(data, "boot-1", later(1.0, 1.0))
