from collections.abc import Callable
from pathlib import Path

import pytest

from collections_supervisor.config.loader import Loaded
from collections_supervisor.config.schema import LogSource, Source, TouchSource

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]
OWN_LOG = Path("/home/ann/.cache/novotechno-collections/heartbeats/a.log")
PROCESS = "restart = { kind = 'process', command = ['x'] }"


def sources(load_text: Load, heartbeat: str, rest: str = "") -> tuple[Source, ...]:
    (agent,) = load_text(f"[[agents]]\nname = 'a'\n{heartbeat}\n{rest}").config.agents
    return agent.sources


@pytest.mark.parametrize("heartbeat", ["", "heartbeat = { kind = 'log' }", "heartbeat = [{ kind = 'log' }]"])
def test_unless_told_otherwise_an_agent_has_a_log(load_text: Load, heartbeat: str) -> None:
    assert sources(load_text, heartbeat) == (LogSource(path=OWN_LOG),)


def test_logs_and_touched_files_have_paths_relative_to_the_file(load_text: Load, tmp_path: Path) -> None:
    tables = "{ kind = 'log', path = 'x.log' }, { kind = 'touch', path = '~/runs/*.json' }, { kind = 'touch', path = 't' }"
    assert sources(load_text, f"heartbeat = [{tables}]") == (
        LogSource(path=tmp_path / "x.log"),
        TouchSource(path="/home/ann/runs/*.json"),
        TouchSource(path=str(tmp_path / "t")),
    )


@pytest.mark.parametrize("heartbeat", ["{ kind = 'none' }", "[{ kind = 'none' }]"])
def test_only_a_process_needs_no_heartbeat(load_text: Load, faults: Faults, heartbeat: str) -> None:
    assert sources(load_text, f"heartbeat = {heartbeat}", PROCESS) == ()
    (fault,) = faults(f"[[agents]]\nname = 'a'\nheartbeat = {heartbeat}")
    assert fault.endswith('"none" needs restart.kind = "process", not "openclaw": nothing would be watched')


def test_an_unknown_kind_of_restart_is_told_alone(faults: Faults) -> None:
    assert len(faults("[[agents]]\nname = 'a'\nheartbeat = { kind = 'none' }\nrestart = { kind = 'proces' }")) == 1


@pytest.mark.parametrize(
    ("heartbeat", "fault"),
    [
        ("[]", '.heartbeat (agent "a"): must be a table, or a list of 1 to 16 of them and not of 0'),
        ("'log'", '.heartbeat (agent "a"): must be a table with a kind, not "log"'),
        ("{}", '.heartbeat.kind (agent "a"): is missing; it is one of "log", "touch", "none"'),
        (
            "{ kind = 'tuch' }",
            '.heartbeat.kind (agent "a"): must be one of "log", "touch", "none", not "tuch"; did you mean "touch"?',
        ),
        ("{ kind = 'touch' }", '.heartbeat.path (agent "a"): is missing; it names a file or a glob'),
        ("{ kind = 'touch', path = '' }", '.heartbeat.path (agent "a"): must not be empty'),
        ("{ kind = 'log', pth = 'x' }", '.heartbeat.pth (agent "a"): unknown key; did you mean "path"?'),
        ("[{ kind = 'log' }, 3]", '.heartbeat[1] (agent "a"): must be a table with a kind, not 3'),
        ("[{ kind = 'log' }, { kind = 'none' }]", '.heartbeat[1].kind (agent "a"): "none" cannot stand beside other sources'),
    ],
)
def test_faults_are_named(faults: Faults, heartbeat: str, fault: str) -> None:
    assert faults(f"[[agents]]\nname = 'a'\nheartbeat = {heartbeat}\n{PROCESS}") == ["agents[0]" + fault]


def test_there_are_at_most_sixteen(faults: Faults) -> None:
    many = ", ".join(["{ kind = 'log' }"] * 17)
    assert len(faults(f"[[agents]]\nname = 'a'\nheartbeat = [{many}]")) == 1
