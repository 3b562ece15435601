"""Receipts of erasures and of copies that end stand in the chain of runs, and name no person."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from appliance.cli.work.copies.receipts import Receipts
from appliance.connections.database import Connection
from appliance.copies.ledger import CopyMade
from appliance.erasure.receipt import book_in, sign_ending, sign_erasure
from appliance.errors import WorkFailedError
from appliance.receipts.book import ReceiptBook
from appliance.receipts.removal_page import page_of
from appliance.receipts.removals import EndingPredicate, ErasurePredicate
from appliance.receipts.signing_key import load_or_create_signing_key, public_pem
from appliance.receipts.verifying import Checked, check_files
from appliance.subjects.records import ErasureRecord, PlaceRecord, TableCount
from tests.unit.subject_records import a_record
from tests.unit.test_receipts import statement

STAGING = Connection(
    type="postgres", host="db.internal", dbname="shop", user="owner", password=SecretStr("not-shown")
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def record() -> ErasureRecord:
    places = (
        PlaceRecord(
            kind="branch",
            name="staging/shop__branch_<pay>",
            state="done",
            tables=(TableCount(table="public.customer", before=1, after=0),),
        ),
        PlaceRecord(kind="twin", name="staging/shop", why="Connection 'staging' (db.internal:5432) is away"),
    )
    return a_record().model_copy(update={"places": places, "reference": "REQ-17"})


def checked(state: Path) -> Checked:
    pem = public_pem(load_or_create_signing_key(state / "keys"))
    return check_files([entry.path for entry in book_in(state).entries()], pem)


def ended_copy() -> CopyMade:
    return CopyMade(
        place="staging/shop",
        run="shop-1",
        kind="twin",
        workflow="shop",
        source="production",
        made_at=AT,
        asked_by="schedule",
        expires_at=AT,
    )


def test_an_erasure_is_a_link_of_the_chain_and_says_what_was_where(
    tmp_path: Path, record: ErasureRecord
) -> None:
    book = ReceiptBook(tmp_path / "receipts", tmp_path / "keys")
    book.append("shop-1", statement)
    number, signed = sign_erasure(tmp_path, record, [STAGING])
    book.append("shop-2", lambda link: statement(link, "shop-2"))
    found = checked(tmp_path)
    assert found.good and number == 2
    verdict = found.verdicts[1]
    assert verdict.about == f"erasure {record.id}, open" and verdict.of_run == record.id
    assert verdict.statement is not None
    predicate = verdict.statement.predicate
    assert isinstance(predicate, ErasurePredicate)
    assert (predicate.removed, predicate.open_places, predicate.reference) == (1, 1, "REQ-17")
    for secret in (b"db.internal", b"not-shown", next(iter(record.digests.values())).encode()):
        assert secret not in signed.envelope.payload
    (book.entries()[1].path).unlink()
    assert checked(tmp_path).faults == ("Missing between 1 and 3: 2.",)


def test_its_page_names_every_place_and_escapes_names(tmp_path: Path, record: ErasureRecord) -> None:
    sign_erasure(tmp_path, record, [STAGING])
    page = page_of(checked(tmp_path).verdicts[0])
    assert page is not None
    for text in ("REQ-17", "shop__branch_&lt;pay&gt;", "public.customer 1 → 0", "NOT DONE", "1 place could"):
        assert text in page


def test_equal_digests_say_that_two_erasures_were_about_the_same_subject(
    tmp_path: Path, record: ErasureRecord
) -> None:
    other = a_record().model_copy(update={"digests": {"id": "11" * 16}})
    for each in (record, record.model_copy(update={"id": "customer-again"}), other):
        sign_erasure(tmp_path, each, [])
    statements = [verdict.statement for verdict in checked(tmp_path).verdicts]
    first, again, another = [each.subjects[0].digest for each in statements if each is not None]
    assert first == again != another


def test_the_end_of_a_copy_is_signed_once(tmp_path: Path) -> None:
    for _ in range(2):
        sign_ending(tmp_path, ended_copy(), "Its time was over.")
    (verdict,) = checked(tmp_path).verdicts
    assert verdict.good and verdict.about == "the end of twin staging/shop"
    assert verdict.statement is not None
    assert isinstance(verdict.statement.predicate, EndingPredicate)
    assert "Its time was over" in (page_of(verdict) or "")


def test_without_a_receipt_an_erasure_says_that_it_stays_open(tmp_path: Path, record: ErasureRecord) -> None:
    (tmp_path / "receipts").write_text("in the way of the folder")
    with pytest.raises(WorkFailedError, match="an erasure stays open"):
        sign_erasure(tmp_path, record, [])


def test_receipts_whose_names_were_swapped_are_named(
    tmp_path: Path, record: ErasureRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_CONFIG_DIR", str(tmp_path / "etc"))
    sign_erasure(tmp_path, record, [])
    sign_ending(tmp_path, ended_copy(), "Its time was over.")
    assert Receipts(tmp_path).check_all().good
    first, second = (entry.path for entry in book_in(tmp_path).entries())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    faults = Receipts(tmp_path).check_all().faults
    assert [fault.partition(":")[0] for fault in faults[:2]] == [first.name, second.name]
