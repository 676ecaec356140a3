"""What a log call costs, and what a reader that stalls or dies does to the event loop.

    python benchmarks/log_sink.py [--seconds 7] [--stall 5]

Three comparisons, each within this one process, so that the machine's mood cancels out:

1. the caller's cost of one event in each preset, beside the standard library's logging with json;
2. the lag of the event loop while 500 events a second are logged into a pipe whose reader stalls, beside writing to the pipe
   directly;
3. the same with a reader that goes away for good.

Prints a table for people and one JSON line for each measurement.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from collections_supervisor.config.schema import LoggingConfig
from collections_supervisor.system.log_layouts import Preset
from collections_supervisor.system.logs import LogSystem, open_log

PRESETS: tuple[Preset, ...] = ("json", "ecs", "gcp")
BURST = 1000
ROUNDS = 15
RATE = 500
TICK_S = 0.005
BATCH_S = 0.02
TARGET_LAG_MS = 20.0
FIELDS = {"agent": "payment-watcher", "age_s": 31.5, "missed": 0, "path": "/home/agent/.cache/heartbeats/payment-watcher.log"}
READER = """
import os, sys, time
until, stall = time.monotonic() + float(sys.argv[1]), float(sys.argv[2])
while time.monotonic() < until:
    os.read(0, 65536)
if stall:
    time.sleep(stall)
    while os.read(0, 65536):
        pass
"""

Row = dict[str, Any]
Emit = Callable[[], object]


def main() -> None:
    """Run all three and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=7.0, help="how long each loop runs")
    parser.add_argument("--stall", type=float, default=5.0, help="how long the reader stalls")
    options = parser.parse_args()
    rows = [*cost()]
    rows += [lag("reader stalls", ours=ours, seconds=options.seconds, stall=options.stall) for ours in (True, False)]
    rows += [lag("reader dies", ours=ours, seconds=min(options.seconds, 3.0), stall=0.0) for ours in (True, False)]
    print_table(rows)
    for row in rows:
        print(json.dumps(row))


def cost() -> list[Row]:
    """Microseconds an event, by rounds of bursts in turn."""
    standard = standard_logger()

    def emit_standard() -> None:
        standard.info("agent.heartbeat.seen", extra={"fields": {"message": "a heartbeat came", **FIELDS}})

    def emit(log: LogSystem) -> None:
        log.logger.info("agent.heartbeat.seen", message="a heartbeat came", **FIELDS)

    with Path("/dev/null").open("wb") as nowhere:
        logs = {
            f"ours, {preset}": open_log(LoggingConfig(format=preset), run_id="benchmark", fallback=None, fd=nowhere.fileno())
            for preset in PRESETS
        }
        samples: dict[str, list[tuple[float, float]]] = {name: [] for name in (*logs, "stdlib logging + json")}
        for _ in range(ROUNDS):
            for name, log in logs.items():
                samples[name].append(burst(partial(emit, log), partial(log.flush, 10)))
            samples["stdlib logging + json"].append(burst(emit_standard, lambda: None))
        dropped = {name: log.counts.dropped for name, log in logs.items()}
        for log in logs.values():
            log.close(5)
    return [
        {
            "measurement": "cost of an event",
            "log": name,
            "caller_us": round(statistics.median(caller for caller, _ in rounds), 1),
            "caller_best_us": round(min(caller for caller, _ in rounds), 1),
            "process_cpu_us": round(statistics.median(cpu for _, cpu in rounds), 1),
            "dropped": dropped.get(name, 0),
        }
        for name, rounds in samples.items()
    ]


def burst(emit: Emit, finish: Callable[[], object]) -> tuple[float, float]:
    """What one event of a burst costs its caller (wall), and the process until it is written (CPU), in microseconds."""
    cpu = time.process_time()
    started = time.perf_counter()
    for _ in range(BURST):
        emit()
    caller = time.perf_counter() - started
    finish()
    return caller / BURST * 1e6, (time.process_time() - cpu) / BURST * 1e6


def standard_logger() -> logging.Logger:
    """The same line by the standard library."""

    class Json(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            always = {
                "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
                "level": record.levelname.lower(),
                "event": record.getMessage(),
                "schema": 1,
                "service": "collections-supervisor",
                "version": "0",
                "run_id": "benchmark",
                "seq": 1,
            }
            return json.dumps(always | record.__dict__["fields"])

    logger = logging.getLogger("benchmark")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    handler = logging.FileHandler("/dev/null")
    handler.setFormatter(Json())
    logger.addHandler(handler)
    return logger


def lag(name: str, *, ours: bool, seconds: float, stall: float) -> Row:
    """The lag of a loop that logs into a pipe, whose reader reads for a second and then stalls, or ends (`stall` 0)."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([sys.executable, "-c", READER, "1", str(stall)], stdin=subprocess.PIPE) as reader,
    ):
        assert reader.stdin is not None
        writer = reader.stdin.fileno()
        row: Row = {"measurement": name, "log": "ours" if ours else "direct write"}
        row |= lag_of_ours(writer, Path(folder), seconds) if ours else lag_of_direct_writes(writer, seconds)
        reader.stdin.close()
    return row


def lag_of_ours(writer: int, folder: Path, seconds: float) -> Row:
    """The loop's lag with the log."""
    fallback = folder / "fallback.log"
    log = open_log(LoggingConfig(format="json"), run_id="benchmark", fallback=fallback, fd=writer)
    row = asyncio.run(
        watched_loop(lambda: log.logger.info("agent.heartbeat.seen", message="a heartbeat came", **FIELDS), seconds)
    )
    log.close(5)
    in_fallback = fallback.read_bytes().count(b"\n") if fallback.exists() else 0
    return row | {"dropped": log.counts.dropped, "in_fallback": in_fallback}


def lag_of_direct_writes(writer: int, seconds: float) -> Row:
    """The loop's lag with a write(2) on the loop for each event."""

    def emit() -> None:
        line = {
            "timestamp": datetime.now(UTC).isoformat(),
            "event": "agent.heartbeat.seen",
            "message": "a heartbeat came",
            **FIELDS,
        }
        os.write(writer, json.dumps(line).ljust(300).encode() + b"\n")

    try:
        return asyncio.run(watched_loop(emit, seconds))
    except BrokenPipeError:
        return {"ended_by": "BrokenPipeError"}


async def watched_loop(emit: Emit, seconds: float) -> Row:
    """Emit at the rate and measure, for every tick that was due, how late the loop came to it."""
    end = time.perf_counter() + seconds
    emitting = asyncio.create_task(emit_steadily(emit, end))
    lags: list[float] = []
    due = time.perf_counter()
    while due < end and not emitting.done():
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        # Every tick that passed while the loop stood still counts: one long freeze is not one sample.
        while due <= now:
            lags.append(now - due)
            due += TICK_S
    emitted = await emitting
    ordered = sorted(lags)
    return {
        "events": emitted,
        "lag_p50_ms": round(ordered[len(ordered) // 2] * 1000, 2),
        "lag_p99_ms": round(ordered[len(ordered) * 99 // 100] * 1000, 2),
        "lag_max_ms": round(ordered[-1] * 1000, 2),
    }


async def emit_steadily(emit: Emit, end: float) -> int:
    """Batches of events at `RATE` a second until then."""
    emitted = 0
    due = time.perf_counter()
    while due < end:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        for _ in range(int(RATE * BATCH_S)):
            emit()
            emitted += 1
        due += BATCH_S
    return emitted


def print_table(rows: list[Row]) -> None:
    """Everything that was measured, and the two targets."""
    for row in rows:
        rest = "  ".join(f"{name} {value}" for name, value in row.items() if name not in {"measurement", "log"})
        print(f"{row['measurement']:<18} {row['log']:<22} {rest}")
    ours, _, _, standard, stalled = rows[:5]
    print(f"cost at most the standard library's: {verdict(ours['caller_us'], standard['caller_us'])}")
    print(f"lag p99 while the reader stalls at most {TARGET_LAG_MS:.0f} ms: {verdict(stalled['lag_p99_ms'], TARGET_LAG_MS)}")


def verdict(measured: float, most: float) -> str:
    """Whether a target was met."""
    return "yes" if measured <= most else "NO"


if __name__ == "__main__":
    main()
