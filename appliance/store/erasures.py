"""Erasures that the dashboard asked for: reporting how far they are, or that the owner declines."""

from __future__ import annotations

from uuid import UUID

from appliance.contract.erasures import ErasureReported
from appliance.contract.fitting import fitting
from appliance.receipts.envelope import SignedReceipt
from appliance.receipts.removals import ErasurePredicate
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection
from appliance.store.events import append_event
from appliance.store.rows import AskedErasure


def tell_erasure(
    db: Connection, asked: AskedErasure, signed: SignedReceipt, erasure: ErasurePredicate
) -> bool:
    """Report what the receipt of a pass says; False where that was done before. Raises psycopg.Error."""
    known = db.execute(
        "SELECT outcome->>'receipt' AS receipt FROM appliance.command WHERE command_id = %s",
        [asked.command_id],
    ).fetchone()
    if known is not None and known["receipt"] == signed.digest:
        return False
    ((key, signature),) = signed.signatures.items()
    reported = {
        "command_id": UUID(asked.command_id),
        "state": erasure.outcome,
        "places": len(erasure.places),
        "open_places": erasure.open_places,
        "rows": max(0, erasure.removed),
        "number": erasure.link.number,
        "digest": signed.digest,
        "key": key,
        "signature": signature,
    }
    with db.transaction():
        append_event(db, fitting(ErasureReported, reported))
        db.execute(
            "UPDATE appliance.command SET outcome = jsonb_build_object('receipt', %s::text)"
            " WHERE command_id = %s",
            [signed.digest, asked.command_id],
        )
        if erasure.outcome == "done":
            finish_command(db, asked.command_id, Settled("done"))
    return True


def decline_erasure(db: Connection, asked: AskedErasure) -> None:
    """Answer that the owner does not do it. Raises psycopg.Error."""
    problem = "The owner of the appliance has declined the request."
    finish_command(db, asked.command_id, Settled("refused", rule="owner", problem=problem))
