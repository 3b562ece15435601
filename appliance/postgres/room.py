"""How much room a run takes, from its plan: where it is known beforehand, it is refused with numbers."""

from __future__ import annotations

from appliance.disk import Space, readable
from appliance.errors import Refused
from appliance.postgres.plan import Plan

INDEX_SHARE = 0.5
"""Indexes take about half of what their tables take, and are built after them."""
FILES_SHARE = 0.5
"""Compressed text takes less than half of what the same rows take in a database."""
RULE = "disk"


def bytes_on_target(plan: Plan) -> int:
    """What one twin takes, about: its tables as large as the source's, and their indexes."""
    return int(sum(table.bytes for table in plan.tables) * (1 + INDEX_SHARE))


def bytes_of_files(plan: Plan) -> int:
    """What an export takes on the appliance's own disk, about."""
    return int(sum(table.bytes for table in plan.tables) * FILES_SHARE)


def check_room(space: Space, files_bytes: int) -> None:
    """Raise Refused where the run does not fit on the appliance's disk beside what must stay free.

    ``files_bytes`` is what it writes there besides its own logs and plan: rows of a twin only pass through.
    """
    needed = space.for_a_run + files_bytes
    if space.free >= needed:
        return
    parts = f"{readable(space.for_a_run)} that must stay free for logs, the plan and the databases"
    if files_bytes:
        parts = f"about {readable(files_bytes)} for its files, and {parts}"
    raise Refused(
        f"The run does not fit on the appliance's disk: it needs {readable(needed)}, and {space.text}.",
        f"It needs {parts}. No row has been read.",
        "Delete what nobody needs (appliance exports list), or give the VM a larger disk; then run it again.",
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
