"""What a command that cannot be started is reported as."""

import errno
import os
from pathlib import Path

import pytest

from collections_supervisor.system.process import SpawnError, spawn
from collections_supervisor.system.process_errors import explain


async def refusal(*argv: str, path: str = "/bin:/usr/bin", cwd: Path | None = None) -> tuple[str, str]:
    with pytest.raises(SpawnError) as caught:
        await spawn(argv, env={"PATH": path}, cwd=cwd, stdout=None, stderr=None, marker="test")
    return caught.value.kind, str(caught.value)


def script(path: Path, text: str, mode: int) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


async def test_not_found_names_program_and_path(tmp_path: Path) -> None:
    kind, message = await refusal("openclaw", path=str(tmp_path))
    assert kind == "not_found"
    assert message == f"program 'openclaw' on PATH '{tmp_path}' was not found"


async def test_not_found_by_its_own_path(tmp_path: Path) -> None:
    assert await refusal(f"{tmp_path}/openclaw") == ("not_found", f"program '{tmp_path}/openclaw' was not found")
    assert await refusal("bin/openclaw", cwd=tmp_path) == ("not_found", f"program '{tmp_path}/bin/openclaw' was not found")
    file = script(tmp_path / "file", "", 0o600)
    assert (await refusal(f"{file}/openclaw"))[0] == "not_found"


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("#!/bin/sh\n", 0o600, "Permission denied"),
        ("#!/nowhere/interpreter\n", 0o700, "its interpreter was not found"),
        ("no program\n", 0o700, "Exec format error"),
    ],
)
async def test_not_executable(tmp_path: Path, text: str, mode: int, reason: str) -> None:
    program = script(tmp_path / "openclaw", text, mode)
    expected = ("not_executable", f"program '{program}' cannot be executed: {reason}")
    assert await refusal(str(program)) == expected
    assert await refusal("openclaw", path=f"/nowhere:{tmp_path}") == expected


async def test_a_directory_is_not_executable(tmp_path: Path) -> None:
    assert (await refusal(str(tmp_path)))[0] == "not_executable"


async def test_bad_cwd(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert await refusal("true", cwd=missing) == (
        "bad_cwd",
        f"working directory '{missing}' cannot be entered: No such file or directory",
    )
    file = script(tmp_path / "file", "", 0o600)
    assert await refusal("true", cwd=file) == ("bad_cwd", f"working directory '{file}' cannot be entered: Not a directory")
    assert (await refusal("true", cwd=Path("a\0b")))[0] == "bad_cwd"


@pytest.mark.skipif(os.geteuid() == 0, reason="root enters everything")
async def test_a_closed_cwd(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o600)
    assert (await refusal("true", cwd=closed))[0] == "bad_cwd"


async def test_bad_cwd_outranks_a_missing_program(tmp_path: Path) -> None:
    assert (await refusal("nowhere", cwd=tmp_path / "missing"))[0] == "bad_cwd"


@pytest.mark.parametrize("argument", ["a\0b", "x" * (1 << 22), "\ud800"], ids=["nul", "too long", "lone surrogate"])
async def test_arguments_the_kernel_does_not_take(argument: str) -> None:
    kind, message = await refusal("true", argument)
    assert kind == "failed"
    assert message.startswith("program 'true'")
    assert len(message) < 200


async def test_no_program_at_all() -> None:
    assert await refusal() == await refusal("") == ("not_found", "no program is named")


def test_what_the_program_is_not_to_blame_for_may_pass() -> None:
    for error in (FileNotFoundError(errno.ENOENT, "gone", "/dev/null"), BlockingIOError(errno.EAGAIN, "too many processes")):
        failure = explain(error, "true", "/bin/true", {"PATH": "/bin"}, None)
        assert failure.kind == "failed"
        assert str(failure).startswith("program 'true' on PATH '/bin' cannot be started: ")
