"""Which agents are watched, by which settings."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collections_supervisor.config.loader import Loaded, build
from collections_supervisor.config.problems import ConfigError
from collections_supervisor.config.schema import AgentConfig

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


def agents(load_text: Load, text: str, **kwargs: object) -> dict[str, AgentConfig]:
    return {agent.name: agent for agent in load_text(text, **kwargs).config.agents}


def test_an_agent_takes_from_its_section_what_it_does_not_set(load_text: Load, tmp_path: Path) -> None:
    found = agents(
        load_text,
        """
        [heartbeats]
        dir = "beats"
        timeout = "10m"
        miss_threshold = 5
        [restart]
        message = "wake up"
        backoff = { initial = "1m", max = "2m" }
        env = { A = "section", B = "section" }
        [[agents]]
        name = "plain"
        [[agents]]
        name = "special"
        dir = "other"
        timeout = "20m"
        future_tolerance = 0
        restart = { message = "up", backoff = { max = "3m" }, env = { B = "own", C = "own" } }
        """,
    )
    plain, special = found["plain"], found["special"]
    assert (plain.timeout, plain.miss_threshold, plain.startup_grace) == (600, 5, 600)
    assert (special.timeout, special.miss_threshold, special.future_tolerance) == (1200, 5, 0)
    assert [source.path for source in plain.sources] == [tmp_path / "beats/plain.log"]
    assert [source.path for source in special.sources] == [tmp_path / "other/special.log"]
    assert (plain.restart.message, special.restart.message) == ("wake up", "up")
    assert (special.restart.backoff.initial, special.restart.backoff.max) == (60, 180)
    assert plain.restart.env == {"A": "section", "B": "section"}
    assert special.restart.env == {"A": "section", "B": "own", "C": "own"}


@pytest.mark.parametrize(
    ("settings", "timeout", "miss_interval", "startup_grace"),
    [
        ("", 3600, 900, 3600),
        ('period = "60s"', 300, 420, 300),
        ('period = "30m"', 2700, 1800, 2700),
        ('period = "30m"\ntimeout = "1h"', 3600, 1800, 3600),
        ('period = "60s"\nrestart = { timeout = "1h", verify_within = "1h" }', 300, 7200, 300),
        ('period = "60s"\nmiss_interval = "5s"', 300, 5, 300),
        ('timeout = "2m"', 120, 900, 120),
        ('timeout = "2m"\nstartup_grace = "1d"', 120, 900, 86400),
    ],
    ids=range(8),
)
def test_deadlines_follow_from_the_period(
    load_text: Load, settings: str, timeout: float, miss_interval: float, startup_grace: float
) -> None:
    agent = agents(load_text, f'[[agents]]\nname = "a"\n{settings}')["a"]
    assert (agent.timeout, agent.miss_interval, agent.startup_grace) == (timeout, miss_interval, startup_grace)


def test_what_the_section_sets_beats_what_a_period_suggests(load_text: Load) -> None:
    text = '[heartbeats]\ntimeout = "2h"\nmiss_interval = "3h"\nstartup_grace = "4h"\n[[agents]]\nname = "a"\nperiod = "1m"'
    agent = agents(load_text, text)["a"]
    assert (agent.timeout, agent.miss_interval, agent.startup_grace) == (7200, 10800, 14400)


@given(st.integers(1, 86_400), st.integers(1, 86_400), st.integers(1, 86_400))
def test_with_a_period_the_second_miss_waits_for_the_proof_of_a_restart(period: int, timeout: int, verify: int) -> None:
    document = {"agents": [{"name": "a", "period": period, "restart": {"timeout": timeout, "verify_within": verify}}]}
    (agent,) = build(document, path=None, environ={"HOME": "/home/ann"}).config.agents
    assert agent.timeout == max(1.5 * period, 300)
    assert agent.miss_interval == max(period, timeout + verify)
    assert agent.startup_grace == agent.timeout


def test_the_built_in_names_have_their_roles_unless_given_another(load_text: Load) -> None:
    found = agents(
        load_text,
        """
        agents = [
          { name = "collections-emailer" },
          { name = "payment-watcher", role = "" },
          { name = "x", role = "watcher" },
          { name = "y" },
        ]
        """,
    )
    assert {name: agent.role for name, agent in found.items()} == {
        "collections-emailer": "mailer",
        "payment-watcher": "",
        "x": "watcher",
        "y": "",
    }


# --- Names ---------------------------------------------------------------------------------------------------


def test_every_bad_name_is_told(faults: Faults) -> None:
    text = "".join(f"[[agents]]\nname = {name}\n" for name in ("'../evil'", "'a b'", "'<img>'", "3", "'a'", "'a'", "'A'"))
    found = faults(text)
    assert [fault.partition(":")[0] for fault in found] == [
        'agents[0].name (agent "../evil")',
        'agents[1].name (agent "a b")',
        'agents[2].name (agent "<img>")',
        "agents[3].name",
        'agents[5].name (agent "a")',
        'agents[6].name (agent "A")',
    ]
    assert found[-2].endswith('"a" is listed twice')
    assert found[-1].endswith('"A" differs from "a" only by case')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("agents = []", "agents: must name at least one agent; without the key the two built-in ones are watched"),
        ("[agents]", "agents: must be a list, written as [[agents]], not {}"),
        ("agents = 'a'", 'agents: must be a list, written as [[agents]], not "a"'),
        ("agents = ['a']", 'agents[0]: must be a table, not "a"'),
        ("[[agents]]\nrole = ''", "agents[0].name: is missing"),
        (
            "[[agents]]\nname = 'a'\nrole = 'mailr'",
            'agents[0].role (agent "a"): must be one of "mailer", "watcher", "", not "mailr"; did you mean "mailer"?',
        ),
        ("[[agents]]\nname = 'a'\ntimout = 3", 'agents[0].timout (agent "a"): unknown key; did you mean "timeout"?'),
        ("[[agents]]\nname = 'a'\nper_hour = 3", 'agents[0].per_hour (agent "a"): unknown key; did you mean "restart.per_hour"?'),
        ("[[agents]]\nname = 'a'\nrestart = 'none'", 'agents[0].restart (agent "a"): must be a table, not "none"'),
        ("[[agents]]\nname = 'a'\nperiod = 0", 'agents[0].period (agent "a"): must be more than zero, not 0'),
        ("[[agents]]\nname = 'a'\nrestart.max_concurrent = 2", 'agents[0].restart.max_concurrent (agent "a"): unknown key'),
        (
            "[[agents]]\nname = 'a'\nrestart.backoff = { max = 10 }",
            'agents[0].restart.backoff.initial (agent "a"): 30s is longer than backoff.max, which is 10s',
        ),
    ],
)
def test_a_fault_is_named_with_its_agent(faults: Faults, text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_a_fault_of_the_section_is_told_once_and_not_for_every_agent(faults: Faults) -> None:
    assert len(faults("restart.backoff.initial = '2h'\nagents = [{ name = 'a' }, { name = 'b', restart.message = 'x' }]")) == 1


def test_two_agents_cannot_share_a_log(faults: Faults) -> None:
    text = """
        [[agents]]
        name = "a"
        [[agents]]
        name = "b"
        heartbeat = { kind = "log", path = "~/.cache/novotechno-collections/heartbeats/a.log" }
        """
    path = "/home/ann/.cache/novotechno-collections/heartbeats/a.log"
    assert faults(text) == [f'agents[1].heartbeat (agent "b"): "{path}" is the log of agent "a" already']


OUTPUTS = """
[restart]
kind = "process"
command = ["worker"]
output = "logs/{agent}.txt"
[[agents]]
name = "a"
[[agents]]
name = "b"
restart.output = "log"
[[agents]]
name = "c"
"""


def test_the_output_of_a_child_is_the_log_or_a_file_that_may_bear_its_name(load_text: Load, tmp_path: Path) -> None:
    found = agents(load_text, OUTPUTS)
    assert [found[name].restart.output for name in "abc"] == [tmp_path / "logs/a.txt", None, tmp_path / "logs/c.txt"]


def test_two_children_do_not_write_into_one_file(load_text: Load, faults: Faults, tmp_path: Path) -> None:
    text = OUTPUTS.replace("{agent}", "all")
    [fault] = faults(text)
    # A long path is shown in part only.
    assert fault.startswith(f'restart.output (agent "c"): agent "a" writes into "{str(tmp_path / "logs/all.txt")[:60]}')
    assert fault.endswith(" already; {agent} in the path keeps them apart")
    # What is no child of ours writes nothing.
    load_text(text.replace('name = "c"', 'name = "c"\nrestart.kind = "none"'))


def test_a_child_may_be_started_again_after_a_millisecond(load_text: Load) -> None:
    found = agents(load_text, OUTPUTS + 'restart.backoff.initial = "0.001s"\nrestart.max_rss = "500MiB"')
    assert found["c"].restart.backoff.initial == 0.001
    assert (found["c"].restart.max_rss, found["a"].restart.max_rss) == (500 * 1024**2, None)


# --- --agents ------------------------------------------------------------------------------------------------


def test_the_flag_replaces_the_configured_agents(load_text: Load) -> None:
    text = '[heartbeats]\nmiss_threshold = 4\n[[agents]]\nname = "a"\ntimeout = "2m"\n[[agents]]\nname = "b"'
    found = agents(load_text, text, agents=" payment-watcher , a,")
    assert list(found) == ["payment-watcher", "a"]
    assert found["a"].timeout == 120
    assert (found["payment-watcher"].timeout, found["payment-watcher"].miss_threshold) == (3600, 4)
    assert found["payment-watcher"].role == "watcher"


@pytest.mark.parametrize(
    ("flag", "faults_found"),
    [
        (",", ['--agents: must name at least one agent, which "," does not']),
        ("", ['--agents: must name at least one agent, which "" does not']),
        ("A", ['--agents: "A" is configured in another case; did you mean "a"?']),
        ("b,B", ['--agents (agent "B"): "B" differs from "b" only by case']),
        ("b,b", ['--agents (agent "b"): "b" is listed twice']),
    ],
)
def test_faults_of_the_flag_are_told(faults: Faults, flag: str, faults_found: list[str]) -> None:
    assert faults('[[agents]]\nname = "a"', agents=flag) == faults_found


def test_bad_names_in_the_flag_are_told_each(faults: Faults) -> None:
    assert len(faults("", agents="../evil,a b,<img>")) == 3


def test_the_flag_does_not_hide_faults_of_the_file(faults: Faults) -> None:
    text = '[[agents]]\nname = "b"\nrestart = { kind = "command" }'
    assert faults(text, agents="a") == ['agents[0].restart.command (agent "b"): must name a program, since the kind is "command"']
    assert faults("agents = []", agents="a") == [
        "agents: must name at least one agent; without the key the two built-in ones are watched"
    ]


def test_no_agents_at_all_are_never_accepted() -> None:
    with pytest.raises(ConfigError):
        build({"agents": []}, path=None, environ={"HOME": "/home/ann"})


# --- A learned deadline ----------------------------------------------------------------------------------------------


def test_a_learned_deadline_needs_a_period(faults: Faults) -> None:
    (own,) = faults("agents = [{ name = 'a', adaptive = true }, { name = 'b', period = '1h', adaptive = true }]")
    needs = "true needs a period, which this agent has none of; set its period, or adaptive = false for it"
    assert own == f'agents[0].adaptive (agent "a"): {needs}'
    inherited = faults(
        "heartbeats.adaptive = true\nagents = [{ name = 'a' }, { name = 'b', period = '1h' }, { name = 'c', adaptive = false }]"
    )
    assert inherited == [f'heartbeats.adaptive (agent "a"): {needs}']
    by_flag = faults("", {"COLLECTIONS_SUPERVISOR__HEARTBEATS__ADAPTIVE": "true"}, agents="x")
    assert by_flag == [f'environment COLLECTIONS_SUPERVISOR__HEARTBEATS__ADAPTIVE: heartbeats.adaptive (agent "x"): {needs}']


def test_a_period_that_cannot_be_read_is_one_fault(faults: Faults) -> None:
    (fault,) = faults("agents = [{ name = 'a', adaptive = true, period = 'often' }]")
    assert fault.startswith("agents[0].period")


def test_a_learned_deadline_is_switched_on_for_all_or_for_one(load_text: Load) -> None:
    found = agents(load_text, "heartbeats.adaptive = true\nagents = [{ name = 'a', period = '1h' }]")
    assert found["a"].adaptive
    found = agents(load_text, "agents = [{ name = 'a', period = '1h', adaptive = true }, { name = 'b' }]")
    assert (found["a"].adaptive, found["b"].adaptive) == (True, False)
