import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from collections_supervisor.config.files import find_config, home_directory, read_document, source_name
from collections_supervisor.config.problems import ConfigError


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_document(path)
    (problem,) = caught.value.problems
    assert problem.source == source_name(path)
    return problem.message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "supervisor.toml"


def test_reads_toml(file: Path) -> None:
    file.write_text('[logging]\nlevel = "é"\n')
    assert read_document(file) == {"logging": {"level": "é"}}


def test_an_empty_file_is_a_document(file: Path) -> None:
    file.touch()
    assert read_document(file) == {}


def test_a_missing_file_is_an_error(file: Path) -> None:
    assert complaint(file) == "cannot be read: no such file or directory"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    open_before = len(list(Path("/dev/fd").iterdir()))
    assert complaint(tmp_path) == "is a directory, not a file"
    assert len(list(Path("/dev/fd").iterdir())) == open_before


@pytest.mark.timeout(10)
def test_a_fifo_does_not_make_it_wait(file: Path) -> None:
    os.mkfifo(file)
    assert complaint(file) == "is not a regular file"


@pytest.fixture
def bound(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(file.parent)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(file.name)
        yield


@pytest.mark.usefixtures("bound")
def test_a_socket_is_an_error(file: Path) -> None:
    assert complaint(file).startswith("cannot be read: ")


def test_a_device_without_end_is_not_read() -> None:
    assert complaint(Path("/dev/zero")) == "is not a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error(file: Path) -> None:
    file.touch(mode=0)
    assert complaint(file) == "cannot be read: permission denied"


def test_a_loop_of_links_is_an_error(file: Path) -> None:
    file.symlink_to(file)
    assert complaint(file).startswith("cannot be read: ")


def test_a_path_with_a_nul_is_an_error() -> None:
    assert complaint(Path("a\0b")) == "embedded null byte"


def test_the_largest_file_is_read_and_a_larger_one_is_not(file: Path) -> None:
    file.write_bytes(b"#" * 1_048_576)
    assert read_document(file) == {}
    file.write_bytes(b"#" * 1_048_577)
    assert complaint(file) == "is larger than 1048576 bytes"


def test_bytes_that_are_not_utf8_are_found(file: Path) -> None:
    file.write_bytes(b'a = 1\nb = "\xff"\n')
    assert complaint(file) == "is not UTF-8: byte 0xff in line 2"


def test_a_byte_order_mark_is_named(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert complaint(file).startswith("starts with a byte order mark")


@pytest.mark.parametrize("text", ["a = 1\nb = \n", "a = 1\na = 2\n", "a = 1\n\0"])
def test_bad_toml_is_named_with_its_line(file: Path, text: str) -> None:
    file.write_text(text)
    message = complaint(file)
    assert message.startswith("is not valid TOML: ")
    assert "line 2" in message


@pytest.mark.parametrize(
    ("header", "section"),
    [("[deadman]", "[deadman]"), ("[a.'b c']", "[a.b c]"), ("['('.\"'\"]", "[(.']")],
    ids=["one", "two", "odd"],
)
def test_a_section_that_is_there_twice_is_named_as_it_is_written(file: Path, header: str, section: str) -> None:
    file.write_text(f"{header}\n{header}\n")
    message = complaint(file)
    assert message.startswith(f"is not valid TOML: {section} stands there already: add the keys to it (at line 2")


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000])
def test_bombs_are_errors(file: Path, text: str) -> None:
    file.write_text(text)
    assert complaint(file)


def test_the_working_directory_comes_first(tmp_path: Path) -> None:
    user = tmp_path / "home" / ".config" / "collections-supervisor" / "supervisor.toml"
    user.parent.mkdir(parents=True)
    environ = {"HOME": str(tmp_path / "home")}
    assert find_config(environ, tmp_path) is None
    user.touch()
    assert find_config(environ, tmp_path) == user
    here = tmp_path / "supervisor.toml"
    here.touch()
    assert find_config(environ, tmp_path) == here


def test_an_unusable_file_counts_as_found(tmp_path: Path) -> None:
    (tmp_path / "supervisor.toml").symlink_to(tmp_path / "nowhere")
    assert find_config({"HOME": str(tmp_path)}, tmp_path) == tmp_path / "supervisor.toml"


def test_xdg_config_home_replaces_the_one_below_home(tmp_path: Path) -> None:
    for folder in ("xdg", "home/.config"):
        (tmp_path / folder / "collections-supervisor").mkdir(parents=True)
        (tmp_path / folder / "collections-supervisor" / "supervisor.toml").touch()
    home, xdg = tmp_path / "home", tmp_path / "xdg"
    elsewhere = tmp_path / "cwd"
    found = find_config({"HOME": str(home), "XDG_CONFIG_HOME": str(xdg)}, elsewhere)
    assert found == xdg / "collections-supervisor" / "supervisor.toml"
    for ignored in ("", "xdg"):
        found = find_config({"HOME": str(home), "XDG_CONFIG_HOME": ignored}, elsewhere)
        assert found == home / ".config" / "collections-supervisor" / "supervisor.toml"


def test_home_is_an_absolute_path_or_nothing() -> None:
    assert home_directory({"HOME": "/home/ann"}) == Path("/home/ann")
    assert home_directory({"HOME": "ann"}) is None


def test_without_a_variable_the_user_database_knows_the_home() -> None:
    assert home_directory({}) == home_directory({"HOME": ""}) is not None


def test_file_names_cannot_drive_a_terminal() -> None:
    assert source_name(Path("/a/b.toml")) == "/a/b.toml"
    assert source_name(Path("/a\n/b")) == '"/a\\n/b"'
    assert source_name(None) == "built-in defaults"
