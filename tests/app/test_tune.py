"""`tune` on real heartbeat logs."""

import json
import os
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collections_supervisor.agents.heartbeat_line import encode_beat
from collections_supervisor.app.tune import parse_rate, tune
from collections_supervisor.config.loader import build
from collections_supervisor.config.schema import Config

HOUR = 3600.0
START = 1_700_000_000.0
ORDINARY = [*[HOUR] * 400, 2.3 * HOUR, *[HOUR] * 400, 9 * HOUR, *[HOUR] * 400]


def configured(folder: Path, **agent: Any) -> Config:
    document = {"heartbeats": {"dir": str(folder)}, "agents": [{"name": "payment-watcher", **agent}]}
    return build(document, path=None, environ={"HOME": str(folder)}).config


def write(folder: Path, gaps: Sequence[float], name: str = "payment-watcher") -> None:
    stamps = accumulate(gaps, initial=START)
    lines = (encode_beat(datetime.fromtimestamp(stamp, UTC)) + b"\n" for stamp in stamps)
    (folder / f"{name}.log").write_bytes(b"".join(lines))


async def proposed(config: Config, rate: float = 1.0) -> dict[str, Any]:
    text, status = await tune(config, "payment-watcher", rate, True)
    assert status == 0
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


# --- The allowed rate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate"), [("1/30d", 1.0), ("0.5/7d", 15 / 7), ("0/30d", 0.0), ("2 / 15d", 4.0), ("1/1h", 720.0), ("1e1/30d", 10.0)]
)
def test_a_rate_is_so_many_in_thirty_days(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    "text", ["", "1", "/", "1/", "/30d", "x/30d", "1/month", "-1/30d", "nan/30d", "inf/30d", "1/0s", "1/1/1d"]
)
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='is not a rate: a number and a duration, such as "1/30d"'):
        parse_rate(text)


# --- For people ------------------------------------------------------------------------------------------------------


async def test_it_shows_the_present_beside_the_proposed_and_what_to_paste(tmp_path: Path) -> None:
    write(tmp_path, ORDINARY)
    text, status = await tune(configured(tmp_path), "payment-watcher", 0.0, False)
    assert status == 0
    lines = text.splitlines()
    assert lines[0] == (
        "payment-watcher beats every 1 h 00 min: 1203 beats over 50 d 11 h. Outages, silences of more than 4 h 00 min: 1."
    )
    rows = {line.partition("  ")[0]: line for line in lines}
    assert rows["present"].split()[-4:] == ["min", "1", "of", "1"]
    assert rows["fixed deadline"].endswith("1 of 1  <- proposed")
    assert lines[-5] == "In the [[agents]] entry of payment-watcher:"
    assert lines[-3:] == ['period = "1h"', 'timeout = "2h12m"', 'miss_interval = "7m"']
    assert all(len(line) < 130 for line in lines)


async def test_what_is_pasted_gives_what_was_promised(tmp_path: Path) -> None:
    write(tmp_path, ORDINARY)
    before = await proposed(configured(tmp_path, adaptive=True, period="90m"))
    pasted = configured(tmp_path, **tomllib.loads("\n".join(before["toml"])))
    after = await proposed(pasted)
    assert after["settings"]["present"] == before["settings"][before["proposed"]]
    assert after["present_will_do"]
    text, _ = await tune(pasted, "payment-watcher", 1.0, False)
    assert "The present settings are as good as these." in text


async def test_a_learned_deadline_is_pasted_as_such(tmp_path: Path) -> None:
    ragged = [factor * HOUR for factor in (0.4, 1.0, 1.6, 2.4) * 30]
    write(tmp_path, [*ragged, *[HOUR] * 3000])
    found = await proposed(configured(tmp_path), 0.0)
    assert found["proposed"] == "learned"
    assert found["toml"][:2] == ['period = "1h"', "adaptive = true"]
    assert found["settings"]["learned"]["timeout_s"] is None


async def test_a_threshold_of_one_has_no_interval_to_paste(tmp_path: Path) -> None:
    write(tmp_path, ORDINARY)
    found = await proposed(configured(tmp_path, miss_threshold=1))
    assert [line.partition(" ")[0] for line in found["toml"]] == ["period", "timeout"]


async def test_settings_that_never_tell_anyone_are_shown_to_see_nothing(tmp_path: Path) -> None:
    write(tmp_path, ORDINARY)
    found = await proposed(configured(tmp_path, timeout="20h"))
    assert found["settings"]["present"]["outages_seen"] == 0
    assert not found["present_will_do"]


# --- Notes -----------------------------------------------------------------------------------------------------------


async def test_what_limits_the_answer_is_said(tmp_path: Path) -> None:
    write(tmp_path, [*[HOUR] * 20, 9 * HOUR] * 5)
    with (tmp_path / "payment-watcher.log").open("ab") as log:
        log.write(b'{"stale": false}\n')
    touched = [{"kind": "log"}, {"kind": "touch", "path": "/x"}]
    notes = (await proposed(configured(tmp_path, period="10m", heartbeat=touched)))["notes"]
    assert notes == [
        "its configured period is 10 min, which is not how often it beats",
        "`check` warns of a miss_interval below the period; here it is meant, and leaves a restart its time",
        "over 6 d 1 h no lower rate can be told from none at all, so none is allowed in them",
        "5 of 105 silences were long; if they are planned, set its active_hours",
        "beats by touching a file leave no history; only those in its log are counted",
        "1 beat without a usable time left out",
    ]
    text, _ = await tune(configured(tmp_path, period="10m", heartbeat=touched), "payment-watcher", 1.0, False)
    assert [line for line in text.splitlines() if line.startswith("Note: ")] == [f"Note: {note}." for note in notes]


async def test_a_log_that_is_read_in_part_is_said_to_be(tmp_path: Path) -> None:
    write(tmp_path, ORDINARY)
    path = tmp_path / "payment-watcher.log"
    beats = path.read_bytes()
    with path.open("wb") as log:
        log.truncate(70 << 20)
        log.seek(0, os.SEEK_END)
        log.write(b"\n" + beats)
    notes = (await proposed(configured(tmp_path, period="1h"), 2.0))["notes"]
    assert "only the last 64 MiB of its log are counted" in notes


# --- Nothing to say --------------------------------------------------------------------------------------------------


async def test_a_short_history_is_no_ground_for_a_proposal(tmp_path: Path) -> None:
    config = configured(tmp_path)
    write(tmp_path, [HOUR] * 11)
    text, status = await tune(config, "payment-watcher", 1.0, False)
    assert status == 1
    assert text == (
        "payment-watcher has too short a history: 12 beats over 11 h 00 min, one every 1 h 00 min; "
        "at least 50 over 10 periods are needed, which takes 1 d 14 h more"
    )
    write(tmp_path, [HOUR] * 49)
    assert (await tune(config, "payment-watcher", 1.0, False))[1] == 0
    # Many beats, and yet no more than a few periods.
    write(tmp_path, [1e-4 * HOUR] * 3 + [0.11 * HOUR] * 20 + [HOUR] * 1 + [0.11 * HOUR] * 20)
    assert (await tune(config, "payment-watcher", 1.0, False))[1] == 1


async def test_hardly_any_beats_are_said_to_be(tmp_path: Path) -> None:
    write(tmp_path, [])
    text, status = await tune(configured(tmp_path), "payment-watcher", 1.0, False)
    assert (text, status) == (
        "payment-watcher has too short a history: no two beats in its log; at least 50 over 10 periods are needed",
        1,
    )


async def test_an_agent_without_a_log_has_no_history(tmp_path: Path) -> None:
    touched = configured(tmp_path, heartbeat={"kind": "touch", "path": "/x"})
    text, status = await tune(touched, "payment-watcher", 1.0, False)
    assert status == 1
    assert "payment-watcher has no history: its heartbeat is a file that it touches" in text
    owned = configured(tmp_path, heartbeat={"kind": "none"}, restart={"kind": "process", "command": ["x"]})
    text, status = await tune(owned, "payment-watcher", 1.0, True)
    assert status == 1
    assert "it is judged by being alive" in json.loads(text)["error"]


async def test_a_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    text, status = await tune(configured(tmp_path), "payment-watcher", 1.0, False)
    path = tmp_path / "payment-watcher.log"
    assert (text, status) == (f"the history of payment-watcher cannot be read from {path}: no such file or directory", 1)


async def test_a_path_that_is_no_text_is_told_as_far_as_it_can_be_written(tmp_path: Path) -> None:
    config = build({}, path=None, environ={"HOME": str(tmp_path / "\udcff")}).config
    text, status = await tune(config, "payment-watcher", 1.0, True)
    assert status == 1
    assert f"cannot be read from {tmp_path}/?/" in json.loads(text)["error"]


async def test_an_unknown_agent_is_a_usage_error(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert await tune(config, "payment-wacher", 1.0, False) == (
        'no agent is called "payment-wacher"; did you mean "payment-watcher"?',
        2,
    )
    text, status = await tune(config, "\x1b[31mx", 1.0, True)
    assert status == 2
    assert json.loads(text)["error"] == 'no agent is called "\\u001b[31mx"; there are: payment-watcher'
    nobody = msgspec.structs.replace(config, agents=())
    assert (await tune(nobody, "x", 1.0, False))[1] == 2
