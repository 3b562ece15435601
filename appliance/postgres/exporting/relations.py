"""What becomes one table of an export: a table, or a partitioned one with all of its partitions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from appliance.errors import WrongRequestError
from appliance.postgres.plan import Plan, TableName
from appliance.postgres.proof.parts import loads
from appliance.workflow.catalog import Catalog
from appliance.workflow.document import Workflow


@dataclass
class Relation:
    """One table of an export."""

    name: TableName
    partitioned: bool = False
    rows: int = 0
    """As verified."""
    parts: list[TableName] = field(default_factory=list)
    """The tables that its rows stand in: itself, or the leaves that were copied."""

    @property
    def only(self) -> str:
        """``ONLY `` where rows of tables that inherit from it are not its own."""
        return "" if self.partitioned else "ONLY "


def relations_of(plan: Plan, rows_of: Mapping[str, int] | None = None) -> list[Relation]:
    """In the order of their names; ``rows_of`` has what ``verify`` has found, by schema.table."""
    found: dict[TableName, Relation] = {}
    for loaded in loads(plan):
        first = plan.tables[loaded.sources[0]]
        name = first.root or loaded.relation
        relation = found.setdefault(name, Relation(name, partitioned=first.root is not None))
        relation.rows += rows_of[loaded.relation.qualified] if rows_of is not None else 0
        relation.parts += [
            TableName(schema_name=plan.tables[each].schema_name, name=plan.tables[each].name)
            for each in loaded.sources
        ]
    return sorted(found.values(), key=lambda each: each.name.qualified)


def check_chosen(workflow: Workflow, plan: Plan, catalog: Catalog) -> None:
    """Raise WrongRequestError for files of no table, and for an archive that could not be restored."""
    relations = relations_of(plan)
    for place, files in workflow.files.items():
        chosen = [each for each in relations if files.takes(each.name.schema_name, each.name.name)]
        if not chosen:
            raise WrongRequestError(
                f"The {files.format} delivery would hold no table.",
                f"No table that the workflow copies is selected by deliver[{place}].files.tables.",
                "appliance plan WORKFLOW   lists what it copies; a partitioned table goes by its own name.",
            )
        if files.format == "archive":
            _check_keys(place, chosen, relations, catalog)


def _check_keys(place: int, chosen: list[Relation], relations: Iterable[Relation], catalog: Catalog) -> None:
    """An archive has every table and the chosen ones' rows: a key of theirs into an empty one would fail."""
    taken = _names(chosen)
    left = _names(relations) - taken
    broken = [
        (f"{table.schema_name}.{table.name}", f"{key.to_schema}.{key.to_table}")
        for table in catalog.tables
        if (table.schema_name, table.name) in taken
        for key in table.foreign_keys
        if (key.to_schema, key.to_table) in left
    ]
    if broken:
        lines = [f"{table} refers to {other}." for table, other in dict.fromkeys(broken)]
        raise WrongRequestError(
            "The archive could not be restored: its tables refer to tables that it leaves out.",
            "\n".join(lines),
            f"Add {', '.join(sorted({other for _, other in broken}))} to deliver[{place}].files.tables.",
        )


def _names(relations: Iterable[Relation]) -> set[tuple[str, str]]:
    return {(name.schema_name, name.name) for each in relations for name in (each.name, *each.parts)}
