"""Receipts that were put, without the key, into the folder, or changed where no signature reaches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.cli.work.copies.receipts import Receipts
from appliance.errors import WorkFailedError
from appliance.receipts.book import ReceiptBook, read_bounded
from appliance.receipts.chain import ChainLink
from appliance.receipts.envelope import WrongReceiptError, read_envelope, sign
from appliance.receipts.head import HEAD
from appliance.receipts.signing_key import load_or_create_signing_key, public_pem
from appliance.receipts.statement import parse_statement
from appliance.receipts.verifying import check_files
from appliance.steps.records.run_receipt import _released
from tests.unit.test_receipts import KEY, append, first, statement

FOREIGN = Ed25519PrivateKey.generate()


@pytest.fixture
def book(tmp_path: Path) -> ReceiptBook:
    return ReceiptBook(tmp_path / "receipts", tmp_path / "keys")


def own_key(book: ReceiptBook) -> str:
    return public_pem(load_or_create_signing_key(book._keys_dir))


def forged(book: ReceiptBook, run: str) -> Path:
    """A receipt that fits the chain, signed by another key."""
    head = book.head()
    assert head is not None
    link = ChainLink(number=head.number + 1, previous=head.sha256, written_at=head.written_at)
    path = book.folder / f"{link.number:08d}-{run}.json"
    path.write_bytes(sign(statement(link, run), [FOREIGN]).content)
    return path


def test_a_signature_more_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    signed = first()
    path.write_bytes(sign(parse_statement(signed.envelope.payload), [KEY, FOREIGN]).content)
    (verdict,) = check_files([path], public_pem(KEY)).verdicts
    assert verdict.fault is not None and "2 signatures in place of one" in verdict.fault


def test_the_chain_takes_up_nothing_that_another_key_has_signed(book: ReceiptBook) -> None:
    append(book)
    forged(book, "evil")
    before = (book.folder / HEAD).read_bytes()
    second = append(book, "shop-2")
    assert second.name == "00000002-shop-2.json" and (book.folder / HEAD).read_bytes() != before
    link = parse_statement(read_envelope(second.read_bytes()).envelope.payload).predicate.link
    assert link.number == 2


def test_a_run_is_not_released_by_a_receipt_that_another_key_has_signed(book: ReceiptBook) -> None:
    path = append(book)
    subjects = parse_statement(read_envelope(path.read_bytes()).envelope.payload).subjects
    assert _released(book, "shop-1", subjects) is not None
    path = forged(book, "shop-2")
    subjects = parse_statement(read_envelope(path.read_bytes()).envelope.payload).subjects
    assert _released(book, "shop-2", subjects) is None


def test_a_receipt_under_another_name_is_not_believed(book: ReceiptBook, tmp_path: Path) -> None:
    append(book).rename(book.folder / "00000009-shop-9.json")
    receipts = Receipts(tmp_path)
    (entry,) = receipts.find("shop-9")
    with pytest.raises(WorkFailedError, match="another receipt than its name says"):
        receipts.believed(entry)


def test_a_pipe_keeps_no_reader_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "00000001-x.json")
    with pytest.raises(WrongReceiptError, match="not a file"):
        read_bounded(tmp_path / "00000001-x.json")
