"""What crosses to the dashboard about receipts: the end of their chain, and that one was signed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.contract.fields import Count, Digest, PublicKey, RunId, Signature, WireModel, WorkflowId

MAX_RECEIPT = 512 * 2**10
"""A larger receipt stays on the appliance: a batch must have room for it."""


class ReceiptChain(WireModel):
    """Where the chain of receipts ends, and the key that they are checked with."""

    number: Count = Field(description="The newest receipt's number, so that one taken away is noticed.")
    digest: Digest | None = Field(
        default=None, description="SHA-256 of the newest receipt, which has that of the one before."
    )
    public_key: PublicKey | None = Field(
        default=None, description="The public key of receipts, so that a receipt can be checked elsewhere."
    )


class ReceiptSigned(WireModel):
    """The appliance has signed the receipt of a run. Without the policy's word the receipt stays there."""

    type: Literal["receipt_signed"] = Field(default="receipt_signed", description="The kind of event.")
    run_id: Annotated[RunId, Field(description="The run it belongs to.")]
    workflow: WorkflowId = Field(description="The workflow that ran.")
    number: Count = Field(description="The receipt's place in the appliance's chain.")
    outcome: Literal["released", "failed", "cancelled"] = Field(description="What it says of the run.")
    digest: Digest = Field(description="SHA-256 of the receipt's file, to know it again.")
    key: Digest = Field(description="The id of the key that signed it.")
    signature: Signature = Field(description="The signature, so that it cannot be exchanged later.")
    tables: Count = Field(default=0, description="How many tables it is about.")
    rows: Count = Field(default=0, description="How many rows of the twin.")
    masked: Count = Field(default=0, description="How many columns were masked.")
    kept: Count = Field(default=0, description="How many columns were copied as they are.")
    receipt: Annotated[str, Field(pattern=r"^[\x20-\x7e]+\n$", max_length=MAX_RECEIPT)] | None = Field(
        default=None,
        description="The whole receipt, to be filed: only where the policy says `share_receipts: true`.",
    )
