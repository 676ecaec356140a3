"""The metrics of the program as it is installed: of a daemon over its own death, of a sweep, and of whoever only asks."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

PREFIX = "collections_supervisor_"
TELL_ONLY = {"restart": {"kind": "none"}}
ENDS = ("succeeded", "failed", "timed_out", "interrupted")
FATES = ("delivered", "failed", "expired")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())] = sample.value
    return found


def of(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


class Told:
    """What the metrics say of one agent, and what the logs of all lives say."""

    def __init__(self, site: Any, *daemons: Any) -> None:
        self.path = site.root / "supervisor.prom"
        self._daemons = daemons

    def now(self) -> Samples:
        return samples(self.path.read_text())

    def counted(self, agent: str) -> dict[str, float]:
        found = self.now()
        ends = {name: of(found, "agent_restarts_total", agent=agent, outcome=name) for name in ENDS}
        fates = {f"notice {name}": of(found, "agent_escalations_total", agent=agent, outcome=name) for name in FATES}
        return {name: value for name, value in {**ends, **fates}.items() if value is not None}

    def logged(self, agent: str) -> dict[str, float]:
        ends = {name: self._events(f"agent.restart.{name}", agent) for name in ENDS}
        return {**ends, **{f"notice {name}": self._events(f"escalation.{name}", agent) for name in FATES}}

    def _events(self, name: str, agent: str) -> float:
        return float(sum(len(daemon.of(name, agent=agent)) for daemon in self._daemons))


@pytest.fixture(scope="module")
def lives(open_site: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two runs: the first is killed once an agent is given up, in the second a restart brings it back."""
    with open_site(tmp_path_factory.mktemp("metrics")) as site:
        site.beat("dead", ago=60)
        site.beat("well")
        site.rules({"kind": "restart", "nth": 3, "beat_after": 0.3}, {"kind": "restart", "exit": 1})
        deaf = 'mkdir "$1" 2> /dev/null && echo "line busy" >&2 && exit 1; cat >> "$0"'

        def configure(message: str) -> None:
            # Told of once: when its restarts are held.
            dead = {
                "name": "dead",
                "timeout": "45s",
                "miss_threshold": 1000,
                "restart": {"attempts_per_incident": 2, "message": message},
            }
            site.configure(
                [dead, {"name": "well", "timeout": "1h"}],
                restart={"kind": "openclaw", "verify_within": "20s"},
                metrics={"path": "supervisor.prom"},
                escalation={
                    "channels": [{"kind": "command", "command": ["sh", "-c", deaf, "{notices}", str(site.root / "busy")]}]
                },
            )

        configure("restart")
        site.before = site.run()
        site.before.wait_for("agent.restart.skipped", agent="dead", reason="held")
        site.before.wait_for("escalation.delivered", agent="dead")
        told = Told(site, site.before)
        site.until(lambda: told.counted("dead") == told.logged("dead"))
        site.first = (told.now(), told.logged("dead"))
        saved = site.state / "snapshot.json"
        site.until(lambda: '"outcomes":{"failed":2}' in saved.read_text() and '"delivered":1' in saved.read_text())
        site.before.kill()
        # Nothing that was held is, once somebody has changed how it is restarted.
        configure("wake up")
        site.after = site.run()
        site.told = Told(site, site.before, site.after)
        site.after.wait_for("agent.restart.succeeded", agent="dead")
        site.until(lambda: site.told.counted("dead") == site.told.logged("dead"))
        site.second = site.told.now()
        site.logged = site.told.logged("dead")
        assert site.after.stop() == 0
        yield site


def test_what_failed_is_counted_as_often_as_it_is_logged(lives: Any) -> None:
    _, logged = lives.first
    assert logged == {**dict.fromkeys(ENDS, 0), "failed": 2, "notice delivered": 1, "notice failed": 1, "notice expired": 0}


def test_over_a_kill_every_end_is_counted_once(lives: Any) -> None:
    assert lives.logged["failed"] == 2
    assert lives.logged["succeeded"] == 1
    assert of(lives.second, "agent_restarts_total", agent="dead", outcome="failed") == 2
    assert of(lives.second, "agent_restarts_total", agent="dead", outcome="succeeded") == 1
    assert of(lives.second, "agent_restart_duration_seconds_count", agent="dead") == 1
    [event] = lives.after.of("agent.restart.succeeded", agent="dead")
    took = of(lives.second, "agent_restart_duration_seconds_sum", agent="dead")
    assert took == pytest.approx(event["duration_ms"] / 1000, abs=0.001)


def test_one_that_is_well_has_every_count_at_0(lives: Any) -> None:
    assert lives.told.counted("well") == lives.told.logged("well")
    assert set(lives.told.counted("well").values()) == {0}


def test_the_last_ones_are_written_at_the_stop(lives: Any) -> None:
    page = lives.embedded(lives.page_path)
    assert page["stopped_at"] is not None
    last = lives.told.now()

    assert of(last, "last_cycle_timestamp_seconds") == datetime.fromisoformat(page["generated_at"]).timestamp()
    written = of(last, "dashboard_last_write_timestamp_seconds")
    assert written is not None
    assert written >= datetime.fromisoformat(page["generated_at"]).timestamp()
    assert lives.told.path.stat().st_mode & 0o777 == 0o644


def test_the_figures_of_the_program_itself_begin_anew(lives: Any) -> None:
    (first, _), second = lives.first, lives.second
    begun = [of(found, "start_time_seconds") or 0.0 for found in (first, second)]
    assert begun[0] < begun[1]
    assert of(second, "log_events_total", level="critical") == 0
    assert of(second, "log_events_dropped_total") == 0
    assert of(second, "config_reloads_total", outcome="rejected") == 0


def test_whoever_asks_afterwards_is_told_the_same_but_for_a_running_program(lives: Any) -> None:
    before = lives.tree()
    done = lives.call("--config", str(lives.root / "supervisor.toml"), "--metrics")
    assert (done.returncode, done.stderr) == (0, "")
    own = ("start_time_", "log_events_", "config_reloads_", "dashboard_last_write_", "last_cycle_")
    assert samples(done.stdout) == {key: value for key, value in lives.told.now().items() if not key[0].startswith(own)}
    assert lives.tree() == before
    target = lives.root / "asked.prom"
    assert lives.call("--config", str(lives.root / "supervisor.toml"), "--metrics", "--output", str(target)).stdout == ""
    assert (target.read_text(), target.stat().st_mode & 0o777) == (done.stdout, 0o644)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_wrong_with_any_of_them(lives: Any) -> None:
    asked = lives.call("--config", str(lives.root / "supervisor.toml"), "--metrics").stdout
    for text in (lives.told.path.read_text(), asked):
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_sweep_writes_them_too(site: Any) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer", "timeout": "1h", **TELL_ONLY}], metrics={"path": "x.prom"}, dashboard={"path": ""})
    sweep = site.check()
    found = samples((site.root / "x.prom").read_text())
    assert of(found, "agent_state", agent="mailer", state="healthy") == 1
    assert of(found, "start_time_seconds") is not None
    assert of(found, "dashboard_last_write_timestamp_seconds") is None, "there is no page"
    assert sweep.of("metrics.written")
    assert site.check("--dry-run").of("metrics.written") == []


def test_a_folder_that_is_not_there_is_said_once(site: Any) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer", "timeout": "1h", **TELL_ONLY}], metrics={"path": "nowhere/x.prom"})
    daemon = site.run()
    failed = daemon.wait_for("metrics.failed")
    assert "nowhere/x.prom cannot be written: no such file or directory" in failed["message"]
    written = site.page_path.stat().st_mtime_ns
    site.until(lambda: site.page_path.stat().st_mtime_ns > written)
    assert len(daemon.of("metrics.failed")) == 1
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metrics", "--health-check"], "--dashboard and --metrics change nothing"),
        (["--metrics", "--json"], "--dashboard and --metrics change nothing"),
        (["--metrics", "--dry-run"], "--dashboard and --metrics change nothing"),
        (["--output", "x"], "--output goes together with"),
        (["--metrics", "--template", "x"], "--template is of the page"),
        (["--metrics", "check"], "these options stand alone"),
    ],
)
def test_what_does_not_go_together_is_refused(site: Any, arguments: list[str], said: str) -> None:
    done = site.call("--config", str(site.configure([{"name": "mailer"}])), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_where_nothing_was_saved_it_is_judged_by_what_lies_there(site: Any) -> None:
    config = site.configure([{"name": "mailer", "timeout": "1h", **TELL_ONLY}])
    site.beat("mailer")
    before = site.tree()
    done = site.call("--config", str(config), "--metrics")
    assert (done.returncode, done.stderr) == (0, "")
    found = samples(done.stdout)
    assert of(found, "agent_state", agent="mailer", state="healthy") == 1
    assert of(found, "last_cycle_timestamp_seconds") is None, "nobody supervises"
    assert site.tree() == before
