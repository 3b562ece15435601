"""Telling the dashboard that a receipt was signed."""

from __future__ import annotations

from appliance.contract.fitting import fitting
from appliance.contract.receipts import ReceiptSigned
from appliance.receipts.envelope import SignedReceipt
from appliance.receipts.predicate import RunPredicate
from appliance.store.database import Connection
from appliance.store.events import append_event


def tell_receipt(connection: Connection, signed: SignedReceipt, run: RunPredicate, *, whole: bool) -> None:
    """Write the event; ``whole``: with the receipt itself, unless it is too large. Raises psycopg.Error."""
    ((key, signature),) = signed.signatures.items()
    fields = {
        "run_id": run.run,
        "workflow": run.workflow.id,
        "number": run.link.number,
        "outcome": run.outcome,
        "digest": signed.digest,
        "key": key,
        "signature": signature,
        "tables": len(run.tables),
        "rows": run.twin_rows,
        "masked": run.masked_columns,
        "kept": run.kept_columns,
        "receipt": signed.content.decode("ascii") if whole else None,
    }
    with connection.transaction():
        append_event(connection, fitting(ReceiptSigned, fields))
