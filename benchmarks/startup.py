"""How long whoever waits for the program waits: from its start until it is ready, and for the answer of `status`.

    python -m benchmarks.startup [--rounds 21]

Two agents with heartbeat files, installed as users have it, into a temporary environment. Ready: `READY=1` came to the service
manager, which is after the first round: every agent looked at, the state saved, the page written.
"""

import argparse
import os
import platform
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parents[1]
DEADLINE = 20.0
AGENTS = ("payment-watcher", "collections-emailer")


class Installed:
    """The program in an environment of its own, with a configuration for two agents that beat."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"
        venv.create(folder / "venv", with_pip=True)
        subprocess.run([self.python, "-m", "pip", "install", "-q", HERE], check=True)
        (folder / "beats").mkdir()
        for name in AGENTS:
            (folder / "beats" / f"{name}.log").write_text(f'{{"ts":"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}","status":"ok"}}\n')
        agents = "".join(f'[[agents]]\nname = "{name}"\nperiod = "1h"\n' for name in AGENTS)
        (folder / "supervisor.toml").write_text(
            f'[supervisor]\nstate_dir = "{folder}/state"\n[heartbeats]\ndir = "{folder}/beats"\n[books]\nenabled = false\n'
            f'[dashboard]\npath = "{folder}/page.html"\n[logging]\nfile = "{folder}/log"\n[escalation]\nchannels = []\n{agents}'
        )

    def argv(self, *words: str) -> list[str]:
        """The program with these words."""
        return [str(self.python), "-m", "collections_supervisor", "--config", str(self.folder / "supervisor.toml"), *words]

    def start(self) -> tuple[subprocess.Popen[bytes], float]:
        """The program, and the seconds until it was ready."""
        address = self.folder / "notify"
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(str(address))
            manager.settimeout(DEADLINE)
            began = time.monotonic()
            process = subprocess.Popen(
                self.argv(),
                env={**os.environ, "NOTIFY_SOCKET": str(address)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while b"READY=1" not in manager.recv(4096):
                pass
            took = time.monotonic() - began
        address.unlink()
        return process, took


def stopped(process: subprocess.Popen[bytes]) -> None:
    """End it as a service manager does."""
    process.send_signal(signal.SIGTERM)
    process.wait(DEADLINE)


def timed(argv: Sequence[str]) -> float:
    """The seconds that a command takes, which must find all well."""
    began = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=DEADLINE)
    return time.monotonic() - began


def told(what: str, seconds: Sequence[float], allowed: int) -> str:
    """One line of the outcome."""
    ordered = sorted(1000 * each for each in seconds)
    return f"{what}: median {statistics.median(ordered):.0f} ms, {ordered[0]:.0f} to {ordered[-1]:.0f} (allowed: {allowed})"


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        installed = Installed(Path(name))
        starts, answers = [], []
        for _ in range(rounds):
            process, took = installed.start()
            starts.append(took)
            answers.append(timed(installed.argv("status")))
            stopped(process)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {rounds} rounds")
    print(told("start to ready with two agents", starts[1:], 350))
    print(told("status", answers[1:], 150))


if __name__ == "__main__":
    main()
