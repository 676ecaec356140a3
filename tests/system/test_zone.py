"""The time zone of the machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collections_supervisor.system.zone import local_zone

WINTER, SUMMER = datetime(2026, 1, 15, 12, 0, tzinfo=UTC), datetime(2026, 7, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def berlin(tmp_path: Path) -> Path:
    """A zone file as machines have it, where nothing but its place names the zone."""
    place = tmp_path / "zoneinfo" / "Europe"
    place.mkdir(parents=True)
    (place / "Berlin").write_bytes(b"not looked into: its name is enough")
    link = tmp_path / "localtime"
    link.symlink_to(place / "Berlin")
    return link


def test_what_the_environment_says_comes_first(berlin: Path) -> None:
    assert local_zone({"TZ": "America/Bogota"}, berlin) == ZoneInfo("America/Bogota")
    assert local_zone({"TZ": ":America/Bogota"}, berlin) == ZoneInfo("America/Bogota")


@pytest.mark.parametrize("named", ["", "Nowhere/At_All", "../../etc/passwd", "EST5EDT4,garbage", "x\0y", "/abs"])
def test_else_the_machine(berlin: Path, named: str) -> None:
    zone = local_zone({"TZ": named}, berlin)
    assert [at.astimezone(zone).utcoffset() for at in (WINTER, SUMMER)] == [timedelta(hours=1), timedelta(hours=2)]


def test_a_zone_file_that_is_no_link_is_read(tmp_path: Path) -> None:
    from importlib.resources import files

    copied = tmp_path / "localtime"
    copied.write_bytes((files("tzdata") / "zoneinfo" / "Asia" / "Kolkata").read_bytes())
    assert WINTER.astimezone(local_zone({}, copied)).utcoffset() == timedelta(hours=5, minutes=30)


def test_else_utc(tmp_path: Path) -> None:
    garbage = tmp_path / "localtime"
    garbage.write_bytes(b"garbage")
    assert local_zone({}, garbage) == UTC
    assert local_zone({}, tmp_path / "missing") == UTC
    garbage.unlink()
    garbage.mkdir()
    assert local_zone({}, garbage) == UTC
