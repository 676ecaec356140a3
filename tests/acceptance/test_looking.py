"""The page on demand: it says what is so, and changes nothing at all."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

MINUTE = 60.0
HOUR = 3600.0

SILENT_FOR_LONG = {"heartbeats": {"dir": "heartbeats", "timeout": "60m", "miss_interval": "15m"}}
RUN_ID = re.compile(rb"20\d{6}T\d{6}Z-[0-9a-f]{8}")
AGE = re.compile(rb"(\bin )?\b\d+(\.\d+)? (s|min|h|d)\b( \d+ (s|min|h)\b)?( ago\b)?|\bnow\b")
NUMBER = re.compile(rb"\d[\d.]*")


def timeless(page: bytes) -> bytes:
    """The page without anything that time changes: every age and every number."""
    return NUMBER.sub(b"0", AGE.sub(b"an age", RUN_ID.sub(b"a run", page)))


def draw(site: Any, number: int = 0, *arguments: str, environment: tuple[str, ...] = ()) -> tuple[int, bytes, str]:
    """`--dashboard`: exit status, standard output, standard error."""
    out, err = site.root / f"sweep-page-{number}", site.root / f"stderr-page-{number}"
    into = ("sh", "-c", 'out=$0 err=$1; shift; exec "$@" >"$out" 2>"$err"', str(out), str(err), "env", *environment)
    done = site.call("--config", str(site.root / "supervisor.toml"), "--dashboard", *arguments, through=into)
    return done.returncode, out.read_bytes(), err.read_text()


def facts(page: bytes) -> dict[str, Any]:
    """What the page says, less when it says so."""
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return {
        **{key: value for key, value in json.loads(found[1]).items() if key not in ("generated_at", "run_id", "sources")},
    }


class Tags(HTMLParser):
    """The elements of a page, and all its text outside of scripts and styles."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: set[str] = set()
        self.text = ""
        self._silent = False
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes |= {name for name, _ in attrs}
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._silent else data


@pytest.fixture
def dead(site: Any) -> Any:
    """Two agents that have not beaten for long, and books."""
    for name in ("one", "two"):
        site.beat(name, ago=3 * HOUR)
    site.invoice("acme/INV-1.json", {"number": "INV-1", "status": "unpaid", "amount": 10.00})
    site.ledger("- `INV-1` | $10.00 | Acme | Status: unpaid")
    places = {"state_dir": "invoices", "ledger": "ledger.md", "queue_dir": "cache/queues", "cache_dir": "cache"}
    site.configure([{"name": name} for name in ("one", "two")], **SILENT_FOR_LONG, books={"enabled": True, **places})
    return site


def nothing_was_done(site: Any) -> bool:
    return bool(site.calls("one") == site.calls("two") == site.notices() == [])


def test_two_dead_agents_are_shown_and_left_alone(dead: Any) -> None:
    before = dead.tree()
    pages = []
    for number in range(3):
        status, page, said = draw(dead, number)
        assert (status, said) == (0, "")
        assert dead.tree() == before
        pages.append(page)
    assert nothing_was_done(dead)
    assert not dead.state.exists()
    assert [facts(page)["agents"][0]["status"] for page in pages] == ["escalated"] * 3
    known = facts(pages[0])
    assert [(agent["missed"], agent["restarts"], agent["next_attempt_at"]) for agent in known["agents"]] == [(9, 0, None)] * 2
    assert known["books"]["totals"]["unpaid"] == {"count": 1, "amounts": {"USD": "10.00"}}
    assert [incident["delivered"] for incident in known["incidents"]] == [False, False]
    text = Tags(pages[0]).text
    assert "by hand, while no supervisor was running" in text
    assert "only a look" in text


def test_what_was_saved_is_looked_at_and_left_as_it_was(dead: Any) -> None:
    assert dead.check().status == 1
    dead.let_pass(10 * MINUTE)
    before, calls, told = dead.tree(), len(dead.calls("one", "restart")), len(dead.notices())
    assert (calls, told) == (1, 2)
    first, second = (draw(dead, number) for number in range(2))
    assert dead.tree() == before
    assert (len(dead.calls("one", "restart")), len(dead.notices())) == (calls, told)
    known = facts(first[1])
    assert [(agent["name"], agent["status"], agent["restarts"]) for agent in known["agents"]] == [
        ("one", "escalated", 1),
        ("two", "escalated", 1),
    ]
    assert [incident["delivered"] for incident in known["incidents"]] == [True, True]
    again = facts(second[1])
    for one, other in zip(known["agents"], again["agents"], strict=True):
        assert {key: one[key] for key in ("name", "status", "detail", "missed", "last_heartbeat", "restarts", "incident")} == {
            key: other[key] for key in ("name", "status", "detail", "missed", "last_heartbeat", "restarts", "incident")
        }
    assert known["incidents"] == again["incidents"]


def test_without_a_file_the_page_and_nothing_else_is_on_standard_output(dead: Any) -> None:
    status, page, said = draw(dead, 0, environment=("LC_ALL=C", "PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0"))
    assert (status, said) == (0, "")
    assert page.startswith(b"<!DOCTYPE html>")
    assert page.rstrip().endswith(b"</html>")
    assert page.count(b"<!DOCTYPE") == 1
    target = dead.root / "pages" / "by-hand.html"
    status, nothing, said = draw(dead, 1, "--output", str(target))
    assert (status, nothing, said) == (0, b"", "")
    assert timeless(target.read_bytes()) == timeless(page)
    assert facts(target.read_bytes())["books"]["totals"] == facts(page)["books"]["totals"]
    page.decode("utf-8")


def test_a_page_keeps_the_mode_that_it_has(dead: Any) -> None:
    target = dead.root / "page-by-hand.html"
    target.write_text("old")
    target.chmod(0o640)
    assert draw(dead, 0, "--output", str(target))[0] == 0
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_text().startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_is_a_sentence(dead: Any) -> None:
    (dead.root / "file").write_text("no folder")
    status, page, said = draw(dead, 0, "--output", str(dead.root / "file" / "page.html"))
    assert (status, page) == (1, b"")
    assert "cannot be written" in said
    assert "Traceback" not in said


def test_what_cannot_be_read_is_said_beside_the_page_and_stays(dead: Any) -> None:
    assert dead.check().status == 1
    for name in ("snapshot.json", "history.json"):
        (dead.state / name).write_bytes(b"garbage")
    before = dead.tree()
    status, page, said = draw(dead)
    assert status == 0
    assert facts(page)["agents"][0]["status"] == "escalated"
    assert [json.loads(line)["event"] for line in said.splitlines()] == ["supervisor.state_set_aside"] * 2
    assert dead.tree() == before


HOSTILE = ("<script>x</script>", "<img onerror>.json", '"><b>')


def test_hostile_names_are_text(site: Any) -> None:
    client, file, reason = HOSTILE
    path = f"{client.replace('/', '|')}/{file}"
    site.configure_books()
    site.beat("mailer", status="fail", message=reason)
    site.invoice(path, b"{")
    site.invoice("acme/2.json", {"number": client, "status": "unpaid", "amount": 1.00, "client": client})
    site.ledger(f"- `{client}` | $2.00 | {client} | Status: unpaid")
    status, page, _ = draw(site)
    assert status == 0
    found = Tags(page)
    site.beat("mailer", status="fail", message="harmless")
    harmless = Tags(draw(site, 1)[1])
    # The page may have elements of this kind of its own.
    assert found.tags == harmless.tags
    assert (found.tags.get("img", 0), found.tags["script"]) == (0, 2)
    assert client.encode() not in page
    assert b"<img" not in page
    assert not {name for name in found.attributes if name.startswith("on")}
    for text in (reason, file, client.replace("/", "|"), client):
        assert text in found.text, text
    # In its data too, no tag begins or ends.
    data = page[page.index(b'id="data">') + 10 :]
    assert b"<" not in data[: data.index(b"</script>")]


def test_beside_a_daemon_its_own_word_is_shown(site: Any) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer", "timeout": "1h"}])
    daemon = site.run()
    daemon.wait_for("supervisor.ready")
    site.until((site.state / "history.json").exists)
    status, page, said = draw(site)
    assert (status, said) == (0, "")
    known = facts(page)
    assert (known["verdict"], known["stale"], known["stopped_at"]) == ("healthy", False, None)
    assert json.loads((site.state / "snapshot.json").read_bytes())["run_id"] == daemon.events[0]["run_id"]
    text = Tags(page).text
    assert "made by hand" in text.lower()
    assert "no supervisor" not in text
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dashboard", "--health-check"],
        ["--dashboard", "--dry-run"],
        ["--dashboard", "--json"],
        ["--output", "x"],
        ["--health-check", "--output", "x"],
        ["--dashboard", "check"],
    ],
)
def test_what_does_not_go_together_is_refused(site: Any, arguments: list[str]) -> None:
    site.configure([{"name": "mailer"}])
    done = site.call("--config", str(site.root / "supervisor.toml"), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert not Path(site.root / "x").exists()


def test_a_template_of_ones_own_draws_the_page(site: Any) -> None:
    site.beat("mailer")
    site.configure([{"name": "mailer"}], **SILENT_FOR_LONG)
    template = site.root / "mine.j2"
    template.write_text("{{ title }}: {{ headline(report) }}")
    status, page, said = draw(site, 0, "--template", str(template))
    assert (status, page, said) == (0, b"NovotEcho Collections: mailer is healthy", "")
    template.write_text("\n{{ nobody }}")
    status, page, said = draw(site, 1, "--template", str(template))
    assert (status, page) == (78, b"")
    assert said == f"the page cannot be drawn: {template}, line 2: 'nobody' is undefined\n"
