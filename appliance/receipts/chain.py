"""What every kind of receipt is made of, and its place among all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from appliance.documents.names import SHA256

Sha256 = Annotated[str, Field(pattern=f"^{SHA256}$")]


class ReceiptModel(BaseModel):
    """Frozen, and strict about keys: what a release does not know it must not pass over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChainLink(ReceiptModel):
    """The receipt's place among all that this appliance has written."""

    number: int = Field(ge=1, description="Counted from 1, without a gap.")
    previous: Sha256 | None = Field(description="SHA-256 of the file before; null for the first.")
    written_at: datetime = Field(description="By the appliance's clock.")
    clock_went_back_s: float = Field(
        default=0, ge=0, description="How far the clock stood before the time of the receipt before."
    )
