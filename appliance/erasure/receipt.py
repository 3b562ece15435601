"""Receipts of removals: one for each pass of an erasure, and one for each copy that ends."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from appliance import __version__
from appliance.connections.database import Connection
from appliance.copies.ledger import CopyMade
from appliance.receipts.book import ReceiptBook
from appliance.receipts.chain import ChainLink
from appliance.receipts.envelope import SignedReceipt, WrongReceiptError
from appliance.receipts.removals import EndingPredicate, ErasurePredicate, PlaceFacts, PlaceTable
from appliance.receipts.statement import Statement, UnreadableStatementError, parse_statement, subject
from appliance.scrubbing.scrub import Scrubber
from appliance.subjects.records import ErasureRecord, PlaceRecord


def book_in(state_dir: Path) -> ReceiptBook:
    """The appliance's receipts."""
    return ReceiptBook(state_dir / "receipts", state_dir / "keys")


def sign_erasure(
    state_dir: Path, record: ErasureRecord, connections: Iterable[Connection]
) -> tuple[int, SignedReceipt]:
    """Sign what a pass of an erasure came to; the receipt's number too. Raises our errors."""
    scrubber = Scrubber([], [name for each in connections for name in (each.host, each.user)])

    def statement(link: ChainLink) -> Statement:
        predicate = ErasurePredicate(
            link=link,
            erasure=record.id,
            outcome="open" if record.is_open else "done",
            subject=record.subject,
            reference=record.reference,
            asked_by=record.asked_by,
            user=record.user,
            source=record.source,
            key_name=record.key_name,
            found_by=record.found_by,
            release=__version__,
            places=tuple(_place(each, scrubber) for each in record.places),
            began_at=record.begun_at,
            ended_at=record.ended_at,
        )
        return Statement((subject(f"erasure/{record.id}", _identity(record)),), predicate)

    path, signed = book_in(state_dir).append(record.id, statement)
    return int(path.name.partition("-")[0]), signed


def sign_ending(state_dir: Path, copy: CopyMade, why: str) -> None:
    """Sign that a copy is removed; once, also where it is tried again. Raises our errors."""
    book = book_in(state_dir)
    if copy.expires_at is None or _has_ended(book, copy):
        return
    expired_at = copy.expires_at
    digest = hashlib.sha256(copy.model_dump_json().encode()).hexdigest()

    def statement(link: ChainLink) -> Statement:
        predicate = EndingPredicate(
            link=link,
            kind=copy.kind,
            place=copy.place,
            run=copy.run,
            workflow=copy.workflow,
            made_at=copy.made_at,
            expired_at=expired_at,
            why=why,
            release=__version__,
        )
        return Statement((subject(f"copy/{copy.place}", digest),), predicate)

    book.append(copy.run, statement)


def _place(place: PlaceRecord, scrubber: Scrubber) -> PlaceFacts:
    return PlaceFacts(
        kind=place.kind,
        name=place.name,
        run=place.run,
        state=place.state,
        why=scrubber.clean(place.why) if place.why else "",
        tables=tuple(
            PlaceTable(table=each.table, before=each.before, after=each.after) for each in place.tables
        ),
    )


def _identity(record: ErasureRecord) -> str:
    """Over the keyed digests that name the subject: who has the record sees that it is this one."""
    return hashlib.sha256(json.dumps(record.digests, sort_keys=True).encode()).hexdigest()


def _has_ended(book: ReceiptBook, copy: CopyMade) -> bool:
    for entry in book.of_run(copy.run):
        with contextlib.suppress(WrongReceiptError, UnreadableStatementError):
            predicate = parse_statement(book.own(entry).envelope.payload).predicate
            if (
                isinstance(predicate, EndingPredicate)
                and predicate.place == copy.place
                and predicate.made_at == copy.made_at
            ):
                return True
    return False
