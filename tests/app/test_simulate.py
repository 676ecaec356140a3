"""What a configuration would do when an agent falls silent."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collections_supervisor.app.simulate import Simulation, simulate
from collections_supervisor.config.loader import build
from collections_supervisor.config.schema import ActiveHours, CommandChannel, Config, OpenClawChannel, WebhookChannel

HOUR = 3600.0


def configured(**document: Any) -> Config:
    """What the program makes of a configuration file."""
    return build(document, path=Path("/nowhere/supervisor.toml"), environ={"HOME": "/nowhere"}).config


def with_agent(config: Config, **changes: Any) -> Config:
    """The configuration with its first agent alone, changed."""
    return msgspec.structs.replace(config, agents=(msgspec.structs.replace(config.agents[0], **changes),))


def with_restart(config: Config, **changes: Any) -> Config:
    return with_agent(config, restart=msgspec.structs.replace(config.agents[0].restart, **changes))


def with_channels(config: Config, *channels: Any) -> Config:
    return msgspec.structs.replace(config, escalation=msgspec.structs.replace(config.escalation, channels=channels))


def times(simulation: Simulation, kind: str, **fields: Any) -> list[float]:
    """When this happened."""
    return [moment.at_s for moment in simulation.events if moment.kind == kind and fields.items() <= moment.fields.items()]


def told(simulation: Simulation, notice: str) -> list[float]:
    return times(simulation, "escalation.delivered", notice=notice)


# --- The built-in settings -------------------------------------------------------------------------------------------------


def test_sixty_hours_of_silence_are_seven_notices() -> None:
    found = simulate(configured(), "payment-watcher", 60 * HOUR)

    assert found.totals.notices == {"opened": 1, "reminder": 5, "resolved": 1}
    opened = told(found, "opened")[0]
    assert [at - opened for at in told(found, "reminder")] == pytest.approx([hours * HOUR for hours in (4, 8, 12, 24, 48)])
    assert told(found, "resolved")[0] >= 60 * HOUR


def test_the_story_of_one_agent() -> None:
    found = simulate(configured(), "payment-watcher", 90 * 60.0)

    assert [(round(moment.at_s), moment.kind) for moment in found.events] == [
        (0, "simulation.silent"),
        (3600, "agent.heartbeat.missed"),
        (3600, "agent.restart.started"),
        (3910, "agent.restart.failed"),
        (3948, "agent.restart.started"),
        (4258, "agent.restart.failed"),
        (4258, "agent.restart.skipped"),
        (4258, "escalation.delivered"),
        (4500, "agent.heartbeat.missed"),
        (5400, "simulation.well"),
        (6600, "escalation.delivered"),
    ]
    texts = [moment.text for moment in found.events]
    assert texts[:3] == ["the last heartbeat", "miss 1", "restart attempt 1"]
    assert texts[3].startswith("restart attempt 1 failed: no heartbeat within 5 min 10 s")
    assert texts[7].startswith("caine is told (openclaw): ")
    assert texts[-2:] == ["it beats again", "caine is told that it is over (openclaw)"]
    assert found.totals.misses == 2
    assert found.totals.restarts == 2
    assert found.totals.first_restart_s == 3600
    assert found.totals.told_s == pytest.approx(4257.5)
    assert found.remarks == ()


def test_the_made_up_calendar_is_not_told() -> None:
    texts = [moment.text for moment in simulate(configured(), "payment-watcher", 10 * HOUR).events]

    assert any("no heartbeat since +0 s" in text for text in texts)
    assert not any(re.search(r"\d{4}-\d\d-\d\d", text) for text in texts)


def test_a_silence_that_nobody_need_know_of() -> None:
    found = simulate(configured(), "payment-watcher", 30 * 60.0)

    assert found.totals.misses == found.totals.restarts == 0
    assert [moment.kind for moment in found.events] == ["simulation.silent", "simulation.well"]
    assert found.remarks == ("caine is not told: the outage is over before 2 misses",)


def test_a_restart_that_is_being_proven_when_the_agent_comes_back_counts_as_its_cure() -> None:
    found = simulate(configured(), "payment-watcher", HOUR + 60)

    assert times(found, "agent.restart.succeeded") == [HOUR + 60]


# --- Which agents ------------------------------------------------------------------------------------------------------------


def test_without_a_name_the_first_agent_is_told_and_the_others_are_counted() -> None:
    config = configured(agents=[{"name": "a"}, {"name": "b", "period": "10m"}, {"name": "c"}, {"name": "d"}])

    found = simulate(config, None, 5 * HOUR)

    assert found.agent == "a"
    assert [other.agent for other in found.others] == ["b", "c", "d"]
    for other in found.others:
        assert other.totals == simulate(config, other.agent, 5 * HOUR).totals
    assert found.others[0].totals.misses > found.others[1].totals.misses == found.totals.misses


def test_agents_that_differ_in_more_than_their_names_are_not_confused() -> None:
    alive = {"kind": "process", "command": ["x"]}
    config = configured(
        agents=[{"name": "a"}, {"name": "b", "restart": alive}, {"name": "c", "restart": alive, "heartbeat": {"kind": "none"}}]
    )

    b, c = simulate(config, None, 5 * HOUR).others

    assert b.totals == simulate(config, "b", 5 * HOUR).totals
    assert c.totals == simulate(config, "c", 5 * HOUR).totals
    assert b.totals != c.totals


def test_a_named_agent_is_told_alone() -> None:
    assert simulate(configured(), "collections-emailer", HOUR).others == ()


def test_an_agent_that_is_not_configured() -> None:
    with pytest.raises(ValueError, match="no agent is called 'x'; there are: collections-emailer, payment-watcher"):
        simulate(configured(), "x", HOUR)


@pytest.mark.parametrize("outage", [0.0, -1.0, float("nan")])
def test_an_outage_that_is_none(outage: float) -> None:
    with pytest.raises(ValueError, match=f"^the outage must be longer than 0, not {outage:g} s$"):
        simulate(configured(), None, outage)


# --- Channels ----------------------------------------------------------------------------------------------------------------


def test_later_rungs_are_used_when_nobody_answers() -> None:
    config = with_channels(
        configured(),
        OpenClawChannel(),
        CommandChannel(command=("x",), after=1800.0),
        WebhookChannel(url="https://example.org/secret", after=6 * HOUR),
    )

    found = simulate(config, "payment-watcher", 24 * HOUR)

    opened = told(found, "opened")[0]
    rungs = [moment for moment in found.events if moment.kind == "simulation.rung"]
    assert [(moment.at_s - opened, moment.fields["channels"]) for moment in rungs] == [(1800.0, "command"), (6 * HOUR, "webhook")]
    reminders = [moment for moment in found.events if moment.fields.get("notice") == "reminder"]
    assert [moment.fields["channels"] for moment in reminders] == ["openclaw, command", *["openclaw, command, webhook"] * 2]
    assert found.totals.notices == {"opened": 1, "reminder": 3, "resolved": 1}
    assert not any("secret" in moment.text for moment in found.events)


def test_a_rung_that_is_not_reached_stays_silent() -> None:
    config = with_channels(configured(), OpenClawChannel(), CommandChannel(command=("x",), after=HOUR))

    assert times(simulate(config, "payment-watcher", 2 * HOUR), "simulation.rung") == []


def test_no_rung_is_climbed_once_the_agent_beats_again() -> None:
    opened = told(simulate(configured(), "payment-watcher", 90 * 60.0), "opened")[0]
    config = with_channels(configured(), OpenClawChannel(), CommandChannel(command=("x",), after=90 * 60.0 - opened))

    found = simulate(config, "payment-watcher", 90 * 60.0)

    assert told(found, "resolved")[0] > 90 * 60.0
    assert times(found, "simulation.rung") == []


def test_without_channels_nobody_is_told() -> None:
    found = simulate(with_channels(configured()), "payment-watcher", 10 * HOUR)

    assert found.totals.notices == {}
    assert found.totals.told_s is None
    assert found.remarks == ("escalation.channels is empty: caine is never told",)


def test_a_hostile_recipient_is_harmless() -> None:
    config = configured()
    hostile = msgspec.structs.replace(config.escalation, recipient="\x1b[31m\n\udc80caine")

    found = simulate(msgspec.structs.replace(config, escalation=hostile), "payment-watcher", 2 * HOUR)

    assert not any(re.search("[\x00-\x1f\ud800-\udfff]", moment.text) for moment in found.events)


# --- What is probably not meant ----------------------------------------------------------------------------------------------


def test_a_human_told_before_the_restart_can_have_helped() -> None:
    found = simulate(with_agent(configured(), miss_interval=60.0), None, 2 * HOUR)

    assert found.remarks == (
        "caine is told +1 h 01 min, before the first restart (+1 h 00 min) has had its time to prove itself (until +1 h 05 min)",
    )


def test_a_budget_that_is_used_up() -> None:
    found = simulate(with_restart(configured(), attempts_per_incident=0), None, 5 * HOUR)

    assert "the restart budget is used up +1 h 30 min" in found.remarks
    assert times(found, "agent.restart.skipped", reason="budget")[0] == pytest.approx(5430, abs=60)


def test_an_agent_that_beats_too_seldom_for_its_timeout() -> None:
    found = simulate(with_agent(configured(), period=2 * HOUR, timeout=HOUR), None, HOUR)

    assert "it beats every 2 h 00 min and may be silent for 1 h 00 min: it counts as silent while it is well" in found.remarks
    assert found.events[-1].at_s <= 3 * HOUR


def test_a_story_that_would_never_end_is_cut_off() -> None:
    found = simulate(with_agent(configured(), timeout=0.2, miss_interval=0.1), None, 60 * HOUR)

    assert len(found.events) <= 5_100
    assert any(remark.startswith("more happens than can be told") for remark in found.remarks)
    assert found.totals.cut_off_s == found.events[-1].at_s


def test_figures_of_a_story_that_is_cut_off_say_so() -> None:
    quick = {"name": "quick", "timeout": 0.2, "miss_interval": 0.1}
    found = simulate(configured(agents=[{"name": "a"}, quick, {"name": "b"}]), None, 60 * HOUR)
    first, second = found.others
    assert 0 < (first.totals.cut_off_s or 0) < 60 * HOUR
    assert (found.totals.cut_off_s, second.totals.cut_off_s) == (None, None)


# --- Other kinds of agents ---------------------------------------------------------------------------------------------------


def test_an_agent_that_is_not_restarted() -> None:
    found = simulate(configured(agents=[{"name": "a", "restart": {"kind": "none"}}]), None, 3 * HOUR)

    assert found.totals.restarts == 0
    assert told(found, "opened") == [HOUR + 900]
    assert found.remarks == ()


def test_a_process_that_lives_without_beating_is_restarted_again_and_again() -> None:
    found = simulate(configured(agents=[{"name": "a", "restart": {"kind": "process", "command": ["x"]}}]), None, 10 * HOUR)

    assert found.totals.restarts >= 3
    assert found.totals.notices["opened"] == found.totals.notices["resolved"] == 1
    assert not any("prove itself" in remark for remark in found.remarks)


def test_a_process_that_cannot_stay_up() -> None:
    agent = {"name": "a", "heartbeat": {"kind": "none"}, "restart": {"kind": "process", "command": ["x"]}}

    found = simulate(configured(agents=[agent]), None, 2 * HOUR)

    assert found.totals.misses == 0
    assert len(times(found, "agent.exited")) == found.totals.restarts
    assert found.totals.told_s == pytest.approx(3.25)
    assert times(found, "agent.restart.succeeded")[0] > 2 * HOUR
    assert found.totals.notices["resolved"] == 1


def test_a_process_whose_exit_says_not_to_start_it_again_needs_a_person() -> None:
    restart = {"kind": "process", "command": ["x"], "no_restart_exit_codes": [1]}

    found = simulate(configured(agents=[{"name": "a", "heartbeat": {"kind": "none"}, "restart": restart}]), None, HOUR)

    assert found.totals.restarts == 0
    assert found.totals.notices["opened"] == 1
    assert "resolved" not in found.totals.notices
    assert found.remarks == ("it does not come back by itself after the outage: a person has to act",)


def test_a_process_whose_exit_is_no_trouble() -> None:
    restart = {"kind": "process", "command": ["x"], "ok_exit_codes": [1]}

    found = simulate(configured(agents=[{"name": "a", "heartbeat": {"kind": "none"}, "restart": restart}]), None, HOUR)

    assert [moment.kind for moment in found.events] == ["simulation.silent", "agent.exited", "simulation.well"]


def test_quiet_hours_count_no_misses() -> None:
    hours = ActiveHours(start=7 * 60, end=9 * 60, zone="America/Bogota")

    found = simulate(with_agent(configured(), active_hours=hours), None, 24 * HOUR)

    assert times(found, "agent.heartbeat.missed") == [3600, 4500, 5400, 6300, 7200]


def test_a_learned_deadline() -> None:
    found = simulate(with_agent(configured(), period=HOUR, timeout=1.5 * HOUR, adaptive=True), None, 10 * HOUR)

    assert found.timeout_s is None
    assert 1.25 * HOUR <= times(found, "agent.heartbeat.missed")[0] <= 2 * HOUR


# --- Whatever the settings ---------------------------------------------------------------------------------------------------


@given(
    timeout=st.integers(60, 7200),
    interval=st.integers(30, 3600),
    threshold=st.integers(1, 5),
    attempts=st.integers(0, 4),
    per_hour=st.integers(0, 5),
    per_day=st.integers(0, 20),
    outage=st.integers(1, 30_000),
)
@settings(max_examples=40, deadline=None)
def test_every_story_comes_to_its_end(
    timeout: int, interval: int, threshold: int, attempts: int, per_hour: int, per_day: int, outage: int
) -> None:
    config = with_restart(configured(), attempts_per_incident=attempts, per_hour=per_hour, per_day=per_day)
    config = with_agent(config, timeout=float(timeout), miss_interval=float(interval), miss_threshold=threshold)

    found = simulate(config, None, float(outage))

    assert found.totals.misses == (0 if outage <= timeout else -(-(outage - timeout) // interval))
    assert list(found.events) == sorted(found.events, key=lambda moment: moment.at_s)
    assert found.totals.notices.get("opened", 0) == found.totals.notices.get("resolved", 0) <= 1
    assert (found.totals.notices == {}) == (found.totals.told_s is None)
    starts = times(found, "agent.restart.started")
    assert len(starts) == found.totals.restarts
    for limit, window in ((per_hour, HOUR), (per_day, 24 * HOUR)):
        assert not limit or all(sum(at <= other < at + window for other in starts) <= limit for at in starts)
