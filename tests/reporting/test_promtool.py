"""The alerts, and the text that they are about, held against Prometheus' own tool."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.books.findings import WARNINGS
from collections_supervisor.messages import Counters
from collections_supervisor.reporting.metrics import PREFIX, render

ALERTS = Path(__file__).parents[2] / "config" / "prometheus" / "alerts.yml"
TESTS = ALERTS.with_name("alerts_test.yml")
NAMES = re.findall(r"- alert: (\w+)", ALERTS.read_text())

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus has it)"
)


def promtool(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)


@needs_promtool
def test_the_rules_are_sound() -> None:
    done = promtool("check", "rules", str(ALERTS))
    assert done.returncode == 0, done.stderr
    assert f"{len(NAMES)} rules found" in done.stdout


@needs_promtool
def test_every_alert_fires_when_it_should() -> None:
    done = promtool("test", "rules", str(TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


def block_of(name: str) -> str:
    """The text of one rule."""
    rest = ALERTS.read_text().partition(f"      - alert: {name}\n")[2]
    return f"      - alert: {name}\n{rest.partition('      - alert: ')[0]}"


@needs_promtool
def test_a_text_of_everything_is_clean(
    make_report: Callable[..., Any], make_agent: Callable[..., Any], full_books: dict[str, Any], now: Any
) -> None:
    text = render(make_report(make_agent(timeout_s=60.0, miss_threshold=2), **full_books), Counters(started_at=now), now)
    done = promtool("check", "metrics", text=text.decode())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# --- What needs no promtool ---


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_says_what_is_wrong_and_what_to_do(name: str) -> None:
    rule = block_of(name)
    assert re.search(r"severity: (critical|warning)\n", rule)
    summary, description = rule.partition("summary: ")[2].split("\n", 1)[0], rule.partition("description: ")[2]
    assert 30 < len(summary) < 160
    assert len(" ".join(description.split())) > 150


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_tried_firing_and_not_firing(name: str) -> None:
    asked = rf"""- expr: 'ALERTS\{{alertname="{name}",alertstate="firing"\}}'\n +eval_time: \w+\n +exp_samples:(.*)\n"""
    expected = re.findall(asked, TESTS.read_text())
    assert {text.strip() for text in expected} == {"[]", ""}


def test_only_metrics_that_there_are_are_asked_for(
    make_report: Callable[..., Any], make_agent: Callable[..., Any], full_books: dict[str, Any], now: Any
) -> None:
    text = render(make_report(make_agent(timeout_s=60.0, miss_threshold=2), **full_books), Counters(started_at=now), now).decode()
    asked = set(re.findall(rf"{PREFIX}\w+", ALERTS.read_text()))
    assert len(asked) >= 9
    assert {name for name in asked if f"# TYPE {name} " not in text} == set()


def test_the_books_are_alarming_for_every_error_and_for_no_warning() -> None:
    excepted = re.search(r'books_findings\{kind!~"([a-z_|]+)"\}', ALERTS.read_text())
    assert excepted is not None
    assert set(excepted[1].split("|")) == WARNINGS
