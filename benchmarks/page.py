"""How large the page is, and how long it takes to draw.

    python benchmarks/page.py [--rounds 20]

many   200 healthy agents with ten runs each in their history
worst  200 agents in trouble, every history full, a thousand findings, a hundred queues, every text long and hostile
Times are of the processor, so that a busy machine does not count. The last line is JSON.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.reporting.stories import Story, many, worst

from collections_supervisor.reporting.dashboard import render

BOUNDS = {"many": (300, 100.0), "worst": (1024, None)}
"""KiB, and milliseconds where they matter."""


def figures(story: Story, rounds: int) -> dict[str, float]:
    """Of one page."""
    report, history = story
    took = []
    page = b""
    # The first one compiles the template.
    for _ in range(rounds + 1):
        begun = time.process_time()
        page = render(report, history=history, title="Collections", interval=60)
        took.append((time.process_time() - begun) * 1000)
    return {
        "kib": round(len(page) / 1024, 1),
        "first_ms": round(took[0], 1),
        "median_ms": round(median(took[1:]), 1),
        "longest_ms": round(max(took[1:]), 1),
    }


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    found = {"many": figures(many(200), rounds), "worst": figures(worst(), max(1, rounds // 5))}
    missed = []
    for name, (kib, milliseconds) in BOUNDS.items():
        seen = found[name]
        print(f"{name}: {seen['kib']} KiB (at most {kib}), drawn in {seen['median_ms']} ms (first {seen['first_ms']} ms)")
        if seen["kib"] > kib or (milliseconds is not None and seen["median_ms"] > milliseconds):
            missed.append(name)
    print(json.dumps({**found, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
