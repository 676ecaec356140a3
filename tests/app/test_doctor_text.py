"""What the doctor prints."""

import json

from collections_supervisor.app.doctor_checks import Check
from collections_supervisor.app.doctor_text import encode, is_sound, render

CHECKS = (
    Check(name="commands", result="ok", found="found: /usr/bin/openclaw"),
    Check(name="agents", result="fail", found="mailer has never beaten: /beats/mailer.log", fix="have its work run: beat mailer"),
    Check(name="channels", result="warn", found="there is one only\x1b[31m", fix="add one"),
)


def test_each_check_is_a_line_and_what_to_do_stands_below() -> None:
    assert render(CHECKS, 100, False).splitlines() == [
        "ok    commands: found: /usr/bin/openclaw",
        "fail  agents: mailer has never beaten: /beats/mailer.log",
        "      -> have its work run: beat mailer",
        "warn  channels: there is one only [31m",
        "      -> add one",
        "",
        "1 to be mended, 1 to be looked at, 1 sound",
    ]


def test_nothing_is_wider_than_the_screen_and_colours_are_for_those_that_have_them() -> None:
    assert max(map(len, render(CHECKS, 40, False).splitlines())) <= 42
    assert "\x1b[1;31mfail\x1b[0m  agents" in render(CHECKS, 100, True)
    assert "\x1b" not in render(CHECKS, 100, False)


def test_json_holds_everything_also_bytes_that_are_no_text() -> None:
    odd = Check(name="books", result="note", found="/x/\udcff")
    found = json.loads(encode((*CHECKS, odd)))
    assert (found["schema"], found["ok"], len(found["checks"])) == (1, False, 4)
    assert found["checks"][1] == {
        "name": "agents",
        "result": "fail",
        "found": "mailer has never beaten: /beats/mailer.log",
        "fix": "have its work run: beat mailer",
    }
    assert found["checks"][3]["found"] == "/x/?"


def test_only_a_failure_is_one() -> None:
    assert not is_sound(CHECKS)
    assert is_sound((CHECKS[0], CHECKS[2]))
