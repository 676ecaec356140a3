"""The log as entries of the journal, which here is a real datagram socket that reads them as the journal does."""

import json
import mmap
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from collections_supervisor.config.schema import LoggingConfig
from collections_supervisor.system.log_journal import JournalTarget, entry, is_journal
from collections_supervisor.system.logs import LogSystem, open_log

DEADLINE_S = 20

Entry = dict[str, list[bytes]]


def parsed(data: bytes) -> Entry:
    """The fields of an entry, as the journal's documentation has them."""
    fields: Entry = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[8 + size + 1 :]
        fields.setdefault(name.decode(), []).append(value)
    return fields


class Journal:
    """A socket as the journal has it, and a pipe whose reader it is said to be."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "socket"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(DEADLINE_S)
        self.reader, self.writer = os.pipe()
        self.fallback = folder / "fallback.log"

    @property
    def environ(self) -> dict[str, str]:
        found = os.fstat(self.writer)
        return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}

    def open(self, **changes: object) -> LogSystem:
        settings = {"environ": self.environ, "config": LoggingConfig(), **changes}
        return open_log(
            run_id="run-7", fallback=self.fallback, fd=self.writer, journal=self.path, **settings  # type: ignore[arg-type]
        )  # fmt: skip

    def next(self) -> Entry:
        data, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 20, 4)
        if descriptors:
            [memory] = descriptors
            assert data == b""
            with mmap.mmap(memory, 0, prot=mmap.PROT_READ) as content:
                data = bytes(content)
            with pytest.raises(PermissionError):
                os.write(memory, b"x")
            os.close(memory)
        return parsed(data)

    def printed(self) -> list[dict[str, object]]:
        """What went to the descriptor itself."""
        os.set_blocking(self.reader, False)
        try:
            return [json.loads(line) for line in os.read(self.reader, 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def close(self) -> None:
        self.socket.close()
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path)
    yield made
    made.close()


def test_an_event_is_an_entry_with_its_fields(journal: Journal) -> None:
    log = journal.open()
    log.logger.warning("agent.heartbeat.missed", message="no beat for an hour", agent="watcher", missed=1, age_s=3600.5)
    assert log.close(DEADLINE_S)
    found = journal.next()
    assert found["MESSAGE"] == [b"no beat for an hour"]
    assert found["PRIORITY"] == [b"4"]
    assert found["SYSLOG_IDENTIFIER"] == [b"collections-supervisor"]
    assert found["EVENT"] == [b"agent.heartbeat.missed"]
    assert (found["AGENT"], found["MISSED"], found["AGE_S"]) == ([b"watcher"], [b"1"], [b"3600.5"])
    [line] = found["JSON"]
    assert json.loads(line)["seq"] == 1
    assert json.loads(line)["agent"] == "watcher"
    assert journal.printed() == []


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", b"7"), ("info", b"6"), ("warning", b"4"), ("error", b"3"), ("critical", b"2")]
)
def test_levels_are_priorities(journal: Journal, level: str, priority: bytes) -> None:
    log = journal.open(config=LoggingConfig(level="debug"))
    getattr(log.logger, level)("e")
    assert log.close(DEADLINE_S)
    assert journal.next()["PRIORITY"] == [priority]


def test_lines_within_a_text_are_kept() -> None:
    found = parsed(entry(b'{"message":"one\\ntwo=three","level":"info","stack":"a\\n\\nb\\n"}\n'))
    assert found["MESSAGE"] == [b"one\ntwo=three"]
    assert found["STACK"] == [b"a\n\nb\n"]
    assert found["JSON"] == [b'{"message":"one\\ntwo=three","level":"info","stack":"a\\n\\nb\\n"}']


def test_a_field_cannot_pass_for_what_the_journal_vouches_for_or_for_ours() -> None:
    line = {
        "message": "m",
        "level": "error",
        "_pid": 1,
        "priority": "7",
        "json": "x",
        "9lives": 1,
        "ÄÖ": 1,
        "a b": None,
        "ok.ok": [1],
    }
    found = parsed(entry(json.dumps(line).encode() + b"\n"))
    assert (found["PRIORITY"], found["PID"], found["OK_OK"]) == ([b"3"], [b"1"], [b"[1]"])
    assert set(found) == {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "JSON", "LEVEL", "PID", "OK_OK"}


def test_an_entry_too_large_for_a_datagram_is_handed_over_in_sealed_memory(journal: Journal) -> None:
    log = journal.open(config=LoggingConfig(max_event_bytes=3_000_000))
    log.logger.info("large", message="m", text="x" * 1_000_000)
    log.logger.info("small", message="n")
    assert log.close(DEADLINE_S)
    large, small = journal.next(), journal.next()
    assert large["TEXT"] == [b"x" * 1_000_000]
    assert small["MESSAGE"] == [b"n"]


def test_without_a_socket_the_log_goes_on_at_the_descriptor(journal: Journal) -> None:
    log = journal.open()
    log.logger.info("first")
    assert journal.next()["EVENT"] == [b"first"]
    journal.path.unlink()
    log.logger.info("second")
    assert log.close(DEADLINE_S)
    printed = journal.printed()
    assert [line["event"] for line in printed] == ["second", "log.sink_failed"]
    assert "the log goes on in descriptor" in str(printed[1]["message"])


def test_where_neither_works_the_log_goes_on_in_the_file(journal: Journal) -> None:
    journal.path.unlink()
    log = journal.open()
    os.close(journal.reader)
    log.logger.info("first")
    assert log.close(DEADLINE_S)
    lines = [json.loads(line) for line in journal.fallback.read_bytes().splitlines()]
    assert [line["event"] for line in lines] == ["first", "log.sink_failed", "log.sink_failed"]
    journal.reader = os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize("stream", ["", "1:2", "x", "{dev}:0"])
def test_only_the_journals_own_stream_counts(journal: Journal, stream: str) -> None:
    environ = {"JOURNAL_STREAM": stream.format(dev=os.fstat(journal.writer).st_dev)}
    log = journal.open(environ=environ)
    log.logger.info("e")
    assert log.close(DEADLINE_S)
    assert [line["event"] for line in journal.printed()] == ["e"]


def test_a_closed_descriptor_is_nobodys() -> None:
    assert not is_journal({"JOURNAL_STREAM": "1:2"}, -1)


def test_a_format_that_is_asked_for_is_printed(journal: Journal) -> None:
    log = journal.open(config=LoggingConfig(format="json"))
    log.logger.info("e")
    assert log.close(DEADLINE_S)
    assert [line["event"] for line in journal.printed()] == ["e"]


def test_a_file_that_is_asked_for_gets_the_log(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "supervisor.log"
    log = journal.open(config=LoggingConfig(file=path))
    log.logger.info("e")
    assert log.close(DEADLINE_S)
    assert json.loads(path.read_bytes())["event"] == "e"
    assert journal.printed() == []


def test_a_moment_without_memory_passes() -> None:
    target = JournalTarget(Path("/nowhere"))
    assert not target.is_dead(OSError(105, "no buffer space"))
    assert target.is_dead(OSError(2, "no such file"))
    target.close()
