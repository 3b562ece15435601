"""What crosses to and from the dashboard about erasures: a reference number, and counts. Never a subject."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.contract.fields import Count, Digest, Identifier, Signature, WireModel

REFERENCE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,39}"
Reference = Annotated[str, Field(pattern=f"^{REFERENCE_PATTERN}$", max_length=40)]
"""The customer's own number of a request. No room for an address or a name with a space."""


class EraseCommand(WireModel):
    """Erase the subject of a request. Whom that is about is typed on the appliance by its owner."""

    kind: Literal["erase"] = "erase"
    reference: Reference


class ErasureReported(WireModel):
    """How far an erasure is that the dashboard asked for, and the receipt of its latest pass."""

    type: Literal["erasure_reported"] = Field(default="erasure_reported", description="The kind of event.")
    command_id: Identifier = Field(description="The dashboard's command.")
    state: Literal["open", "done"] = Field(description="Whether a place is left that was not cleared.")
    places: Count = Field(description="In how many places was looked, to see how far it is.")
    open_places: Count = Field(description="How many are not cleared yet, to see how far it is.")
    rows: Count = Field(description="How many rows are gone, of all places.")
    number: Count = Field(description="The receipt's place in the appliance's chain.")
    digest: Digest = Field(description="SHA-256 of the receipt's file, to know it again.")
    key: Digest = Field(description="The id of the key that signed it.")
    signature: Signature = Field(description="The signature, so that it cannot be exchanged later.")
