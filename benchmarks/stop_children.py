"""How long it takes to end many children at once, and whether anything is left.

Run: python benchmarks/stop_children.py
"""

import os
import sys
import time

import anyio

from collections_supervisor.system.process import Child, spawn
from collections_supervisor.system.process_table import read_markers, read_table
from collections_supervisor.system.process_tree import end_trees

ELSEWHERE = f'{sys.executable} -I -S -c \'import os; os.setsid(); print(1, flush=True); os.execvp("sleep", ["sleep", "1000"])\''
STUBBORN = f"trap '' TERM; {ELSEWHERE} & while :; do sleep 1000; done"
OBEDIENT = "echo 1; exec sleep 1000"


async def start(script: str, count: int) -> list[Child]:
    """Start so many, each of which says when it is ready."""
    reading, writing = os.pipe()
    children = [
        await spawn(
            ["sh", "-c", script], env=os.environ, cwd=None, stdout=writing, stderr=None, marker=f"bench-{os.getpid()}-{n}"
        )
        for n in range(count)
    ]
    os.close(writing)
    said = b""
    while said.count(b"\n") < count:
        await anyio.wait_readable(reading)
        said += os.read(reading, 4096)
    os.close(reading)
    return children


async def measure(name: str, script: str, count: int, grace: float) -> None:
    children = await start(script, count)
    markers = {child.marker for child in children}
    processes = sum(marker in markers for marker in read_markers(read_table()).values())
    started = time.perf_counter()
    named = await end_trees([child.tree for child in children], grace=grace)
    took = time.perf_counter() - started
    for child in children:
        await child.wait()
    survivors = sum(marker in markers for marker in read_markers(read_table()).values())
    print(
        f"{name}: {count} children, {processes} processes, grace {grace:g} s: "
        f"all gone after {took:.3f} s, {survivors} survivors ({len(named)} reported)"
    )


async def main() -> None:
    """Measure both kinds."""
    await measure("ignoring TERM", STUBBORN, count=10, grace=2.0)
    await measure("obedient", OBEDIENT, count=100, grace=2.0)
    await measure("obedient", OBEDIENT, count=500, grace=2.0)


if __name__ == "__main__":
    anyio.run(main)
