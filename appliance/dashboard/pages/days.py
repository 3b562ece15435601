"""Days as forms send them."""

from __future__ import annotations

from datetime import UTC, datetime

DAY_S = 86_400.0


def day_of(text: str) -> float | None:
    """The first moment of a day like 2026-11-28, in UTC; None for what is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
