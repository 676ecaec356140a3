"""A gateway of the real OpenClaw on loopback, alone with a model of the test's own."""

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import until
from tests.openclaw.install import Programs
from tests.openclaw.model import Model

START = 120.0
"""Seconds that the gateway, or one call, may take on a machine that does other things too; 5 and 1 are usual."""

STOP = 5.0
"""Seconds after which a gateway that was asked to stop is killed: it waits minutes for turns that hang."""

FEW_RETRIES = {"retry": {"provider": {"maxRetries": 1}}}
"""A failing model is otherwise asked 7 to 10 times within one turn, for 90 to 160 seconds."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


class Gateway:
    """One gateway and all that belongs to it, below one folder."""

    def __init__(self, root: Path, programs: Programs, model: Model, agents: Sequence[str]) -> None:
        self.root = root
        self.model = model
        self.port = free_port()
        self.log = root / "gateway.out"
        self._token = secrets.token_hex(16)
        self._hooks_token = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        for folder in ("home", "state", "tmp", "bin"):
            (root / folder).mkdir()
        self.program = root / "bin" / "openclaw"
        self.program.write_text(f'#!/bin/sh\nexec "{programs.node}" "{programs.openclaw}" "$@"\n')
        self.program.chmod(0o755)
        self.config = self._write("openclaw.json", self.port, agents)
        for agent in agents:
            kept = root / "state" / "agents" / agent / "agent"
            kept.mkdir(parents=True)
            (kept / "settings.json").write_text(json.dumps(FEW_RETRIES))

    def _write(self, name: str, port: int, agents: Sequence[str]) -> Path:
        """A configuration in which every agent has a provider of its own, so that a refused key is nobody else's."""
        entries = {agent: self._entry(agent) for agent in agents}
        config = {
            "gateway": {"mode": "local", "bind": "loopback", "port": port, "auth": {"mode": "token", "token": self._token}},
            "hooks": {"enabled": True, "token": self._hooks_token},
            "models": {"providers": {f"of-{agent}": self._provider(agent) for agent in agents}},
            "agents": {"ownership": "explicit", "defaults": {"model": entries[agents[0]]["model"]}, "entries": entries},
            "plugins": {"enabled": False},
            "logging": {"file": str(self.root / "gateway.log")},
        }
        path = self.root / name
        path.write_text(json.dumps(config, indent=2))
        path.chmod(0o600)
        return path

    def _entry(self, agent: str) -> dict[str, Any]:
        return {"workspace": str(self.root / "workspaces" / agent), "model": {"primary": f"of-{agent}/{agent}"}}

    def _provider(self, agent: str) -> dict[str, Any]:
        models = [{"id": agent, "name": agent, "contextWindow": 200000, "maxTokens": 4096}]
        return {"baseUrl": self.model.url, "apiKey": f"key-of-{agent}", "api": "openai-completions", "models": models}

    def elsewhere(self, agents: Sequence[str]) -> Path:
        """The configuration of a gateway that does not run."""
        return self._write("elsewhere.json", free_port(), agents)

    def environment(self) -> dict[str, str]:
        """What its programs need, and what they are known by."""
        return {
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "LANG": "C.UTF-8",
            "OPENCLAW_STATE_DIR": str(self.root / "state"),
            "OPENCLAW_CONFIG_PATH": str(self.config),
            "OPENCLAW_NO_RESPAWN": "1",
        }

    def tokens(self) -> dict[str, str]:
        """Variables with what it asks for over HTTP."""
        return {"HOOKS_TOKEN": self._hooks_token, "GATEWAY_TOKEN": self._token}

    # --- Its life ---

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [self.program, "gateway", "run", "--port", str(self.port)],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until(self._is_ready, START)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the gateway ended: {self.log.read_text(errors='replace')[-2000:]}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def close(self) -> None:
        """End it, and whatever it or a call of ours has left; fails if anything withstands."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP)
            self._process.kill()
            self._process.wait()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not list(self.processes()), 10.0)
        for database in self.root.rglob("*.sqlite"):
            # It keeps its locks in one place, wherever everything else of it is.
            known_by = hashlib.sha256(str(database.resolve()).encode()).hexdigest()[:8]
            for lock in Path(f"/tmp/openclaw-state-locks-{os.getuid()}").glob(f"*.{known_by}.*"):
                lock.unlink()

    def processes(self) -> Iterator[int]:
        """Every process of this OpenClaw: the gateway's and calls', whichever session they are in."""
        marks = (f"OPENCLAW_STATE_DIR={self.root}/".encode(), f"{self.root}/".encode())
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if marks[0] in (entry / "environ").read_bytes() or marks[1] in (entry / "cmdline").read_bytes():
                        yield int(entry.name)

    # --- Working with it ---

    def call(self, method: str, **params: str) -> dict[str, Any]:
        """One call of a method of the gateway."""
        command = [str(self.program), "gateway", "call", method, "--params", json.dumps(params), "--timeout", "60000", "--json"]
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout!r} {done.stderr!r}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def begin_turn(self, agent: str, message: str) -> None:
        """Have an agent begin a turn, without waiting for what comes of it."""
        answer = self.call("agent", agentId=agent, message=message, idempotencyKey=secrets.token_hex(8))
        assert answer["status"] == "accepted", answer
