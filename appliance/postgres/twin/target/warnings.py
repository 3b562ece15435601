"""What a target will do otherwise than the source, and other things to know."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.identifiers import quoted
from appliance.postgres.sessions.database_sessions import sessions_in
from appliance.postgres.twin.names import TwinNames
from appliance.postgres.twin.target.abilities import TargetAbilities
from appliance.workflow.catalog import Catalog

_INFINITE_SINCE = 140000
_SHOWN = 5


def other_versions(catalog: Catalog, abilities: TargetAbilities, missing: Collection[str]) -> Iterator[str]:
    """Extensions that the twin gets in another version than the source has, as pg_restore would make them."""
    for name, version in catalog.extensions:
        theirs = abilities.versions.get(name)
        if theirs is not None and theirs != version and name not in missing:
            yield f"The extension {name} is {version} in the source; the target's own version is {theirs}."


def infinite_numerics(
    admin: Connection[TupleRow], catalog: Catalog, selected: Collection[tuple[str, str]]
) -> Iterator[str]:
    """Columns whose values an older target may not take, though it makes their tables."""
    if not admin.info.server_version < _INFINITE_SINCE <= catalog.server_version:
        return
    names = [
        f"{table.qualified}.{column.name}"
        for table in catalog.tables
        if (table.schema_name, table.name) in selected
        for column in table.columns
        # Of a given precision none is infinite.
        if column.base_type == "numeric" and column.numeric_precision is None and not column.generated
    ]
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield (
            f"PostgreSQL {admin.info.server_version // 10000} has no infinite numeric, and a run stops at"
            f" one. Columns that could hold one: {', '.join(names[:_SHOWN])}{more}."
        )


def target_warnings(admin: Connection[TupleRow], names: TwinNames, catalog: Catalog) -> list[str]:
    """Sentences about the target's server and former databases. Raises psycopg errors."""
    found = []
    ours, theirs = admin.info.server_version // 10000, catalog.server_version // 10000
    if ours < theirs:
        found.append(
            f"The target is PostgreSQL {ours} and the source {theirs}: what only {theirs} knows is left out;"
            " where a copied table needs it, the run stops at the step schema, before a row is read."
        )
    roles = sorted({session.role for session in sessions_in(admin, [names.twin]) if not session.may_end})
    if roles:
        found.append(
            f"Sessions of {', '.join(roles)} are in the twin now, and '{admin.info.user}' may not end them:"
            " if they stay, the new twin cannot be swapped in."
            f" GRANT pg_signal_backend TO {quoted(admin.info.user)};"
        )
    return found
