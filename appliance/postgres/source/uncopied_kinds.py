"""What a source has and the twin will not: listed in the plan, before a row is copied."""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.workflow.catalog import NotCarried

# (kind, query of names, why). A query that the role may not ask is left out by its own condition.
_KINDS: tuple[tuple[str, str, str], ...] = (
    (
        "large objects",
        "SELECT count(*)::text || ' large object' || CASE count(*) WHEN 1 THEN '' ELSE 's' END"
        " FROM pg_largeobject_metadata HAVING count(*) > 0",
        "Large objects hold bytes that no mask reaches.",
    ),
    (
        "foreign table",
        "SELECT n.nspname || '.' || c.relname FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'f' ORDER BY 1",
        "Its rows stand in another server, and it would lead the twin's users there.",
    ),
    (
        "foreign server",
        "SELECT srvname::text FROM pg_foreign_server ORDER BY 1",
        "It would lead the twin's users to another server.",
    ),
    (
        "foreign data wrapper",
        "SELECT f.fdwname::text FROM pg_foreign_data_wrapper AS f"
        " WHERE NOT EXISTS (SELECT FROM pg_depend AS d"
        " WHERE d.classid = 'pg_foreign_data_wrapper'::regclass AND d.objid = f.oid AND d.deptype = 'e')"
        " ORDER BY 1",
        "It would lead the twin's users to other servers.",
    ),
    (
        "publication",
        "SELECT pubname::text FROM pg_publication ORDER BY 1",
        "Replication is not the twin's business.",
    ),
    (
        "subscription",
        "SELECT subname::text FROM pg_subscription WHERE subdbid ="
        " (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
        "It would pull unmasked rows into the twin.",
    ),
    (
        "event trigger",
        "SELECT e.evtname::text FROM pg_event_trigger AS e WHERE NOT EXISTS (SELECT FROM pg_depend AS d"
        " WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e') ORDER BY 1",
        "Only a superuser may create it.",
    ),
    (
        "grants",
        "SELECT 'privileges on ' || count(*)::text || ' object' || CASE count(*) WHEN 1 THEN '' ELSE 's' END"
        " FROM (SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        "       WHERE c.relacl IS NOT NULL AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
        "       UNION ALL SELECT p.oid FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
        "       WHERE p.proacl IS NOT NULL AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
        "       UNION ALL SELECT n.oid FROM pg_namespace AS n"
        "       WHERE n.nspacl IS NOT NULL AND n.nspname <> 'public' AND n.nspname <> 'information_schema'"
        "       AND n.nspname !~ '^pg_') AS granted HAVING count(*) > 0",
        "The twin belongs to the role that delivers it; grant there what its users need.",
    ),
    (
        "default privileges",
        "SELECT DISTINCT 'of ' || r.rolname || coalesce(' in ' || n.nspname, '') FROM pg_default_acl AS a"
        " JOIN pg_roles AS r ON r.oid = a.defaclrole"
        " LEFT JOIN pg_namespace AS n ON n.oid = a.defaclnamespace ORDER BY 1",
        "They are for what those roles make; the twin belongs to the role that delivers it.",
    ),
    (
        "owner",
        "SELECT DISTINCT r.rolname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " JOIN pg_roles AS r ON r.oid = c.relowner"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname <> 'information_schema'"
        " AND n.nspname !~ '^pg_' ORDER BY 1",
        "Roles are not copied: everything in the twin belongs to the role that delivers it.",
    ),
    (
        "database setting",
        "SELECT DISTINCT split_part(setting, '=', 1) FROM pg_db_role_setting AS s"
        " JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS setting"
        " WHERE d.datname = current_database() ORDER BY 1",
        "ALTER DATABASE … SET belongs to the server it was made for.",
    ),
    (
        "comment",
        "SELECT 'on the database ' || datname FROM pg_database WHERE datname = current_database()"
        " AND shobj_description(oid, 'pg_database') IS NOT NULL",
        "The appliance keeps its own mark there.",
    ),
    (
        "tablespace",
        "SELECT t.spcname || ' of ' || count(*)::text || ' object'"
        " || CASE count(*) WHEN 1 THEN '' ELSE 's' END FROM pg_class AS c"
        " JOIN pg_tablespace AS t ON t.oid = c.reltablespace"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname !~ '^pg_' GROUP BY t.spcname ORDER BY 1",
        "Everything is put where the twin's database is.",
    ),
    (
        "invalid index",
        "SELECT n.nspname || '.' || c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_' ORDER BY 1",
        "It was never finished in the source, and pg_dump passes over it.",
    ),
    (
        "rows of an extension's table",
        "SELECT n.nspname || '.' || c.relname FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        " WHERE d.deptype = 'e' AND c.relkind IN ('r', 'p') ORDER BY 1",
        "CREATE EXTENSION makes the table anew.",
    ),
    (
        "security label",
        "SELECT DISTINCT objtype || ' ' || objname FROM pg_seclabels ORDER BY 1",
        "Labels belong to the server's security module.",
    ),
)


def read_not_carried(connection: Connection[TupleRow]) -> tuple[NotCarried, ...]:
    """Everything of these kinds in the database, by one query."""
    query = " UNION ALL ".join(
        f"SELECT {number}, found.* FROM ({names}) AS found (name)"  # noqa: S608
        for number, (_, names, _) in enumerate(_KINDS)
    )
    rows = connection.execute(query).fetchall()
    return tuple(
        NotCarried(kind=_KINDS[number][0], name=name, why=_KINDS[number][2])
        for number, name in sorted(rows, key=lambda row: row[0])
    )


def read_sharded(connection: Connection[TupleRow]) -> frozenset[int]:
    """Tables whose rows Citus keeps in shards, by oid."""
    if connection.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchone() is None:
        return frozenset()
    rows = connection.execute("SELECT logicalrelid::oid FROM pg_catalog.pg_dist_partition")
    return frozenset(oid for (oid,) in rows)
