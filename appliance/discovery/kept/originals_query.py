"""The query by which the source counts for itself: originals of masked columns in columns that are kept.

Both stand in the source, and a kept column of the twin is the source's own. So no original and no hash of one
leaves the server: it hashes what it compares, forgets the hashes with the statement, and returns counts.

A text is taken apart into words, and one, two or three of them in a row are compared, besides the whole.
What comes often is a label and is not looked for. The rest is ``telling`` (an address, a number with signs,
several words, letters with digits) or a plain word, which means something only in numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from appliance.discovery.grouped_texts import from_rows, grouped, texts_sql
from appliance.discovery.kept.sampled_rows import sampled_rows
from appliance.discovery.kept.statements import compared_together
from appliance.discovery.table_query import with_parameters
from appliance.masking.compiled import CompiledColumn
from appliance.masking.expressions.sql_text import identifier, literal
from appliance.postgres.proof.kept import Frozen
from appliance.postgres.source.lock_room import LockRoom
from appliance.workflow.catalog import Column, Table

ALL_ROWS = 100_000
"""Tables of up to so many rows give all their originals."""
SOME_ROWS = 50_000
"""Of larger ones so many rows, from pages all over them."""
MOST_VALUES = 2_000_000
"""Originals in one statement; of very many columns each gives fewer rows."""
KEPT_ALL, KEPT_SOME, KEPT_LEAST = 200_000, 100_000, 20_000
"""The same for rows whose kept columns are compared: of larger tables a tenth, within these bounds."""
COLUMNS_AT_ONCE, MOST_AT_ONCE = 150, 600
"""Kept columns in one statement; of many tables up to the most, since each statement reads all originals."""
_LONGEST = 200
"""Characters of an original: a longer one is compared with nothing."""
_TWO = ("u.a", "u.b")
_MARKS = "\t\r\n,;:!?()[]{}<>\"'=|/\\"
_NOT_BARE = r"[\t\r\n,;:!?()\[\]{}<>\"'=|/\\]|[.](?: |$)|  |^ | $"
"""A text that taking apart into words would change, but for capitals."""
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
    erased_sql: str | None = None
    """True for a row about an erased subject, which is not copied. It reads a key."""
    apart: bool = False
    """An author's own SQL chooses its rows: it stands in no session that has a key."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Of columns of which some rows are kept: which."""


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
    keyed: bool = False
    """It leaves out rows about erased subjects, and needs the key of their digests."""


def originals_queries(
    kept: Sequence[KeptTexts],
    originals: Sequence[MaskedOriginals],
    encoding: str,
    seed: int,
    room: LockRoom,
) -> list[OriginalsQuery]:
    """One for all tables, or a few where there are many; it returns (kept place, masked place or -1, telling,
    different ones of these, plain words, different ones of these).

    Where they are more than the server can lock at once, a kept column stands in several of them.
    """
    if not originals:
        return []
    share = share_of_rows(originals)
    found = []
    at_once = min(MOST_AT_ONCE, max(COLUMNS_AT_ONCE, len(originals)))
    for group, masked in (
        both for some in by_session(kept) for both in compared_together(some, originals, at_once, room)
    ):
        places: dict[str, int] = {}
        sources = originals_sql(masked, places, encoding, seed, share)
        at: dict[tuple[str, str], int] = {}
        texts = kept_texts(group, at, encoding, seed)
        sql = with_parameters(counting(sources, texts, kept_keys()))
        keyed = any(each.erased_sql for each in group)
        found.append(OriginalsQuery(sql=sql, kept=tuple(at), masked=tuple(places), keyed=keyed))
    return found


def share_of_rows(originals: Sequence[MaskedOriginals]) -> float:
    """How many of the rows that could be read are, so that no statement has too many originals."""
    values = sum(min(max(each.table.estimated_rows, 1), ALL_ROWS) * len(each.columns) for each in originals)
    return min(1.0, MOST_VALUES / max(values, 1))


def kept_texts(group: Sequence[KeptTexts], at: dict[tuple[str, str], int], encoding: str, seed: int) -> str:
    """All texts of kept columns as words, and how often each comes; ``at`` numbers the columns."""
    texts = []
    for each in group:
        numbered = [(column, at.setdefault((each.root, column.name), len(at))) for column in each.columns]
        some = max(KEPT_LEAST, min(KEPT_SOME, each.table.estimated_rows // 10))
        of_all = [column for column, _ in numbered]
        shown = _of_rows(each.conditions)
        rows = sampled_rows(each.table, of_all, KEPT_ALL, some, seed, _copied(each), shown)
        texts.append(from_rows(rows, [texts_sql(column, place, encoding) for column, place in numbered]))
    return _worded(grouped(" UNION ALL ".join(texts)))


def by_session(kept: Sequence[KeptTexts]) -> Sequence[Sequence[KeptTexts]]:
    """Those whose rows an author's SQL chooses apart, where others are read with a key."""
    free = {each.root for each in kept if each.apart}
    if not free or not any(each.erased_sql for each in kept):
        return [kept]
    return [
        [each for each in kept if each.root not in free],
        [each for each in kept if each.root in free],
    ]


def _copied(kept: KeptTexts) -> str | None:
    """Which rows are copied; None for all."""
    parts = [f"({kept.where_sql})"] if kept.where_sql is not None else []
    if kept.erased_sql is not None:
        parts.append(f"({kept.erased_sql}) IS NOT TRUE")
    return " AND ".join(parts) or None


def counting(originals: str, texts: str, keys: str) -> str:
    """The counting. What an original means is asked only of those that stand in a kept column."""
    return (
        f"WITH appliance_kept AS MATERIALIZED ({texts}), appliance_kept_keys AS MATERIALIZED ({keys}),"
        f" appliance_originals AS MATERIALIZED ({_worded(_short_ones(originals))}),"
        " appliance_totals AS MATERIALIZED (SELECT o.place, sum(o.n) AS total, count(*) AS different"
        " FROM appliance_originals AS o GROUP BY 1)"
        f" SELECT v.place, {VALUES_PLACE}, sum(v.n)::bigint, 1::bigint, 0::bigint, 0::bigint"
        " FROM appliance_kept AS v GROUP BY v.place UNION ALL"
        " SELECT t.kept, t.place, coalesce(sum(t.n) FILTER (WHERE t.telling), 0)::bigint,"
        " count(*) FILTER (WHERE t.telling), coalesce(sum(t.n) FILTER (WHERE NOT t.telling), 0)::bigint,"
        " count(*) FILTER (WHERE NOT t.telling) FROM (SELECT m.kept, m.place, m.key, max(m.met) AS n,"
        f" bool_or(m.telling) AS telling FROM ({_meaning(_met())}) AS m"
        " WHERE m.telling OR NOT m.tail GROUP BY 1, 2, 3) AS t GROUP BY 1, 2"
    )


def kept_keys() -> str:
    """All that a text is compared by: one, two and three words of it, and the whole."""
    one = "CASE WHEN length(u.a) >= 5 THEN hashtextextended(u.a, 0) END"
    two, three = (f"hashtextextended({' || chr(32) || '.join(words)}, 0)" for words in (_TWO, (*_TWO, "u.c")))
    # Sets in SELECT rather than in FROM: the server then keeps none of them.
    rows = ", ".join(f"unnest(v.words[{first}:]) AS {name}" for first, name in enumerate("abc", 1))
    return (
        "WITH appliance_words AS MATERIALIZED (SELECT w.*, string_to_array(w.text, ' ') AS words"
        " FROM appliance_kept AS w) SELECT k.place, k.key, sum(k.n) AS n FROM ("
        f"SELECT u.place, u.n, unnest(ARRAY[{one}, {two}, {three}]) AS key"
        f" FROM (SELECT v.place, v.n, {rows} FROM appliance_words AS v OFFSET 0) AS u"
        " UNION ALL SELECT v.place, v.n, hashtextextended(v.text, 0) FROM appliance_words AS v"
        " WHERE cardinality(v.words) > 3) AS k WHERE k.key IS NOT NULL GROUP BY 1, 2"
    )


def _worded(values: str) -> str:
    """Texts as words with a blank between two: small letters, without marks and the full stop behind one."""
    small = '(lower(n.value COLLATE "default") COLLATE "C")'
    # One after the other: translate compares each letter with each of them.
    words = f"({small} || ' ')"
    for mark in _MARKS:
        words = f"replace({words}, {literal(mark)}, ' ')"
    words = f"string_to_array(replace({words}, '. ', ' '), ' ')"
    bare = f"array_to_string(array_remove({words}, ''), ' ')"
    # Most texts are words already, and are spared the taking apart.
    text = f"CASE WHEN n.value ~ {literal(_NOT_BARE)} THEN {bare} ELSE {small} END"
    return f"SELECT n.place, {text} AS text, n.n FROM ({values}) AS n OFFSET 0"


def _short_ones(values: str) -> str:
    """Originals that are not too long to be looked for, equal ones together."""
    return (
        f'SELECT e.place, e.value COLLATE "C" AS value, count(*) AS n FROM ({values}) AS e'
        f" WHERE length(e.value) <= {2 * _LONGEST} GROUP BY 1, 2"
    )


def _met() -> str:
    """Originals that stand in a kept column: whole, or the last words of a long one."""
    blank = "(length(o.text) - length(replace(o.text, ' ', '')))"
    words = "string_to_array(o.text, ' ')"
    tail = f"array_to_string((({words}))[{blank} - 1:], ' ')"
    return (
        "SELECT k.place AS kept, k.n AS met, x.place % 1000000 AS place, x.place >= 1000000 AS of_things,"
        " x.text, x.n, x.tail, x.key, s.total, s.different * 2 < s.total AS labels FROM ("
        "SELECT o.place, o.text, o.n, false AS tail, hashtextextended(o.text, 0) AS key"
        f" FROM appliance_originals AS o WHERE length(o.text) BETWEEN 5 AND {_LONGEST}"
        " UNION ALL SELECT o.place, o.text, o.n, true, hashtextextended(o.tail, 0) FROM"
        f" (SELECT o.*, {tail} AS tail FROM appliance_originals AS o WHERE o.text LIKE '% % % %'"
        f" AND length(o.text) <= {_LONGEST} OFFSET 0) AS o WHERE length(o.tail) >= 12"
        ") AS x JOIN appliance_kept_keys AS k ON k.key = x.key"
        " JOIN appliance_totals AS s ON s.place = x.place"
    )


def _meaning(met: str) -> str:
    """Of those that mean something, whether one does by itself."""
    things = f"c.text ~ '@.*[.]' OR {_digits('c.text')} >= 7 AND c.text ~ '^[+(0]|[^0-9]'"
    several = "NOT c.of_things AND strpos(c.text, ' ') > 0 AND length(c.text) >= 8"
    mixed = "strpos(c.text, ' ') = 0 AND length(c.text) >= 6 AND c.text ~ '[a-z]' AND c.text ~ '[0-9]'"
    return (
        f"SELECT c.*, NOT c.labels AND ({things} OR {several} OR {mixed}) AS telling"
        f" FROM ({met} OFFSET 0) AS c"
        " WHERE c.n <= CASE WHEN c.labels THEN 1 ELSE greatest(3, c.total / 1000) END OFFSET 0"
    )


def _digits(text: str) -> str:
    return f"(length({text}) - length(translate({text}, '0123456789', '')))"


def originals_sql(
    tables: Sequence[MaskedOriginals], places: dict[str, int], encoding: str, seed: int, share: float
) -> str:
    """All originals, and how often each comes; ``places`` numbers their columns."""
    parts = []
    for each in tables:
        selects = []
        for column, compiled in each.columns:
            place = places.setdefault(f"{each.root}.{column.name}", len(places))
            marked = place + (1_000_000 if compiled.mask in _THINGS else 0)
            selects += _values_of(column, compiled, marked, encoding)
        rows = sampled_rows(
            each.table,
            [column for column, _ in each.columns],
            int(ALL_ROWS * share),
            max(100, int(SOME_ROWS * share)),
            seed,
            shown=_of_rows(
                {
                    column.name: f"({made.partly.where_sql}) IS NOT TRUE"
                    for column, made in each.columns
                    if made.partly is not None
                }
            ),
        )
        parts.append(from_rows(rows, selects))
    return " UNION ALL ".join(parts)


def _values_of(column: Column, compiled: CompiledColumn, place: int, encoding: str) -> list[str]:
    """A document that is masked in places gives what stands there; anything else all of it."""
    if not compiled.facets:
        return [texts_sql(column, place, encoding)]
    # Once, though several masks by condition give the same: what comes often counts as a label.
    values = dict.fromkeys(facet.value_sql for facet in compiled.facets)
    return [f"SELECT {place}, '', 'text', ({value})" for value in values]


def _of_rows(conditions: Mapping[str, str]) -> dict[str, str]:
    """Columns as they are in the rows for which a condition is true, and NULL in others."""
    return {
        name: f"CASE WHEN {where} THEN t.{identifier(name)} END AS {identifier(name)}"
        for name, where in conditions.items()
    }
