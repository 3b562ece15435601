"""Branches in the ledger of copies: each is written down before it is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from appliance.branches.branch import BranchMarker
from appliance.branches.remembered import remember
from appliance.branches.server import BranchServer
from appliance.copies.ledger import AskedBy, CopyMade, made, note_made


def noting(server: BranchServer, state_dir: Path, connection: str, asked_by: AskedBy) -> BranchServer:
    """The same server; what is made on it stands in the ledger before."""

    def note(database: str, marker: BranchMarker) -> None:
        # Who may not write there has the branch all the same; no timer knows of it, as is said.
        if remember(state_dir, connection):
            note_made(state_dir, [branch_copy(state_dir, connection, database, marker, asked_by)])

    return replace(server, note_made=note)


def branch_copy(
    state_dir: Path, connection: str, database: str, marker: BranchMarker, asked_by: AskedBy
) -> CopyMade:
    """A branch as the ledger has it. Its source is that of the twin it is a copy of."""
    of = next((each for each in reversed(made(state_dir)) if each.run == marker.run), None)
    return CopyMade(
        kind="branch",
        place=f"{connection}/{database}",
        run=marker.run,
        workflow=marker.workflow,
        source=of.source if of is not None else "",
        made_at=marker.made_at,
        asked_by=asked_by,
        origin=of.origin if of is not None else "local",
        expires_at=marker.ends_at,
    )
