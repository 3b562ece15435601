"""Which workflow a twin belongs to: the one whose run made it, as the database's comment says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WorkFailedForGoodError
from appliance.postgres.twin.database import Marker, read_database
from appliance.postgres.twin.names import TwinNames


@dataclass(frozen=True)
class Owners:
    """Whose twin may be replaced: the workflow's own, and that of the one it says it replaces."""

    workflow: str
    replaces: str | None = None

    def has(self, marker: Marker) -> bool:
        """Whether a database is one of theirs."""
        return marker.workflow in (self.workflow, self.replaces)


def others_twins(admin: Connection[TupleRow], names: TwinNames, owners: Owners) -> Iterator[tuple[str, str]]:
    """What is wrong where the twin, or one that waits to be published, is another workflow's; and the fix."""
    for name, state in ((names.twin, "published"), (names.next, "verified")):
        marker = _marker(admin, name)
        if marker is None or marker.state != state or owners.has(marker):
            continue
        yield (
            f"The database '{name}' belongs to the workflow '{marker.workflow}': its run {marker.run} made it"
            f" ({_moment(marker)}).",
            "Deliver to another connection, or take it over with this line in the workflow:"
            f" replaces: {marker.workflow}",
        )


def check_still_ours(admin: Connection[TupleRow], names: TwinNames, owners: Owners, connection: str) -> None:
    """Raise WorkFailedForGoodError where another workflow has put its twin there during a run."""
    marker = _marker(admin, names.twin)
    if marker is None or owners.has(marker):
        return
    raise WorkFailedForGoodError(
        f"The twin '{names.twin}' belongs to the workflow '{marker.workflow}' by now, and stays.",
        f"Its run {marker.run} put it there ({_moment(marker)}) while this one was at work.",
        f"Write `replaces: {marker.workflow}` into this workflow, or deliver to another connection. To swap"
        f" in what is ready all the same: appliance twin publish {connection}",
    )


def _marker(admin: Connection[TupleRow], name: str) -> Marker | None:
    found = read_database(admin, name)
    return found.marker if found is not None else None


def _moment(marker: Marker) -> str:
    return f"{marker.at:%Y-%m-%d %H:%M} UTC"
