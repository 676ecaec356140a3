"""rsyslog reads the log with the configuration that we give."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.events.samples import golden

LINES = 4000


@contextmanager
def rsyslog(stack: Any) -> Iterator[Path]:
    """It runs meanwhile; where the events are that it understood."""
    parsed = stack.root / "parsed.jsonl"
    config = stack.config("rsyslog.conf", **{"/var/log/collections-supervisor.parsed.jsonl": str(parsed)})
    work = stack.root / "work"
    work.mkdir()
    config.write_text(f'global(workDirectory="{work}")\n{config.read_text(encoding="utf-8")}', encoding="utf-8")
    command = [stack.program("rsyslogd"), "-f", str(config), "-i", str(stack.root / "pid")]
    checked = subprocess.run([*command, "-N1"], capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr
    with (stack.root / "said").open("wb") as said, subprocess.Popen([*command, "-n"], stdout=said, stderr=said) as process:
        try:
            yield parsed
        finally:
            process.terminate()
            process.wait(30)
    assert (stack.root / "said").read_bytes() == b""


def test_every_line_arrives_over_a_rotation_and_numbers_stay_numbers(stack: Any) -> None:
    stack.program("rsyslogd")
    log = stack.open()
    rotated = stack.root / "supervisor.log.1"
    with rsyslog(stack) as parsed:
        stack.write(log, LINES)
        stack.until(parsed.exists, "rsyslog writes")
        stack.log.rename(rotated)
        stack.log.touch(mode=0o600)
        stack.write(log, LINES)
        assert log.close(30)
        written = [*stack.lines(rotated), *stack.lines(stack.log)]
        assert [event["seq"] for event in written] == list(range(1, 2 * LINES + 1))
        stack.until(lambda: len(stack.lines(parsed)) >= len(written), "all lines are parsed")
    assert stack.lines(parsed) == written
    assert max(len(line) for line in rotated.read_bytes().splitlines()) > 7800
    assert stack.lines(stack.log), "nothing was written after the rotation"


def test_every_event_arrives_as_it_is(stack: Any) -> None:
    stack.program("rsyslogd")
    stack.log.write_bytes(golden("json").read_bytes() + b"no event\n")
    events = stack.lines(golden("json"))
    with rsyslog(stack) as parsed:
        stack.until(lambda: len(stack.lines(parsed)) > len(events), "all lines are parsed")
    assert stack.lines(parsed) == [*events, {"unparsed": "no event"}]
