"""Somebody's own template in place of ours."""

import os
import re
from pathlib import Path

import pytest
from tests.reporting.stories import HOSTILE, agent, bad_day, report

from collections_supervisor.reporting.dashboard import TemplateFaultError, render

ROOMY = "{{ headline(report) }}|{{ title }}|{% for agent in agents %}{{ agent.name }}={{ agent.status }};{% endfor %}"


def drawn(folder: Path, text: str, **changes: object) -> str:
    path = folder / "my.html"
    path.write_text(text, encoding="utf-8")
    shown, history = bad_day()
    settings = {"title": "T", "interval": 60.0, "template": path, "history": history} | changes
    return render(changes.pop("report", shown), **settings).decode()  # type: ignore[arg-type]


def fault(folder: Path, text: str) -> str:
    with pytest.raises(TemplateFaultError) as raised:
        drawn(folder, text)
    assert raised.value.__cause__ is None
    return str(raised.value).removeprefix(str(folder))


def test_it_takes_the_place_of_the_page(tmp_path: Path) -> None:
    assert drawn(tmp_path, ROOMY) == (
        "1 escalated, 1 restarting of 3 agents; the books do not agree, queue collections-emailer is unhealthy|T|"
        "payment-watcher=escalated;collections-emailer=restarting;ledger-sync=healthy;"
    )


def test_our_own_template_is_one_of_them(tmp_path: Path) -> None:
    ours = Path(__file__).parents[2] / "src/collections_supervisor/reporting/dashboard.html.j2"
    shown, history = bad_day()
    assert drawn(tmp_path, ours.read_text()) == render(shown, history=history, title="T", interval=60).decode()


def test_it_is_read_anew_each_time(tmp_path: Path) -> None:
    assert [drawn(tmp_path, text) for text in ("a", "b", "a")] == ["a", "b", "a"]


def test_hostile_text_is_text_there_too(tmp_path: Path) -> None:
    path = tmp_path / "my.html"
    path.write_text(ROOMY)
    page = render(report(agent(HOSTILE)), title=HOSTILE, interval=60, template=path).decode()
    assert "<" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{% if %}", r"/my\.html, line 2: Expected an expression, got 'end of statement block'"),
        ("a\n\n{{ nothing }}", r"/my\.html, line 3: 'nothing' is undefined"),
        ("{{ report.nothing }}", r"/my\.html, line 1: .*Report.* has no attribute 'nothing'"),
        ("a\n{{ 1 / 0 }}", r"/my\.html, line 2: division by zero"),
        ("a\n{{ ago(1) }}", r"/my\.html, line 2: ago\(\) missing 1 required positional argument: 'now'"),
        ("{{ ''.__class__.__mro__ }}", r"/my\.html, line 1: access to attribute '__class__' of 'str' object is unsafe\."),
        ("{{ render.__globals__ }}", r"/my\.html, line 1: 'render' is undefined"),
        ("{{ ago.__globals__ }}", r"/my\.html, line 1: access to attribute '__globals__' of 'function' object is unsafe\."),
        ("{% include '/etc/passwd' %}", r"/my\.html, line 1: no loader for this environment specified"),
        ("{{ 'x' | nothing }}", r"/my\.html, line 1: No filter named 'nothing'\."),
    ],
)
def test_a_fault_is_one_clear_sentence(tmp_path: Path, text: str, said: str) -> None:
    assert re.fullmatch(said, fault(tmp_path, text))


def test_what_is_no_template_says_why(tmp_path: Path) -> None:
    def of(path: Path) -> str:
        with pytest.raises(TemplateFaultError) as raised:
            render(report(), title="T", interval=60, template=path)
        return str(raised.value)

    missing, binary, fifo, huge = (tmp_path / name for name in ("missing", "binary", "fifo", "huge"))
    binary.write_bytes(b"\xff\xfe")
    os.mkfifo(fifo)
    huge.write_bytes(b"x" * (1024 * 1024 + 1))
    assert of(missing) == f"{missing}: no such file or directory"
    assert of(binary) == f"{binary}: is not UTF-8 text"
    assert of(fifo) == f"{fifo}: is a FIFO, not a regular file"
    assert of(tmp_path) == f"{tmp_path}: is a directory, not a regular file"
    assert of(huge) == f"{huge}: is larger than 1048576 bytes"


def test_it_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("through a link")
    (tmp_path / "link").symlink_to("real")
    assert render(report(), title="T", interval=60, template=tmp_path / "link") == b"through a link"
