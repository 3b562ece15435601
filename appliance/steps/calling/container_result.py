"""What came of a container of the customer's own: names and numbers."""

from __future__ import annotations

from pydantic import BaseModel


class ContainerResult(BaseModel):
    """What came of it."""

    image: str
    image_id: str | None = None
    worked: bool
    export: str | None = None
    """How what it wrote is listed among the exports; None where it wrote nothing."""
    files: int = 0
    bytes: int = 0
    notes: tuple[str, ...] = ()
    seconds: float
