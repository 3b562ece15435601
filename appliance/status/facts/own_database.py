"""What the appliance's own database says, asked for together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.store import queries
from appliance.store.database import Connection
from appliance.store.drift_checks import drift_checks
from appliance.store.rows import (
    AskedErasure,
    ConnectionTestLine,
    DriftCheck,
    KeptLook,
    OutboxDepth,
    RefusedCommand,
    ReleaseWish,
    RunLine,
    StandingTwin,
)


@dataclass(frozen=True)
class Ours:
    """Runs, twins, commands and events, as they are at one moment."""

    current: tuple[RunLine, ...]
    recent: tuple[RunLine, ...]
    last: dict[str, RunLine]
    successes: dict[str, datetime]
    kept: dict[str, KeptLook]
    drift: dict[str, DriftCheck]
    outbox: OutboxDepth | None
    refused: tuple[RefusedCommand, ...]
    erasures: tuple[AskedErasure, ...]
    twins: tuple[StandingTwin, ...]
    tests: tuple[ConnectionTestLine, ...]
    wish: ReleaseWish | None


def our_part(db: Connection) -> Ours:
    """Raises psycopg.Error."""
    return Ours(
        current=tuple(queries.current_runs(db)),
        recent=tuple(queries.recent_runs(db)),
        last=queries.last_runs(db),
        successes=queries.last_successes(db),
        kept=queries.kept_looks(db),
        drift=drift_checks(db),
        outbox=queries.outbox_depth(db),
        refused=tuple(queries.refused_commands(db)),
        erasures=tuple(queries.asked_erasures(db)),
        twins=tuple(queries.standing_twins(db)),
        tests=tuple(queries.connection_tests(db)),
        wish=queries.newest_wish(db),
    )
