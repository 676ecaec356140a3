"""The one-liners of the README, over what the program's own log wrote."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.system.log_queue import Line, LineQueue
from collections_supervisor.system.log_render import LineRenderer

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def answer(stack: Any, name: str) -> list[dict[str, Any]]:
    """What the one-liner prints in the folder of the log."""
    stack.program("jq")
    found = re.search(rf"<!-- jq {name} -->\n```\n(.*?)\n```", README, re.DOTALL)
    assert found is not None
    assert "\n" not in found[1]
    done = subprocess.run(["sh", "-c", found[1]], capture_output=True, text=True, cwd=stack.root, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_errors_of_the_last_hour(stack: Any) -> None:
    now = datetime.now(UTC)
    renderer = LineRenderer(run_id="r", version="1.2.3", max_bytes=8000)
    with stack.log.open("wb") as file:
        for seq, (minutes, level) in enumerate(
            [(90, "error"), (59, "error"), (30, "warning"), (20, "critical"), (10, "info"), (0, "error")], start=1
        ):
            parts = renderer.parts(
                level, {"event": "agent.restart.failed", "message": f"{minutes}"}, now - timedelta(minutes=minutes)
            )
            file.write(parts.head + str(seq).encode() + parts.tail)
    assert [(event["message"], event["level"]) for event in answer(stack, "errors")] == [
        ("59", "error"),
        ("20", "critical"),
        ("0", "error"),
    ]


def rotate(stack: Any) -> None:
    stack.log.rename(stack.root / "supervisor.log.1")
    stack.log.touch(mode=0o600)


def test_a_log_of_two_runs_over_a_rotation_has_no_gap(stack: Any) -> None:
    log = stack.open()
    stack.write(log, 1500)
    rotate(stack)
    stack.write(log, 500)
    assert log.close(30)
    with stack.log.open("ab") as file:
        file.writelines(
            line.replace(b"0badcafe", b"00000002") for line in (stack.root / "supervisor.log.1").read_bytes().splitlines(True)
        )
    assert answer(stack, "proof") == []


@pytest.mark.parametrize("lost", [1, 700, 1499])
def test_a_line_that_is_missing_is_found(stack: Any, lost: int) -> None:
    log = stack.open()
    stack.write(log, 1000)
    rotate(stack)
    stack.write(log, 1000)
    assert log.close(30)
    for path in (stack.root / "supervisor.log.1", stack.log):
        kept = [line for line in path.read_bytes().splitlines(True) if json.loads(line)["seq"] != lost]
        path.write_bytes(b"".join(kept))
    assert answer(stack, "proof") == [{"run_id": "20261122T110000Z-0badcafe", "before": lost + 1, "lost": 1}]


def test_lines_that_the_log_itself_had_to_drop_are_accounted_for(stack: Any) -> None:
    renderer = LineRenderer(run_id="r", version="1.2.3", max_bytes=8000)

    def render(level: str, fields: dict[str, object]) -> Any:
        return renderer.parts(level, fields, datetime.now(UTC))

    lines = LineQueue(render, max_lines=4)
    with stack.log.open("wb") as file:
        for _ in range(3):
            for number in range(10):
                lines.offer("info", render("info", {"event": "agent.output", "message": str(number)}))
            while not lines.is_empty():
                item = lines.take(1.0)
                assert isinstance(item, Line)
                file.write(item.data)
    (stack.root / "supervisor.log.1").touch()
    assert sum(event["event"] == "log.dropped" for event in stack.lines(stack.log)) >= 2
    assert answer(stack, "proof") == []
