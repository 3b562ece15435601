"""What the values of kept columns look like in the twin, all of them or a part that nothing can foresee.

The same shapes as in a scan, in another query, since it goes over far more rows: equal values are looked at
once, and a document's values are distinguished by the names of their fields alone. Only counts come back, by
field; its name does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.discovery.evidence import ValueEvidence, by_values
from appliance.discovery.findings import ColumnCounts, PathCounts
from appliance.discovery.grouped_texts import from_rows, grouped, texts_sql
from appliance.discovery.judging import birth_evidence, could_name
from appliance.discovery.places import mode_of
from appliance.discovery.table_query import ROWS_PLACE, with_parameters
from appliance.discovery.value_shapes import KNOWN, LIMIT_YEAR, NAMES, shape_sql
from appliance.masking.expressions.sql_text import identifier, output_text
from appliance.masking.shape import shape_of
from appliance.masking.suggesting.kinds import SPOKEN
from appliance.workflow.catalog import Column

COLUMNS_AT_ONCE = 60
Looked = tuple[Sequence[Column], Sequence[str], Mapping[str, str]]
"""Columns, the relations that they stand in, and the conditions of those of which some rows are kept."""
_LEAST_DIGITS = 13
"""Of a card; a device's number has more."""
_CHANCE_CARD = 0.3
"""Of numbers of its length a tenth has a card's check digit by chance."""


@dataclass(frozen=True)
class KeptValuesQuery:
    """SQL with the parameters ``names`` and ``limit_year``.

    It returns (place, path, shape, values, different, wordy), and for each table, from ``ROWS_PLACE``
    downwards, its rows.
    """

    sql: str
    columns: tuple[tuple[int, Column], ...]
    """For each place which of the tables it is of, and its column."""


@dataclass
class Seen:
    """What was counted of a table's kept columns."""

    rows: int = 0
    columns: dict[str, ColumnCounts] = field(default_factory=dict)

    def add(self, query: KeptValuesQuery, answer: Iterable[Sequence[object]]) -> None:
        """Take in the answer to a query about one table."""
        take_in(query, answer, [self])


def take_in(query: KeptValuesQuery, answer: Iterable[Sequence[object]], tables: Sequence[Seen]) -> None:
    """Take in a query's answer, each table's into its own."""
    for table, column in query.columns:
        tables[table].columns.setdefault(column.name, ColumnCounts())
    for place, path, shape, values, different, wordy in answer:
        at = _number(place)
        if at <= ROWS_PLACE:
            tables[ROWS_PLACE - at].rows += _number(values)
            continue
        table, column = query.columns[at]
        into = tables[table].columns[column.name]
        into.add(str(path), str(shape), _number(values), _number(different), _number(wordy))


def kept_values_queries(
    columns: Sequence[Column],
    relations: Sequence[str],
    encoding: str,
    *,
    share: float,
    seed: int,
    conditions: Mapping[str, str] | None = None,
) -> list[KeptValuesQuery]:
    """One query over all relations (``FROM`` items) of a table, or a few for one with very many columns."""
    sample = f" TABLESAMPLE BERNOULLI ({100 * share:.6f}) REPEATABLE ({seed})" if share < 1 else ""
    parts = [columns[at : at + COLUMNS_AT_ONCE] for at in range(0, len(columns), COLUMNS_AT_ONCE)]
    return [_query([(part, relations, conditions or {})], encoding, sample) for part in parts]


def kept_values_together(tables: Sequence[Looked], encoding: str) -> KeptValuesQuery:
    """One query over all rows of several tables: the long expression of shapes is planned once for them."""
    return _query(tables, encoding, "")


def personal_values(column: Column, counts: ColumnCounts) -> ValueEvidence | None:
    """The strongest sign of a personal kind in a column's values; its hits are those of all paths."""
    found = [each for here in counts.paths.values() for each in _at_path(column, here)]
    best = max(found, key=lambda each: each.score, default=None)
    if best is None:
        return None
    hits = sum(each.hits for each in found)
    return ValueEvidence(best.kind, best.score, hits, counts.total, shape=best.shape)


def spoken_kind(evidence: ValueEvidence) -> str:
    """The kind for people."""
    return SPOKEN[evidence.shape or evidence.kind]


def _at_path(column: Column, counts: PathCounts) -> list[ValueEvidence]:
    mode = mode_of(column)
    if mode == "year":
        evidence = birth_evidence(column, counts)
        return [evidence] if evidence is not None else []
    digits = counts.by_shape.get("number", 0) + counts.by_shape.get("like_a_phone", 0)
    if mode == "text" and counts.by_shape.get("card", 0) < _CHANCE_CARD * digits:
        kept = {shape: n for shape, n in counts.by_shape.items() if shape != "card"}
        counts = PathCounts({**kept, "number": digits}, counts.different, counts.wordy)
    evidence = by_values(counts, number=mode == "number", name=could_name(column))
    return [evidence] if evidence is not None else []


def _query(tables: Sequence[Looked], encoding: str, sample: str) -> KeptValuesQuery:
    parts: list[str] = []
    texts: list[str] = []
    at: list[tuple[int, Column]] = []
    for number, (columns, relations, conditions) in enumerate(tables):
        places = list(enumerate(columns, len(at)))
        at += [(number, column) for column in columns]
        parts.append(_counts(places, _rows(columns, relations, sample, conditions), ROWS_PLACE - number))
        if read := [(place, column) for place, column in places if not _is_only_counted(column)]:
            rows = _rows([column for _, column in read], relations, sample, conditions)
            texts.append(from_rows(rows, [_texts(column, place, encoding) for place, column in read]))
    if texts:
        parts.append(_shapes(" UNION ALL ".join(texts)))
    return KeptValuesQuery(with_parameters(" UNION ALL ".join(parts)), tuple(at))


def _rows(
    columns: Sequence[Column], relations: Sequence[str], sample: str, conditions: Mapping[str, str]
) -> str:
    names = ", ".join(_shown(column, conditions.get(column.name)) for column in columns)
    return " UNION ALL ".join(f"SELECT {names} FROM {each} AS t{sample}" for each in relations)


def _shown(column: Column, where: str | None) -> str:
    """A column; of one of which some rows are kept, what stands in these."""
    name = f"t.{identifier(column.name)}"
    return name if where is None else f"CASE WHEN {where} THEN {name} END AS {identifier(column.name)}"


def _counts(places: Sequence[tuple[int, Column]], rows: str, rows_place: int) -> str:
    """Rows, and of each column the values that are no person's, whatever they are: counted without a look."""
    counted = ["count(*) AS rows"]
    found = [f"({rows_place}, 'number', s.rows)"]
    for place, column in places:
        value = f"r.{identifier(column.name)}"
        if _is_only_counted(column):
            counted.append(f"count({value}) AS n{place}")
        elif mode_of(column) == "number":
            counted.append(f"count(*) FILTER (WHERE NOT {_is_long(column, value)}) AS n{place}")
        else:
            continue
        shape = "number" if mode_of(column) == "number" else "date"
        found.append(f"({place}, '{shape}', s.n{place})")
    return (
        f"SELECT c.place, hashtextextended('', 0)::text, c.shape, c.n, 1::bigint, 0::bigint FROM"
        f" (SELECT {', '.join(counted)} FROM ({rows}) AS r) AS s"
        f" CROSS JOIN LATERAL (VALUES {', '.join(found)}) AS c (place, shape, n)"
    )


def _shapes(texts: str) -> str:
    return (
        "SELECT s.place, hashtextextended(s.path, 0)::text, s.shape, sum(s.n)::bigint,"
        " count(*)::bigint, coalesce(sum(s.n) FILTER (WHERE s.wordy), 0)::bigint FROM ("
        f"SELECT v.place, v.path, v.n, {shape_sql()} AS shape,"
        " v.mode = 'text' AND v.value ~ '\\s\\S+\\s\\S+\\s\\S' AS wordy FROM ("
        f"SELECT g.*, {LIMIT_YEAR}::text AS limit_year, {KNOWN}::jsonb AS {NAMES}"
        f" FROM ({grouped(texts)}) AS g OFFSET 0) AS v) AS s GROUP BY s.place, s.path, s.shape"
    )


def _texts(column: Column, place: int, encoding: str) -> str:
    texts = texts_sql(column, place, encoding)
    if mode_of(column) == "number":
        return f"{texts} WHERE {_is_long(column, f'r.{identifier(column.name)}')}"
    return texts


def _is_only_counted(column: Column) -> bool:
    """Whether its type has room for nothing personal: too few digits for a card, or a time of day as well."""
    shape = shape_of(column)
    mode = mode_of(column)
    if mode == "year":
        return shape.kind != "date"
    if mode != "number" or shape.kind == "bigint":
        return False
    if shape.kind != "numeric":
        return True
    if shape.precision is None:
        return False
    scale = shape.scale or 0
    return max(shape.precision, shape.precision - scale, scale + 1) < _LEAST_DIGITS


def _is_long(column: Column, value: str) -> str:
    """Whether a number has digits enough for a card; nothing shorter is anybody's by itself."""
    if shape_of(column).kind == "bigint":
        least = 10 ** (_LEAST_DIGITS - 1)
        return f"({value}::bigint >= {least} OR {value}::bigint <= -{least})"
    return f"(length({output_text(value)}) >= {_LEAST_DIGITS})"


def _number(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - the query casts it
    return value
