"""One example of every event, as its emitter gives it to the log, and the lines that the log makes of them.

    python -m tests.events.samples      writes the golden files anew; look at the difference before it is committed

`seq` of an example is its place here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from collections_supervisor.messages import Level
from collections_supervisor.system.log_layouts import Preset
from collections_supervisor.system.log_render import LineRenderer

WALL = datetime(2026, 11, 22, 11, 1, 44, 250_000, tzinfo=UTC)
STAMP = "2026-11-22T11:00:00.000000Z"
INCIDENT = "20261122T110000000000Z-agent-payment-watcher"
FOLDER = Path(__file__).parent
PRESETS: tuple[Preset, ...] = ("json", "ecs", "gcp")

Fields = dict[str, object]


CRASHING = """
def look_up():
    try:
        return {}["état"]
    except KeyError as error:
        raise ValueError("no such key: état") from error

look_up()
"""


def crash() -> ValueError:
    """An error with frames and a cause, all of it in a file that lies in the same place on every machine."""
    try:
        exec(compile(CRASHING, "/collections/work.py", "exec"), {})
    except ValueError as error:
        trace = error.__traceback__
        return error.with_traceback(trace.tb_next if trace is not None else None)
    raise AssertionError("it does not crash")


ABOUT: Fields = {"agent": "payment-watcher", "attempt": 2, "action_id": "payment-watcher-20261122T110144250000-7"}
ENDED: Fields = {
    **ABOUT,
    "reason": "exit code 1",
    "classified": None,
    "exit_code": 1,
    "duration_ms": 8123,
    "output": "GatewayError: connection refused",
    "tokens": None,
    "tokens_total": 3060,
}
NOTICE: Fields = {
    "agent": "payment-watcher",
    "notice": "opened",
    "incident": INCIDENT,
    "dedup_key": f"agent/payment-watcher/{STAMP}",
    "sequence": 1,
}
NEEDS_A_HUMAN: Fields = {"incident": INCIDENT, "reason": "silent since 10:00, 2 misses", "missed": 2, "since": STAMP}

SAMPLES: dict[str, tuple[Level, str, Fields]] = {
    "supervisor.started": (
        "info",
        "watching collections-emailer, payment-watcher; page: /home/ann/page.html",
        {
            "pid": 4711,
            "config": "/etc/supervisor.toml",
            "agents": 2,
            "dashboard": "/home/ann/page.html",
            "python": "3.11.2",
            "dry_run": False,
        },
    ),
    "supervisor.ready": ("info", "every agent was looked at once; verdict: healthy", {"agents": 2, "verdict": "healthy"}),
    "supervisor.stopping": ("info", "SIGTERM: ending what runs, within 10 s", {"signal": "SIGTERM", "grace_s": 10.0}),
    "supervisor.stopped": ("info", "stopped cleanly", {}),
    "supervisor.actor_crashed": (
        "critical",
        "a bug ended the task coordinator; it begins again in 1 s",
        {"actor": "coordinator", "agent": None, "crashes": 1, "exc_info": crash()},
    ),
    "supervisor.escalated": (
        "critical",
        "the supervisor's task coordinator needs a human: it crashed 3 times",
        {
            "agent": None,
            "incident": "20261122T110000000000Z-supervisor-coordinator",
            "reason": "it crashed 3 times",
            "missed": 0,
            "since": STAMP,
            "restarts": None,
        },
    ),
    "supervisor.crashed": ("critical", "unexpected internal error: ValueError('no such key')", {"exc_info": crash()}),
    "supervisor.store_failed": (
        "error",
        "/state/snapshot.json cannot be written: No space left on device",
        {"path": "/state/snapshot.json", "reason": "No space left on device"},
    ),
    "supervisor.store_resumed": (
        "info",
        "/state/snapshot.json is written again, after 12.5 s",
        {"path": "/state/snapshot.json", "failed_s": 12.5},
    ),
    "supervisor.state_set_aside": (
        "error",
        "/state/snapshot.json cannot be used (it is not JSON); it is kept as snapshot.json.unreadable-20261122T110144Z",
        {
            "path": "/state/snapshot.json",
            "reason": "it is not JSON",
            "kept_as": "/state/snapshot.json.unreadable-20261122T110144Z",
        },
    ),
    "supervisor.unlocked": (
        "warning",
        "a second supervisor would not be noticed: No locks available",
        {"path": "/state", "reason": "No locks available"},
    ),
    "supervisor.state_removed": ("warning", "somebody removed the state folder /state; it is made again", {"path": "/state"}),
    "supervisor.replaced": (
        "critical",
        "the state folder was replaced and another supervisor works in it; this one stops",
        {"path": "/state", "pid": 815},
    ),
    "supervisor.clock_jumped": (
        "warning",
        "the machine slept for 2 h, its wall clock was set by +0.0 s",
        {"slept_s": 7200.125, "stepped_s": 0.0},
    ),
    "supervisor.stack": (
        "info",
        "task coordinator",
        {"task": "coordinator", "stack": "/app/daemon.py:77 _serve\n/coordination/coordinator.py:120 run"},
    ),
    "config.loaded": (
        "info",
        "/etc/supervisor.toml: sound; 2 agents, 1 warning",
        {"path": "/etc/supervisor.toml", "agents": 2, "warnings": ["escalation.channels holds OpenClaw alone"]},
    ),
    "config.rejected": (
        "error",
        "the configuration cannot be used, and the one in force stays: /etc/supervisor.toml: x: unknown key",
        {
            "path": "/etc/supervisor.toml",
            "reason": "/etc/supervisor.toml: x: unknown key",
            "faults": ["/etc/supervisor.toml: x: unknown key"],
        },
    ),
    "supervisor.reloaded": (
        "info",
        "the configuration was read again: agents: 1 added, 1 changed",
        {
            "added": ["ledger-sync"],
            "removed": [],
            "changed": ["payment-watcher"],
            "keys": ["miss_threshold"],
            "restart_needed": ["logging.file"],
            "duration_ms": 4.25,
        },
    ),
    "config.token_missing": (
        "warning",
        "escalation.channels[1]: the variable ALERT_TOKEN, which is to hold the token, is not set: nobody is told this way",
        {"variable": "ALERT_TOKEN", "channels": ["escalation.channels[1]"]},
    ),
    "control.request": (
        "info",
        f"user 1000 asked for pause payment-watcher until {STAMP}: maintenance",
        {"op": "pause", "agent": "payment-watcher", "uid": 1000, "until": STAMP, "reason": "maintenance"},
    ),
    "control.failed": (
        "warning",
        "a request was refused: this is no request: JSON is malformed",
        {"uid": 1000, "error": "this is no request: JSON is malformed"},
    ),
    "agent.heartbeat.seen": (
        "debug",
        f"payment-watcher beat at {STAMP}",
        {"agent": "payment-watcher", "last_heartbeat": STAMP, "beat_status": "ok", "age_s": 0.25},
    ),
    "agent.heartbeat.missed": (
        "warning",
        "payment-watcher missed 1 heartbeat (silent for 60 m)",
        {"agent": "payment-watcher", "missed": 1, "miss_threshold": 2, "last_heartbeat": STAMP, "age_s": 3600.0},
    ),
    "agent.heartbeat.invalid": (
        "warning",
        "skipped 3 unreadable lines in the heartbeat log of payment-watcher",
        {"agent": "payment-watcher", "invalid": 3},
    ),
    "agent.heartbeat.unreadable": (
        "warning",
        "the heartbeat of payment-watcher cannot be read, so it is not judged: Permission denied",
        {"agent": "payment-watcher", "reason": "Permission denied"},
    ),
    "agent.heartbeat.unwritable": (
        "warning",
        "misses of payment-watcher cannot be recorded in its heartbeat log; they still count: Read-only file system",
        {"agent": "payment-watcher", "reason": "Read-only file system"},
    ),
    "agent.state_changed": (
        "warning",
        "payment-watcher is unhealthy, was late",
        {"agent": "payment-watcher", "state": "unhealthy", "previous": "late"},
    ),
    "agent.restart.started": (
        "warning",
        "restarting payment-watcher, attempt 2: 1 missed heartbeat",
        {**ABOUT, "kind": "openclaw", "missed": 1, "fresh": True},
    ),
    "agent.restart.succeeded": (
        "info",
        "payment-watcher is back after restart attempt 2",
        {**ABOUT, "duration_ms": 42_017, "tokens": 1530, "tokens_total": 4590},
    ),
    "agent.restart.failed": ("error", "restarting payment-watcher failed: exit code 1", ENDED),
    "agent.restart.timed_out": (
        "error",
        "restarting payment-watcher timed out: it did not end within 120 s",
        {**ENDED, "reason": "it did not end within 120 s", "exit_code": None, "output": None},
    ),
    "agent.restart.interrupted": (
        "warning",
        "restarting payment-watcher was interrupted: this program ended while it ran",
        {**ENDED, "reason": "this program ended while it ran", "classified": "terminal", "exit_code": None},
    ),
    "agent.restart.adopted": ("warning", "a restart of payment-watcher still runs and is watched again", ABOUT),
    "agent.restart.skipped": (
        "info",
        "payment-watcher was not restarted: the restart budget (4 an hour) is used up",
        {"agent": "payment-watcher", "reason": "budget"},
    ),
    "agent.restart.prepared": ("info", "abort of payment-watcher is done", {**ABOUT, "step": "abort"}),
    "agent.restart.prepare_failed": (
        "warning",
        "new_session of payment-watcher failed (exit code 1); the restart is tried all the same",
        {"reason": "exit code 1", "exit_code": 1, "output": "no such agent", **ABOUT, "step": "new_session"},
    ),
    "agent.restart.survivors": (
        "error",
        "2 processes that payment-watcher started could not be ended",
        {"agent": "payment-watcher", "pids": "815 816"},
    ),
    "agent.recovered": (
        "info",
        "payment-watcher beats again, after restart attempt 2",
        {"agent": "payment-watcher", "missed": 1, "by_itself": False, "down_s": 61.5},
    ),
    "agent.escalated": (
        "critical",
        "payment-watcher needs a human: silent since 10:00, 2 misses",
        {"agent": "payment-watcher", **NEEDS_A_HUMAN, "restarts": 1},
    ),
    "host.escalated": (
        "critical",
        "the host needs a human: 3 of 4 agents are silent",
        {"names": "a, b, c", **NEEDS_A_HUMAN, "restarts": None},
    ),
    "incident.resolved": (
        "info",
        "the incident of payment-watcher is over: it works again",
        {"agent": "payment-watcher", "incident": INCIDENT, "open_s": 104.25},
    ),
    "books.audited": (
        "warning",
        "the books do not agree, 2 findings; 61 files were read",
        {
            "consistent": False,
            "findings": 2,
            "errors": 1,
            "files_read": 61,
            "duration_ms": 40,
            "unpaid": 20,
            "paid": 30,
            "escalated": 4,
            "review": 1,
        },
    ),
    "books.finding": (
        "error",
        "amount_mismatch of INV-7: the file says 100.00 USD, the ledger 100.01 USD; correct the ledger",
        {"kind": "amount_mismatch", "severity": "error", "path": "state/INV-7.json", "invoice": "INV-7", "gone": False},
    ),
    "books.escalated": (
        "critical",
        "the books need a human: 1 error",
        {"agent": None, **NEEDS_A_HUMAN, "missed": 0, "restarts": None},
    ),
    "queue.unhealthy": (
        "warning",
        "queue payment_queue: 101 entries, at most 100 are right",
        {"queue": "payment_queue", "depth": 101, "oldest_age_s": 31.5, "invalid": 0},
    ),
    "queue.escalated": (
        "critical",
        "the queue payment_queue needs a human: 101 entries, at most 100 are right",
        {"agent": None, **NEEDS_A_HUMAN, "missed": 0, "restarts": None},
    ),
    "agent.flapping.started": (
        "warning",
        "payment-watcher goes up and down all the time",
        {"agent": "payment-watcher", "change_percent": 55},
    ),
    "agent.flapping.stopped": (
        "info",
        "payment-watcher is steady again",
        {"agent": "payment-watcher", "change_percent": 20},
    ),
    "agent.paused": (
        "info",
        f"payment-watcher is paused until {STAMP}: maintenance",
        {"agent": "payment-watcher", "until": STAMP, "reason": "maintenance"},
    ),
    "agent.resumed": (
        "info",
        "payment-watcher is watched again: its time is over",
        {"agent": "payment-watcher", "reason": "its time is over"},
    ),
    "agent.acknowledged": (
        "info",
        "a person knows of the incident of payment-watcher",
        {"agent": "payment-watcher", "incident": INCIDENT, "until": STAMP, "reason": None},
    ),
    "agent.started": (
        "info",
        "ledger-sync was started",
        {"agent": "ledger-sync", "action_id": "ledger-sync-20261122T110144250000-1"},
    ),
    "agent.exited": (
        "warning",
        "ledger-sync ended: killed by SIGKILL after 0.5 s",
        {"agent": "ledger-sync", "exit_code": None, "signal": "SIGKILL", "uptime_s": 0.512, "adopted": False},
    ),
    "agent.stopped": (
        "info",
        "ledger-sync is stopped until it is started by hand: month end",
        {"agent": "ledger-sync", "reason": "month end"},
    ),
    "agent.command.refused": (
        "warning",
        "payment-watcher is no process of this program, which can stop only what it started",
        {"agent": "payment-watcher", "command": "stop"},
    ),
    "agent.memory.exceeded": (
        "warning",
        "ledger-sync is too large: it uses 700 MiB of memory and may use 500 MiB",
        {"agent": "ledger-sync", "rss_bytes": 734003200, "max_rss_bytes": 524288000},
    ),
    "agent.outdated": (
        "info",
        "ledger-sync runs with other settings than it has now: it is ended and started anew",
        {"agent": "ledger-sync", "pid": 4711},
    ),
    "agent.left_behind": (
        "warning",
        "ledger-sync is configured no longer, but its process still runs and is ended",
        {"agent": "ledger-sync", "pid": 4711, "action_id": "ledger-sync-20261122T110144250000-7", "ended": True},
    ),
    "agent.output.unrotated": (
        "warning",
        "the output of ledger-sync in /logs/ledger-sync.log grows on: Permission denied",
        {"agent": "ledger-sync", "path": "/logs/ledger-sync.log", "reason": "Permission denied"},
    ),
    "agent.output": ("info", 'a line with "quotes" and an é', {"agent": "ledger-sync"}),
    "agent.output.skipped": (
        "warning",
        "900 lines of ledger-sync came too fast and were skipped",
        {"agent": "ledger-sync", "dropped": 900},
    ),
    "escalation.delivered": (
        "info",
        "openclaw took the notice of payment-watcher (opened)",
        {"channel": "openclaw", "attempt": 1, **NOTICE},
    ),
    "escalation.failed": (
        "warning",
        "webhook did not take the notice of payment-watcher: HTTP 503",
        {"channel": "webhook", "attempt": 1, "error": "HTTP 503", "next_at": STAMP, **NOTICE},
    ),
    "escalation.expired": (
        "critical",
        "nobody could be told of payment-watcher: HTTP 503",
        {"attempts": 20, "error": "HTTP 503", **NOTICE},
    ),
    "escalation.undelivered": (
        "warning",
        "stopped before these notices were delivered (1): payment-watcher",
        {"notices": 1},
    ),
    "escalation.skipped": (
        "info",
        "openclaw would be sent the notice of payment-watcher (opened)",
        {
            "reason": "dry_run",
            "channel": "openclaw",
            "attempt": 1,
            "agent": "payment-watcher",
            "notice": "opened",
            "incident": INCIDENT,
            "severity": "warning",
            "text": "payment-watcher is silent since 10:00.",
        },
    ),
    "dashboard.written": (
        "info",
        "the page is written: /home/ann/page.html",
        {"path": "/home/ann/page.html", "size_bytes": 20_480, "duration_ms": 12.3},
    ),
    "dashboard.failed": (
        "error",
        "the page /home/ann/page.html cannot be written: No space left on device",
        {"path": "/home/ann/page.html", "error": "[Errno 28] No space left on device: '/home/ann/page.html'"},
    ),
    "metrics.written": (
        "info",
        "the metrics are written: /metrics/supervisor.prom",
        {"path": "/metrics/supervisor.prom", "size_bytes": 4096, "duration_ms": 2.5},
    ),
    "metrics.failed": (
        "error",
        "the metrics /metrics/supervisor.prom cannot be written: Permission denied",
        {"path": "/metrics/supervisor.prom", "error": "[Errno 13] Permission denied: '/metrics/supervisor.prom'"},
    ),
    "deadman.failed": (
        "error",
        "the outside monitor could not be told that this program lives, by deadman.url: HTTP 503",
        {"way": "url", "reason": "HTTP 503"},
    ),
    "deadman.resumed": ("info", "the outside monitor is told again, by deadman.url", {"way": "url"}),
    "log.dropped": ("warning", "12 events could not be written in time and are missing here", {"dropped": 12}),
    "log.sink_failed": (
        "error",
        "standard output cannot be written any more; the log goes on in /state/fallback.log",
        {"path": "/state/fallback.log", "error": BrokenPipeError(32, "Broken pipe")},
    ),
    "python.log": (
        "warning",
        "DeprecationWarning: old ways",
        {"path": "/lib/library.py", "line": 7, "logger": "py.warnings", "exc_info": None},
    ),
}


def rendered(preset: Preset) -> Iterator[bytes]:
    """The line of every example, in order."""
    renderer = LineRenderer(run_id="20261122T110000Z-0badcafe", version="1.2.3", max_bytes=8000, preset=preset)
    for seq, (event, (level, message, fields)) in enumerate(SAMPLES.items(), start=1):
        parts = renderer.parts(level, {**fields, "event": event, "message": message}, WALL)
        yield parts.head + str(seq).encode() + parts.tail


def golden(preset: Preset) -> Path:
    """Where the lines of a preset are kept."""
    return FOLDER / f"golden.{preset}.jsonl"


if __name__ == "__main__":
    for each in PRESETS:
        golden(each).write_bytes(b"".join(rendered(each)))
