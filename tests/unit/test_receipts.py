"""Receipts as files: one changed byte, a missing link, another key, a later version each say so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.receipts.book import ReceiptBook
from appliance.receipts.chain import ChainLink
from appliance.receipts.envelope import LARGEST, SignedReceipt, WrongReceiptError, read_envelope, sign
from appliance.receipts.head import HEAD, Head
from appliance.receipts.page import receipt_page
from appliance.receipts.predicate import (
    AskedBy,
    KeptColumn,
    MaskedColumn,
    RunPredicate,
    TableFacts,
    WorkflowFacts,
)
from appliance.receipts.rotation import rotate
from appliance.receipts.signing_key import load_or_create_signing_key, public_key, public_pem
from appliance.receipts.statement import PAYLOAD_TYPE, Statement, parse_statement, subject
from appliance.receipts.verifying import Checked, check, check_files
from appliance.settings.settings import Settings

ZERO = "0" * 64
KEY = Ed25519PrivateKey.generate()
COLUMNS = TableFacts(
    table="public.<customer>",
    rows_source=3,
    rows_twin=3,
    masked=(MaskedColumn(column="email", type="text", mask="email", rule="*.*.email", promise="disjoint"),),
    kept=(KeptColumn(column="id", type="int", rule="*.*.id", because="a <number>"),),
)


def statement(link: ChainLink, run: str = "shop-1") -> Statement:
    predicate = RunPredicate(
        link=link,
        outcome="released",
        run=run,
        workflow=WorkflowFacts(id="shop", digest=ZERO, origin="local"),
        asked_by=AskedBy(kind="schedule"),
        policy_digest=ZERO,
        release="1.0.0",
        key_name="production",
        key_epoch=1,
        tables=(COLUMNS,),
        began_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return Statement((subject("twin/staging", ZERO),), predicate)


def first() -> SignedReceipt:
    return sign(
        statement(ChainLink(number=1, previous=None, written_at=datetime(2026, 1, 1, tzinfo=UTC))), [KEY]
    )


@pytest.fixture
def book(tmp_path: Path) -> ReceiptBook:
    return ReceiptBook(tmp_path / "receipts", tmp_path / "keys")


@pytest.fixture
def checked(book: ReceiptBook, tmp_path: Path) -> Callable[[], Checked]:
    """Check all that is in the folder with the key that signs now."""

    def look() -> Checked:
        pem = public_pem(load_or_create_signing_key(tmp_path / "keys"))
        return check_files([entry.path for entry in book.entries()], pem)

    return look


def append(book: ReceiptBook, run: str = "shop-1") -> Path:
    return book.append(run, lambda link: statement(link, run))[0]


SIGNED = first().content


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_one_changed_byte_shows(place: int, flip: int) -> None:
    changed = bytearray(SIGNED)
    changed[place] ^= flip
    try:
        found: SignedReceipt | str = read_envelope(bytes(changed))
    except WrongReceiptError as error:
        found = str(error)
    (verdict,) = check([("a", found)], public_pem(KEY)).verdicts
    assert verdict.fault is not None and verdict.fault.endswith(".") and verdict.fault.count(".") <= 2


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300) | st.recursive(st.none() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_what_is_no_receipt_is_refused_in_a_sentence(content: bytes | str) -> None:
    with pytest.raises(WrongReceiptError, match=r"\.$"):
        read_envelope(content if isinstance(content, bytes) else content.encode())


def test_an_envelope_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "00000001-huge.json"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    (verdict,) = check_files([path], public_pem(KEY)).verdicts
    assert verdict.fault == f"It is larger than {LARGEST >> 20} MB, which no receipt is."


def test_another_key_is_named() -> None:
    (verdict,) = check([("a", first())], public_pem(Ed25519PrivateKey.generate())).verdicts
    assert verdict.fault is not None and "signed with another key" in verdict.fault


def test_a_later_version_is_said_and_not_guessed_at() -> None:
    later = json.loads(statement(ChainLink(number=1, previous=None, written_at=datetime.now(UTC))).payload())
    later["predicateType"] = "urn:appliance:receipt:run:v2"
    envelope = Envelope(json.dumps(later).encode(), PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(KEY))
    content = json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    (verdict,) = check([("a", read_envelope(content))], public_pem(KEY)).verdicts
    assert verdict.fault is not None and "a later release" in verdict.fault


def test_a_statement_reads_back_as_it_was() -> None:
    made = statement(ChainLink(number=7, previous=ZERO, written_at=datetime.now(UTC)))
    assert parse_statement(made.payload()) == made


def test_a_missing_link_shows_and_so_does_one_that_does_not_fit(
    book: ReceiptBook, checked: Callable[[], Checked]
) -> None:
    paths = [append(book) for _ in range(4)]
    assert checked().good
    second = paths[1].read_bytes()
    paths[1].unlink()
    assert checked().faults == ("Missing between 1 and 3: 2.",)
    other = sign(
        statement(ChainLink(number=2, previous=ZERO, written_at=datetime.now(UTC)), "x"), [book_key(book)]
    )
    paths[1].write_bytes(other.content)
    assert any("does not follow receipt 1" in fault for fault in checked().faults)
    paths[1].with_name("00000002-again.json").write_bytes(second)
    assert any("the chain forks" in fault for fault in checked().faults)


def book_key(book: ReceiptBook) -> Ed25519PrivateKey:
    return load_or_create_signing_key(book.folder.parent / "keys")


def test_what_retention_has_deleted_is_no_missing_link(book: ReceiptBook) -> None:
    paths = [append(book) for _ in range(3)]
    gone = book.read(book.entries()[1]).digest
    read = [(path.name, read_envelope(path.read_bytes())) for path in (paths[0], paths[2])]
    found = check(read, public_pem(book_key(book)), gone={gone: "00000002-shop-1.json"})
    assert found.good and found.notes == ("2: deleted on the appliance, which has a record of it",)


def test_what_has_no_record_is_missing_also_before_one_that_has(book: ReceiptBook) -> None:
    paths = [append(book) for _ in range(5)]
    gone = book.read(book.entries()[3]).digest
    read = [(path.name, read_envelope(path.read_bytes())) for path in (paths[0], paths[4])]
    found = check(read, public_pem(book_key(book)), gone={gone: paths[3].name})
    assert found.faults == ("Missing between 1 and 5: 2 to 3.",)
    read = [(path.name, read_envelope(path.read_bytes())) for path in paths[3:]]
    found = check(read, public_pem(book_key(book)), whole=True)
    assert found.faults == ("Missing before 4: 1 to 3.",)
    # A few of them, somewhere else, may begin anywhere.
    assert check(read, public_pem(book_key(book))).good
    read = [(path.name, read_envelope(path.read_bytes())) for path in (paths[0], paths[4])]
    recorded = {book.read(each).digest: each.path.name for each in book.entries()[1:4]}
    assert check(read, public_pem(book_key(book)), gone=recorded).good


def test_a_writer_that_was_killed_before_the_head_is_followed(book: ReceiptBook) -> None:
    append(book)
    head = (book.folder / HEAD).read_bytes()
    append(book)
    (book.folder / HEAD).write_bytes(head)
    third = append(book)
    assert third.name.startswith("00000003-")
    pem = public_pem(book_key(book))
    assert check_files([entry.path for entry in book.entries()], pem).good


def test_a_clock_that_went_back_is_noted_and_the_order_stays(
    book: ReceiptBook, checked: Callable[[], Checked]
) -> None:
    append(book)
    head = book.head()
    assert head is not None
    later = Head(number=1, sha256=head.sha256, written_at=head.written_at + timedelta(hours=1))
    (book.folder / HEAD).write_text(later.model_dump_json())
    append(book)
    found = checked()
    assert found.good and "clock stood 36" in found.verdicts[1].notes[0]


def _append_some(folder: Path) -> None:
    book = ReceiptBook(folder / "receipts", folder / "keys")
    for _ in range(10):
        append(book, f"run-{os.getpid()}")


def test_two_runs_at_once_make_one_chain(
    book: ReceiptBook, checked: Callable[[], Checked], tmp_path: Path
) -> None:
    workers = [get_context("spawn").Process(target=_append_some, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [entry.number for entry in book.entries()] == list(range(1, 21))
    assert checked().good


def test_whoever_trusts_one_key_of_a_rotation_may_trust_the_other(tmp_path: Path) -> None:
    own = Settings(state_dir=tmp_path)
    book = ReceiptBook(own.receipts_dir, own.keys_dir)
    append(book)
    old = public_pem(load_or_create_signing_key(own.keys_dir))
    new, _ = rotate(own)
    append(book)
    paths = [entry.path for entry in book.entries()]
    assert old != new
    assert check_files(paths, old).good and check_files(paths, new).good
    without = [paths[0], paths[2]]
    assert [each.good for each in check_files(without, old).verdicts] == [True, False]
    # The one that leads from key to key is worth nothing if only one of them has signed it.
    forged = json.loads(paths[1].read_bytes())
    forged["signatures"] = [each for each in forged["signatures"] if each["keyid"] == public_key(old).keyid]
    paths[1].write_bytes(json.dumps(forged, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    assert not check_files(paths, old).verdicts[2].good


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_key_signs_nothing(book: ReceiptBook, tmp_path: Path, content: bytes) -> None:
    append(book)
    path = tmp_path / "keys" / "receipts.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(content)
    with pytest.raises(WrongRequestError, match="damaged"):
        append(book)
    assert len(book.entries()) == 1


def test_a_full_disk_is_an_error_and_leaves_the_chain_as_it_was(
    book: ReceiptBook, checked: Callable[[], Checked], monkeypatch: pytest.MonkeyPatch
) -> None:
    append(book)
    before = (book.folder / HEAD).read_bytes()
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", _no_room)
        with pytest.raises(WorkFailedError, match="not published without a receipt"):
            append(book)
    assert (book.folder / HEAD).read_bytes() == before and len(book.entries()) == 1
    append(book)
    assert checked().good


def _no_room(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_the_page_says_the_same_and_escapes_names(book: ReceiptBook, checked: Callable[[], Checked]) -> None:
    append(book)
    (verdict,) = checked().verdicts
    page = receipt_page(verdict)
    for said in ("public.&lt;customer&gt;", "masked: email", "because: a &lt;number&gt;", "shop-1", ZERO):
        assert said in page
    assert "<script" not in page and "http" not in page.replace('charset="utf-8"', "")


def test_an_older_head_that_a_restore_has_brought_is_followed_to_the_newest(
    book: ReceiptBook, checked: Callable[[], Checked]
) -> None:
    append(book)
    head = (book.folder / HEAD).read_bytes()
    for _ in range(3):
        append(book)
    (book.folder / HEAD).write_bytes(head)
    assert append(book).name.startswith("00000005-")
    assert checked().good
