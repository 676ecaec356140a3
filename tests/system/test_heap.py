"""The real C library and garbage collector, in a process of its own: what is done to them lasts."""

import subprocess
import sys


def said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.stdout.strip()


def test_what_is_there_is_looked_through_no_more() -> None:
    script = "import gc; from collections_supervisor.system import heap; heap.settle(); print(gc.get_freeze_count() > 1000)"
    assert said(script) == "True"


def test_freed_memory_goes_back_to_the_system() -> None:
    """Blocks between others that stay do not go back by themselves."""
    script = """
import sys
from pathlib import Path
from collections_supervisor.system import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0

heap.share()
blocks = [bytes(60_000) for _ in range(2000)]
del blocks[::2]
before = resident()
done = heap.give_back()
print(not done or before - resident() > 5000)
"""
    assert said(script) == "True"
