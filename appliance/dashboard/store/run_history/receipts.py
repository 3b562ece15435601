"""Receipts as appliances reported them: digests, signatures and counts, and the whole where policy shares it.

None is ever replaced: a receipt of the same number with another digest stands beside the first, and shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.contract.receipts import ReceiptSigned
from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import ReportedJson

KEPT = 5_000
"""Of one appliance: years of nightly runs."""


@dataclass(frozen=True)
class ReceiptRow:
    """A receipt; ``shared`` is 1 where its text is here."""

    at: float
    reported: ReportedJson
    shared: int


def take(session: Session, appliance_id: str, data: ReceiptSigned, at: float) -> None:
    """Keep one; what was stored before stays as it was."""
    session.run(
        "INSERT INTO receipt (appliance_id, digest, number, run_id, at, data, receipt)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (appliance_id, digest) DO NOTHING",
        appliance_id,
        data.digest,
        data.number,
        data.run_id,
        at,
        data.model_dump_json(exclude={"receipt"}),
        data.receipt,
    )
    session.run(
        "DELETE FROM receipt WHERE appliance_id = ? AND number <= ?", appliance_id, data.number - KEPT
    )


def of_run(session: Session, appliance_id: str, run_id: str) -> list[ReceiptRow]:
    """Those of a run, oldest first, without their text."""
    return session.all(
        ReceiptRow,
        "SELECT at, data AS reported, CASE WHEN receipt IS NULL THEN 0 ELSE 1 END AS shared FROM receipt"
        " WHERE appliance_id = ? AND run_id = ? ORDER BY number, at",
        appliance_id,
        run_id,
    )


def text_of(session: Session, appliance_id: str, digest: str) -> str:
    """The whole receipt. Raises NotFoundError where the appliance has not shared it."""
    text = session.value(
        str, "SELECT receipt FROM receipt WHERE appliance_id = ? AND digest = ?", appliance_id, digest
    )
    if text is None:
        raise NotFoundError("There is no such receipt here.", "The appliance has it: appliance receipt list")
    return text
