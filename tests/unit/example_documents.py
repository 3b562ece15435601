"""Documents and catalogs for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from appliance.workflow.catalog import Catalog, Column, Table
from appliance.workflow.document import Workflow

WHOLE_WORKFLOW = """\
id: staging-twin                       # names the DAG, the runs, the files
title: Nightly staging twin
schedule: "0 2 * * *"                  # cron, or null for on demand
source: production                     # a connection
tables:
  include: ["public.*", "crm.*"]
  exclude: ["public.audit_*"]
rows:                                  # optional: which rows
  public.invoice: {last_days: 90, by: created_at}
  public.event: {where: "kind <> 'debug'"}
masks:
  public.customer.email: email
  public.customer.phone: {mask: phone, keep_prefix: 3}
  "*.*.ssn": "null"
keep: ["public.*.id", "public.track.*"]
unlisted: halt
deliver:
  - twin: {connection: staging}
limits: {parallel: 4, memory_mb: 512, cpus: 1, run_timeout_min: 240}
"""


class NoParameters(BaseModel):
    """A mask that takes none."""

    model_config = ConfigDict(extra="forbid")


class PhoneParameters(BaseModel):
    """Keeps format and length."""

    model_config = ConfigDict(extra="forbid")

    keep_prefix: int = Field(default=0, ge=0, le=10, strict=True, description="Digits to keep.", examples=[3])


MASK_MODELS: dict[str, type[BaseModel]] = {
    "email": NoParameters,
    "null": NoParameters,
    "hash": NoParameters,
    "phone": PhoneParameters,
}


def workflow(**changes: Any) -> Workflow:
    """A small valid workflow of ``public.*``, with what a test changes in it."""
    small = {
        "id": "twin",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "deliver": [{"twin": {"connection": "staging"}}],
    }
    return Workflow.model_validate({**small, **changes})


def column(name: str, type_name: str = "text", **changes: Any) -> Column:
    """A column of a table that ``table`` fills in."""
    facts = {
        "schema_name": "",
        "table_name": "",
        "name": name,
        "position": 1,
        "type": type_name,
        "base_type": type_name.partition("(")[0],
        "type_kind": "base",
        "base_kind": "base",
    }
    return Column.model_validate({**facts, **changes})


def table(name: str, columns: Sequence[Column | str] = ("id",), **changes: Any) -> Table:
    """A table ``schema.name`` (or ``name`` in public), with columns by name or in full."""
    schema, _, bare = name.rpartition(".")
    schema = schema or "public"
    given = [column(each) if isinstance(each, str) else each for each in columns]
    placed = [
        each.model_copy(update={"schema_name": schema, "table_name": bare, "position": place})
        for place, each in enumerate(given, start=1)
    ]
    facts = {"schema_name": schema, "name": bare, "oid": abs(hash(name)) % 2**31, "kind": "table"}
    return Table.model_validate({**facts, "columns": placed, **changes})


def partition(name: str, of: str, columns: Sequence[Column | str] = ("id",), **changes: Any) -> Table:
    """A partition of the root table ``of`` in the schema public."""
    return table(name, columns, root_schema="public", root_name=of, **changes)


def catalog(*tables: Table) -> Catalog:
    """A source of these tables."""
    return Catalog(
        server_version=150_000,
        database="shop",
        encoding="UTF8",
        locale_provider="libc",
        collate="C",
        ctype="C",
        tables=tables,
    )
