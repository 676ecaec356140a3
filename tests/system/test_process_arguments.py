"""What programs were started with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collections_supervisor.system.process_arguments import read_arguments, read_open_files, read_surroundings
from collections_supervisor.system.process_table import HERE, Facilities

ARGUMENTS = ["--name", "it's odd", "", "ü"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {"ONE": "a=b", "TWO": ""}
    command = [sys.executable, "-c", "print(flush=True); input()", *ARGUMENTS]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
        assert made.stdout is not None
        made.stdout.readline()  # before it is up the kernel may show no arguments yet
        yield made
        made.kill()


@pytest.mark.skipif(not HERE.procfs, reason="there is no /proc")
def test_arguments_are_read_as_they_were_given(process: subprocess.Popen[bytes]) -> None:
    found = read_arguments()
    assert found[process.pid][-4:] == ARGUMENTS
    assert os.getpid() in found


def test_of_ps_words_are_to_be_had(process: subprocess.Popen[bytes]) -> None:
    found = read_arguments(Facilities(pidfd=False, procfs=False))
    if not found:
        pytest.skip("there is no ps here")
    assert "--name" in found[process.pid]


@pytest.mark.skipif(not HERE.procfs, reason="there is no /proc")
def test_the_surroundings_of_a_process_are_its_folder_and_its_environment(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    folder, environ = read_surroundings(process.pid)
    assert folder == tmp_path
    assert {name: environ[name] for name in ("ONE", "TWO")} == {"ONE": "a=b", "TWO": ""}


@pytest.mark.skipif(not HERE.procfs, reason="there is no /proc")
def test_open_files_are_told_by_their_names_also_when_those_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "kept open"
    with path.open("w"):
        assert path in read_open_files(os.getpid())
        path.unlink()
        assert path in read_open_files(os.getpid())
    assert path not in read_open_files(os.getpid())


def test_what_is_not_there_has_none() -> None:
    with pytest.raises(OSError, match="No such file"):
        read_surroundings(999_999_999)
    with pytest.raises(OSError, match="No such file"):
        read_open_files(999_999_999)
