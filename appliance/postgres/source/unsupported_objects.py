"""What of a source cannot be made on one target, and everything that needs it.

A target lacks an extension, a role or a collation; its role may not do what only a superuser may.
Whatever depends on such an object is found through ``pg_depend``, so that the plan can name it and the
schema is loaded without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.source import hypertables
from appliance.postgres.twin.target.abilities import TargetAbilities
from appliance.workflow.catalog import NotCarried

LEAVE_OUT = "the workflow leaves it out (leave_out)"
UNREADABLE = "the source's role may not read it"
SET_ASIDE = "the workflow leaves it out, and a session had locked or dropped it when the schema was read"


@dataclass(frozen=True)
class LeftCheck:
    """A CHECK constraint of a table, in the words of pg_dump."""

    schema_name: str
    table: str
    name: str
    """Quoted where it has to be."""
    definition: str


@dataclass(frozen=True)
class LeftBehind:
    """Objects that the twin will not have."""

    items: tuple[NotCarried, ...] = ()
    """One for each object that people know by name, with the reason."""
    objects: frozenset[tuple[int, int]] = frozenset()
    """(catalog oid, object oid) of all of them, parts included: what to leave out of the dump."""
    tables: dict[tuple[str, str], str] = field(default_factory=dict)
    """(schema, name) of tables among them, with the reason."""
    missing_extensions: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    """Tables that the source's role may not read, or that are set aside: pg_dump could not lock them."""
    views: tuple[tuple[str, str], ...] = ()
    """Views among the objects: to describe one, pg_dump locks what it reads."""
    checks: tuple[LeftCheck, ...] = ()
    """CHECK constraints among the objects: pg_dump writes them into the statement that makes the table."""
    unknown: tuple[str, ...] = ()
    """What the workflow wants left out and the source does not have."""


# Each seed: its catalog, oid, what to call it towards what depends on it, and why it cannot be.
_SEEDS = """
SELECT 'pg_extension'::regclass::oid AS classid, oid AS objid, 'the extension ' || extname AS thing,
    CASE WHEN extname = ANY (%(refused)s) THEN 'the target server refuses to create it'
         WHEN extname = ANY (%(available)s) THEN 'on the target only a superuser may create it'
         ELSE 'the target server does not have it' END AS why
FROM pg_extension WHERE extname <> ALL (%(extensions)s)
UNION ALL
SELECT 'pg_foreign_data_wrapper'::regclass, oid, 'the foreign data wrapper ' || fdwname,
    'it leads to other servers' FROM pg_foreign_data_wrapper WHERE oid >= 16384
UNION ALL
SELECT 'pg_event_trigger'::regclass, oid, 'the event trigger ' || evtname, 'only a superuser may create it'
FROM pg_event_trigger
UNION ALL
SELECT 'pg_class'::regclass, c.oid, 'the table ' || n.nspname || '.' || c.relname,
    %(unreadable)s
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'))
    AND NOT EXISTS (SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT 'pg_class'::regclass, c.oid, 'the table ' || n.nspname || '.' || c.relname, %(set_aside)s
FROM unnest(%(aside_schemas)s::text[], %(aside_names)s::text[]) AS a (schema_name, name)
JOIN pg_namespace AS n ON n.nspname = a.schema_name
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.name
UNION ALL
SELECT 'pg_policy'::regclass, p.oid, 'the policy ' || p.polname,
    'the target does not have the role ' || min(r.rolname)
FROM pg_policy AS p JOIN pg_roles AS r ON r.oid = ANY (p.polroles)
WHERE r.rolname <> ALL (%(roles)s) GROUP BY p.oid, p.polname
UNION ALL
SELECT 'pg_collation'::regclass, c.oid, 'the collation ' || c.collname, 'the target server does not have it'
FROM pg_collation AS c WHERE c.collnamespace = 'pg_catalog'::regnamespace
    AND c.collprovider::text || c.collname <> ALL (%(collations)s)
"""

_NEEDS_SUPERUSER = """
UNION ALL
SELECT s.classid, s.objid, s.thing, 'on the target only a superuser may create it' FROM (
    SELECT 'pg_opclass'::regclass AS classid, oid AS objid, 'the operator class ' || opcname AS thing
        FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, 'the operator family ' || opfname FROM pg_opfamily
    UNION ALL SELECT 'pg_am'::regclass, oid, 'the access method ' || amname FROM pg_am
    UNION ALL SELECT 'pg_language'::regclass, oid, 'the language ' || lanname FROM pg_language
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, 'the text search parser ' || prsname FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, 'the text search template ' || tmplname
        FROM pg_ts_template
    UNION ALL SELECT 'pg_cast'::regclass, oid, 'a cast to ' || format_type(casttarget, NULL) FROM pg_cast
        WHERE castmethod = 'b'
    UNION ALL SELECT 'pg_type'::regclass, oid, 'the type ' || format_type(oid, NULL) FROM pg_type
        WHERE (typtype = 'b' AND typcategory <> 'A') OR NOT typisdefined
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, 'the function ' || p.oid::regprocedure
        FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
        LEFT JOIN pg_aggregate AS a ON a.aggfnoid = p.oid
        WHERE p.oid >= 16384 AND (a.aggtranstype = 'internal'::regtype OR p.prosupport <> 0 OR p.proleakproof
            OR (p.prokind <> 'a' AND NOT l.lanpltrusted))
) AS s
WHERE s.objid >= 16384 AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = s.classid AND d.objid = s.objid AND d.deptype IN ('e', 'i'))
"""

# The catalog is read in the run's snapshot, but these functions look at what is there now: they give nothing
# for what was dropped since, where pg_identify_object of PostgreSQL 13 would fail.
_THERE_STILL = """CASE CASE {o}.classid
    WHEN 'pg_class'::regclass THEN pg_table_is_visible({o}.objid)
    WHEN 'pg_type'::regclass THEN pg_type_is_visible({o}.objid)
    WHEN 'pg_proc'::regclass THEN pg_function_is_visible({o}.objid)
    WHEN 'pg_rewrite'::regclass THEN (
        SELECT pg_table_is_visible(ev_class) FROM pg_rewrite WHERE oid = {o}.objid)
    WHEN 'pg_attrdef'::regclass THEN (
        SELECT pg_table_is_visible(adrelid) FROM pg_attrdef WHERE oid = {o}.objid)
    WHEN 'pg_trigger'::regclass THEN (
        SELECT pg_table_is_visible(tgrelid) FROM pg_trigger WHERE oid = {o}.objid)
    WHEN 'pg_policy'::regclass THEN (
        SELECT pg_table_is_visible(polrelid) FROM pg_policy WHERE oid = {o}.objid)
    WHEN 'pg_constraint'::regclass THEN (
        SELECT coalesce(pg_table_is_visible(nullif(conrelid, 0)), pg_type_is_visible(nullif(contypid, 0)))
        FROM pg_constraint WHERE oid = {o}.objid)
    ELSE true END IS NOT NULL WHEN true THEN {o}.classid END"""

# What the workflow leaves out, by the kind and the name that the plan itself lists things under.
_LEFT_OUT = f"""
UNION ALL
SELECT o.classid, o.objid, 'the ' || i.type || ' ' || i.identity, %(leave_out)s
FROM (
    SELECT DISTINCT classid, objid FROM pg_depend WHERE objsubid = 0 AND objid >= 16384
    UNION SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE oid >= 16384
    UNION SELECT 'pg_class'::regclass, oid FROM pg_class WHERE oid >= 16384 AND relkind <> 't'
    UNION SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE oid >= 16384
    UNION SELECT 'pg_type'::regclass, oid FROM pg_type WHERE oid >= 16384
    UNION SELECT 'pg_extension'::regclass, oid FROM pg_extension WHERE oid >= 16384
    UNION SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
) AS o CROSS JOIN LATERAL pg_identify_object({_THERE_STILL.format(o="o")}, o.objid, 0) AS i
CROSS JOIN LATERAL replace(replace(replace(i.identity, 'pg_catalog.', ''), '"', ''), ', ', ',') AS s (name)
WHERE i.type || ' ' || s.name = ANY (%(wanted)s)
    OR i.type || ' ' || split_part(s.name, '(', 1) = ANY (%(wanted)s)
"""  # noqa: S608

# A view hangs on its rule, a table on its defaults: pg_depend has these the other way round only. An
# inherited check hangs on the one above, which it does not have. A table does without an access method.
_CLOSURE = """
WITH RECURSIVE seed AS MATERIALIZED ({seeds}),
needs AS NOT MATERIALIZED (
    SELECT classid, objid, refclassid, refobjid FROM pg_depend AS d
        WHERE refclassid <> 'pg_am'::regclass OR NOT EXISTS (SELECT FROM pg_class AS c
            WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind IN ('r', 'p', 'm'))
    UNION ALL SELECT 'pg_class'::regclass, ev_class, 'pg_rewrite'::regclass, oid FROM pg_rewrite
        WHERE rulename = '_RETURN'
    UNION ALL SELECT 'pg_class'::regclass, adrelid, 'pg_attrdef'::regclass, oid FROM pg_attrdef
    UNION ALL SELECT 'pg_type'::regclass, contypid, 'pg_constraint'::regclass, oid FROM pg_constraint
        WHERE contypid <> 0
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid, 'pg_constraint'::regclass, above.oid
        FROM pg_constraint AS above JOIN pg_inherits AS i ON i.inhparent = above.conrelid
        JOIN pg_constraint AS k ON k.conrelid = i.inhrelid AND k.conname = above.conname
        WHERE above.contype = 'c' AND k.contype = 'c' AND k.coninhcount > 0
),
gone AS (
    SELECT classid, objid, thing, why, true AS seed FROM seed
    UNION
    SELECT n.classid, n.objid, g.thing, g.why, false
    FROM gone AS g JOIN needs AS n ON n.refclassid = g.classid AND n.refobjid = g.objid
),
listed AS (
    SELECT DISTINCT ON (classid, objid) * FROM gone ORDER BY classid, objid, seed DESC, thing
)
SELECT l.classid::bigint, l.objid::bigint, l.thing, l.why, l.seed,
    coalesce(i.type, CASE WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view'
        WHEN c.relkind = 'm' THEN 'materialized view' END),
    coalesce(i.identity, quote_ident(n.nspname) || '.' || quote_ident(c.relname)), n.nspname::text,
    c.relname::text, c.relkind::text,
    (l.classid = 'pg_collation'::regclass AND l.objid < 16384) OR EXISTS (
        SELECT FROM pg_depend AS d JOIN gone AS w ON w.classid = d.refclassid AND w.objid = d.refobjid
        WHERE d.classid = l.classid AND d.objid = l.objid AND d.objsubid = 0
            AND d.deptype IN ('a', 'i', 'e', 'P', 'S'))
        OR NOT k.conislocal AS part,
    k.schema_name::text, k.table_name::text, quote_ident(k.conname), pg_get_constraintdef(k.oid)
FROM listed AS l CROSS JOIN LATERAL pg_identify_object({there}, l.objid, 0) AS i
LEFT JOIN pg_class AS c ON l.classid = 'pg_class'::regclass AND c.oid = l.objid
LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT f.*, kc.relname AS table_name, kn.nspname AS schema_name FROM pg_constraint AS f
    JOIN pg_class AS kc ON kc.oid = f.conrelid JOIN pg_namespace AS kn ON kn.oid = kc.relnamespace
    WHERE l.classid = 'pg_constraint'::regclass AND f.oid = l.objid AND f.contype = 'c'
        AND pg_table_is_visible(f.conrelid) IS NOT NULL
) AS k ON true
ORDER BY l.classid, l.objid
"""

# What people call kinds of things, and what the server does.
_KINDS = {
    "materialised view": "materialized view",
    "constraint": "table constraint",
    "foreign key": "table constraint",
    "check": "table constraint",
    "domain": "type",
}
# The catalog lists these for every target.
_LISTED_ALREADY = {"event trigger", "foreign-data wrapper", "server", "user mapping", "foreign table"}


def find_left_behind(
    source: Connection[TupleRow],
    target: TargetAbilities,
    aside: Collection[tuple[str, str]] = (),
    leave_out: Collection[str] = (),
) -> LeftBehind:
    """Everything of the source's database that this target cannot have. Raises psycopg errors.

    ``aside``: tables and the like (schema, name) that are not to be touched now.
    """
    seeds = _SEEDS if target.superuser else _SEEDS + _NEEDS_SUPERUSER
    seeds += _LEFT_OUT if leave_out else ""
    if (timescale := hypertables.read_hypertables(source)).is_there:
        seeds += hypertables.SEEDS
    wanted = {each: as_listed(each) for each in leave_out}
    parameters: dict[str, object] = {
        "kept": sorted(timescale.kept),
        "unreadable": UNREADABLE,
        "set_aside": SET_ASIDE,
        "aside_schemas": [schema for schema, _ in aside],
        "aside_names": [name for _, name in aside],
        "leave_out": LEAVE_OUT,
        "wanted": sorted(wanted.values()),
        "extensions": sorted(target.extensions),
        "available": sorted(target.available),
        "refused": sorted(target.refused),
        "roles": sorted(target.roles),
        "collations": sorted(provider + name for provider, name in target.collations),
    }
    rows = source.execute(
        _CLOSURE.format(seeds=seeds, there=_THERE_STILL.format(o="l")), parameters
    ).fetchall()
    tables = [row for row in rows if row[9] in {"r", "p"}]
    named = _named(rows) if wanted else set()
    return LeftBehind(
        items=tuple(_items(row for row in rows if row[9] is None or row[1] not in timescale.kept)),
        objects=frozenset((row[0], row[1]) for row in rows),
        tables={(row[7], row[8]): _reason(row) for row in tables},
        missing_extensions=tuple(
            row[2].removeprefix("the extension ") for row in rows if row[5] == "extension"
        ),
        unreadable=tuple((row[7], row[8]) for row in tables if row[4]),
        views=tuple((row[7], row[8]) for row in rows if row[9] in {"v", "m"}),
        checks=tuple(LeftCheck(*row[11:15]) for row in rows if row[13] is not None),
        unknown=tuple(each for each, name in wanted.items() if name not in named),
    )


def as_listed(text: str) -> str:
    """``materialised view public.x`` in the server's words, without what it writes now and then."""
    words = " ".join(text.split())
    for ours, theirs in _KINDS.items():
        if words.lower().startswith(f"{ours} "):
            words = f"{theirs}{words[len(ours) :]}"
            break
    return _plain(words)


def _plain(name: str) -> str:
    return name.replace("pg_catalog.", "").replace('"', "").replace(", ", ",")


def _named(rows: Iterable[TupleRow]) -> set[str]:
    names = {f"{row[5]} {_plain(row[6] or '')}" for row in rows}
    return names | {name.split("(", maxsplit=1)[0] for name in names}


def _items(rows: Iterable[TupleRow]) -> Iterable[NotCarried]:
    for row in rows:
        kind, identity, part = row[5], row[6], row[10]
        # Without a kind: a part of something that was dropped since.
        if part or kind is None or kind in _LISTED_ALREADY:
            continue
        yield NotCarried(kind=kind, name=identity or "", why=_reason(row))


def _reason(row: TupleRow) -> str:
    _, _, thing, why, seed, *_ = row
    text = why if seed else f"It needs {thing}, and {why}"
    return f"{text[0].upper()}{text[1:]}."
