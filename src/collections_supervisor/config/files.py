"""Finding and reading `supervisor.toml`. Whatever lies at its path, this neither hangs nor reads without end."""

import ast
import os
import pwd
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from collections_supervisor.config.problems import ConfigError, Problem, quoted

FILE_NAME = "supervisor.toml"
_LARGEST = 1_048_576
_HEADER = re.compile(r"\[\s*([A-Za-z0-9_.-]+)\s*\](\s*#.*)?")
_TEXT = re.compile(r"""([A-Za-z0-9_.-]+)\s*=\s*"([^"\\]+)"(\s*#.*)?""")
_TWICE = re.compile(r"Cannot declare (\(.*,.*\)) twice")


def find_config(environ: Mapping[str, str], cwd: Path = Path()) -> Path | None:
    """The file to use where none is named: in the working directory, else in the user's configuration; None if neither is there.

    Something unusable at the first place counts as found: to pass it over in silence would run with other settings than meant.
    """
    candidates = [cwd / FILE_NAME]
    xdg = environ.get("XDG_CONFIG_HOME", "")
    home = home_directory(environ)
    # The XDG base directory specification says that a relative value is to be ignored.
    if xdg.startswith("/"):
        candidates.append(Path(xdg) / "collections-supervisor" / FILE_NAME)
    elif home is not None:
        candidates.append(home / ".config" / "collections-supervisor" / FILE_NAME)
    return next((candidate for candidate in candidates if os.path.lexists(candidate)), None)


def home_directory(environ: Mapping[str, str]) -> Path | None:
    """What `~` stands for: `$HOME`, else what the user database says; None if neither knows an absolute path."""
    home = environ.get("HOME", "")
    if not home:
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return Path(home) if home.startswith("/") else None


def source_name(path: Path | None) -> str:
    """How messages name the file."""
    if path is None:
        return "built-in defaults"
    return str(path) if str(path).isprintable() else quoted(str(path))


def read_document(path: Path) -> dict[str, object]:
    """The file as a TOML document; raises ConfigError if it cannot be read, is too large or is not TOML."""
    try:
        return tomllib.loads(_decoded(_read(path)))
    except OSError as error:
        message = f"cannot be read: {(error.strerror or str(error)).lower()}"
    except RecursionError:
        message = "is nested too deeply"
    except tomllib.TOMLDecodeError as error:
        message = f"is not valid TOML: {_plainly(str(error))}"
    except ValueError as error:
        message = str(error)
    raise ConfigError([Problem(source=source_name(path), message=message)]) from None


def salvaged(path: Path, key: str) -> dict[str, object] | None:
    """One text of a file that is no TOML, by its key path, as a document; an empty one if no line is about it.

    None where there may be such a line: the file cannot be read, or it is written in another way than most do.
    """
    try:
        lines = _decoded(_read(path)).splitlines()
    except (OSError, ValueError):
        return None
    section, _, name = key.rpartition(".")
    at: str | None = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            header = _HEADER.fullmatch(line)
            at = header[1] if header is not None else None
            continue
        found = _TEXT.fullmatch(line)
        if found is not None and at is not None and f"{at}.{found[1]}".lstrip(".") == key:
            return {section: {name: found[2]}}
        if name in line and not line.startswith("#") and at in (None, "", section):
            return None
    return {}


def _plainly(said: str) -> str:
    """What the parser says, but for a section that is there twice: it shows the parts of the name as Python writes them."""
    found = _TWICE.search(said)
    if found is None:
        return said
    section = ".".join(ast.literal_eval(found[1]))
    return f"{said[: found.start()]}[{section}] stands there already: add the keys to it{said[found.end() :]}"


def _read(path: Path) -> bytes:
    # Opening a FIFO would wait for a writer; a terminal must not become ours.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise ValueError("is a directory, not a file")
        if not stat.S_ISREG(mode):
            raise ValueError("is not a regular file")
        content = b""
        while chunk := os.read(descriptor, _LARGEST + 1 - len(content)):
            content += chunk
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST:
        raise ValueError(f"is larger than {_LARGEST} bytes")
    return content


def _decoded(content: bytes) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        raise ValueError("starts with a byte order mark; save it as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8: byte 0x{content[error.start]:02x} in line {line}") from None
