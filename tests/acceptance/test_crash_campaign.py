"""The program, killed again and again: nothing is lost, nothing invented, nothing paid for twice. See tests/campaign."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CRASHES = int(os.environ.get("CRASHES", "300"))


def run(kills: int, *options: str) -> str:
    """Run a campaign; what it says of itself, which is nothing but figures if every promise was kept."""
    command = [sys.executable, "-m", "tests.campaign", "--kills", str(kills), *options]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_dozen_kills_cost_nothing() -> None:
    assert "12 kills" in run(12, "--per-site", "6")


@pytest.mark.slow
@pytest.mark.timeout(max(600, 4 * CRASHES))
def test_hundreds_of_kills_cost_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    figures = run(CRASHES)
    with capsys.disabled():
        print(f"\n{figures}", end="")
    assert not re.search(r"\b0 (?!undelivered)", figures), "not everything happened that was to be interrupted"
