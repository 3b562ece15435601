"""What ``upload`` says of a delivery to a bucket."""

from __future__ import annotations

from pydantic import BaseModel


class RemovedDelivery(BaseModel):
    """An older delivery that ``keep`` has ended."""

    run: str
    folder: str


class UploadResult(BaseModel):
    """What was delivered. Names and counts only."""

    connection: str
    folder: str
    objects: int
    already_there: int
    """Objects that an earlier attempt had delivered."""
    bytes: int
    removed: tuple[RemovedDelivery, ...] = ()
    seconds: float
