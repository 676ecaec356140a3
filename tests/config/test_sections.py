"""What `[restart]` means for children of ours and for paid actions."""

from collections.abc import Callable

import pytest

from collections_supervisor.config.loader import Loaded
from collections_supervisor.config.schema import Backoff, RestartPolicy

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]
FREE = Backoff(initial=1, factor=2, max=300, jitter=0.5)


def policies(load_text: Load, text: str) -> list[RestartPolicy]:
    return [agent.restart for agent in load_text(text).config.agents]


def test_a_process_costs_nothing_and_is_never_given_up(load_text: Load) -> None:
    (policy,) = policies(load_text, "agents = [{ name = 'a', restart = { kind = 'process', command = ['x'] } }]")
    assert (policy.attempts_per_incident, policy.per_hour, policy.per_day, policy.backoff) == (0, 0, 0, FREE)


def test_a_process_keeps_the_limits_it_sets_itself(load_text: Load) -> None:
    text = "agents = [{ name = 'a', restart = { kind = 'process', command = ['x'], per_hour = 9, backoff = { max = '10s' } } }]"
    (policy,) = policies(load_text, text)
    assert (policy.attempts_per_incident, policy.per_hour) == (0, 9)
    assert (policy.backoff.initial, policy.backoff.max) == (1, 10)


def test_limits_of_paid_actions_do_not_reach_a_process(load_text: Load) -> None:
    text = """
        [restart]
        per_hour = 3
        attempts_per_incident = 7
        timeout = "1m"
        backoff = { initial = "2m", jitter = 0 }
        env = { A = "x" }
        stop_grace = "3s"
        [[agents]]
        name = "paid"
        [[agents]]
        name = "owned"
        restart = { kind = "process", command = ["x"] }
        """
    paid, owned = policies(load_text, text)
    assert (paid.per_hour, paid.attempts_per_incident, paid.backoff.initial, paid.timeout) == (3, 7, 120, 60)
    assert (owned.per_hour, owned.attempts_per_incident, owned.backoff) == (0, 0, FREE)
    assert (owned.timeout, owned.env, owned.stop_grace) == (60, {"A": "x"}, 3)


def test_limits_of_processes_do_not_reach_a_paid_action(load_text: Load) -> None:
    text = """
        [restart]
        kind = "process"
        command = ["x", "{agent}"]
        per_hour = 0
        backoff = { initial = "100ms" }
        [[agents]]
        name = "owned"
        [[agents]]
        name = "paid"
        restart = { kind = "openclaw" }
        """
    owned, paid = policies(load_text, text)
    assert (owned.kind, owned.command, owned.per_hour, owned.per_day, owned.backoff.initial) == (
        "process",
        ("x", "{agent}"),
        0,
        0,
        0.1,
    )
    assert (paid.command, paid.per_hour, paid.per_day, paid.backoff) == ((), 4, 12, Backoff())


@pytest.mark.parametrize("kind", ["command", "process"])
def test_a_command_is_needed_where_one_is_run(faults: Faults, kind: str) -> None:
    fault = f'must name a program, since the kind is "{kind}"'
    assert faults(f"restart.kind = '{kind}'\nagents = [{{ name = 'a' }}]") == [f'restart.command (agent "a"): {fault}']
    own = f"agents = [{{ name = 'a', restart.kind = '{kind}' }}]"
    assert faults(own) == [f'agents[0].restart.command (agent "a"): {fault}']
    assert faults(f"restart.kind = '{kind}'") == [
        f'restart.command (agent "{name}"): {fault}' for name in ("collections-emailer", "payment-watcher")
    ]


def test_a_command_of_the_other_side_is_not_inherited(faults: Faults) -> None:
    text = "restart = { kind = 'command', command = ['x'] }\nagents = [{ name = 'a', restart = { kind = 'process' } }]"
    assert len(faults(text)) == 1


def test_a_refused_command_is_not_also_missing(faults: Faults) -> None:
    assert len(faults("restart = { kind = 'command', command = 'x' }")) == 1
    assert len(faults("agents = [{ name = 'a', restart = { kind = 'command', command = 'x' } }]")) == 1


@pytest.mark.parametrize("signal", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL"])
def test_stop_signals(load_text: Load, signal: str) -> None:
    assert policies(load_text, f"restart.stop_signal = '{signal}'")[0].stop_signal == signal


def test_other_signals_are_refused(faults: Faults) -> None:
    (fault,) = faults("restart.stop_signal = 'SIGTERM'")
    assert fault.endswith('not "SIGTERM"; did you mean "TERM"?')


def test_a_section_of_kind_process_is_judged_by_its_own_defaults(load_text: Load, faults: Faults) -> None:
    assert policies(load_text, "restart = { kind = 'process', command = ['x'], backoff.max = '2s' }")[0].backoff.max == 2
    assert len(faults("restart = { kind = 'openclaw', backoff.max = '2s' }")) == 1
