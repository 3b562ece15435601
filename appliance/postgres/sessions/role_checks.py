"""Whether a connection's role may do more than its work needs, and the SQL that makes one that may not.

Functions that belong to people of the source run as the connection's role: in a CHECK, an index or a trigger
while the twin is filled, in an index's condition while the source is read. What the role may do, they may do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.identifiers import quoted
from appliance.system.findings import Finding, fail, warn
from appliance.workflow.catalog import Table

READER, WRITER = "appliance_reader", "appliance_writer"
_POWERFUL_ROLES = ("pg_execute_server_program", "pg_write_server_files", "pg_read_server_files")
# A role that is set for every session of a login role is not the only one its session can become.
_POWERS = """
SELECT r.rolname::text, r.rolname = session_user, r.rolsuper, r.rolcreaterole, r.rolreplication,
       r.rolname = ANY (%s)
FROM pg_roles AS r
WHERE (r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolname = ANY (%s))
  AND (pg_has_role(session_user, r.oid, 'MEMBER') OR pg_has_role(current_user, r.oid, 'MEMBER'))
ORDER BY r.rolname <> session_user, r.rolname
"""
_ROW_SECURITY = "SELECT count(*) FROM pg_class WHERE oid = ANY (%s) AND relrowsecurity"
_OWNED = """
SELECT d.datname::text FROM pg_database AS d
WHERE d.datname = ANY (%s) AND pg_has_role(d.datdba, 'USAGE') ORDER BY d.datname
"""


@dataclass(frozen=True)
class PowerfulRole:
    """A role that may do more than the appliance lends to anybody's code, and another to take its place."""

    role: str
    powers: tuple[str, ...]
    """As the ends of sentences that begin with the role's name."""
    source: bool
    """Whether it reads; else it writes twins."""
    whose: str
    """Who can run the SQL."""
    sql: tuple[str, ...]
    """Makes a role that is enough."""

    @property
    def what(self) -> str:
        """What is wrong, and why it matters."""
        does = "read" if self.source else "written"
        return (
            f"The role '{self.role}' {' and '.join(self.powers)}. Functions of the owner of a table in the"
            f" source run as this role while tables are {does}, and may do all that it may."
        )

    def fix(self, connection: str) -> str:
        """What to do, up to the SQL."""
        new = READER if self.source else WRITER
        return (
            f"Put '{new}' with a password of its own as user into {connection} of connections.yaml, or name"
            f" {connection} under powerful_roles in policy.yaml if it has to be this role. {self.whose}:"
        )


def powerful_reader(session: Connection[TupleRow], tables: Collection[Table]) -> PowerfulRole | None:
    """What is wrong with the role that reads these tables; None if it may do little. psycopg errors pass."""
    role, powers, superuser = _powers(session)
    if not powers:
        return None
    hidden = session.execute(_ROW_SECURITY, [[table.oid for table in tables]]).fetchone()
    sql = _reader_sql(session.info.dbname, tables, bypass=hidden is not None and hidden[0] > 0)
    return PowerfulRole(role, powers, source=True, whose=_whose("source", superuser), sql=sql)


def powerful_writer(admin: Connection[TupleRow], databases: Iterable[str]) -> PowerfulRole | None:
    """What is wrong with the role that makes twins, with these ``databases``; None if it may do little.

    psycopg errors pass.
    """
    role, powers, superuser = _powers(admin)
    if not powers:
        return None
    owned = [name for (name,) in admin.execute(_OWNED, [list(databases)])]
    sql = [f"CREATE ROLE {quoted(WRITER)} LOGIN CREATEDB PASSWORD 'changeme';"]
    if owned:
        # A role that is no superuser may only give away to a role that it is a member of.
        lent = [] if superuser else [f"GRANT {quoted(WRITER)} TO CURRENT_USER;"]
        taken_back = [] if superuser else [f"REVOKE {quoted(WRITER)} FROM CURRENT_USER;"]
        given = [f"ALTER DATABASE {quoted(name)} OWNER TO {quoted(WRITER)};" for name in owned]
        sql += [*lent, *given, *taken_back]
    return PowerfulRole(role, powers, source=False, whose=_whose("target", superuser), sql=tuple(sql))


def judge_role(found: PowerfulRole | None, connection: str, *, allowed: bool) -> list[Finding]:
    """As ``connections check`` says it; ``allowed`` where policy.yaml names the connection."""
    if found is None:
        return []
    if allowed:
        step = f"policy.yaml allows it (powerful_roles). To have a role that may do no harm: {found.whose}:"
        return [warn("role", found.what, step, found.sql)]
    return [fail("role", found.what, found.fix(connection), found.sql)]


def _powers(session: Connection[TupleRow]) -> tuple[str, tuple[str, ...], bool]:
    """(Role, what it may do too much, whether that is everything)."""
    powers: list[str] = []
    named = [list(_POWERFUL_ROLES)] * 2
    for name, own, superuser, create_role, replication, predefined in session.execute(_POWERS, named):
        if own and superuser:
            # It is taken for a member of every role.
            return session.info.user, ("is a superuser",), True
        attributes = [
            text
            for has, text in (
                (superuser, "SUPERUSER"),
                (create_role, "CREATEROLE"),
                (replication, "REPLICATION"),
            )
            if has
        ]
        if own:
            powers.append(f"has {' and '.join(attributes)}")
        elif predefined:
            powers.append(f"is a member of {name}")
        else:
            powers.append(f"may become '{name}' ({' and '.join(attributes)})")
    return session.info.user, tuple(powers), False


def _whose(server: str, superuser: bool) -> str:
    if superuser:
        return f"As this superuser of the {server}"
    return (
        f"As a superuser of the {server}, or where a provider keeps that one, as the role that may make roles"
    )


def _reader_sql(database: str, tables: Collection[Table], *, bypass: bool) -> tuple[str, ...]:
    role = quoted(READER)
    sql = [
        f"CREATE ROLE {role} LOGIN PASSWORD 'changeme';",
        f"GRANT CONNECT ON DATABASE {quoted(database)} TO {role};",
    ]
    if tables:
        schemas = ", ".join(dict.fromkeys(quoted(table.schema_name) for table in tables))
        names = ", ".join(quoted(table.schema_name, table.name) for table in tables)
        sql += [
            f"GRANT USAGE ON SCHEMA {schemas} TO {role};",
            f"GRANT SELECT ON {names} TO {role};",
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {role};",
        ]
    if bypass:
        sql.append(f"ALTER ROLE {role} BYPASSRLS;")
    return tuple(sql)
