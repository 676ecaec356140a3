"""Whether a line of a crontab, a unit or a process list looks after the same agents as we do. Pure."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import PurePath

import msgspec

_ACTS = re.compile(
    r"\bp?kill(all)?\b|\brespawn|\bsystemctl\b.*\brestart\b|\blaunchctl\b.*\bkickstart\b|\bsupervisorctl\b|\bpm2\b"
    r"|\bdocker\b.*\brestart\b",
    re.IGNORECASE | re.DOTALL,
)
"""What ends or begins programs."""

_WATCHES = re.compile(r"watch-?dog|supervis|monitor|keep-?alive|health-?check|\brestart|\brevive|\bmonit\b", re.IGNORECASE)
"""What says of itself that it watches. Too common for a whole script, whose comments may say anything."""

_OPENCLAW_RESTART = re.compile(r"\bopenclaw\b[^\n]*\brestart\b", re.IGNORECASE)
_GATEWAY_RESTART = re.compile(r"\bopenclaw\b\s+(?:[\w-]+\s+)?restart\b", re.IGNORECASE)
"""Of OpenClaw as a whole; a message to an agent of somebody else's is no concern of ours."""

_OPENCLAW_MESSAGE = re.compile(r"\bopenclaw\b[^\n]*\bagent\b[^\n]*--message\b", re.IGNORECASE)
_OURS = re.compile(r"\bcollections[-_]supervisor\b")
_VIEWERS = frozenset(
    {
        "bat",
        "cat",
        "emacs",
        "grep",
        "head",
        "jq",
        "journalctl",
        "less",
        "lnav",
        "ls",
        "more",
        "nano",
        "nvim",
        "rg",
        "tail",
        "vi",
        "vim",
    }
)
"""Programs that look at a file and do nothing about it."""

_OPTIONS_WITH_VALUE = frozenset({"--config", "--agents", "--output"})
_RUNS_ONCE = frozenset({"--health-check", "--dashboard", "--metrics", "--help", "-h", "--version"})


class Quarry(msgspec.Struct, frozen=True, kw_only=True):
    """Whose other keepers are sought."""

    agents: frozenset[str]
    folders: frozenset[str] = frozenset()
    """Where their heartbeats lie."""

    def names_agent(self, text: str) -> str:
        """The first agent that the text names, empty if none."""
        found = _any_of(self.agents).search(text) if self.agents else None
        return found[0] if found else ""

    def names_folder(self, text: str) -> bool:
        """Whether the text names a heartbeat folder, or a file in it."""
        return any(folder in text for folder in self.folders)


@cache
def _any_of(names: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9_.-])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9_-])")


def of_line(text: str, quarry: Quarry) -> str:
    """What a command line does to these agents, as words behind its place; empty if nothing."""
    if _OURS.search(text):
        return ""
    agent = quarry.names_agent(text)
    # An agent's own name, or its folder's, may hold a word like "monitor".
    rest = _bare(text, quarry)
    if agent and (_OPENCLAW_RESTART.search(text) or _OPENCLAW_MESSAGE.search(text)):
        return f"restarts {agent} through OpenClaw"
    if _GATEWAY_RESTART.search(rest):
        return "restarts OpenClaw"
    if agent and (_ACTS.search(rest) or _WATCHES.search(rest)):
        return f"looks after {agent}"
    # An agent that appends its own heartbeat names the folder too.
    return "reads the heartbeats" if quarry.names_folder(text) and ">>" not in text else ""


def of_script(text: str, quarry: Quarry) -> str:
    """What a script that is run regularly does to these agents; the names and the deeds may stand in different lines of it."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    agent, rest = quarry.names_agent(code), _bare(code, quarry)
    subject = agent or ("the agents" if quarry.names_folder(code) else "")
    if subject and (_OPENCLAW_RESTART.search(rest) or _OPENCLAW_MESSAGE.search(code)):
        return f"restarts {subject} through OpenClaw"
    if _GATEWAY_RESTART.search(rest):
        return "restarts OpenClaw"
    return f"looks after {subject}" if subject and _ACTS.search(rest) else ""


def of_process(argv: Sequence[str], quarry: Quarry) -> str:
    """What a running program does to these agents, by its arguments; whoever merely shows a file does nothing."""
    if not argv or PurePath(argv[0]).name in _VIEWERS:
        return ""
    return of_line(" ".join(argv), quarry)


def _bare(text: str, quarry: Quarry) -> str:
    for folder in quarry.folders:
        text = text.replace(folder, " ")
    return _any_of(quarry.agents).sub(" ", text) if quarry.agents else text


def commands_in_crontab(text: str) -> Iterator[str]:
    """The lines that run something: no comments, no variables."""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#") and not re.match(r"[A-Za-z_]+\s*=", stripped):
            yield stripped


def commands_in_unit(text: str) -> Iterator[str]:
    """What a systemd unit runs."""
    for line in text.replace("\\\n", " ").splitlines():
        found = re.match(r"\s*Exec(?:Start|StartPre|StartPost|Reload|Stop|Condition)[A-Za-z]*\s*=\s*(.*)", line)
        if found:
            yield found[1]


def own_run(argv: Sequence[str]) -> Sequence[str] | None:
    """The arguments of a supervisor that runs until it is stopped; None if this is anything else, a command of ours included."""
    arguments = _own_arguments(argv)
    if arguments is None:
        return None
    words = iter(arguments)
    for word in words:
        if word in _OPTIONS_WITH_VALUE:
            next(words, None)
        elif word in _RUNS_ONCE or not word.startswith("-"):
            return None
    return arguments


def _own_arguments(argv: Sequence[str]) -> Sequence[str] | None:
    for place, word in enumerate(argv[:4]):
        if word == "-m" and argv[place + 1 : place + 2] == ["collections_supervisor"]:
            return argv[place + 2 :]
        # As a program, or as the script that an interpreter was given.
        if place < 2 and PurePath(word).name == "collections-supervisor":
            return argv[place + 1 :]
    return None


def option(arguments: Sequence[str], name: str) -> str | None:
    """The value of an option, in either way of writing it."""
    for place, word in enumerate(arguments):
        if word == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None
