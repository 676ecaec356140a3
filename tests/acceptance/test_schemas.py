"""What the program prints and sends, held against the schemas that it prints itself."""

import json
from typing import Any

from jsonschema import Draft202012Validator


def schema(site: Any, name: str) -> Draft202012Validator:
    done = site.call("check", "--schema", name)
    assert (done.returncode, done.stderr) == (0, "")
    return Draft202012Validator(json.loads(done.stdout), format_checker=Draft202012Validator.FORMAT_CHECKER)


def faults(validator: Draft202012Validator, things: list[Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for thing in things for error in validator.iter_errors(thing)]


def test_a_report_is_what_its_schema_says(site: Any) -> None:
    site.configure_books()
    site.invoice("INV-1.json", {"invoice_number": "INV-1", "amount": "100.00", "currency": "USD", "status": "unpaid"})
    site.ledger()
    assert faults(schema(site, "report"), [site.check().report, site.embedded(site.page_path)]) == []


def test_notices_and_lines_are_what_their_schemas_say(site: Any) -> None:
    site.beat("dead", ago=60)
    site.configure([{"name": name, "restart": {"kind": "none"}} for name in ("dead", "gone")], logging={"level": "debug"})
    daemon = site.run()
    daemon.wait_for("escalation.delivered", agent="dead")
    site.beat("dead")
    daemon.wait_for("agent.recovered", agent="dead")
    site.beat("dead")
    daemon.wait_for("escalation.delivered", agent="dead", notice="resolved")
    assert daemon.stop() == 0
    assert len(site.notices("dead")) >= 2
    assert faults(schema(site, "notice"), site.notices()) == []
    assert faults(schema(site, "events"), daemon.events) == []
    assert len({event["event"] for event in daemon.events}) > 10


def test_one_notice_of_many_incidents_is_too(site: Any) -> None:
    names = ("one", "two")
    for name in names:
        site.beat(name, ago=60)
    site.configure([{"name": name, "restart": {"kind": "none"}} for name in names], escalation={"group_wait": "1s"})
    daemon = site.run()
    daemon.wait_for("escalation.delivered")
    assert daemon.stop() == 0
    [notice] = site.notices()
    assert len(notice["incidents"]) == 2
    assert faults(schema(site, "notice"), [notice]) == []
