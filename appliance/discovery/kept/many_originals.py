"""The same counting for more tables than the source has locks for, without reading each again and again.

What kept texts are compared by, hashes of what the twin shows to everybody, is gathered once, group by group
of tables, and stays with the source in settings of the transaction. Each group of originals is then held
against all of it. An original's hash lives no longer than its statement, as ever.

Locks are given back at once: a block that fails on purpose undoes them, and its variables stay.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.discovery.kept.originals_query import (
    KeptTexts,
    MaskedOriginals,
    by_session,
    counting,
    kept_keys,
    kept_texts,
    originals_sql,
    share_of_rows,
)
from appliance.discovery.kept.statements import groups, locks_of
from appliance.discovery.value_shapes import KNOWN
from appliance.masking.expressions.sql_text import literal
from appliance.postgres.proof.kept import Frozen
from appliance.postgres.source.lock_room import LockRoom

NAMES_SETTING = "appliance.names"
"""Where the known names stand: a block takes no parameters."""
MOST_TEXTS = 400_000
"""Kept texts whose hashes the source's session holds at once, by its statistics: tens of megabytes."""
_FEW_BYTES, MOST_BYTES = 65_536, 67_108_864
"""The same for all bytes of their tables, but for what a table of a few rows has anyway."""
_MOST_KEYS = 2_000_000
"""Hashes that one block gathers; more are not to be expected of so many bytes."""
_TOO_MANY = "54000"
_COLUMNS = 1_500
"""Kept columns in one block."""
_DONE = "AP001"
"""The error that a block ends with to give its locks back."""
_HELD = ("places", "keys", "times", "text_places", "text_times")


class Gathering(Frozen):
    """A block that gathers the hashes of some kept columns."""

    sql: str
    kept: tuple[tuple[str, str], ...]


class Counting(Frozen):
    """A query as ``OriginalsQuery`` has; its places of kept columns are those of all gatherings in turn."""

    sql: str
    masked: tuple[str, ...]


class ManyOriginals(Frozen):
    """First everything that gathers, then everything that counts, in one transaction."""

    gatherings: tuple[Gathering, ...]
    countings: tuple[Counting, ...]
    keyed: bool = False

    @property
    def kept(self) -> tuple[tuple[str, str], ...]:
        """All kept columns, as the places number them."""
        return tuple(each for gathering in self.gatherings for each in gathering.kept)


def many_originals(
    kept: Sequence[KeptTexts],
    originals: Sequence[MaskedOriginals],
    encoding: str,
    seed: int,
    room: LockRoom,
) -> list[ManyOriginals] | None:
    """None where one statement can do it, or the source cannot hold what is gathered."""
    texts = sum(max(each.table.estimated_rows, 1) * len(each.columns) for each in kept)
    size = sum(max(each.table.bytes - _FEW_BYTES, 0) for each in kept)
    fits = locks_of((*kept, *originals), room) <= room.most
    if not originals or not kept or fits or not room.blocks or texts > MOST_TEXTS or size > MOST_BYTES:
        return None
    share = share_of_rows(originals)
    found = []
    for some in by_session(kept):
        at: dict[tuple[str, str], int] = {}
        gatherings = []
        for number, group in enumerate(groups(some, _COLUMNS, room.most, room)):
            before = len(at)
            sql = _block(number, kept_texts(group, at, encoding, seed))
            gatherings.append(Gathering(sql=sql, kept=tuple(at)[before:]))
        held = range(len(gatherings))
        texts_held = _held(held, ("text_places", "text_times"), "place, n")
        keys_held = _held(held, ("places", "keys", "times"), "place, key, n")
        countings = []
        for part in groups(originals, len(originals) * _COLUMNS, room.most, room):
            places: dict[str, int] = {}
            sources = originals_sql(part, places, encoding, seed, share)
            countings.append(
                Counting(sql=_with_names(counting(sources, texts_held, keys_held)), masked=tuple(places))
            )
        found.append(
            ManyOriginals(
                gatherings=tuple(gatherings),
                countings=tuple(countings),
                keyed=any(each.erased_sql for each in some),
            )
        )
    return found


def _block(number: int, texts: str) -> str:
    """Gathers, gives the locks back, and leaves what was gathered in the transaction's settings."""
    gathered = (
        f"WITH appliance_kept AS MATERIALIZED ({_with_names(texts)}),"
        f" appliance_kept_keys AS MATERIALIZED ({kept_keys()})"
        " SELECT k.places, k.keys, k.times, t.places, t.times INTO"
        f" {', '.join(f'appliance_{name}' for name in _HELD)} FROM (SELECT array_agg(k.place) AS places,"
        " array_agg(k.key) AS keys, array_agg(k.n::bigint) AS times FROM"
        f" (SELECT * FROM appliance_kept_keys LIMIT {_MOST_KEYS + 1}) AS k) AS k,"
        " (SELECT array_agg(v.place) AS places, array_agg(v.n) AS times FROM"
        " (SELECT v.place, sum(v.n)::bigint AS n FROM appliance_kept AS v GROUP BY 1) AS v) AS t"
    )
    types = {name: "int[]" if name.endswith("places") else "bigint[]" for name in _HELD}
    declared = " ".join(f"appliance_{name} {types[name]};" for name in _HELD)
    kept = " ".join(
        f"PERFORM set_config('{_setting(number, name)}', coalesce(appliance_{name}::text, ''), true);"
        for name in _HELD
    )
    body = (
        f"#variable_conflict use_column\nDECLARE {declared} BEGIN BEGIN {gathered};"
        f" IF cardinality(appliance_keys) > {_MOST_KEYS} THEN RAISE EXCEPTION USING ERRCODE = '{_TOO_MANY}';"
        " END IF;"
        f" RAISE EXCEPTION USING ERRCODE = '{_DONE}'; EXCEPTION WHEN SQLSTATE '{_DONE}' THEN NULL; END;"
        f" {kept} END"
    )
    return f"DO LANGUAGE plpgsql {literal(body)}"


def _held(numbers: Sequence[int], names: Sequence[str], columns: str) -> str:
    """What was gathered, as rows; of a gathering that failed there are none."""
    return " UNION ALL ".join(
        f"SELECT {columns} FROM unnest("
        + ", ".join(
            f"nullif(current_setting('{_setting(number, name)}', true), '')"
            f"::{'int[]' if name.endswith('places') else 'bigint[]'}"
            for name in names
        )
        + f") AS u ({columns})"
        for number in numbers
    )


def _setting(number: int, name: str) -> str:
    return f"appliance.kept_{number}_{name}"


def _with_names(sql: str) -> str:
    """Known names from where they stand in place of a parameter."""
    return sql.replace(KNOWN, f"current_setting('{NAMES_SETTING}')")
