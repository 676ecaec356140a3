"""What is refused before anybody is asked."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from collections_supervisor.cli import cli
from collections_supervisor.terminal import complete_agent


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "supervisor.toml"
    path.write_text('[supervisor]\nstate_dir = "state"\n[[agents]]\nname = "mailer"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pause"], "name one agent, or --all"),
        (["pause", "mailer", "--all"], "name one agent, or --all"),
        (["resume"], "name one agent, or --all"),
        (["pause", "mailer", "--for", "soon"], "is not a duration"),
        (["pause", "mailer", "--for", "9999999999d"], "--for"),
        (["ack"], "Missing argument 'AGENT'"),
        (["restart"], "Missing argument 'AGENT'"),
        (["restart", "mailer", "--reason", "x" * 1001], "length <= 1000"),
    ],
)
def test_what_cannot_be_meant_is_usage(config: Path, arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, ["--config", str(config), *arguments])
    assert done.exit_code == 2
    assert said in done.output
    assert not (config.parent / "state").exists()


def test_names_are_completed_and_a_bad_file_completes_nothing(config: Path) -> None:
    def completed(incomplete: str) -> list[str]:
        context = click.Context(cli)
        context.params = {"config_path": config, "agents": None}
        return complete_agent(click.Context(cli, parent=context), click.Argument(["agent"]), incomplete)

    assert completed("") == completed("ma") == ["mailer"]
    assert completed("x") == []
    config.write_text("x = 1")
    assert completed("") == []
