"""The made-up books: the same every time, the manifest is true, and each fault does what it says and nothing else."""

import json
import re
import stat
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collections_supervisor.demo_books import Fault, Manifest, make

NOW = datetime(2026, 11, 22, 20, 50, 17, tzinfo=timezone(timedelta(hours=-5)))
GROUPS = {
    **dict.fromkeys(("unpaid", "pending", "paused"), "unpaid"),
    **dict.fromkeys(("review", "pending_review", "manual_entry_required"), "review"),
    "paid": "paid",
    "escalated": "escalated",
}
ENTRY = re.compile(r"- (?:`([^`]+)` \| \$([\d,]+\.\d\d) \| .* \| Status: (\w+)|(\S+): \$([\d,]+\.\d\d) \(.*\) - [\d-]+)")
LEDGER = "state/collections_ledger.md"
EMAILS = "cache/email_activity.log"


def contents(folder: Path) -> dict[str, bytes]:
    """All regular files, by path; links are not followed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if _is_file(path)}


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def invoices(manifest: Manifest) -> dict[str, Any]:
    """The JSON objects that stand where invoices are, by path below the state folder."""
    found = {}
    for folder in (manifest.state, manifest.state / "linked"):
        for path in folder.rglob("*.json"):
            if not path.name.startswith("."):
                members = json.loads(path.read_bytes(), parse_float=Decimal)
                if path.parent != manifest.state or "amount" in members:
                    found[str(path.relative_to(manifest.state))] = members
    return found


def recounted(manifest: Manifest) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
    """Counts and totals as somebody would find them who knows nothing but the files."""
    counts: Counter[str] = Counter()
    totals: dict[str, Counter[str]] = {group: Counter() for group in manifest.totals}
    for path, members in invoices(manifest).items():
        first = path.partition("/")[0]
        group = "paid" if first == "archive" else "review" if "invoice" in members else GROUPS[members["status"]]
        counts[group] += 1
        inner = members.get("invoice", members)
        totals[group][inner.get("currency", "USD")] += Decimal(inner["amount"])  # type: ignore[assignment]
    return dict(counts), {group: {code: f"{sums[code]:.2f}" for code in sorted(sums)} for group, sums in totals.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_manifest_says_what_the_files_add_up_to(tmp_path: Path, seed: int) -> None:
    manifest = make(tmp_path / "books", seed=seed, invoices=300, now=NOW)
    assert recounted(manifest) == (manifest.counts, manifest.totals)
    assert sum(manifest.counts.values()) == 300
    assert manifest.findings == frozenset()


def test_the_ledger_has_a_line_for_each_but_those_in_review_and_a_true_summary(tmp_path: Path) -> None:
    manifest = make(tmp_path / "books", seed=4, invoices=300, now=NOW)
    amounts: dict[str, dict[str, Decimal]] = {}
    forms: Counter[bool] = Counter()
    for line in manifest.ledger_path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = amounts.setdefault(line[3:].lower(), {})
        elif found := ENTRY.fullmatch(line):
            number, figure = (found[1], found[2]) if found[1] else (found[4], found[5])
            assert number not in section
            section[number] = Decimal(figure.replace(",", ""))
            forms[found[1] is None] += 1
            assert found[3] in (None, [*amounts][-1])
        elif line.startswith("- **"):
            name, claim = re.findall(r"\*\*(\w+) Total:\*\* \$([\d.]+)", line)[0]
            assert Decimal(claim) == sum(amounts[name.lower()].values())
    assert {name: len(section) for name, section in amounts.items() if name != "summary"} == {
        group: count for group, count in manifest.counts.items() if group != "review"
    }
    assert forms[True] > 10
    assert forms[False] > 100


def test_there_is_everything_that_a_reader_must_cope_with(tmp_path: Path) -> None:
    manifest = make(tmp_path / "books", seed=5, invoices=1000, now=NOW)
    found = invoices(manifest)
    assert {members["status"] for members in found.values() if "status" in members} >= set(GROUPS)
    assert sum("number" in members for members in found.values()) > 100
    assert sum("invoice_number" in members for members in found.values()) > 100
    assert any(not members.keys() & {"number", "invoice_number", "invoice"} for members in found.values())
    assert {path.count("/") for path in found} >= {0, 1, 2, 3, 4}
    assert {path.partition("/")[0] for path in found} >= {"archive", "review_queue", "manual", "auto", "archivex"}
    assert all("payment" in members for path, members in found.items() if path.startswith("archive/"))
    assert any("_checksum" in members for members in found.values())
    assert set(manifest.totals["unpaid"]) == {"USD", "EUR", "GBP"}
    assert len(manifest.latencies) > 20


def test_logs_have_the_numbers_of_the_last_day(tmp_path: Path) -> None:
    manifest = make(tmp_path / "books", seed=6, invoices=200, now=NOW)
    assert manifest.emails_sent == _in_window(manifest, "email_activity.log", "type", {"EMAIL_SENT"})
    assert manifest.payments_detected == _in_window(manifest, "payment_activity.log", "type", {"PAYMENT_DETECTED"})
    assert manifest.errors == _in_window(manifest, "error.log", "level", {"ERROR", "CRITICAL"})
    assert manifest.payments_detected == _in_window(manifest, "../state/events.log", "event", {"paid"})
    assert min(manifest.emails_sent or 0, manifest.payments_detected, manifest.errors) > 5
    plain = (manifest.cache / "logs" / "collections-emailer.log").read_text()
    assert len(re.findall(r"^2026-11-2[12] [\d:]{8},000 - \w+ - (?:ERROR|CRITICAL) - ", plain, re.MULTILINE)) == manifest.errors
    fallback = make(tmp_path / "fallback", seed=6, invoices=200, now=NOW, sources="fallback")
    assert (fallback.emails_sent, fallback.payments_detected, fallback.errors) == (
        None,
        manifest.payments_detected,
        manifest.errors,
    )
    assert set(contents(tmp_path / "books")) - set(contents(tmp_path / "fallback")) == {
        f"cache/{name}.log" for name in ("email_activity", "payment_activity", "error")
    }


def _in_window(manifest: Manifest, name: str, member: str, wanted: set[str]) -> int:
    count = 0
    for line in (manifest.cache / name).read_text().splitlines():
        try:
            members = json.loads(line)
        except ValueError:
            continue
        stamp = members["timestamp"]
        at = datetime.fromtimestamp(stamp, UTC) if isinstance(stamp, float) else datetime.fromisoformat(stamp)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        count += members[member] in wanted and manifest.now - timedelta(hours=24) < at <= manifest.now
    return count


def test_queues_hold_what_the_manifest_says(tmp_path: Path) -> None:
    faults = [Fault.QUEUE_DEEP, Fault.QUEUE_OLD, Fault.QUEUE_GARBAGE]
    manifest = make(tmp_path / "books", seed=7, invoices=100, now=NOW, faults=faults)
    assert {path.stem for path in manifest.queue_dir.glob("*.jsonl")} | {"payment_queue"} == set(manifest.queues)
    for name, truth in manifest.queues.items():
        path = manifest.cache / "payment_queue.json" if name == "payment_queue" else manifest.queue_dir / f"{name}.jsonl"
        messages = [line for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        ages = [manifest.now.timestamp() - json.loads(line)["_queued_at"] for line in messages]
        assert (truth.depth, truth.oldest_age_s) == (len(ages), pytest.approx(max(ages)) if ages else None)
    assert (manifest.queues["deep"].depth, manifest.queues["collections-emailer"].invalid) == (150, 4)
    assert manifest.queues["old"].oldest_age_s == 3 * 86400


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    every = [fault for fault in Fault if fault not in (Fault.STATE_MISSING, Fault.LEDGER_MISSING)]
    first = make(folder, seed=8, invoices=400, now=NOW, faults=every)
    written, times = contents(folder), {path: path.lstat().st_mtime for path in folder.rglob("*.*") if _is_file(path)}
    folder.rename(tmp_path / "before")
    assert make(folder, seed=8, invoices=400, now=NOW, faults=every) == first
    assert contents(folder) == written
    assert {path: path.lstat().st_mtime for path in times} == times
    assert make(tmp_path / "other", seed=9, invoices=400, now=NOW).totals != first.totals


def test_it_writes_nothing_over_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        make(tmp_path, seed=1, invoices=10, now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_more_faults_than_invoices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few invoices"):
        make(tmp_path / "books", seed=1, invoices=20, now=NOW, faults=[Fault.CUT] * 20)


FILE, MORE, LEDGERS, LOGS = "file", "another file", "ledger", "logs"
FILES = [fault for fault in Fault if fault.startswith("amount_") and fault is not Fault.AMOUNT_MISMATCH]
CHANGES: dict[Fault, tuple[dict[str, int], dict[str, int]]] = {
    # What changes, and the invoices that count more or fewer than before, by group.
    **{fault: ({FILE: 1}, {"unpaid": -1}) for fault in FILES},
    **{fault: ({FILE: 1}, {"unpaid": -1}) for fault in (Fault.CUT, Fault.EMPTY, Fault.NOT_UTF8, Fault.ARRAY, Fault.DEEP)},
    **{fault: ({FILE: 1}, {"unpaid": -1}) for fault in (Fault.STATUS_UNKNOWN, Fault.STATUS_ABSENT)},
    **{fault: ({FILE: 1}, {}) for fault in (Fault.BOM, Fault.EDITED, Fault.EDITED_AMOUNT, Fault.OVERDUE, Fault.ARCHIVED_UNPAID)},
    Fault.FIFO: ({}, {}),
    Fault.DUPLICATE: ({MORE: 1}, {"unpaid": 1}),
    Fault.ARCHIVE_AND_ACTIVE: ({MORE: 1}, {}),
    Fault.LEFT_OVER_TEMP: ({MORE: 1}, {}),
    Fault.NOT_ARCHIVED: ({FILE: 1, MORE: 1}, {}),
    **{
        fault: ({LEDGERS: 1}, {})
        for fault in (
            *(Fault.MISSING_IN_LEDGER, Fault.MISSING_IN_STATE, Fault.STATUS_MISMATCH, Fault.AMOUNT_MISMATCH, Fault.WRONG_SECTION),
            *(Fault.DUPLICATE_LEDGER_ENTRY, Fault.SUMMARY_DRIFT, Fault.UNPARSABLE_LINE, Fault.PARTIAL_IN_LEDGER),
        )
    },
    Fault.PARTIAL_PAYMENT: ({FILE: 1, LEDGERS: 1}, {}),
    **{fault: ({LOGS: 1}, {}) for fault in (Fault.STALE_MESSAGE, Fault.STALE_DETECTION, Fault.QUEUE_GARBAGE)},
    **{fault: ({LOGS: 1}, {}) for fault in (Fault.REMINDER_MISSED, Fault.REMINDER_REPEATED)},
    **{fault: ({MORE: 1}, {}) for fault in (Fault.QUEUE_DEEP, Fault.QUEUE_OLD)},
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, dict[str, bytes]]:
    """Books without a fault."""
    folder = tmp_path_factory.mktemp("sound") / "books"
    return make(folder, seed=10, invoices=80, now=NOW), contents(folder)


@pytest.mark.parametrize("fault", CHANGES)
def test_a_fault_changes_what_it_says_and_nothing_else(
    tmp_path: Path, sound: tuple[Manifest, dict[str, bytes]], fault: Fault
) -> None:
    before, files = sound
    # The paths of payment files stand in the invoices.
    after = make(tmp_path / "books", seed=10, invoices=80, now=NOW, faults=[fault])
    new, old = str(tmp_path).encode(), str(before.state.parents[1]).encode()
    written = {name: data.replace(new, old) for name, data in contents(tmp_path / "books").items()}
    changed = {name for name in {*files, *written} if files.get(name) != written.get(name)}
    expected, counts = CHANGES[fault]
    kinds = Counter(_kind(name, files) for name in changed if not (fault is Fault.NOT_ARCHIVED and "log" in name))
    assert (kinds, {name for name in files if name not in written}) == (expected, _moved(fault, changed))
    differences = {group: after.counts[group] - before.counts[group] for group in before.counts}
    assert {group: difference for group, difference in differences.items() if difference} == counts
    assert {finding.kind for finding in after.findings} or fault.startswith("queue_")


def _kind(name: str, files: dict[str, bytes]) -> str:
    if name == LEDGER:
        return LEDGERS
    if name not in files:
        return MORE
    return LOGS if name.startswith("cache/") else FILE


def _moved(fault: Fault, changed: set[str]) -> set[str]:
    return {name for name in changed if name.startswith("state/archive/")} if fault is Fault.NOT_ARCHIVED else set()


@pytest.mark.parametrize("fault", [Fault.LEDGER_MISSING, Fault.STATE_MISSING])
def test_what_is_missing_is_not_there(tmp_path: Path, fault: Fault) -> None:
    manifest = make(tmp_path / "books", seed=11, invoices=40, now=NOW, faults=[fault])
    assert not manifest.ledger_path.exists()
    assert manifest.state.exists() == (fault is Fault.LEDGER_MISSING)
    assert sum(manifest.counts.values()) == (40 if fault is Fault.LEDGER_MISSING else 0)
    assert manifest.ledger is None
