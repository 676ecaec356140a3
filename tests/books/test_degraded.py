"""The alert of the degraded mode, which lies where anybody may leave a file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collections_supervisor.books.degraded import SIZE_LIMIT, read_degraded

NOON = 1795348800.0
"""2026-11-22 12:00:00 UTC: when the alert was written."""

ALERT = "\u26a0 DEGRADED_MODE ALERT \x1b[31m\nTime: 2026-11-22\n" + "line\n" * 5


class World:
    """The two files, and who asks."""

    def __init__(self, folder: Path) -> None:
        self.alert = folder / "alert.txt"
        self.audit = folder / "audit.log"
        self.write(self.alert, ALERT, NOON)

    def write(self, path: Path, text: str, mtime: float) -> None:
        path.write_text(text)
        os.utime(path, (mtime, mtime))

    def is_degraded(self) -> bool:
        return read_degraded(self.alert, self.audit, os.geteuid()) is not None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_alert_is_a_warning_with_its_first_line(world: World) -> None:
    finding = read_degraded(world.alert, world.audit, os.geteuid())
    assert finding is not None
    assert (finding.kind, finding.severity, finding.path, finding.invoice) == ("degraded_mode", "warning", str(world.alert), None)
    assert "\u26a0 DEGRADED_MODE ALERT" in finding.detail
    assert finding.detail.isprintable()
    assert finding.advice


def test_no_alert_is_nothing(world: World) -> None:
    world.alert.unlink()
    assert not world.is_degraded()


@pytest.mark.parametrize("text", ["", "all is well\nDEGRADED_MODE ALERT\n", ALERT + "x" * SIZE_LIMIT])
def test_what_is_no_alert_is_nothing(world: World, text: str) -> None:
    world.write(world.alert, text, NOON)
    assert not world.is_degraded()


def test_the_file_of_another_user_says_nothing(world: World) -> None:
    assert read_degraded(world.alert, world.audit, os.geteuid() + 1) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_regular_file_says_nothing(world: World, make: Callable[[Path], None]) -> None:
    world.alert.unlink()
    make(world.alert)
    assert not world.is_degraded()
    world.alert.unlink() if not world.alert.is_dir() else world.alert.rmdir()
    world.write(world.alert, ALERT, NOON)
    make(world.audit)
    assert world.is_degraded()


@pytest.mark.parametrize(
    ("log", "mtime", "degraded"),
    [
        ("", NOON + 60, True),
        ("TOKEN_REFRESH_AUDIT: ok\n", NOON + 60, False),
        ("TOKEN_REFRESH_AUDIT: ok\n", NOON - 60, True),
        ("TOKEN_REFRESH_AUDIT: ok\nother\n", NOON + 60, True),
        ("2026-11-22T12:01:00Z TOKEN_REFRESH_AUDIT: ok\nother\n", NOON + 60, False),
        ("2026-11-22T14:01:00+02:00 TOKEN_REFRESH_AUDIT: ok\nother\n", NOON + 60, False),
        ("2026-11-22T11:59:00Z TOKEN_REFRESH_AUDIT: ok\n", NOON + 60, True),
        ("2026-11-22 11:59:00 TOKEN_REFRESH_AUDIT: ok\n", NOON + 60, False),
        ("2026-11-22T12:01:00Z other\n", NOON + 60, True),
        ("other\n" * SIZE_LIMIT + "TOKEN_REFRESH_AUDIT: ok\n", NOON + 60, False),
    ],
    ids=range(10),
)
def test_it_is_over_with_a_token_that_was_refreshed_later(world: World, log: str, mtime: float, degraded: bool) -> None:
    world.write(world.audit, log, mtime)
    assert world.is_degraded() == degraded
