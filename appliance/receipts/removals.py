"""What receipts say of removals: an erasure of a subject, and a copy whose time was over.

Names of places and numbers of rows. Whom an erasure was about stands in none of it: two erasures of one
subject can be known by an equal digest, which is keyed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from appliance.receipts.chain import ChainLink, ReceiptModel

ERASURE_TYPE = "urn:appliance:receipt:erasure:v1"
ENDING_TYPE = "urn:appliance:receipt:copy-ended:v1"


class PlaceTable(ReceiptModel):
    """Rows of one table that were about the subject."""

    table: str
    before: int
    after: int


class PlaceFacts(ReceiptModel):
    """One place in which the subject was looked for."""

    kind: str = Field(description="twin, former twin, golden copy, branch, files, source, and what comes.")
    name: str = Field(description="CONNECTION/DATABASE, or WORKFLOW/RUN of files.")
    run: str | None = Field(default=None, description="The run that made it, where one did.")
    state: Literal["open", "done", "empty", "left to others"] = Field(
        description="`empty`: nothing was there. `open`: not reached, or not all of it; the erasure goes on."
    )
    why: str = Field(default="", description="What could not be reached and why, or what was done.")
    tables: tuple[PlaceTable, ...] = ()


class ErasurePredicate(ReceiptModel):
    """One pass of an erasure: what was where before and after it. A later pass has a receipt of its own."""

    link: ChainLink
    erasure: str = Field(description="Its id.")
    outcome: Literal["done", "open"] = Field(description="`open`: some place was not reached.")
    subject: str = Field(description="The kind of subject, as subjects.yaml calls it.")
    reference: str | None = Field(default=None, description="The customer's own number of the request.")
    asked_by: str = Field(description="`local`, or `dashboard` where the request came by its reference.")
    user: str | None = Field(default=None, description="The user of this machine who did it.")
    source: str = Field(description="The connection.")
    key_name: str = Field(description="Under which name the source's mask keys are derived.")
    found_by: str = Field(description="The column by which the subject was found.")
    release: str
    places: tuple[PlaceFacts, ...]
    began_at: datetime
    ended_at: datetime | None

    @property
    def open_places(self) -> int:
        """Those that are not done."""
        return sum(place.state == "open" for place in self.places)

    @property
    def removed(self) -> int:
        """Rows that are gone, of all places."""
        return sum(table.before - table.after for place in self.places for table in place.tables)


class EndingPredicate(ReceiptModel):
    """A copy that the appliance removes, since its time is over, or a branch that is gone."""

    link: ChainLink
    kind: str = Field(description="twin, files, branch, and what comes.")
    place: str = Field(description="CONNECTION/DATABASE, or WORKFLOW/RUN of files.")
    run: str = Field(description="The run that made it; of a branch, whose rows it had.")
    workflow: str
    made_at: datetime
    expired_at: datetime = Field(description="Until when it was to stand; a branch may be gone before.")
    why: str
    release: str
