"""Which rows of a table a workflow copies."""

from __future__ import annotations

from pydantic import Field, model_validator

from appliance.documents.model import StrictModel, wrong


class RowFilter(StrictModel):
    """Which rows of a table are copied: its last days, or those for which an SQL condition is true."""

    last_days: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=36_500,
        description="Rows whose `by` is at most this many days old when the run begins.",
        examples=[90],
    )
    by: str | None = Field(
        default=None,
        min_length=1,
        description="The date or timestamp column for last_days.",
        examples=["created_at"],
    )
    where: str | None = Field(
        default=None,
        min_length=1,
        max_length=4_000,
        description=(
            "A condition over the table's columns: literals, comparisons, AND, OR, NOT, IN, LIKE, BETWEEN, "
            "IS, and the functions lower, upper, length, trim, left, right, coalesce. Any other SQL is free "
            "SQL: it sees all that the reader sees, and policy decides whose runs."
        ),
        examples=["kind <> 'debug'"],
    )

    @model_validator(mode="after")
    def _one_form(self) -> RowFilter:
        by_age = self.last_days is not None and self.by is not None and self.where is None
        by_sql = self.where is not None and self.last_days is None and self.by is None
        if not by_age and not by_sql:
            raise wrong(
                "mixes or lacks keys", "{last_days: 90, by: created_at} or {where: \"kind <> 'debug'\"}"
            )
        return self
