"""What happens around the supervisor while it is killed again and again: agents that live, die and come back."""

import json
import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

STANDIN = Path(__file__).parents[1] / "standin" / "openclaw"

PER_HOUR = 5
"""Restarts that `returning` may have, over all lives of the supervisor: a site is younger than an hour."""

ATTEMPTS = 5
"""Restarts that `dead` may have, over all lives: it never comes back until the end."""

SILENCES = {"returning": 1.6, "dead": 0.8, "fickle": 0.8, "slow": 0.8}
"""Seconds of silence before the first miss of those that fall silent."""

TOGETHER = 0.4
"""Seconds within which those that fall silent are told of as one, on sites where that is so."""

UP, DOWN = 2.5, 3.2
"""Seconds that `fickle` beats, and is silent, by turns."""

WORKER = "worker"
STEADY = "steady"

_CONFIG = f"""
[supervisor]
state_dir = "state"
shutdown_grace = "5s"

[heartbeats]
dir = "heartbeats"
timeout = "800ms"
miss_interval = "400ms"
miss_threshold = 2
startup_grace = "1s"

[restart]
verify_within = "600ms"
timeout = "20s"
fresh = "never"
max_concurrent = 3
attempts_per_incident = 0
per_hour = 0
per_day = 0
backoff = {{ initial = "200ms", factor = 1.5, max = "500ms" }}

[escalation]
group_wait = "GROUP_WAIT"
channels = [{{ kind = "command", command = ["sh", "-c", 'sleep 0.1; cat >> "$0"; sleep 0.1', "NOTICES"] }}]

[books]
enabled = false

[dashboard]
path = "page.html"
interval = "1s"

[[agents]]
name = "{STEADY}"
timeout = "20s"
startup_grace = "20s"

[[agents]]
name = "returning"
timeout = "RETURNING"
restart = {{ per_hour = {PER_HOUR}, abort_first = false }}

[[agents]]
name = "dead"
restart = {{ attempts_per_incident = {ATTEMPTS}, backoff = {{ initial = "500ms", factor = 2.0, max = "4s" }} }}

[[agents]]
name = "fickle"
restart = {{ kind = "none" }}

[[agents]]
name = "slow"
miss_interval = "1m"
restart = {{ abort_first = false }}

[[agents]]
name = "{WORKER}"
miss_threshold = 50
timeout = "20s"
restart = {{ kind = "process", command = ["{{python}}", "-I", "-S", "WORKER_SCRIPT"], backoff = {{ initial = "100ms" }} }}
"""

_RULES = [
    {"kind": "restart", "agent": "returning", "beat_after": 0.1, "sleep": 0.15},
    {"kind": "restart", "agent": "dead", "exit": 1, "answer": "", "stderr": "the mailbox is gone\n"},
    {"kind": "restart", "agent": "slow", "beat_after": 2.5, "sleep": 2.5},
]

# A lock is let go of by the kernel however its holder dies, so that two at one time can neither hide nor be imagined.
_OPENCLAW = """#!/bin/sh
if [ "$1" = agent ]; then
    exec 9>> "$CAMPAIGN/$3.lock"
    flock -n 9 && alone=true || alone=false
    printf '{"agent": "%s", "action": "%s", "pid": %d, "alone": %s}\\n' \
        "$3" "$COLLECTIONS_SUPERVISOR_ACTION_ID" $$ $alone >> "$CAMPAIGN/actions.jsonl"
fi
exec "$CAMPAIGN_STANDIN" "$@"
"""

_WORKER = """
import fcntl, json, os, time
folder = os.environ["CAMPAIGN"]
lock = open(folder + "/worker.lock", "a")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    alone = True
except BlockingIOError:
    alone = False
def append(path, line):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (json.dumps(line) + "\\n").encode())
    os.close(fd)
about = {"agent": "worker", "action": os.environ["COLLECTIONS_SUPERVISOR_ACTION_ID"], "pid": os.getpid(), "alone": alone}
append(folder + "/workers.jsonl", about)
end = time.monotonic() + 6
while time.monotonic() < end or os.path.exists(folder + "/well"):
    append(os.environ["COLLECTIONS_SUPERVISOR_HEARTBEAT"], {"timestamp": time.time(), "stale": False})
    time.sleep(0.1)
raise SystemExit(1)
"""


class Site:
    """A folder with everything that one supervisor sees, and what it did to the outside."""

    def __init__(self, root: Path, *, together: bool = False) -> None:
        """`together`: at first all fall silent at one time, and what happens at one time is told as one."""
        self.root = root
        self.together = together
        self.silences = dict.fromkeys(SILENCES, 0.8) if together else SILENCES
        self.state = root / "state"
        self.heartbeats = root / "heartbeats"
        self.well = root / "well"
        """Once this is there, every agent is well."""
        for folder in (self.heartbeats, root / "bin", root / "home"):
            folder.mkdir(parents=True)
        words = {
            "NOTICES": str(root / "notices.jsonl"),
            "WORKER_SCRIPT": str(root / "worker.py"),
            "GROUP_WAIT": f"{TOGETHER if together else 0:g}s",
            "RETURNING": f"{self.silences['returning']:g}s",
        }
        config = _CONFIG
        for word, meaning in words.items():
            config = config.replace(word, meaning)
        (root / "supervisor.toml").write_text(config)
        (root / "rules.json").write_text(json.dumps(_RULES))
        (root / "worker.py").write_text(_WORKER)
        (root / "bin" / "openclaw").write_text(_OPENCLAW)
        (root / "bin" / "openclaw").chmod(0o700)

    def environment(self, environ: Mapping[str, str], interpreter: Path) -> dict[str, str]:
        """All that the supervisor is to see."""
        passed = {name: value for name, value in environ.items() if name.startswith(("COVERAGE_", "PYTHONPATH"))}
        return passed | {
            "PATH": f"{self.root / 'bin'}:{interpreter.resolve().parent}:/usr/bin:/bin",
            "HOME": str(self.root / "home"),
            "LANG": "C.UTF-8",
            "CAMPAIGN": str(self.root),
            "CAMPAIGN_STANDIN": str(STANDIN),
            "STANDIN_CALLS": str(self.root / "calls.jsonl"),
            "STANDIN_SCRIPT": str(self.root / "rules.json"),
        }

    def beat(self, agent: str) -> None:
        """Append one beat."""
        line = json.dumps({"timestamp": datetime.now(UTC).isoformat(), "stale": False}).encode() + b"\n"
        fd = os.open(self.heartbeats / f"{agent}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, line)
        os.close(fd)


class World:
    """Beats for those agents that live without the supervisor's help, whether or not it lives."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        for agent in (STEADY, *SILENCES):
            site.beat(agent)
        self._thread.start()

    def close(self) -> None:
        """No more beats."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        begun = time.monotonic() - (UP if self._site.together else 0.0)
        while not self._stop.wait(0.1):
            self._site.beat(STEADY)
            if self._site.well.exists():
                for agent in SILENCES:
                    self._site.beat(agent)
            elif (time.monotonic() - begun) % (UP + DOWN) < UP:
                self._site.beat("fickle")
