"""Which tables: of a workflow, or of one of its deliveries."""

from __future__ import annotations

from pydantic import Field

from appliance.documents.model import StrictModel
from appliance.workflow.document_types import TablePattern
from appliance.workflow.matching.patterns import parse_pattern


class TableSelection(StrictModel):
    """Which tables are taken: those that a pattern of ``include`` matches and none of ``exclude``."""

    include: tuple[TablePattern, ...] = Field(
        min_length=1,
        description="Patterns schema.table of the tables to take.",
        examples=[["public.*", "crm.*"]],
    )
    exclude: tuple[TablePattern, ...] = Field(
        default=(),
        description="Patterns schema.table of tables to leave out, whatever includes them.",
        examples=[["public.audit_*"]],
    )

    def takes(self, schema: str, table: str) -> bool:
        """Whether a table of that name is among them."""
        return any(_matches(each, schema, table) for each in self.include) and not any(
            _matches(each, schema, table) for each in self.exclude
        )


def _matches(pattern: str, schema: str, table: str) -> bool:
    return parse_pattern(pattern, 2).matches(schema, table)
