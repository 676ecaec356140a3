"""How soon and how wrongly the judgement calls a human, replayed over beats that really came.

    python benchmarks/detection_quality.py TRACE [--period 1h] [--outage 4h] [--false-alarms 1/30d] [--json]

TRACE holds one number a line, plain or gzipped: a first beat in Unix seconds, then the seconds to each next beat; # begins a
comment. Compared are what an agent with this period gets by default, the same with a learned deadline, and the best fixed
deadline that hindsight finds for the rate of false alarms. The last line is JSON.
"""

import argparse
import gzip
import json
import sys
import time
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import msgspec

from collections_supervisor.agents.quality import MONTH, Quality, estimate, first_deadlines, least_wait, replay, wait
from collections_supervisor.app.tune import parse_rate
from collections_supervisor.config.durations import format_duration, parse_duration
from collections_supervisor.config.loader import build
from collections_supervisor.config.schema import AgentConfig


def read_trace(path: Path) -> list[float]:
    """The stamps of a trace."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    numbers = [float(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return list(accumulate(numbers))


def configured(period: float, **settings: Any) -> AgentConfig:
    """An agent as the configuration makes it of these settings."""
    agent = {"name": "trace", "period": format_duration(period), **settings}
    return build({"agents": [agent]}, path=None, environ={"HOME": "/"}).config.agents[0]


def optimum(policy: AgentConfig, gaps: list[float], outage: float, allowed: int) -> AgentConfig:
    """The fixed deadline that would have been best: to the second, and all of it before the first miss."""
    least = least_wait(gaps, [0.0] * len(gaps), outage_gap=outage, allowed=allowed)
    return msgspec.structs.replace(policy, timeout=float(int(least) + 1), miss_interval=60.0, miss_threshold=1)


def figures(quality: Quality, period: float) -> dict[str, Any]:
    def periods(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds / period, 4)

    return {
        "periods_to_escalation": periods(quality.detection),
        "periods_to_escalation_in_outages": periods(quality.detection_in_outages),
        "false_escalations_per_30d": round(quality.false_escalations_per_month, 4),
        "false_misses_per_30d": round(quality.false_misses_per_month, 4),
        "outages": quality.outages,
        "outages_seen": quality.seen,
    }


def judged(policy: AgentConfig, stamps: list[float], period: float, outage: float) -> dict[str, Any]:
    """What the program's judgement makes of the beats, what the formula says it does, and how long the judgement took."""
    begun = time.monotonic()
    found = replay(policy, stamps, period=period, outage_gap=outage)
    took = time.monotonic() - begun
    gaps = [end - start for start, end in pairwise(stamps)]
    deadlines = first_deadlines(policy, gaps)
    formula = estimate(gaps, deadlines, wait(policy), period=period, outage_gap=outage, days=found.days)
    return {**figures(found, period), "by_formula": figures(formula, period), "took_s": round(took, 1)}


def row(name: str, result: dict[str, Any]) -> str:
    return (
        f"{name:<15}{result['periods_to_escalation']:>11}{result['periods_to_escalation_in_outages'] or '-':>11}"
        f"{result['false_escalations_per_30d']:>8.3f}{result['by_formula']['false_escalations_per_30d']:>10.3f}"
        f"{result['false_misses_per_30d']:>8.2f}{result['outages_seen']:>4} of {result['outages']:<3}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--period", type=parse_duration, default=3600.0)
    parser.add_argument("--outage", type=parse_duration, help="a longer silence was an outage; default: 4 periods")
    parser.add_argument("--false-alarms", type=parse_rate, default=1.0, help="what the optimum may cost, such as 1/30d")
    parser.add_argument("--json", action="store_true", help="print the JSON alone")
    options = parser.parse_args()
    stamps, period = read_trace(options.trace), options.period
    if len(stamps) < 2:
        parser.error(f"{options.trace} holds no two beats")
    outage = options.outage or 4 * period
    gaps = [end - start for start, end in pairwise(stamps)]
    days = sum(gaps) / 86_400.0
    default = configured(period)
    policies = {
        "fixed default": default,
        "adaptive": configured(period, adaptive=True),
        "optimum": optimum(default, gaps, outage, int(options.false_alarms * days / MONTH)),
    }
    if not options.json:
        print(
            f"{len(stamps)} beats over {days:.0f} days; escalations in periods from the crash, false ones and misses in 30 days"
        )
        print(f"{'':<15}{'ESCALATION':>11}{'IN OUTAGES':>11}{'FALSE':>8}{'(FORMULA)':>10}{'MISSES':>8}{'SEEN':>10}")
    results = {}
    for name, policy in policies.items():
        results[name] = judged(policy, stamps, period, outage)
        if not options.json:
            print(row(name, results[name]))
    print(
        json.dumps({"benchmark": "detection_quality", "period_s": period, "outage_s": outage, "days": days, "results": results})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
