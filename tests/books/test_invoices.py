"""What the bytes of one invoice file say."""

import json
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collections_supervisor.books.invoices import Odd, Rules, _day, judge, place_of
from collections_supervisor.books.records import Invoice
from collections_supervisor.messages import Finding

RULES = Rules(root="/state", currency="USD", verify=True)

SCANNED: dict[str, Any] = {
    "client": "Acme Ltd",
    "number": "INV-1",
    "email": "pay@acme.example",
    "amount": 1500.0,
    "due_date": "2026-03-01",
    "pdf_path": "/invoices/INV-1.pdf",
    "confidence": 0.93,
    "scanned_at": "2026-02-01T08:30:00.123456",
    "status": "unpaid",
}
ENTERED: dict[str, Any] = {
    "invoice_number": "A/7",
    "client_name": "Büro Köln",
    "due_date": "2026-03-01",
    "items": [{"what": "work", "price": 10}],
    "amount": 10,
    "status": "escalated",
}
PAYMENT = {"method": "zelle", "amount": 1500.0, "source_file": "mail/1.eml", "detected_at": "2026-03-02T10:00:00"}


def written(members: object) -> bytes:
    return json.dumps(members, indent=2).encode()


def signed(members: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in members.items() if not key.startswith("_")}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return {**members, "_checksum": sha256(text.encode()).hexdigest()[:16], "_updated_at": "2026-02-01T08:30:00", "_version": 3}


def look(
    data: bytes | dict[str, Any], folder: str = "acme", file: str = "INV-1.json", rules: Rules = RULES
) -> Invoice | Odd | None:
    raw = data if isinstance(data, bytes) else written(data)
    return judge(raw, place=place_of(folder), file=file, mtime=7.0, rules=rules)


def invoice(data: bytes | dict[str, Any], folder: str = "acme", file: str = "INV-1.json") -> Invoice:
    found = look(data, folder, file)
    assert isinstance(found, Invoice), found
    return found


def odd(data: bytes | dict[str, Any], folder: str = "acme", file: str = "INV-1.json") -> tuple[Finding, Invoice | None]:
    found = look(data, folder, file)
    assert isinstance(found, Odd), found
    assert found.finding.severity == "error"
    assert found.finding.advice
    return found.finding, found.invoice


def test_the_dialect_of_scanned_invoices() -> None:
    assert invoice(signed(SCANNED)) == Invoice(
        folder="acme",
        file="",  # its number says it
        number="INV-1",
        status="unpaid",
        group="unpaid",
        amount=150000,
        currency="USD",
        due=date(2026, 3, 1),
    )


def test_the_dialect_of_entered_invoices() -> None:
    found = invoice(signed(ENTERED | {"currency": "EUR"}), file="x.json")
    assert (found.number, found.status, found.group) == ("A/7", "escalated", "escalated")
    assert (found.amount, found.currency) == (1000, "EUR")


def test_a_paid_one_in_the_archive() -> None:
    found = invoice(SCANNED | {"status": "paid", "paid_at": "2026-03-02T10:00:05Z", "payment": PAYMENT}, "archive/acme")
    assert found.archived
    assert (found.group, found.paid, found.source_file) == ("paid", 150000, "mail/1.eml")
    assert (found.paid_at, found.detected_at) == (1772445605.0, 1772445600.0)
    assert found.path == "archive/acme/INV-1.json"


@pytest.mark.parametrize(
    ("folder", "archived", "waiting", "path"),
    [
        ("", False, False, "x"),
        ("acme", False, False, "x"),
        ("acme/2026/q1", False, False, "2026/q1/x"),
        ("archive", True, False, "x"),
        ("archive/acme", True, False, "x"),
        ("archive/acme/2026", True, False, "2026/x"),
        ("archivex", False, False, "x"),
        ("acme/archive", False, False, "archive/x"),
        ("auto", False, False, "x"),
        ("review_queue", False, True, "x"),
        ("manual/acme", False, True, "acme/x"),
        ("archive/manual", True, False, "x"),
        ("acme/manual", False, False, "manual/x"),
    ],
)
def test_only_the_first_part_of_the_path_has_a_meaning(folder: str, archived: bool, waiting: bool, path: str) -> None:
    found = invoice({"amount": 1, "status": "unpaid"}, folder, "x.json")
    assert (found.archived, found.waiting, found.number) == (archived, waiting, path)
    assert found.group == ("paid" if archived else "review" if waiting else "unpaid")


@pytest.mark.parametrize(
    ("status", "group"),
    [
        *(("unpaid", "unpaid"), ("pending", "unpaid"), ("paused", "unpaid"), ("paid", "paid"), ("escalated", "escalated")),
        *(("review", "review"), ("pending_review", "review"), ("manual_entry_required", "review")),
    ],
)
def test_what_a_status_means(status: str, group: str) -> None:
    found = invoice(SCANNED | {"status": status})
    assert (found.status, found.group) == (status, group)


@pytest.mark.parametrize("status", ["Paid", "done", "", "nul\u0000l", "\ud800", 5, True, None, [], {"a": 1}])
def test_any_other_status_is_a_finding_and_in_no_total(status: object) -> None:
    finding, found = odd(SCANNED | {"status": status})
    assert finding.kind == "unknown_status"
    assert finding.invoice == "INV-1"
    assert found is not None
    assert found.group is None
    json.dumps([finding.detail, found.status], ensure_ascii=False).encode()


def test_no_status_is_one_too() -> None:
    finding, _ = odd({"amount": 1})
    assert (finding.kind, finding.detail) == ("unknown_status", "it has no status")


def test_an_unknown_status_in_the_archive_is_for_the_comparison() -> None:
    found = invoice(SCANNED | {"status": "done"}, "archive/acme")
    assert (found.status, found.group) == ("done", "paid")


@pytest.mark.parametrize("amount", ["1500", "NaN", -1, -0.01, True, None, [], {}, [1.5], 1e16, 1e-21, float("nan"), float("inf")])
def test_amounts_that_cannot_be_counted(amount: object) -> None:
    finding, found = odd(SCANNED | {"amount": amount})
    assert finding.kind == "bad_amount"
    assert len(finding.detail) < 200
    assert found is not None
    assert (found.amount, found.group) == (None, "unpaid")


def test_an_amount_that_python_cannot_even_hold() -> None:
    finding, _ = odd(b'{"status": "unpaid", "amount": 1%s}' % (b"0" * 5000))
    assert finding.kind == "bad_amount"
    assert len(finding.detail) < 200


def test_the_amount_is_told_as_it_was_written() -> None:
    assert '"12a"' in odd(SCANNED | {"amount": "12a"})[0].detail
    assert "-5.25" in odd(SCANNED | {"amount": -5.25})[0].detail
    assert odd({"status": "unpaid"})[0].detail == "it has no amount"


@pytest.mark.parametrize("currency", ["usd", "EURO", "", "$", 5, "ÄÖÜ", True])
def test_a_currency_has_three_capital_letters(currency: object) -> None:
    finding, found = odd(SCANNED | {"currency": currency})
    assert (finding.kind, found and found.amount, found and found.currency) == ("bad_amount", None, "USD")


def test_no_currency_is_the_configured_one() -> None:
    assert invoice(SCANNED | {"currency": None}).currency == "USD"


def test_a_payment_that_cannot_be_read_leaves_the_invoice_counted() -> None:
    finding, found = odd(SCANNED | {"payment": {"amount": "all of it"}})
    assert finding.kind == "bad_amount"
    assert found is not None
    assert (found.amount, found.paid) == (150000, None)


def test_a_payment_need_not_name_its_amount() -> None:
    assert invoice(SCANNED | {"payment": {"method": "cash"}}).paid is None
    assert invoice(SCANNED | {"payment": None}).paid is None
    assert invoice(SCANNED | {"payment": PAYMENT | {"amount": 0.125}}).paid == Decimal("12.5")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"   ", "is not JSON"),
        (b'{"amount": 15', "cut off"),
        (b'{"amount": 1, "status": "unpaid"} {', "is not JSON"),
        (b"[1]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'"x"', "no JSON object"),
        (b'{"amount": 1, "status": "unpaid", "note": "\xff"}', "is not UTF-8"),
        (b'{"amount": 1, "status": "\xff"}', "is not UTF-8"),
        (b'\xff\xfe{\x00"\x00', "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"amount": 1, "status": "unpaid", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"\x00" * 300, "is not JSON"),
    ],
)
def test_files_that_say_nothing(data: bytes, words: str) -> None:
    finding, found = odd(data)
    assert finding.kind == "corrupt_file"
    assert words in finding.detail
    assert found is None
    assert (finding.path, finding.invoice) == ("/state/acme/INV-1.json", None)


def test_a_byte_order_mark_is_a_finding_but_the_invoice_counts() -> None:
    finding, found = odd(b"\xef\xbb\xbf" + written(SCANNED))
    assert finding.kind == "corrupt_file"
    assert found == invoice(SCANNED)


def test_directly_in_the_state_folder_there_are_other_objects() -> None:
    assert look({"last_run": 5}, "", "monitor.json") is None
    assert look(b'{"last_run": NaN}', "", "monitor.json") is None
    assert odd(b"{", "", "monitor.json")[0].path == "/state/monitor.json"
    assert odd({"amount": 5}, "", "x.json")[0].kind == "unknown_status"
    assert odd({"last_run": 5})[0].kind == "bad_amount"


@pytest.mark.parametrize("members", [{"invoice": {"amount": 5.5, "number": "R-1", "currency": "EUR"}, "reason": "blurred"}])
@pytest.mark.parametrize("folder", ["review_queue", "manual", "manual/acme"])
def test_what_waits_for_review_has_its_amount_inside(folder: str, members: dict[str, Any]) -> None:
    found = invoice(members, folder)
    assert (found.amount, found.currency, found.number, found.group, found.waiting) == (550, "EUR", "R-1", "review", True)


def test_what_waits_for_review_may_lack_everything() -> None:
    assert invoice({"invoice": {"amount": None}}, "manual").amount is None
    assert invoice({"invoice": 5, "amount": 7}, "manual").amount == 700
    assert odd(b"[]", "manual")[0].kind == "corrupt_file"


@pytest.mark.parametrize(
    "members",
    [SCANNED, ENTERED, SCANNED | {"payment": PAYMENT, "note": 'a",\n  "b": 1'}, {"amount": 1500, "status": "paid"}],
)
def test_a_checksum_is_verified(members: dict[str, Any]) -> None:
    right = signed(members)
    assert isinstance(look(right), Invoice)
    for data in (json.dumps(right).encode(), json.dumps(right, indent=4, ensure_ascii=False).encode()):
        assert isinstance(look(data), Invoice)
    finding, found = odd(right | {"amount": 1501.0})
    assert finding.kind == "checksum_mismatch"
    assert right["_checksum"] in finding.detail
    assert found is not None
    assert found.amount == 150100
    assert isinstance(look(right | {"amount": 1501.0}, rules=Rules(root="/state", currency="USD", verify=False)), Invoice)


def test_a_checksum_knows_a_whole_number_from_a_float() -> None:
    assert odd(signed(SCANNED) | {"amount": 1500})[0].kind == "checksum_mismatch"


@pytest.mark.parametrize("checksum", ["", "x" * 5000, 5, ["a"]])
def test_a_checksum_may_be_anything(checksum: object) -> None:
    finding, _ = odd(SCANNED | {"_checksum": checksum})
    assert finding.kind == "checksum_mismatch"
    assert len(finding.detail) < 250


def test_a_checksum_of_what_python_cannot_give_back() -> None:
    data = written(SCANNED | {"_checksum": "00"}).replace(b"0.93", b"9" * 5000)
    assert odd(data)[0].kind == "checksum_mismatch"


def test_one_fault_is_told_as_one() -> None:
    assert odd(signed(SCANNED) | {"amount": "x", "status": "y"})[0].kind == "bad_amount"
    assert odd(signed(SCANNED) | {"status": "y"})[0].kind == "unknown_status"


@pytest.mark.parametrize(
    ("members", "number"),
    [
        *[({"number": 17}, "17"), ({"number": "", "invoice_number": "B"}, "B"), ({"number": None}, "x"), ({"number": True}, "x")],
        *[({"number": float("nan")}, "x"), ({"number": {"a": 1}}, "x"), ({"number": "n" * 300}, "x")],
        ({"number": "\ud800"}, "\\ud800"),
    ],
)
def test_the_identity(members: dict[str, Any], number: str) -> None:
    assert invoice({"amount": 1, "status": "unpaid"} | members, "acme", "x.json").number == number


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        *[("1970-01-02T00:00:00", 86400.0), ("1970-01-02T00:00:00Z", 86400.0), ("1970-01-02T02:00:00+02:00", 86400.0)],
        *[("1970-01-02 00:00:00", 86400.0), (86400, 86400.0), (86400.5, 86400.5), ("86400.25", 86400.25)],
        *[("yesterday", None), (None, None), ("", None), ([], None), (-1, None), (1e300, None), (10**30, None)],
    ],
)
def test_times_in_every_form(at: object, seconds: float | None) -> None:
    found = invoice(SCANNED | {"paid_at": at, "payment": PAYMENT | {"detected_at": at}})
    assert (found.paid_at, found.detected_at) == (seconds, seconds)


@pytest.mark.parametrize(
    ("due", "day"),
    [
        *[("2026-03-01T12:00:00", date(2026, 3, 1)), ("2026-02-30", None)],
        *[("soon", None), ("", None), (None, None), (5, None), ([], None)],
    ],
)
def test_a_due_date_is_a_day(due: object, day: date | None) -> None:
    assert invoice(SCANNED | {"due_date": due}).due == day


def test_due_dates_with_much_behind_them_fill_no_memory() -> None:
    before = _day.cache_info().currsize
    for length in range(50):
        assert invoice(SCANNED | {"due_date": "2026-03-01" + "x" * length}).due == date(2026, 3, 1)
    assert _day.cache_info().currsize <= before + 1


def test_the_last_of_two_equal_members_counts_as_it_does_for_the_writer() -> None:
    assert invoice(b'{"amount": 1, "status": "paid", "amount": 2, "status": "unpaid"}').amount == 200


def test_names_that_could_disturb_are_harmless() -> None:
    finding, found = odd(SCANNED | {"number": "A\n\u202e\ud800", "amount": "\x1b[31m\ud800"})
    assert found is not None
    for text in (finding.detail, finding.invoice or "", found.number):
        text.encode()
    assert "\n" not in (finding.invoice or "")
    assert "\x1b" not in finding.detail


# --- Whatever it holds ---

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*SCANNED, *ENTERED, "currency", "payment", "paid_at", "_checksum", "invoice", "x"])
plausible = st.fixed_dictionaries(
    {"amount": st.floats(0, 1e9) | st.integers(0, 10**9), "status": st.sampled_from(["unpaid", "paid", "done"])},
    optional={
        "number": st.text(max_size=9),
        "invoice_number": st.text(max_size=9) | st.none(),
        "currency": st.sampled_from(["EUR", "eur", None]),
        "due_date": st.dates().map(str) | st.none(),
        "paid_at": st.datetimes().map(str) | st.floats(0, 1e9) | st.none(),
        "payment": st.none()
        | st.fixed_dictionaries({"amount": st.floats(0, 1e9)}, optional={"source_file": st.text(max_size=9)}),
        "_checksum": st.text(max_size=9),
    },
)
folders = st.sampled_from(["", "acme", "archive/acme", "manual", "acme/b"])


def check_outcome(found: Invoice | Odd | None) -> None:
    if isinstance(found, Odd):
        json.dumps([found.finding.detail, found.finding.path, found.finding.invoice], ensure_ascii=False).encode()
        found = found.invoice
    if found is not None:
        json.dumps([found.number, found.status, found.currency, found.source_file], ensure_ascii=False).encode()
        assert found.amount is None or found.amount >= 0


@given(st.binary(max_size=300), folders)
@example(b"\xef\xbb\xbf", "acme")
def test_any_bytes_are_judged(data: bytes, folder: str) -> None:
    check_outcome(look(data, folder))


@given(st.dictionaries(names, values, max_size=9), folders)
def test_any_members_are_judged(members: dict[str, Any], folder: str) -> None:
    check_outcome(look(members, folder))


@given(st.data(), st.sampled_from([signed(SCANNED), ENTERED, SCANNED | {"payment": PAYMENT}]))
@settings(max_examples=200)
def test_any_damage_is_judged(data: st.DataObject, members: dict[str, Any]) -> None:
    whole = written(members)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    check_outcome(look(whole[:start] + data.draw(st.binary(max_size=5)) + whole[end:]))


@given(plausible, folders)
@example({"amount": 1, "status": "paid", "paid_at": "1969-12-31T23:59:59"}, "acme")
@example({"amount": 1, "status": "paid", "paid_at": "9999-12-31T23:59:59"}, "acme")
def test_both_ways_of_reading_agree(members: dict[str, Any], folder: str) -> None:
    strict = {key: value for key, value in members.items() if key != "_checksum"}
    # NaN is no JSON, so this goes the tolerant way.
    assert look(strict, folder) == look(strict | {"confidence": float("nan")}, folder)


@given(plausible)
def test_a_checksum_is_right_however_the_file_is_laid_out(members: dict[str, Any]) -> None:
    right = signed(members | {"status": "unpaid", "currency": "EUR"})
    expected = look({key: value for key, value in right.items() if not key.startswith("_")})
    for data in (written(right), json.dumps(right).encode(), json.dumps(right, indent=2, ensure_ascii=False).encode()):
        assert look(data) == expected
