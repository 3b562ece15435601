"""How much room a run takes, from its plan: where it is known beforehand, it is refused with numbers."""

from __future__ import annotations

from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import RefusedError
from appliance.postgres.plan import Plan
from appliance.system.disk import MB, Space, readable, space_of

INDEX_SHARE = 0.5
"""Indexes take about half of what their tables take, and are built after them."""
FILES_SHARE = 0.5
"""Compressed text takes less than half of what the same rows take in a database."""
EMPTY_DATABASE_BYTES = 8 * MB
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
RULE = "disk"


def bytes_on_target(plan: Plan) -> int:
    """What one twin takes, about: its tables as large as the source's, and their indexes.

    Tables whose rows are put in another order are there twice before there are indexes, some at a time.
    """
    tables = sum(table.bytes for table in plan.tables)
    twice = sorted((table.bytes for table in plan.tables if table.order_by), reverse=True)
    return int(tables + max(tables * INDEX_SHARE, sum(twice[: plan.parallel])))


def bytes_of_files(plan: Plan) -> int:
    """What an export takes on the appliance's own disk, about."""
    return int(sum(table.bytes for table in plan.tables) * FILES_SHARE)


def check_room(space: Space, files_bytes: int) -> None:
    """Raise RefusedError where the run does not fit on the appliance's disk beside what must stay free.

    ``files_bytes`` is what it writes there besides its own logs and plan: rows of a twin only pass through.
    """
    needed = space.for_a_run + files_bytes
    if space.free >= needed:
        return
    parts = f"{readable(space.for_a_run)} that must stay free for logs, the plan and the databases"
    if files_bytes:
        parts = f"about {readable(files_bytes)} for its files, and {parts}"
    raise RefusedError(
        f"The run does not fit on the appliance's disk: it needs {readable(needed)}, and {space.text}.",
        f"It needs {parts}. No row has been read.",
        "Delete old exports (appliance exports list), or give the VM a larger disk; then run it again.",
        rule=RULE,
    )


def target_space(admin: Connection[TupleRow]) -> Space | None:
    """The room on a target's disk, where it can be known: its server runs here, and shows its role where."""
    host = admin.info.host
    if not (host.startswith("/") or host in _HERE):
        return None
    row = admin.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
    try:
        # In a container the server's folder is not there: "here" is another place then.
        return space_of(Path(str(row[0]))) if row else None
    except OSError:
        return None


def check_target_room(plan: Plan, connection: str, space: Space | None) -> None:
    """Raise RefusedError where the next twin does not fit on the target's disk, if that is known."""
    needed = EMPTY_DATABASE_BYTES + bytes_on_target(plan)
    if space is None or space.free >= needed:
        return
    raise RefusedError(
        f"The twin does not fit on the disk of '{connection}': it takes about {readable(needed)}, and"
        f" {space.text}.",
        "It is built beside the present one and the former one, which stay until it is whole. No row has been"
        " read.",
        "Make room on the target's disk; then run it again.",
        rule=RULE,
    )


def target_is_full(plan: Plan) -> str:
    """What to know when a target's disk filled up: a twin is built beside the present one."""
    need = readable(bytes_on_target(plan))
    names = ", ".join(f"'{target.database}'" for target in plan.targets)
    return (
        f"The twin {names} takes about {need} there, with its indexes, and is built beside the present one"
        " and the former one, which stay until it is whole."
    )
