"""A simulated silence as people and programs read it."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collections_supervisor.app.simulate import Counted, Moment, Simulation, Totals, simulate
from collections_supervisor.app.simulation_text import encode, render
from collections_supervisor.config.loader import build

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
TOTALS = Totals(misses=3, restarts=1, notices={"opened": 1, "resolved": 1}, first_restart_s=3600.0, told_s=4500.0)
MINUTE = 60.0


def story(*events: Moment, **changes: Any) -> Simulation:
    """A simulation with these events."""
    fields: dict[str, Any] = {
        "agent": "mailer",
        "outage_s": 216_000.0,
        "restart": "openclaw",
        "beats_every_s": 1200.0,
        "timeout_s": 3600.0,
        "miss_interval_s": 900.0,
        "miss_threshold": 2,
        "events": events,
        "totals": TOTALS,
        "remarks": (),
    }
    return Simulation(**{**fields, **changes})


def moment(at_s: float, kind: str, text: str = "", **fields: Any) -> Moment:
    return Moment(at_s=at_s, kind=kind, text=text or kind, fields=fields)


def miss(number: int, at_s: float) -> Moment:
    return moment(at_s, "agent.heartbeat.missed", f"miss {number}", missed=number)


def attempt(number: int, at_s: float) -> list[Moment]:
    return [
        moment(at_s, "agent.restart.started", f"restart attempt {number}", attempt=number),
        moment(at_s + 10, "agent.restart.failed", f"restart attempt {number} failed", attempt=number),
    ]


def notice(kind: str, at_s: float) -> Moment:
    return moment(at_s, "escalation.delivered", f"caine: {kind}", notice=kind)


def timeline(simulation: Simulation) -> list[str]:
    """The lines of the timeline, runs of blanks as one."""
    text = render(simulation, 200, color=False)
    return [" ".join(line.split()) for line in text.split("\n\n")[1].split("\n")]


# --- What stands around the timeline -----------------------------------------------------------------------------------------


def test_what_is_supposed_comes_first_and_the_figures_last() -> None:
    lines = render(story(notice("opened", 4500), remarks=("it is odd",)), 200, color=False).split("\n")

    assert lines[0] == (
        "mailer beats every 20 min, falls silent for 2 d 12 h, and no restart helps. Its first miss is counted after "
        "1 h 00 min, each further one 15 min later; a human is told at miss 2 at the latest."
    )
    assert lines[-4:] == [
        "Misses: 3; restarts (paid turns): 1; notices: 2 (1 opened, 1 resolved).",
        "First restart: +1 h 00 min; first told: +1 h 15 min.",
        "Note: it is odd.",
        "",
    ]


def test_nothing_done_and_nobody_told() -> None:
    nothing = Totals(misses=0, restarts=0, notices={}, first_restart_s=None, told_s=None)

    text = render(story(restart="command", totals=nothing), 200, color=False)

    assert "Misses: 0; restarts: 0; notices: 0.\nFirst restart: none; first told: nobody.\n" in text


def test_a_learned_deadline_is_called_so() -> None:
    assert "counted at the deadline learned from its beats" in render(story(timeout_s=None), 400, color=False)


def test_the_other_agents_in_figures() -> None:
    text = render(story(others=(Counted(agent="watcher", totals=TOTALS),)), 200, color=False)

    assert text.endswith(
        "The other agents, each as if it were silent alone:\n"
        "  watcher: Misses: 3; restarts: 1; notices: 2 (1 opened, 1 resolved)\n"
    )


def test_figures_that_are_cut_off_say_so() -> None:
    cut = msgspec.structs.replace(TOTALS, cut_off_s=7200.0)
    simulation = story(others=(Counted(agent="watcher", totals=cut), Counted(agent="mailer", totals=TOTALS)))
    *_, watcher, mailer, _ = render(simulation, 200, color=False).split("\n")
    assert watcher.endswith("(1 opened, 1 resolved); cut off +2 h 00 min, more happens than can be told")
    assert mailer.endswith("(1 opened, 1 resolved)")
    assert [other["totals"]["cut_off_s"] for other in json.loads(encode(simulation))["others"]] == [7200.0, None]


# --- The timeline ------------------------------------------------------------------------------------------------------------


def test_runs_of_misses_are_told_in_one_line() -> None:
    events = [miss(number, 45 * MINUTE + number * 15 * MINUTE) for number in range(1, 8)]

    assert timeline(story(*events, notice("opened", 3 * 3600.0), miss(8, 4 * 3600.0))) == [
        "+1 h 00 min miss 1",
        "+1 h 15 min miss 2",
        "+1 h 30 min … misses 3 to 7, every 15 min",
        "+3 h 00 min caine: opened",
        "+4 h 00 min miss 8",
    ]


def test_misses_at_uneven_times_have_an_end() -> None:
    events = [miss(number, 60 * MINUTE * number**2) for number in range(1, 6)]

    assert timeline(story(*events))[-1] == "+9 h 00 min … misses 3 to 5, until +1 d 1 h"


def test_two_of_a_kind_are_no_run() -> None:
    assert timeline(story(*(miss(number, number * 3600.0) for number in range(1, 5))))[-2:] == [
        "+3 h 00 min miss 3",
        "+4 h 00 min miss 4",
    ]


def test_runs_of_restarts_count_attempts_not_moments() -> None:
    events = [each for number in range(1, 7) for each in attempt(number, number * 3600.0)]

    assert timeline(story(*events))[4:] == ["+3 h 00 min … 4 restart attempts that do not help, every 1 h 00 min"]


def test_one_more_restart_is_no_run() -> None:
    events = [each for number in range(1, 4) for each in attempt(number, number * 3600.0)]

    assert timeline(story(*events))[4:] == ["+3 h 00 min restart attempt 3", "+3 h 00 min restart attempt 3 failed"]


def test_one_restart_and_the_end_of_another_are_no_run() -> None:
    events = [each for number in range(1, 5) for each in attempt(number, number * 3600.0)]
    events.insert(5, notice("opened", 3 * 3600.0 + 5))

    assert timeline(story(*events))[6:] == [
        "+3 h 00 min restart attempt 3 failed",
        "+4 h 00 min restart attempt 4",
        "+4 h 00 min restart attempt 4 failed",
    ]


def test_runs_that_overlap_are_told_by_when_they_began() -> None:
    events = [
        *(miss(number, number * 600.0) for number in range(1, 10)),
        *(moment(3000.0 + number * 600.0, "agent.exited", "it ended") for number in range(5)),
    ]
    events.sort(key=lambda each: each.at_s)

    assert timeline(story(*events))[-3:] == [
        "+1 h 00 min it ended",
        "+1 h 10 min … misses 7 to 9, every 10 min",
        "+1 h 10 min … 3 times: it ended",
    ]


def test_holds_that_come_again_are_told_by_their_number() -> None:
    events = [moment(number * 3600.0, "agent.restart.skipped", f"held until +{number}") for number in range(1, 7)]

    assert timeline(story(*events))[-1] == "+3 h 00 min … held 4 times, every 1 h 00 min, such as: held until +3"


# --- As text, as JSON --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Simulation:
    """A real one, with everything in it."""
    document = {"restart": {"attempts_per_incident": 0}}
    config = build(document, path=Path("/nowhere/supervisor.toml"), environ={"HOME": "/nowhere"}).config
    return simulate(config, None, 216_000.0)


@pytest.mark.parametrize("width", [1, 40, 60, 80, 200])
@pytest.mark.parametrize("color", [True, False])
def test_no_line_is_wider_than_the_terminal(real: Simulation, width: int, color: bool) -> None:
    lines = ESCAPE.sub("", render(real, width, color=color)).split("\n")

    assert max(len(line) for line in lines) <= max(width, 40)


def test_colour_changes_nothing_but_colours(real: Simulation) -> None:
    plain = render(real, 80, color=False)

    assert "\x1b" not in plain
    assert ESCAPE.sub("", render(real, 80, color=True)) == plain
    assert "\x1b[1;31mcaine is told" in render(real, 80, color=True)


def test_sixty_hours_fit_on_one_screen_or_two(real: Simulation) -> None:
    assert len(real.events) > 250
    assert len(render(real, 120, color=False).split("\n")) < 60


def test_json_holds_every_event(real: Simulation) -> None:
    found = json.loads(encode(real))

    assert len(found["events"]) == len(real.events)
    assert found["events"][1] == {"at_s": 3600.0, "kind": "agent.heartbeat.missed", "text": "miss 1", "fields": {"missed": 1}}
    assert found["totals"] == msgspec.to_builtins(real.totals)
    assert [other["agent"] for other in found["others"]] == ["payment-watcher"]
