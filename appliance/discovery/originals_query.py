"""The query by which the source counts for itself: originals of masked columns in columns that are kept.

Both stand in the source, and a kept column of the twin is the source's own. So no original and no hash of one
leaves the server: it hashes what it compares, forgets the hashes with the statement, and returns counts.

A text is taken apart into words, and one, two or three of them in a row are compared, besides the whole.
What comes often is a label and is not looked for. The rest is ``telling`` (an address, a number with signs,
several words, letters with digits) or a plain word, which means something only in numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.discovery.places import texts_sql
from appliance.discovery.table_query import with_parameters
from appliance.masking.compiled import CompiledColumn
from appliance.masking.sql_text import identifier, literal
from appliance.postgres.proof.kept import Frozen
from appliance.workflow.catalog import Column, Table

ALL_ROWS = 100_000
"""Tables of up to so many rows give all their originals."""
SOME_ROWS = 50_000
"""Of larger ones so many rows, from pages all over them."""
MOST_VALUES = 2_000_000
"""Originals in one statement; of very many columns each gives fewer rows."""
KEPT_ALL, KEPT_SOME = 200_000, 100_000
"""The same for rows whose kept columns are compared."""
COLUMNS_AT_ONCE = 150
_LONGEST = 200
"""Characters of an original: a longer one is compared with nothing."""
_TWO = ("u.a", "u.b")
_MARKS = "\t\r\n,;:!?()[]{}<>\"'=|/\\"
_THINGS = ("city", "company")
"""Masks of what belongs to many people: several words of it are no one's."""
VALUES_PLACE = -1


@dataclass(frozen=True)
class KeptTexts:
    """The kept columns of a table that hold text."""

    table: Table
    root: str
    columns: tuple[Column, ...]
    where_sql: str | None


@dataclass(frozen=True)
class MaskedOriginals:
    """The masked columns of a table that hold text, and how each is masked."""

    table: Table
    root: str
    columns: tuple[tuple[Column, CompiledColumn], ...]


class OriginalsQuery(Frozen):
    """SQL with the parameter ``names``; and what its places stand for, as (table, column)."""

    sql: str
    kept: tuple[tuple[str, str], ...]
    masked: tuple[str, ...]
    """schema.table.column."""


def originals_queries(
    kept: Sequence[KeptTexts], originals: Sequence[MaskedOriginals], encoding: str
) -> list[OriginalsQuery]:
    """One for all tables, or a few where there are many; it returns (kept place, masked place or -1, telling,
    different ones of these, plain words, different ones of these)."""
    if not originals:
        return []
    places: dict[str, int] = {}
    sources = _originals(originals, places, encoding)
    found = []
    for group in _groups(kept):
        at: dict[tuple[str, str], int] = {}
        texts = []
        for each in group:
            numbered = [(column, at.setdefault((each.root, column.name), len(at))) for column in each.columns]
            values = " UNION ALL ".join(texts_sql(column, place, encoding) for column, place in numbered)
            rows = _rows(each.table, [column for column, _ in numbered], KEPT_ALL, KEPT_SOME, each.where_sql)
            texts.append(
                f"SELECT a.place, a.value FROM ({rows}) AS r"
                f" CROSS JOIN LATERAL ({values}) AS a (place, path, mode, value)"
            )
        sql = with_parameters(_query(sources, " UNION ALL ".join(texts)))
        found.append(OriginalsQuery(sql=sql, kept=tuple(at), masked=tuple(places)))
    return found


def _query(originals: str, kept: str) -> str:
    """The counting: originals once, as a set of hashes; texts as a stream beside it."""
    return (
        "WITH appliance_originals AS MATERIALIZED ("
        "SELECT k.place, k.key, bool_or(k.telling) AS telling FROM ("
        f"SELECT o.place, x.key, o.telling FROM ({_chosen(originals)}) AS o CROSS JOIN LATERAL"
        " (SELECT hashtextextended(o.text, 0) UNION ALL SELECT hashtextextended(t.tail, 0) FROM"
        " (SELECT array_to_string(o.words[cardinality(o.words) - 2:], ' ') AS tail) AS t"
        " WHERE o.telling AND cardinality(o.words) > 3 AND length(t.tail) >= 12) AS x (key)"
        f") AS k GROUP BY k.place, k.key UNION ALL SELECT {VALUES_PLACE}, 0, true)"
        " SELECT t.place, o.place, coalesce(sum(t.n) FILTER (WHERE o.telling), 0)::bigint,"
        " count(DISTINCT o.key) FILTER (WHERE o.telling)::bigint,"
        " coalesce(sum(t.n) FILTER (WHERE NOT o.telling), 0)::bigint,"
        " count(DISTINCT o.key) FILTER (WHERE NOT o.telling)::bigint"
        f" FROM (SELECT v.place, v.n, k.key FROM ({_worded(_once(kept))}) AS v"
        f" CROSS JOIN LATERAL ({_keys()}) AS k (key)) AS t"
        " JOIN appliance_originals AS o ON o.key = t.key GROUP BY t.place, o.place"
    )


def _keys() -> str:
    """All that a text is compared by: one, two and three words, the whole; and one that counts the text."""
    one = "CASE WHEN length(u.a) >= 5 THEN hashtextextended(u.a, 0) END"
    two, three = (f"hashtextextended({' || chr(32) || '.join(words)}, 0)" for words in (_TWO, (*_TWO, "u.c")))
    return (
        "SELECT 0::bigint UNION ALL SELECT x.key"
        " FROM unnest(v.words, v.words[2:], v.words[3:]) AS u (a, b, c)"
        f" CROSS JOIN LATERAL (VALUES ({one}), ({two}), ({three})) AS x (key) WHERE x.key IS NOT NULL"
        " UNION ALL SELECT hashtextextended(array_to_string(v.words, ' '), 0) WHERE cardinality(v.words) > 3"
    )


def _worded(values: str) -> str:
    """Texts as words: small letters, without marks and the full stop behind one."""
    small = "lower(n.value COLLATE \"default\") || ' '"
    marks = f"{literal(_MARKS)}, {literal(' ' * len(_MARKS))}"
    text = f"replace(translate({small}, {marks}), '. ', ' ') COLLATE \"C\""
    return (
        f"SELECT n.place, n.n, array_remove(string_to_array({text}, ' '), '') AS words"
        f" FROM ({values}) AS n OFFSET 0"
    )


def _once(values: str) -> str:
    """Equal texts together, and how many they are."""
    return (
        f'SELECT e.place, e.value COLLATE "C" AS value, count(*) AS n FROM ({values}) AS e'
        " WHERE e.value IS NOT NULL GROUP BY 1, 2"
    )


def _chosen(originals: str) -> str:
    """Originals that mean something, and whether one of them does by itself."""
    things = f"c.text ~ '@.*[.]' OR {_digits('c.text')} >= 7 AND c.text ~ '^[+(0]|[^0-9]'"
    several = "NOT c.of_things AND cardinality(c.words) >= 2 AND length(c.text) >= 8"
    mixed = "cardinality(c.words) = 1 AND length(c.text) >= 6 AND c.text ~ '[a-z]' AND c.text ~ '[0-9]'"
    telling = f"NOT c.labels AND ({things} OR {several} OR {mixed})"
    return (
        f"SELECT c.place, c.text, c.words, {telling} AS telling FROM ("
        " SELECT g.place % 1000000 AS place, g.place >= 1000000 AS of_things, g.text,"
        " string_to_array(g.text, ' ') AS words, g.n, g.total, g.different * 2 < g.total AS labels"
        " FROM (SELECT f.place, f.text, f.n, sum(f.n) OVER p AS total, count(*) OVER p AS different"
        " FROM (SELECT w.place, array_to_string(w.words, ' ') AS text, sum(w.n) AS n"
        f" FROM ({_worded(_once(originals))}) AS w GROUP BY 1, 2) AS f"
        " WINDOW p AS (PARTITION BY f.place)) AS g"
        f" WHERE length(g.text) BETWEEN 5 AND {_LONGEST}) AS c"
        " WHERE c.n <= CASE WHEN c.labels THEN 1 ELSE greatest(3, c.total / 1000) END OFFSET 0"
    )


def _digits(text: str) -> str:
    return f"(length({text}) - length(translate({text}, '0123456789', '')))"


def _originals(tables: Sequence[MaskedOriginals], places: dict[str, int], encoding: str) -> str:
    values = sum(min(max(each.table.estimated_rows, 1), ALL_ROWS) * len(each.columns) for each in tables)
    share = min(1.0, MOST_VALUES / max(values, 1))
    parts = []
    for each in tables:
        selects = []
        for column, compiled in each.columns:
            place = places.setdefault(f"{each.root}.{column.name}", len(places))
            marked = place + (1_000_000 if compiled.mask in _THINGS else 0)
            selects += _values_of(column, compiled, marked, encoding)
        rows = _rows(
            each.table,
            [column for column, _ in each.columns],
            int(ALL_ROWS * share),
            max(100, int(SOME_ROWS * share)),
        )
        parts.append(
            f"SELECT a.place, a.value FROM ({rows}) AS r"
            f" CROSS JOIN LATERAL ({' UNION ALL '.join(selects)}) AS a (place, path, mode, value)"
        )
    return " UNION ALL ".join(parts)


def _values_of(column: Column, compiled: CompiledColumn, place: int, encoding: str) -> list[str]:
    """A document that is masked in places gives what stands there; anything else all of it."""
    if not compiled.facets:
        return [texts_sql(column, place, encoding)]
    return [f"SELECT {place}, '', 'text', ({facet.value_sql})" for facet in compiled.facets]


def _rows(table: Table, columns: Sequence[Column], whole: int, some: int, where: str | None = None) -> str:
    """All rows of a table, or about ``some`` of a larger one, by pages; those that are copied."""
    names = ", ".join(f"t.{identifier(column.name)}" for column in columns)
    sample = ""
    if table.estimated_rows > whole and table.pages > 50:
        percent = max(100.0 * some / table.estimated_rows, 100.0 * 16 / table.pages)
        sample = f" TABLESAMPLE SYSTEM ({min(percent, 100.0):.6f})"
    own = f"{identifier(table.schema_name)}.{identifier(table.name)}"
    chosen = f" WHERE ({where})" if where is not None else ""
    # Twice as many at most: an estimate may be wrong.
    return f"SELECT {names} FROM ONLY {own} AS t{sample}{chosen} LIMIT {2 * max(whole, some)}"


def _groups(kept: Sequence[KeptTexts]) -> Iterator[list[KeptTexts]]:
    """Tables together, the partitions of one always, of at most so many columns."""
    families: dict[str, list[KeptTexts]] = defaultdict(list)
    for each in kept:
        families[each.root].append(each)
    group: list[KeptTexts] = []
    size = 0
    for members in families.values():
        columns = sum(len(each.columns) for each in members)
        if group and size + columns > COLUMNS_AT_ONCE:
            yield group
            group, size = [], 0
        group += members
        size += columns
    if group:
        yield group
