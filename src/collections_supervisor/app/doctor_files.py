"""The files and folders that the doctor looks at. All of it blocks: call it in a thread."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from collections_supervisor.app.doctor_checks import Place
from collections_supervisor.config.effective import Loaded
from collections_supervisor.config.schema import LogSource
from collections_supervisor.system.files import TEMP_PREFIX, cause_of

MOST_PLACES = 2000


class Files:
    """The files that a configuration names."""

    def __init__(self, loaded: Loaded) -> None:
        self._config = loaded.config
        self._effective = loaded.effective

    def heartbeat_folders(self) -> list[Path]:
        """The folders that hold heartbeat logs and nothing else: those that `dir` names and some agent uses."""
        named = {Path(row.value) for row in self._effective if row.key in ("heartbeats.dir", "dir") and row.value}
        return sorted(named.intersection(path.parent for path in self.logs()))

    def logs(self) -> set[Path]:
        """Every heartbeat log."""
        return {source.path for agent in self._config.agents for source in agent.sources if isinstance(source, LogSource)}

    def strangers(self, folder: Path) -> list[str] | None:
        """The names of heartbeat logs that belong to nobody; None if there is no such folder."""
        ours = {path.name for path in self.logs() if path.parent == folder}
        try:
            names = sorted(path.name for path in folder.iterdir() if path.suffix == ".log" and path.is_file())
        except FileNotFoundError:  # that nobody has ever beaten there is said elsewhere
            return None
        return [name for name in names if name not in ours]

    def places(self) -> Iterator[Place]:
        """What nobody else is to see, and what not everybody is to write."""
        state = self._config.supervisor.state_dir
        shown = {self._config.dashboard.path, self._config.metrics.path}
        inside = (path for pattern in ("*", "*/*") for path in _globbed(state, pattern))
        lasting = (path for path in inside if path not in shown and not path.name.startswith(TEMP_PREFIX))
        private = [state, *lasting][:MOST_PLACES]
        secret = set(private)
        shared = [*self.heartbeat_folders(), *sorted(self.logs())]
        if self._config.path is not None:
            shared.append(self._config.path)
        for path in [*private, *shared[:MOST_PLACES]]:
            with suppress(OSError):
                if not path.is_symlink():
                    yield Place(path=str(path), mode=path.stat().st_mode & 0o7777, private=path in secret)

    def newest(self) -> tuple[str, datetime] | None:
        """The file that was changed last, of those that are written all the time."""
        found: list[tuple[float, str]] = []
        for path in [*self.logs(), self._config.supervisor.state_dir / "snapshot.json", self._config.books.ledger]:
            with suppress(OSError):
                found.append((path.stat().st_mtime, str(path)))
        if not found:
            return None
        changed, name = max(found)
        with suppress(ValueError, OverflowError, OSError):  # a time that no calendar has
            return name, datetime.fromtimestamp(changed, UTC)
        return name, datetime.max.replace(tzinfo=UTC)


def _globbed(folder: Path, pattern: str) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.glob(pattern))
    return []


def small(path: Path) -> bytes:
    """The beginning of a file; nothing if it cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(1 << 20)
    return b""


def _write_and_remove(path: Path) -> None:
    with path.open("xb") as file:
        try:
            file.write(b"x")
            file.flush()  # a full disk has room for a name, and not for what is in the file
        finally:
            path.unlink()


def try_to_write(folder: Path) -> tuple[bool, str]:
    """Whether it exists, and why nothing can be written there; what is asked of a missing one is whether it can be made."""
    try:
        if folder.is_dir():
            _write_and_remove(folder / f"{TEMP_PREFIX}{secrets.token_hex(8)}")
            return True, ""
        if os.path.lexists(folder):
            return True, "it is not a folder"
    except OSError as error:
        return True, cause_of(error)
    above = next(parent for parent in folder.parents if os.path.lexists(parent))
    try:
        # No question of permissions alone: a disk may be read-only, and a superuser is permitted everything.
        probe = above / f"{TEMP_PREFIX}{secrets.token_hex(8)}"
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        return False, f"{above}: {cause_of(error)}"
    return False, ""
