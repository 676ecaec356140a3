"""What the doctor makes of what was found: each check, sound and not."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collections_supervisor.app import doctor_checks as checks
from collections_supervisor.app.doctor_checks import NAMED, Check, Place, Program
from collections_supervisor.config.schema import AgentConfig, LogSource, RestartPolicy, TouchSource
from collections_supervisor.messages import Beat, Reading

NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
LOG = Path("/beats/mailer.log")


def results(found: Iterable[Check]) -> list[str]:
    return [check.result for check in found]


def agent(**changes: object) -> AgentConfig:
    return AgentConfig(**{"name": "mailer", "sources": (LogSource(path=LOG),), **changes})  # type: ignore[arg-type]


def program(name: str = "openclaw", found: str | None = "/usr/bin/openclaw", *, executable: bool = True) -> Program:
    return Program(program=name, key="restart.openclaw of mailer", path="/usr/bin:/bin", found=found, executable=executable)


# --- Programs and OpenClaw ---


def test_programs_that_are_there_are_named_once() -> None:
    [check] = checks.programs([program(), program()])
    assert (check.result, check.found) == ("ok", "found: /usr/bin/openclaw")


def test_a_program_that_is_missing_fails_with_where_it_was_sought_and_what_names_it() -> None:
    [check] = checks.programs([program(found=None)])
    assert check.result == "fail"
    assert check.found == "openclaw is not on PATH /usr/bin:/bin (restart.openclaw of mailer)"
    assert "restart.openclaw of mailer" in check.fix
    [other] = checks.programs([program("/opt/openclaw", None)])
    assert other.found.startswith("/opt/openclaw does not exist")


def test_a_program_that_cannot_be_executed_fails() -> None:
    first, second = checks.programs([program("x y", "/opt/x y", executable=False), program()])
    assert (first.result, first.fix) == ("fail", "chmod +x '/opt/x y'")
    assert second.result == "ok"


def test_a_configuration_without_programs_is_sound() -> None:
    assert results(checks.programs([])) == ["ok"]


def test_a_gateway_answers_or_does_not() -> None:
    assert checks.gateway("http://127.0.0.1:18789", 200).result == "ok"
    stranger = checks.gateway("http://127.0.0.1:18789", 404)
    assert (stranger.result, stranger.found.partition("18789: ")[2]) == ("fail", "HTTP 404, and a gateway that is well says 200")
    silent = checks.gateway("http://127.0.0.1:18789", "connection refused")
    assert silent.result == "fail"
    assert "http://127.0.0.1:18789" in silent.found
    assert "openclaw gateway start" in silent.fix


# --- Heartbeats ---


@pytest.mark.parametrize(
    "reading",
    [
        Reading(status="ok", beat=Beat(stamp=NOW - timedelta(minutes=3))),
        # Its beats were rotated away, and only our own misses tell of them.
        Reading(status="ok", recorded_last_heartbeat=NOW - timedelta(minutes=3)),
    ],
)
def test_an_agent_that_has_ever_beaten_is_sound(reading: Reading) -> None:
    check = checks.beaten(agent(), reading, NOW, "supervise", running=False)
    assert (check.result, check.found) == ("ok", "mailer beat 3 min ago")


def test_an_agent_that_has_never_beaten_fails_and_is_told_how_to() -> None:
    check = checks.beaten(agent(), Reading(status="missing"), NOW, "supervise --config x", running=True)
    assert (check.result, check.found) == ("fail", "mailer has never beaten: /beats/mailer.log")
    assert check.fix == "have its work run: supervise --config x beat mailer"


def test_an_agent_that_touches_files_is_told_which() -> None:
    touching = agent(sources=(TouchSource(path="/beats/*.alive"),))
    check = checks.beaten(touching, Reading(status="missing"), NOW, "supervise", running=True)
    assert check.fix == "have its work touch /beats/*.alive"


@pytest.mark.parametrize(("running", "result"), [(False, "note"), (True, "fail")])
def test_a_process_of_ours_cannot_have_beaten_before_we_run(running: bool, result: str) -> None:
    owned = agent(restart=RestartPolicy(kind="process", command=("x",)))
    assert checks.beaten(owned, Reading(status="missing"), NOW, "supervise", running=running).result == result


def test_an_agent_that_is_judged_by_being_alive_need_not_beat() -> None:
    assert checks.beaten(agent(sources=()), Reading(status="missing"), NOW, "supervise", running=False).result == "ok"


def test_a_log_that_cannot_be_read_fails_with_the_reason() -> None:
    reading = Reading(status="unreadable", error="cannot read /beats/mailer.log: permission denied")
    check = checks.beaten(agent(), reading, NOW, "supervise", running=False)
    assert check.result == "fail"
    assert "permission denied" in check.found


def test_a_beat_from_the_future_fails_and_names_the_clock() -> None:
    reading = Reading(status="ok", future=Beat(stamp=NOW + timedelta(days=1)))
    check = checks.beaten(agent(), reading, NOW, "supervise", running=False)
    assert check.result == "fail"
    assert "2026-11-23 11:00:00 UTC" in check.found
    assert "clock" in check.fix


def test_a_log_of_nobody_fails_with_the_agent_that_was_meant() -> None:
    [typo, other] = checks.strangers(Path("/beats"), ["payment_watcher.log", "caine x.log"], ["payment-watcher", "mailer"])
    assert (typo.result, typo.found) == ("fail", "nobody watches /beats/payment_watcher.log")
    assert "did you mean payment-watcher?" in typo.fix
    assert "rm '/beats/caine x.log'" in other.fix


def test_many_logs_of_nobody_are_counted() -> None:
    found = list(checks.strangers(Path("/beats"), [f"{number}.log" for number in range(NAMED + 3)], ["mailer"]))
    assert len(found) == NAMED + 1
    assert found[-1].found.startswith("3 more files")
    assert results(found) == ["fail"] * len(found)


def test_a_folder_without_strangers_is_sound() -> None:
    assert results(checks.strangers(Path("/beats"), [], ["mailer"])) == ["ok"]


# --- Files ---


@pytest.mark.parametrize(("configured", "missing"), [(True, "warn"), (False, "note")])
def test_books_that_somebody_configured_are_to_be_there(configured: bool, missing: str) -> None:
    paths = {"books.state_dir": (Path("/s"), True), "books.ledger": (Path("/l"), False)}
    found = list(checks.books(paths, configured=configured))
    assert results(found) == ["ok", missing]
    assert "books.ledger" in found[1].fix


def test_a_state_folder_that_cannot_be_written_fails() -> None:
    assert checks.state(Path("/s"), "", exists=True).found == "/s can be written"
    assert checks.state(Path("/s"), "", exists=False).found == "/s can be made"
    check = checks.state(Path("/s t"), "read-only file system", exists=True)
    assert (check.result, check.found) == ("fail", "/s t cannot be written: read-only file system")
    assert "'/s t'" in check.fix


def test_a_socket_path_has_its_length() -> None:
    assert checks.socket_path(b"x" * 107, 107).result == "ok"
    check = checks.socket_path(b"x" * 120, 107)
    assert check.result == "fail"
    assert "13 bytes shorter" in check.fix


@pytest.mark.parametrize(
    ("mode", "private", "wide"),
    [
        (0o700, True, False),
        (0o600, True, False),
        (0o640, True, True),
        (0o701, True, True),
        (0o664, False, False),
        (0o666, False, True),
    ],
)
def test_modes_are_wide_when_others_can_see_our_state_or_all_can_write_what_we_believe(
    mode: int, private: bool, wide: bool
) -> None:
    [check] = checks.modes([Place(path="/p q", mode=mode, private=private)])
    assert check.result == ("warn" if wide else "ok")
    if wide:
        assert f"{mode:04o}" in check.found
        assert check.fix == f"chmod go-{'rwx' if private else 'w'} '/p q'"


def test_many_wide_modes_are_counted() -> None:
    found = list(checks.modes([Place(path=str(number), mode=0o777) for number in range(NAMED + 2)]))
    assert len(found) == NAMED + 1
    assert "2 more" in found[-1].found


@pytest.mark.parametrize(
    ("now", "newest", "result"),
    [
        (NOW, None, "ok"),
        (NOW, ("x.log", NOW + timedelta(seconds=30)), "ok"),
        (NOW, ("x.log", NOW + timedelta(minutes=2)), "warn"),
        (NOW.replace(year=1970), None, "warn"),
        (NOW.replace(year=2199), None, "warn"),
    ],
)
def test_a_clock_that_cannot_be_right_is_told(now: datetime, newest: tuple[str, datetime] | None, result: str) -> None:
    check = checks.clock(now, newest)
    assert check.result == result
    assert bool(check.fix) == (result == "warn")
