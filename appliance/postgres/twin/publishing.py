"""Publishing a verified database as the twin, and what an earlier attempt has left of that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WorkFailedForGoodError, WrongRequestError
from appliance.postgres.building.forced_row_security import force_row_security
from appliance.postgres.copying import ledger
from appliance.postgres.errors import database_failure
from appliance.postgres.twin.database import OpenDatabase, drop_database, mark, read_database
from appliance.postgres.twin.former.grants import carry_grants, read_grants
from appliance.postgres.twin.former.settings import FormerSettings, carry_settings, open_to_users, read_former
from appliance.postgres.twin.golden import Wish, keep_golden
from appliance.postgres.twin.names import TwinNames
from appliance.postgres.twin.ownership import Owners, check_still_ours
from appliance.postgres.twin.swap import swap_back, swap_in, wait_for_sessions
from appliance.postgres.twin.turns import replacing


@dataclass
class Published:
    """What was done, and what could not be carried over."""

    replaced: bool = False
    """There was a twin before; it is kept under the name ``<twin>__prev``."""
    already: bool = False
    """An earlier attempt of the same run had done it."""
    grants: int = 0
    grants_gone: int = 0
    golden_s: float = 0
    """How long making the golden copy took."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Publisher:
    """One twin on one target."""

    names: TwinNames
    connection: str
    """As connections.yaml names it."""
    open_admin: Callable[[], Connection[TupleRow]]
    """On the target's maintenance database."""
    open_database: OpenDatabase
    workflow: str
    run: str
    grace_s: float
    tell: Callable[[str], None]
    """Takes a sentence to show."""
    owners: Owners | None = None
    """Whose twin may be replaced; anybody's where a person asks for it."""
    golden: Wish = "as_it_is"

    def publish(self) -> Published:
        """Swap ``<twin>__next`` in. It can be done again after a failure or kill at any point.

        Raises WorkFailedError, with the former twin in place and ``<twin>__next`` kept, where it cannot be
        done.
        """
        published = Published()
        try:
            with replacing(self.open_admin, self.names.twin, self.tell):
                self._publish(published)
        except psycopg.Error as error:
            raise database_failure(f"The twin '{self.names.twin}' could not be published.", error) from None
        published.notes = list(dict.fromkeys(published.notes))
        return published

    def _publish(self, published: Published) -> None:
        with self.open_admin() as admin:
            if self._is_done(admin):
                published.already = True
            else:
                self._prepare(admin, published)
                wait_for_sessions(admin, [self.names.twin], self.grace_s, self.tell)
                former = read_former(admin, self.names.twin)
                swap_in(
                    self.open_admin,
                    self.names,
                    lambda session: self._reveal(session, former, published),
                    again=f"appliance twin publish {self.connection}",
                )
                published.replaced = former is not None
            self._drop_gone(admin, published)

    def _is_done(self, admin: Connection[TupleRow]) -> bool:
        following, twin = read_database(admin, self.names.next), read_database(admin, self.names.twin)
        if following is not None and following.marker is not None and following.marker.run == self.run:
            if following.marker.state == "building":
                raise WorkFailedForGoodError(
                    f"The database '{following.name}' is not finished.",
                    "The step finish has not been done on it.",
                )
            return False
        if twin is not None and twin.marker is not None and twin.marker.run == self.run:
            return True
        raise WorkFailedForGoodError(
            f"There is nothing to publish: '{self.names.next}' of this run does not exist.",
            "It was dropped, or another run has taken its place.",
            "Start a new run.",
            sqlstate="3D000",
        )

    def _prepare(self, admin: Connection[TupleRow], published: Published) -> None:
        """Everything that can be done while the new database is not visible."""
        if self.owners is not None:
            check_still_ours(admin, self.names, self.owners, self.connection)
        self._drop_gone(admin, published)
        with self.open_database(self.names.next) as new, new.transaction():
            force_row_security(new)
            ledger.drop(new)
        mark(admin, self.names.next, workflow=self.workflow, run=self.run, state="verified")
        # Before users get their grants: a role that is to be dropped later has none in it.
        began = time.monotonic()
        published.notes += keep_golden(admin, self.names, self.golden, workflow=self.workflow, run=self.run)
        published.golden_s = round(time.monotonic() - began, 3)
        self._carry(admin, published)

    def _carry(self, admin: Connection[TupleRow], published: Published) -> None:
        """What the former twin's users and administrators have, to the new one."""
        former = read_former(admin, self.names.twin)
        if former is None:
            return
        published.notes += carry_settings(admin, former, self.names.next)
        twin = read_database(admin, self.names.twin)
        if twin is None or not twin.accepts_connections:
            published.notes.append(
                f"'{self.names.twin}' accepts no connections: its grants were not carried over."
            )
            return
        with self.open_database(self.names.twin) as old:
            grants = read_grants(old)
        with self.open_database(self.names.next) as new:
            carried = carry_grants(new, grants)
        published.grants, published.grants_gone = carried.objects, carried.gone
        published.notes += carried.notes

    def _reveal(
        self, session: Connection[TupleRow], former: FormerSettings | None, published: Published
    ) -> None:
        """Inside the transaction, before the new database has the twin's name."""
        mark(session, self.names.swap, workflow=self.workflow, run=self.run, state="published")
        published.notes += open_to_users(session, former, self.names.swap)

    def _drop_gone(self, admin: Connection[TupleRow], published: Published) -> None:
        """The twin before the former one: no rollback reaches it any more."""
        gone = read_database(admin, self.names.gone)
        if gone is None:
            return
        try:
            drop_database(admin, gone)
        except psycopg.Error as error:
            published.notes.append(
                f"'{self.names.gone}', the twin before the former one, could not be dropped"
                f" (SQLSTATE {error.sqlstate}). The next publish tries again."
            )


def roll_back(
    names: TwinNames,
    connection: str,
    open_admin: Callable[[], Connection[TupleRow]],
    grace_s: float,
    tell: Callable[[str], None],
) -> None:
    """Put the former twin in the twin's place, and the twin in its. Rolling back twice is as before.

    Raises WrongRequestError where there is no former twin, WorkFailedError where sessions cannot be ended.
    """
    try:
        with open_admin() as admin:
            if read_database(admin, names.prev) is None:
                raise WrongRequestError(
                    f"There is no former twin to go back to: '{names.prev}' does not exist.",
                    "The twin was published only once, or its former one was dropped.",
                )
            wait_for_sessions(admin, [names.twin], grace_s, tell)
        with replacing(open_admin, names.twin, tell):
            swap_back(open_admin, names, again=f"appliance twin rollback {connection}")
    except psycopg.Error as error:
        raise database_failure(f"The twin '{names.twin}' could not be rolled back.", error) from None
