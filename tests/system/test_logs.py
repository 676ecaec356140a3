"""The log as the program opens it."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from collections_supervisor.config.schema import LoggingConfig
from collections_supervisor.messages import Level
from collections_supervisor.system.logs import LogSystem, open_log

DEADLINE_S = 20


def opened(fd: int = 1, fallback: Path | None = None, config: LoggingConfig | None = None) -> LogSystem:
    return open_log(config or LoggingConfig(), run_id="run-7", fallback=fallback, version="1.2.3", fd=fd)


def logged(tmp_path: Path, use: Callable[[LogSystem], object], config: LoggingConfig | None = None) -> list[dict[str, object]]:
    """What use of a log leaves in a file that its output is redirected to."""
    path = tmp_path / "out"
    with path.open("wb") as file:
        log = opened(file.fileno(), config=config)
        use(log)
        assert log.close(DEADLINE_S)
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def run(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


PREAMBLE = """
import os, resource, sys, time
from pathlib import Path
from collections_supervisor.config.schema import LoggingConfig
from collections_supervisor.messages import Level
from collections_supervisor.system.logs import open_log
"""


def test_a_call_is_a_line(tmp_path: Path) -> None:
    def use(log: LogSystem) -> None:
        log.logger.bind(agent="watcher").warning("agent.heartbeat.missed", message="no beat for an hour", missed=1)

    (line,) = logged(tmp_path, use)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(line.pop("timestamp")))
    assert line == {
        "level": "warning", "event": "agent.heartbeat.missed", "message": "no beat for an hour", "schema": 1,
        "service": "collections-supervisor", "version": "1.2.3", "run_id": "run-7", "seq": 1, "agent": "watcher", "missed": 1,
    }  # fmt: skip


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_every_level_is_written_and_counted(tmp_path: Path, level: str) -> None:
    def use(log: LogSystem) -> None:
        getattr(log.logger, level)("e")
        counts.update(log.counts.events)

    counts: dict[Level, int] = {}
    (line,) = logged(tmp_path, use, LoggingConfig(level="debug"))
    assert line["level"] == level
    assert {name for name, count in counts.items() if count} == {level}


def test_what_is_below_the_level_is_not_written(tmp_path: Path) -> None:
    def use(log: LogSystem) -> None:
        log.logger.info("quiet")
        log.logger.error("loud")

    assert [line["event"] for line in logged(tmp_path, use, LoggingConfig(level="error"))] == ["loud"]


def test_children_that_say_too_much_push_nothing_of_ours_out_of_the_log() -> None:
    reading, writing = os.pipe()
    log = opened(writing)
    for number in range(20_000):
        log.logger.info("agent.output", message=str(number), agent="worker")
    for _ in range(2000):
        log.logger.warning("agent.exited", message="worker ended", agent="worker")
    said: list[bytes] = []

    def read() -> None:
        while piece := os.read(reading, 1 << 16):
            said.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    assert log.close(DEADLINE_S)
    os.close(writing)
    reader.join()
    os.close(reading)
    events = [json.loads(line)["event"] for line in b"".join(said).splitlines()]
    assert events.count("agent.exited") == 2000
    assert 1000 < events.count("agent.output") < 20_000


def test_an_exception_comes_with_its_frames(tmp_path: Path) -> None:
    def use(log: LogSystem) -> None:
        try:
            int("bad")
        except ValueError:
            log.logger.exception("supervisor.actor_crashed", message="it crashed")

    (line,) = logged(tmp_path, use)
    assert line["level"] == "error"
    assert isinstance(line["error"], dict)
    assert line["error"]["frames"][0]["function"].endswith("use")


def test_the_rest_of_the_process_is_captured_until_the_log_is_closed(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.handlers

    def use(log: LogSystem) -> None:
        log.capture()
        logging.getLogger("library").warning("odd")

    (line,) = logged(tmp_path, use)
    assert (line["event"], line["logger"], line["message"]) == ("python.log", "library", "odd")
    assert root.handlers is before


def test_max_event_bytes_is_the_longest_line(tmp_path: Path) -> None:
    logged(tmp_path, lambda log: log.logger.info("e", text="x" * 10**5), LoggingConfig(max_event_bytes=1200))
    assert 500 < (tmp_path / "out").stat().st_size <= 1200


def test_a_file_is_written_to_instead_of_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "log" / "supervisor.log"
    assert logged(tmp_path, lambda log: log.logger.info("e"), LoggingConfig(file=path)) == []
    assert json.loads(path.read_bytes())["event"] == "e"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        opened(config=LoggingConfig(file=tmp_path))


def test_a_log_on_a_full_disk_can_be_closed() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    log = opened(config=LoggingConfig(file=Path("/dev/full")))
    log.logger.info("e")
    assert not log.close(0)


def test_a_stream_closed_before_the_start_leads_to_the_fallback(tmp_path: Path) -> None:
    log = opened(-1, fallback=tmp_path / "fallback.log")
    log.logger.info("e")
    assert log.close(DEADLINE_S)
    assert [json.loads(line)["event"] for line in (tmp_path / "fallback.log").read_bytes().splitlines()] == [
        "e",
        "log.sink_failed",
    ]


class Terminal:
    """A terminal and what is shown on it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()

    def close(self) -> str:
        os.close(self.slave)
        shown = os.read(self.master, 65536).decode()
        os.close(self.master)
        return shown


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)], ids=["colour", "NO_COLOR"])
def test_people_at_a_terminal_get_lines_for_people(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    log = opened(terminal.slave)
    log.logger.error("agent.escalated", message="nobody \x1b[2J answers", agent="watcher")
    assert log.close(DEADLINE_S)
    level = "\x1b[31merror   \x1b[0m" if coloured else "error   "
    details = "agent.escalated agent=watcher"
    shown = f"\x1b[2m{details}\x1b[0m" if coloured else details
    assert terminal.close()[9:] == f"{level} nobody \\x1b[2J answers {shown}\r\n"


@pytest.mark.parametrize("form", ["json", "ecs", "gcp"])
def test_json_is_given_to_a_terminal_if_asked_for(form: Literal["json", "ecs", "gcp"]) -> None:
    terminal = Terminal()
    log = opened(terminal.slave, config=LoggingConfig(format=form))
    log.logger.info("e")
    assert log.close(DEADLINE_S)
    shown = json.loads(terminal.close())["event"]
    assert (shown if form == "json" else shown["action"]) == "e"


@pytest.mark.parametrize("form", ["ecs", "gcp"])
def test_the_numbers_go_on_in_every_form(tmp_path: Path, form: Literal["ecs", "gcp"]) -> None:
    path = tmp_path / "log"

    def use(log: LogSystem) -> None:
        log.logger.info("e")
        log.capture()
        logging.getLogger("library").warning("odd")

    assert logged(tmp_path, use, LoggingConfig(file=path, format=form)) == []
    events = [json.loads(line)["event"] for line in path.read_bytes().splitlines()]
    assert [(event["action"], event["sequence"]) for event in events] == [("e", 1), ("python.log", 2)]


def test_what_a_vanished_terminal_does_not_show_is_json_in_the_fallback(tmp_path: Path) -> None:
    terminal = Terminal()
    log = opened(terminal.slave, fallback=tmp_path / "fallback.log")
    os.close(terminal.master)
    os.close(terminal.slave)
    log.logger.info("e")
    assert log.close(DEADLINE_S)
    assert [json.loads(line)["event"] for line in (tmp_path / "fallback.log").read_bytes().splitlines()] == [
        "e",
        "log.sink_failed",
    ]


def test_threads_log_at_once(tmp_path: Path) -> None:
    def use(log: LogSystem) -> None:
        threads = [threading.Thread(target=work, args=(log, name)) for name in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def work(log: LogSystem, name: int) -> None:
        for note in range(200):
            log.logger.info("e", thread=name, note=note)

    lines = logged(tmp_path, use)
    assert [line["seq"] for line in lines] == list(range(1, 401))
    for name in range(2):
        assert [line["note"] for line in lines if line["thread"] == name] == list(range(200))


def test_a_process_ends_though_nobody_reads_its_log() -> None:
    process = run("""
log = open_log(LoggingConfig(), run_id="r", fallback=None)
for number in range(3000):
    log.logger.info("e", number=number, text="x" * 100)
print(log.close(0.1), file=sys.stderr, flush=True)
""")
    assert process.stderr is not None
    assert process.stdout is not None
    with process.stderr, process.stdout:
        assert process.stderr.readline() == b"False\n"
        assert process.wait(DEADLINE_S) == 0


def test_the_last_words_of_a_process_that_dies_are_written() -> None:
    process = run("""
log = open_log(LoggingConfig(), run_id="r", fallback=None)
log.capture()
int("bad")
""")
    out, err = process.communicate(timeout=DEADLINE_S)
    line = json.loads(out)
    assert (line["event"], line["level"], line["error"]["type"]) == ("python.log", "critical", "ValueError")
    assert err == b""
    assert process.returncode == 1


def test_a_file_that_may_not_grow_gets_the_rest_of_the_line_once_it_may(tmp_path: Path) -> None:
    """The kernel takes the beginning of a line up to the limit and refuses the rest, as a full disk does."""
    path = tmp_path / "supervisor.log"
    process = run(
        """
path = Path(sys.argv[1])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
log = open_log(LoggingConfig(file=path), run_id="r", fallback=None)
for number in range(20):
    log.logger.info("e", number=number)
while not log.counts.events["error"]:
    time.sleep(0.005)
assert path.stat().st_size == 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
assert log.close(20)
""",
        str(path),
    )
    _, err = process.communicate(timeout=DEADLINE_S)
    assert err == b""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 22))
    assert lines[-1]["event"] == "log.sink_failed"


def test_a_disk_that_is_full_at_the_start_does_not_keep_the_program_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.log"
    path.write_bytes(b"x" * 1000)
    process = run(
        """
path = Path(sys.argv[1])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
log = open_log(LoggingConfig(file=path), run_id="r", fallback=None)
log.logger.info("e")
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
assert log.close(20)
""",
        str(path),
    )
    _, err = process.communicate(timeout=DEADLINE_S)
    assert err == b""
    torn, *lines = path.read_bytes().splitlines()
    assert torn == b"x" * 1000
    assert json.loads(lines[0])["event"] == "e"


def test_another_level_and_length_hold_from_now_on_for_whoever_logs_already(tmp_path: Path) -> None:
    def use(log: LogSystem) -> None:
        known = log.logger
        log.capture()
        known.debug("one", message="not wanted")
        log.adjust(LoggingConfig(level="debug", max_event_bytes=1000))
        known.debug("two", message="x" * 5000)
        logging.getLogger("library").debug("three")
        log.adjust(LoggingConfig(level="error"))
        known.warning("four", message="not wanted any more")
        logging.getLogger("library").warning("five")
        known.error("six", message="y" * 5000)
        log.release()
        log.adjust(LoggingConfig(level="info"))

    before = logging.getLogger().level
    two, three, six = logged(tmp_path, use)
    assert logging.getLogger().level == before
    assert (two["event"], two["truncated"]) == ("two", True)
    assert len(json.dumps(two)) < 1100
    assert (three["event"], three["message"]) == ("python.log", "three")
    assert (six["event"], len(str(six["message"]))) == ("six", 5000)
