"""Copies that end: what of the ledger is still there, and removing what has been there long enough.

A twin is known by its mark, which names the run: a later one under the same name has its own time. Run by
appliance-expiry.timer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psycopg

from appliance.branches.branch import marker_of
from appliance.branches.remembered import remembered
from appliance.connections.database import Connection
from appliance.connections.file import load_connections
from appliance.copies.ledger import CopyEnded, CopyMade, ended, made, note_ended
from appliance.erasure.copies.gone_branches import is_branch, note_branches
from appliance.erasure.copies.in_buckets import is_in_bucket
from appliance.erasure.receipt import sign_ending
from appliance.erasure.sessions import open_admin
from appliance.errors import ApplianceError, ExitCode, WorkFailedError
from appliance.exports.stored import Export, delete_export, list_exports
from appliance.postgres.errors import database_failure
from appliance.postgres.twin.database import DatabaseFacts, drop_database, read_database
from appliance.postgres.twin.names import twin_names
from appliance.settings.settings import load_settings
from appliance.system.beneath import as_owner_of

Standing = Literal[
    "there",
    "there, as the former twin",
    "there, not published",
    "there, as the golden copy",
    "gone",
    "ended",
    "not known",
]


@dataclass(frozen=True)
class StandingCopy:
    """A copy, and whether it is still there."""

    copy: CopyMade
    standing: Standing
    ended: CopyEnded | None = None
    why: str = ""
    """For ``not known``."""
    databases: tuple[DatabaseFacts, ...] = ()
    """All that hold it: the golden copy of a twin beside it."""
    export: Export | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it is there and should not be."""
        over = self.copy.expires_at is not None and self.copy.expires_at <= now
        return over and self.standing.startswith("there")


def standing_copies(
    state_dir: Path, exports_dir: Path, connections: dict[str, Connection]
) -> list[StandingCopy]:
    """Every copy of the ledger, the oldest first. A server that does not answer is no error."""
    exports = {export.manifest.run: export for export in list_exports(exports_dir)}
    over = ended(state_dir)
    servers: dict[str, _Server] = {}
    found = []
    for copy in made(state_dir):
        if end := over.get(copy.key):
            found.append(StandingCopy(copy, "ended", end))
        elif copy.kind == "files":
            export = exports.get(copy.run)
            found.append(StandingCopy(copy, "there" if export else "gone", export=export))
        elif copy.kind == "pull":
            found.append(StandingCopy(copy, "not known", why="it is with the person who fetched it"))
        elif copy.kind == "bucket":
            found.append(_in_bucket(copy, connections))
        else:
            connection, _, database = copy.place.partition("/")
            server = servers.setdefault(connection, _Server(connection, connections))
            look = server.look_for_branch if copy.kind == "branch" else server.look
            found.append(look(copy, database))
    return found


def _in_bucket(copy: CopyMade, connections: dict[str, Connection]) -> StandingCopy:
    try:
        return StandingCopy(copy, "there" if is_in_bucket(copy.place, connections) else "gone")
    except ApplianceError as error:
        return StandingCopy(copy, "not known", why=error.explanation.line())


class _Server:
    """The databases of a connection's server, each asked for once."""

    def __init__(self, name: str, connections: dict[str, Connection]) -> None:
        self._name, self._connections = name, connections
        self._known: dict[str, dict[str, DatabaseFacts]] = {}
        self._why = ""

    def look(self, copy: CopyMade, database: str) -> StandingCopy:
        names = twin_names(database)
        roles: dict[str, Standing] = {
            names.twin: "there",
            names.prev: "there, as the former twin",
            names.gone: "there, as the former twin",
            names.next: "there, not published",
            names.golden: "there, as the golden copy",
        }
        if database not in self._known and not self._why:
            self._read(database, list(roles))
        if self._why:
            return StandingCopy(copy, "not known", why=self._why)
        found = {
            name: facts
            for name, facts in self._known[database].items()
            if facts.marker is not None and facts.marker.run == copy.run
        }
        standing: Standing = next((role for name, role in roles.items() if name in found), "gone")
        return StandingCopy(copy, standing, databases=tuple(found.values()))

    def look_for_branch(self, copy: CopyMade, database: str) -> StandingCopy:
        """As the branch's own mark says: one that was made again is another copy."""
        if database not in self._known and not self._why:
            self._read(database, [database])
        if self._why:
            return StandingCopy(copy, "not known", why=self._why)
        facts = self._known[database].get(database)
        there = facts is not None and is_branch(copy, marker_of(facts))
        return StandingCopy(copy, "there" if there else "gone")

    def _read(self, database: str, names: list[str]) -> None:
        try:
            with closing(open_admin(self._name, self._connections)) as admin:
                read = {name: read_database(admin, name) for name in names}
            self._known[database] = {name: facts for name, facts in read.items() if facts is not None}
        except psycopg.Error as error:
            self._why = database_failure("The server could not be asked.", error).explanation.line()
        except ApplianceError as error:
            self._why = error.explanation.line()


def expire(
    state_dir: Path, exports_dir: Path, connections: dict[str, Connection], now: datetime
) -> Iterator[StandingCopy | ApplianceError]:
    """Remove every copy whose time is over; each that was, or why one could not be.

    Branches are dropped by a timer of their own: of those that are gone the end is signed and noted.
    """
    for said in note_branches(state_dir, connections, now):
        yield said if isinstance(said, ApplianceError) else StandingCopy(said, "gone")
    for each in standing_copies(state_dir, exports_dir, connections):
        if each.copy.kind == "branch":
            continue
        over = each.copy.expires_at is not None and each.copy.expires_at <= now
        if over and each.standing == "not known":
            yield WorkFailedError(
                f"The copy {each.copy.place} of {each.copy.run} should have ended, and cannot be looked at.",
                each.why,
                "It is tried again.",
            )
        if not each.is_over(now):
            continue
        try:
            _end(state_dir, exports_dir, connections, each)
            yield each
        except ApplianceError as error:
            yield error


def _end(state_dir: Path, exports_dir: Path, connections: dict[str, Connection], over: StandingCopy) -> None:
    """Sign that it is removed, remove it, and note that. Killed in between, the next pass goes on."""
    copy = over.copy
    why = f"Its time was over on {copy.expires_at:%Y-%m-%d %H:%M} (expires_days)."
    sign_ending(state_dir, copy, why)
    if over.export is not None:
        delete_export(exports_dir, over.export, by="retention", why=why)
    elif over.databases:
        connection = copy.place.partition("/")[0]
        try:
            with closing(open_admin(connection, connections)) as admin:
                for each in over.databases:
                    facts = read_database(admin, each.name)
                    # A run may have taken its place meanwhile.
                    if facts is not None and facts.marker is not None and facts.marker.run == copy.run:
                        drop_database(admin, facts)
        except psycopg.Error as error:
            what = f"The copy {copy.place} of {copy.run}, whose time is over, could not be dropped."
            raise database_failure(what, error) from None
    note_ended(state_dir, copy, why)


def main() -> int:
    """Remove what has ended, and say what. Exit status 1 where something could not be."""
    try:
        settings = load_settings()
        with as_owner_of(settings.state_dir):
            ends = any(copy.expires_at for copy in made(settings.state_dir))
            if not ends and not remembered(settings.state_dir):
                return ExitCode.DONE
            connections = load_connections(settings.connections_file)
            return print_expired(
                expire(settings.state_dir, settings.exports_dir, connections, datetime.now(UTC))
            )
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code


def print_expired(several: Iterator[StandingCopy | ApplianceError]) -> int:
    """A line for each, for the journal or a terminal; the exit status."""
    failed = False
    for each in several:
        if isinstance(each, ApplianceError):
            failed = True
            sys.stderr.write(each.text() + "\n")
        else:
            sys.stdout.write(f"Ended {each.copy.kind} {each.copy.place} of {each.copy.run}.\n")
    return ExitCode.WORK_FAILED if failed else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
