"""What is refused on the command line before anything is done, and what an interrupt of that moment comes to."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from collections_supervisor.app.launch import prepare_state
from collections_supervisor.cli import cli


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "supervisor.toml"
    path.write_text(f'[heartbeats]\ndir = "{tmp_path}"\n[[agents]]\nname = "mailer"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "no agent is called 'nobody'; there are: mailer"),
        (["mailer", "--status", "busy"], "--status busy and --until go together"),
        (["mailer", "--until", "20m"], "--status busy and --until go together"),
        (["mailer", "--status", "busy", "--until", "2020-01-01T00:00:00Z"], "is in the past"),
        (["mailer", "--status", "busy", "--until", "soon"], "--until"),
        (["mailer", "--status", "fail", "--", "true"], "leave the options out"),
        (["mailer", "--message", "bad", "--", "true"], "leave the options out"),
    ],
)
def test_a_beat_that_would_say_less_than_was_meant_is_refused(config: Path, arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, ["--config", str(config), "beat", *arguments])
    assert done.exit_code == 2
    assert said in done.output
    assert not (config.parent / "mailer.log").exists()


def test_a_busy_beat_says_until_when(config: Path) -> None:
    done = CliRunner().invoke(cli, ["--config", str(config), "beat", "mailer", "--status", "busy", "--until", "20m"])
    assert done.exit_code == 0, done.output
    assert '"until"' in (config.parent / "mailer.log").read_text(encoding="utf-8")


def test_a_state_folder_of_ours_is_private_and_one_of_others_keeps_its_mode(tmp_path: Path) -> None:
    prepare_state(tmp_path / "ours").close()
    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for _ in range(2):
        prepare_state(shared).close()
        assert shared.stat().st_mode & 0o7777 == 0o1777
    assert (shared / "actions").stat().st_mode & 0o777 == 0o700


INTERRUPTED_IN = """
import click
from collections_supervisor import cli

def interrupted():
    {statement}

cli.cli.add_command(click.Command("interrupted", callback=interrupted))
cli.main()
"""


@pytest.mark.parametrize("statement", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_an_interrupt_of_any_moment_is_told_by_the_status_alone(tmp_path: Path, statement: str) -> None:
    (tmp_path / "program.py").write_text(INTERRUPTED_IN.format(statement=statement))
    command = [sys.executable, "-m", "program", "interrupted"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")
