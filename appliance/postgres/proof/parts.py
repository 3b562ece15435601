"""What there is to prove about the plan's relations: facets of masked columns, and in which part they go.

Pure: the same on the source, where evidence is gathered, and in the twin, which is held against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.masking.compiled import CompiledColumn, Facet
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import Plan, PlannedTable, TableName
from appliance.postgres.proof.hashes import Finder, finder, tagged

_BY_ROW = frozenset({"outside_domain", "by_chance"})
MOST_FACETS, _WIDE, _FACETS_IF_WIDE = 200, 200, 50
"""Facets in one query, columns that make a table wide, and facets in one query then: each has up to four
results, and a query at most 1,664."""


@dataclass(frozen=True)
class Proved:
    """One facet of one masked column."""

    number: int
    column: CompiledColumn
    facet: Facet

    @property
    def by_row(self) -> bool:
        """Its outputs may stand in the source anyway: only what the mask leaves as it was is counted."""
        return self.facet.proof in _BY_ROW

    @property
    def disjoint(self) -> bool:
        """What the mask gives for one row may be no row's original."""
        return self.facet.proof == "disjoint"

    @property
    def label(self) -> str:
        """The column, and the path inside it, if any."""
        return f"{self.column.name} {self.facet.label}".strip()

    @property
    def value(self) -> str:
        """SQL of its value as text, NULL where there is nothing to compare."""
        return f"nullif(({self.facet.value_sql}) COLLATE \"C\", '')"

    @property
    def original(self) -> str:
        """The same on the source, NULL for rows of which it is not to be proven."""
        where = self.facet.where_sql
        return self.value if where is None else f"CASE WHEN {where} THEN {self.value} END"

    def of_its_rows(self, sql: str) -> str:
        """An expression over the twin's row, NULL for rows of which it is not to be proven.

        Where the twin cannot be asked which those are, for all: what is gathered proves them.
        """
        where = self.facet.where_sql
        if where is None:
            return sql
        return (
            f"CASE WHEN {where} THEN {sql} END" if self.facet.in_twin else f"CASE WHEN false THEN {sql} END"
        )

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns that tell, in the twin, of which rows it is to be proven."""
        return self.facet.reads if self.facet.where_sql is not None and self.facet.in_twin else ()


@dataclass(frozen=True)
class Part:
    """Some masked columns of a relation: all of them, but for a table with very many."""

    relation: int
    number: int
    columns: tuple[CompiledColumn, ...]
    facets: tuple[Proved, ...]
    made: tuple[CompiledColumn, ...]
    """Columns of which the twin's value is compared with what the mask gives, row by row."""

    @property
    def disjoint(self) -> tuple[Proved, ...]:
        """Facets of which the source looks for what the mask gives among all originals."""
        return tuple(each for each in self.facets if each.disjoint)

    @property
    def by_row(self) -> tuple[Proved, ...]:
        """Facets of which the source counts what the mask has left as it was."""
        return tuple(each for each in self.facets if each.by_row)

    @property
    def counted(self) -> tuple[Proved, ...]:
        """Facets whose originals the source compares for itself."""
        return (*self.disjoint, *self.by_row)

    @property
    def gathers(self) -> bool:
        """Whether it needs anything from the source."""
        return bool(self.made or self.counted)

    def place(self, column: CompiledColumn) -> int:
        """Where in ``hashes`` a column's output stands."""
        return 1 + self.made.index(column)

    def tag(self, column: CompiledColumn) -> str:
        """What is hashed before it, so that equal values in two places do not look alike."""
        return tagged(self.relation, self.number, self.place(column))


@dataclass(frozen=True)
class Loaded:
    """All that is loaded into one relation of the twin: a table's rows, or those of all leaves of a root."""

    number: int
    """Of its first table in the plan."""
    relation: TableName
    sources: tuple[int, ...]
    only: bool
    """The relation's own rows, without its children's."""


def loads(plan: Plan) -> tuple[Loaded, ...]:
    """The plan's tables by the relation of the twin in which their rows stand."""
    moving = {table.root for table in plan.tables if table.root is not None and table.load_into == table.root}
    grouped: dict[TableName, list[int]] = {}
    for number, table in enumerate(plan.tables):
        # Rows that move between partitions may arrive in any of them.
        relation = table.root if table.root is not None and table.root in moving else table.load_into
        grouped.setdefault(relation, []).append(number)
    return tuple(
        Loaded(numbers[0], relation, tuple(numbers), only=relation not in moving)
        for relation, numbers in grouped.items()
    )


def relations(plan: Plan) -> dict[int, Loaded]:
    """For each table of the plan, by its place there, what it is loaded into."""
    return {source: loaded for loaded in loads(plan) for source in loaded.sources}


def finder_of(plan: Plan, loaded: Loaded) -> Finder:
    """How the rows of a relation are found."""
    return finder([plan.tables[source] for source in loaded.sources])


def parts(table: PlannedTable, relation: int, *, converted: bool) -> tuple[Part, ...]:
    """Everything to prove about a table's masked columns, in as many parts as queries can take.

    By name: partitions may have their columns in another order.
    """
    most = MOST_FACETS if len(table.masked_columns) <= _WIDE else _FACETS_IF_WIDE
    found: list[Part] = []
    number = 0
    by_name = sorted(table.masked_columns, key=lambda column: column.name)
    for columns in _groups(by_name, most):
        facets = []
        for column in columns:
            for facet in column.proved():
                facets.append(Proved(number, column, facet))
                number += 1
        made = tuple(column for column in columns if _is_compared(column, converted=converted))
        found.append(Part(relation, len(found), columns, tuple(facets), made))
    return tuple(found)


def same_text(column: CompiledColumn, *, converted: bool) -> bool:
    """Whether a value has one text form on both sides: jsonb sorts its keys by their number of bytes."""
    return not (converted and column.sql.endswith(("::jsonb", "::jsonb[]")))


def out_text(column: CompiledColumn) -> str:
    """SQL of a masked column's value as text, over the column; one that may be long bytes as their digest."""
    name = quoted(column.name)
    if column.sql.endswith("::bytea"):
        return f"encode(sha256({name}), 'hex')"
    return f'({name}::text COLLATE "C")'


def _groups(columns: Sequence[CompiledColumn], most: int) -> Iterator[tuple[CompiledColumn, ...]]:
    """Columns together, of at most so many facets where one alone has not more."""
    group: list[CompiledColumn] = []
    size = 0
    for column in columns:
        facets = max(1, len(column.proved()))
        if group and size + facets > most:
            yield tuple(group)
            group, size = [], 0
        group.append(column)
        size += facets
    if group:
        yield tuple(group)


def _is_compared(column: CompiledColumn, *, converted: bool) -> bool:
    # A constant, or NULL, is looked for in every row that is searched: there is nothing else to compare.
    return column.proof != "constant" and same_text(column, converted=converted)
