"""Supervisors of processes and how each is told to keep the same children; for `owned_processes.py`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

HERE = Path(__file__).parents[1]
DEBIAN = {"runit": ("runit",), "s6": ("s6", "execline", "libexecline2.9", "libs6-2.11", "libskarnet2.13")}
PAUSE = "0.001s"
"""`backoff.initial`: before the second start in a row, which these measurements avoid."""


class Children(msgspec.Struct, frozen=True):
    """What is to be kept running: `sh -c SCRIPT NAME` for each name."""

    names: Sequence[str]
    script: str

    def argv(self, name: str) -> list[str]:
        """The command of one of them."""
        return ["sh", "-c", self.script, name]


class Rival:
    """One supervisor in a folder of its own."""

    name = ""
    stop_signal = signal.SIGTERM
    logs_output = True
    """Whether it keeps what its children print."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.tools = tools
        """Where what had to be installed for this lies."""

    def configure(self, children: Children) -> None:
        """Write what it reads."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What starts it in the foreground."""
        raise NotImplementedError

    def start(self, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start it; what it says goes into a file."""
        with (self.folder / "said-by-it").open("ab") as file:
            return subprocess.Popen(
                self.command(), cwd=self.folder, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

    def printed(self) -> str:
        """All that it kept of what its children printed."""
        paths = sorted(path for path in (self.folder / "out").glob("*") if path.is_file())
        return "\n".join(path.read_text(errors="replace") for path in paths)


class Ours(Rival):
    """This program."""

    name = "collections-supervisor"

    def configure(self, children: Children) -> None:
        """One agent for each child, judged by being alive; with the page, as it is by default."""
        (self.folder / "out").mkdir()
        lines = [
            f'supervisor.state_dir = "{self.folder}/state"',
            f'logging.file = "{self.folder}/out/log"',
            f'dashboard.path = "{self.folder}/page.html"',
            "books.enabled = false",
            "escalation.channels = []",
            f'restart = {{ kind = "process", backoff = {{ initial = "{PAUSE}" }} }}',
        ]
        for name in children.names:
            command = json.dumps(children.argv(name))
            lines += ["[[agents]]", f'name = "{name}"', 'heartbeat = { kind = "none" }', f"restart.command = {command}"]
        (self.folder / "supervisor.toml").write_text("\n".join(lines))

    def command(self) -> list[str]:
        """The program in its environment, where it is installed as its users have it."""
        return [
            str(self.tools / "bin" / "python"),
            "-m",
            "collections_supervisor",
            "--config",
            str(self.folder / "supervisor.toml"),
        ]


class Supervisord(Rival):
    """supervisord from pip."""

    name = "supervisord"

    def configure(self, children: Children) -> None:
        """Its defaults, but that a child may end at once; what they print goes to files, as it does by default."""
        (self.folder / "out").mkdir()
        lines = ["[supervisord]", "nodaemon=true", f"pidfile={self.folder}/pid", f"logfile={self.folder}/logfile", "minfds=4096"]
        for name in children.names:
            script = self.folder / f"{name}.sh"
            script.write_text(children.script)
            lines += [f"[program:{name}]", f"command=sh -c '. {script}' {name}", "autorestart=true", "startsecs=0"]
            lines += [f"stdout_logfile={self.folder}/out/{name}", "redirect_stderr=true"]
        (self.folder / "supervisord.conf").write_text("\n".join(lines))

    def command(self) -> list[str]:
        """The program in its environment."""
        return [str(self.tools / "bin" / "supervisord"), "-n", "-c", str(self.folder / "supervisord.conf")]


class Circus(Rival):
    """circusd from pip."""

    name = "circus"

    def configure(self, children: Children) -> None:
        """Its defaults; what they print goes to files."""
        (self.folder / "out").mkdir()
        endpoint = f"ipc://{self.folder}"
        lines = ["[circus]", f"endpoint = {endpoint}/e", f"pubsub_endpoint = {endpoint}/p", "statsd = false"]
        for name in children.names:
            script = self.folder / f"{name}.sh"
            script.write_text(children.script)
            lines += [f"[watcher:{name}]", "cmd = sh", f"args = -c '. {script}' {name}", "copy_env = true"]
            lines += ["stdout_stream.class = FileStream", f"stdout_stream.filename = {self.folder}/out/{name}"]
        (self.folder / "circus.ini").write_text("\n".join(lines))

    def command(self) -> list[str]:
        """The program in its environment."""
        return [str(self.tools / "bin" / "circusd"), str(self.folder / "circus.ini")]


class _Scanned(Rival):
    """One that looks into a folder with a folder for each child."""

    logs_output = False

    def configure(self, children: Children) -> None:
        """A script for each."""
        for name in children.names:
            folder = self.folder / "services" / name
            folder.mkdir(parents=True)
            (folder / "script").write_text(children.script)
            run = folder / "run"
            run.write_text(f"#!/bin/sh\nexec sh -c '. {folder}/script' {name}\n")
            run.chmod(0o755)


class Runit(_Scanned):
    """runsvdir and a runsv for each child."""

    name = "runit"
    stop_signal = signal.SIGHUP

    def command(self) -> list[str]:
        """The one that starts the others."""
        return [tool("runsvdir", self.tools), "-P", str(self.folder / "services")]


class S6(_Scanned):
    """s6-svscan and an s6-supervise for each child."""

    name = "s6"

    def command(self) -> list[str]:
        """The one that starts the others."""
        return [tool("s6-svscan", self.tools), "-c", "2000", str(self.folder / "services")]


NAIVE = """
import asyncio, json, signal, sys
async def keep(argv, stopping, running):
    while not stopping.is_set():
        child = await asyncio.create_subprocess_exec(*argv)
        running.add(child)
        await child.wait()
        running.discard(child)
async def main():
    stopping, running = asyncio.Event(), set()
    tasks = [asyncio.create_task(keep(argv, stopping, running)) for argv in json.load(open(sys.argv[1]))]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    for child in list(running):
        child.terminate()
    await asyncio.gather(*tasks)
asyncio.run(main())
"""


class Naive(Rival):
    """A loop that starts again what ended and does nothing else: what any supervisor in Python costs at the least."""

    name = "bare asyncio loop"
    logs_output = False

    def configure(self, children: Children) -> None:
        """The commands."""
        (self.folder / "naive.json").write_text(json.dumps([children.argv(name) for name in children.names]))
        (self.folder / "naive.py").write_text(NAIVE)

    def command(self) -> list[str]:
        """The loop."""
        return [sys.executable, str(self.folder / "naive.py"), str(self.folder / "naive.json")]


def tool(name: str, tools: Path) -> str:
    """Where a program of a Debian package lies, installed or only unpacked."""
    found = shutil.which(name)
    return found if found is not None else str(tools / "usr" / "bin" / name)


def paths(tools: Path) -> dict[str, str]:
    """Variables by which unpacked programs find each other and their libraries."""
    libraries = [
        str(path)
        for path in (tools / "usr" / "lib", *(tools / "usr" / "lib").glob("*-linux-gnu"), *(tools / "lib").glob("*-linux-gnu"))
    ]
    return {"PATH": f"{tools / 'usr' / 'bin'}:{os.environ['PATH']}", "LD_LIBRARY_PATH": ":".join(libraries)}


def install(tools: Path) -> dict[type[Rival], str]:
    """Get what is not there; by supervisor, why it cannot be had."""
    missing: dict[type[Rival], str] = {}
    venv.create(tools, with_pip=True)
    from_pip: dict[type[Rival], str] = {Ours: str(HERE), Supervisord: "supervisor==4.3.0", Circus: "circus==0.19.0"}
    for rival, package in from_pip.items():
        done = subprocess.run([tools / "bin" / "pip", "install", "-q", package], capture_output=True, text=True, check=False)
        if done.returncode:
            missing[rival] = f"pip: {done.stderr.strip().splitlines()[-1:]}"
    from_debian: tuple[tuple[type[Rival], str], ...] = ((Runit, "runsvdir"), (S6, "s6-svscan"))
    for rival, program in from_debian:
        if shutil.which(program) is None and (why := _unpack(DEBIAN[rival.name], tools)):
            missing[rival] = why
    return missing


def _unpack(packages: Sequence[str], tools: Path) -> str:
    """Unpack Debian packages without installing them; why that is not possible."""
    folder = tools / "debs" / packages[0]
    folder.mkdir(parents=True)
    try:
        done = subprocess.run(["apt-get", "download", *packages], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"apt-get: {done.stderr.strip()[-200:]}"
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, tools], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    return ""
