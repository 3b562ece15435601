"""Catalogs as an appliance would report them, for a small shop and for a large house of sixty tables."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID, uuid4

from appliance.contract.catalog import CatalogReported, ReportedColumn, ReportedKey, ReportedTable
from appliance.discovery.reporting import parts_of
from tests.dashboard.simulated_appliance import SimulatedAppliance


def column(name: str, type_: str = "text", found: str = "not personal", **facts: object) -> ReportedColumn:
    """One column; ``found`` is a kind of personal data, or one of the other two words."""
    personal = found not in {"not personal", "undetermined"}
    given: dict[str, object] = {
        "name": name,
        "type": type_,
        "verdict": "personal" if personal else found,
        "kind": found if personal else None,
        "score": 0.98 if personal else 0.0 if found == "undetermined" else 0.85,
        "evidence": (f"its name: {name}", "37 of 40 values look like it")
        if personal
        else ("4 values in 90",),
        **facts,
    }
    return ReportedColumn.model_validate(given)


def table(name: str, *columns: ReportedColumn, schema: str = "public", **facts: object) -> ReportedTable:
    """One table, with a primary key ``id`` of its own."""
    own = column("id", "integer", traits=("not_null", "counted", "unique"), evidence=("from a sequence",))
    given: dict[str, object] = {
        "schema_name": schema,
        "name": name,
        "rows": 40_000,
        "columns": (own, *columns),
        "primary_key": ("id",),
        **facts,
    }
    return ReportedTable.model_validate(given)


SHOP = (
    table(
        "customer",
        column("email", "character varying(120)", "email", length=120, base_type="character varying"),
        column("phone", "text", "phone"),
        column("born", "date", "birth_date"),
        column("status", "text"),
        column("notes", "text", "undetermined", evidence=("no value in the sample",)),
    ),
    table(
        "orders",
        column("customer_id", "integer", evidence=("refers to public.customer",)),
        column("ship_to", "jsonb", "street", traits=("not_null",)),
        column("placed_at", "timestamp with time zone"),
        foreign_keys=(
            ReportedKey(
                columns=("customer_id",), to_schema="public", to_table="customer", to_columns=("id",)
            ),
        ),
    ),
    table("product", column("name", "text", "full_name"), column("price", "numeric")),
    table("lead", column("e_mail", "text", "email"), column("source", "text"), schema="crm"),
)


def house(tables: int = 60, columns: int = 15) -> tuple[ReportedTable, ...]:
    """Many tables, a third of whose columns look personal."""
    kinds = ("email", "not personal", "phone", "undetermined", "not personal", "full_name")
    return tuple(
        table(
            f"entity_{number:02}",
            *(column(f"field_{at:02}", "text", kinds[at % len(kinds)]) for at in range(1, columns)),
            schema=("public", "billing", "audit")[number % 3],
        )
        for number in range(tables)
    )


def tell_catalog(
    simulated: SimulatedAppliance,
    tables: Iterable[ReportedTable] = SHOP,
    connection: str = "production",
    scan_id: UUID | None = None,
) -> None:
    """Report a whole catalog."""
    tables = tuple(tables)
    parts = parts_of(tables)
    own = scan_id or uuid4()
    for number, part in enumerate(parts, 1):
        simulated.tell(
            CatalogReported(
                scan_id=own,
                connection=connection,
                part=number,
                parts=len(parts),
                tables=part,
                tables_total=len(tables),
            )
        )
    simulated.send()
