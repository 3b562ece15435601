"""Erasures that the dashboard asked for by a reference: which wait, and telling it how far they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing

import psycopg

from appliance.erasure.receipt import book_in
from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.receipts.envelope import SignedReceipt, WrongReceiptError
from appliance.receipts.removals import ErasurePredicate
from appliance.receipts.statement import UnreadableStatementError, parse_statement
from appliance.settings.settings import Settings, load_settings
from appliance.store.database import Connection, connect
from appliance.store.erasures import decline_erasure, tell_erasure
from appliance.store.queries import asked_erasures
from appliance.store.rows import AskedErasure


def waiting_requests() -> list[AskedErasure]:
    """Those that are not done, after what is known was reported. Raises our errors."""
    settings = load_settings()
    with _database(settings) as db:
        _tell_all(settings, db)
        return asked_erasures(db)


def decline_request(reference: str) -> int:
    """Answer that it is not done; how many requests that were. Raises our errors."""
    with _database(load_settings()) as db:
        found = [each for each in asked_erasures(db) if each.reference == reference]
        if not found:
            raise WrongRequestError(
                f"No request with the reference '{reference}' waits.", "", "appliance erasure requests"
            )
        for each in found:
            decline_erasure(db, each)
        return len(found)


def is_asked_for(reference: str | None) -> bool:
    """Whether the dashboard asked for it; False also where that cannot be seen, which stops no erasure."""
    if reference is None:
        return False
    with contextlib.suppress(ApplianceError), _database(load_settings()) as db:
        return any(each.reference == reference for each in asked_erasures(db))
    return False


def tell_progress(reference: str | None) -> str | None:
    """Tell the dashboard what the receipts say, where it asked; a note where that has to wait."""
    if reference is None:
        return None
    settings = load_settings()
    try:
        with _database(settings) as db:
            return f"How far {reference} is goes to the dashboard." if _tell_all(settings, db) else None
    except ApplianceError:
        return None


def _tell_all(settings: Settings, db: Connection) -> int:
    """How many were reported anew."""
    asked = asked_erasures(db)
    if not asked:
        return 0
    newest: dict[str, tuple[SignedReceipt, ErasurePredicate]] = {}
    book = book_in(settings.state_dir)
    for entry in book.entries():
        with contextlib.suppress(WrongReceiptError, UnreadableStatementError):
            signed = book.read(entry)
            predicate = parse_statement(signed.envelope.payload).predicate
            if isinstance(predicate, ErasurePredicate) and predicate.reference:
                newest[predicate.reference] = (signed, predicate)
    reported = 0
    for each in asked:
        known = newest.get(each.reference)
        # A reference that was used before says nothing of a request that came later.
        if known is not None and known[1].link.written_at >= each.received_at:
            reported += tell_erasure(db, each, *known)
    return reported


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[Connection]:
    try:
        with closing(connect(settings.database_url)) as db:
            yield db
    except psycopg.Error as error:
        raise WorkFailedError(
            "The appliance's own database could not be asked for requests of the dashboard.",
            type(error).__name__,
            "appliance status",
        ) from None
