"""A record of an erasure."""

from __future__ import annotations

from datetime import UTC, datetime

from appliance.subjects.records import ErasureRecord


def a_record() -> ErasureRecord:
    """One that is open."""
    return ErasureRecord(
        id="customer-20261128t120000z-0a0a",
        subject="customer",
        source="production",
        key_name="production",
        asked_by="local",
        begun_at=datetime(2026, 11, 28, 12, tzinfo=UTC),
        found_by="id",
        digests={"id": "00" * 16},
    )
