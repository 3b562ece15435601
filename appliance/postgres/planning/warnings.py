"""What a plan warns of: it will be done, and the user should know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from appliance.policy.policy import Origin, Policy, Refusal, refuses_kept
from appliance.postgres.plan import PlannedTable
from appliance.workflow.catalog import Catalog


def free_sql_warnings(tables: Sequence[PlannedTable]) -> list[str]:
    """Where an author's own SQL chooses the rows."""
    names = ", ".join(table.qualified for table in tables if table.apart)
    if not names:
        return []
    return [
        f"Free SQL under rows chooses the rows of {names}: it runs with the reader's rights, sees all that"
        " the reader may see, and has no mask's key in its session."
    ]


_PAGE_BYTES = 8192
_STEP_BYTES = 64 << 20
"""What a step takes besides a row."""


def long_row_warnings(tables: Sequence[PlannedTable], memory_mb: int) -> list[str]:
    """Tables whose rows are so long, by what the source knows, that a step may not have the memory for one.

    A row takes twice its size. What a table keeps outside its pages, spread over its rows, is how long they
    are at least on the average: one among many may be longer, and nothing says so.
    """
    found = []
    for table in tables:
        outside = (table.bytes - table.pages * _PAGE_BYTES) // max(1, table.estimated_rows)
        needed = (2 * outside + _STEP_BYTES) >> 20
        if needed > memory_mb:
            found.append(
                f"A row of {table.qualified} takes about {outside >> 20} MB, and copying one about"
                f" {needed} MB of memory: more than limits.memory_mb ({memory_mb}). Raise it."
            )
    return found


_BY_NAME = frozenset(
    {
        *("regproc", "regprocedure", "regoper", "regoperator", "regclass", "regtype", "regrole"),
        *("regnamespace", "regconfig", "regdictionary", "regcollation"),
    }
)


def _without_children(catalog: Catalog, planned: Collection[str]) -> Iterator[str]:
    """A sentence for each planned table of which a query shows rows of others that are not copied."""
    left: dict[str, list[str]] = defaultdict(list)
    for table in catalog.tables:
        above = {f"{a.schema_name}.{a.name}" for column in table.columns for a in column.inherited_from}
        for parent in above.intersection(planned) if table.qualified not in planned else ():
            left[parent].append(table.qualified)
    for parent, children in sorted(left.items()):
        more = f" and {len(children) - 10} more" if len(children) > 10 else ""
        yield (
            f"A query of {parent} shows fewer rows than in the source: the tables that inherit from it,"
            f" {', '.join(sorted(children)[:10])}{more}, are not copied."
        )


def source_warnings(catalog: Catalog, tables: Sequence[PlannedTable]) -> list[str]:
    """What of the source and its tables may end a run or move rows."""
    found = []
    if catalog.encoding == "SQL_ASCII":
        found.append(
            "The source has no encoding (SQL_ASCII): its text is carried byte by byte, whatever it means."
            " Names of objects have to be valid UTF-8."
        )
    planned = {table.qualified for table in tables}
    named = [
        f"{column.table_name}.{column.name} ({column.base_type})"
        for table in catalog.tables
        if table.qualified in planned
        for column in table.columns
        if column.base_type.removesuffix("[]") in _BY_NAME
    ]
    if named:
        found.append(
            f"Values of {', '.join(named[:10])} are numbers of objects and travel by name: an object, or for"
            " regrole a role of the target, that is not there ends the run."
        )
    found += _without_children(catalog, planned)
    if catalog.in_recovery:
        found.append("The source is a standby: its replay may end a long run (see hot_standby_feedback).")
    unsettled = {each.qualified for each in catalog.tables if each.unsettled and each.qualified in planned}
    moved = sorted(
        {
            table.load_into.qualified
            for table in tables
            if table.load_into.qualified != table.qualified and table.qualified not in unsettled
        }
    )
    if unsettled:
        roots = sorted({f"{each.root_schema}.{each.root_name}" for each in catalog.tables if each.unsettled})
        found.append(
            f"Rows of {', '.join(roots)} are spread by hashes, or by an order of texts, that may be others in"
            " another database: they are loaded through the table above, and may land in another partition"
            " than they came from."
        )
    if moved:
        found.append(
            f"A mask changes the partition key of {', '.join(moved)}: rows may land in another partition than"
            " they came from, and one that fits none stops the run."
        )
    return found


def kept_notes(policy: Policy, origin: Origin, lines: Sequence[str]) -> tuple[list[Refusal], list[str]]:
    """What follows of kept columns that look personal, a line each: refusals, or warnings."""
    if refuses_kept(policy, origin):
        return [Refusal("kept_looks_personal", f"{line}.") for line in lines], []
    how = "mask it, or say why it is kept: {column: …, because: …}"
    return [], [f"{line}; {how}" for line in lines]
