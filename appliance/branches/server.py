"""The branches of a twin on its server: making and resetting one, dropping one, ending what is over.

Whatever makes or drops a branch holds the server's turn for it, so quotas hold, and a database that is half
made while the turn is free was lost: it is dropped by the next that takes the turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.branches.branch import Branch, BranchMarker, TemplateKind, branch_database, marker_of
from appliance.branches.ending import drop_branch, end_due
from appliance.branches.reading import all_branches, bytes_of, candidates, refusals
from appliance.branches.rights import give_rights, require_role
from appliance.branches.template import Candidate, choose, occupied
from appliance.errors import WrongRequestError
from appliance.policy.branches import BranchPolicy, check_asking, check_lifetime
from appliance.policy.policy import enforce
from appliance.policy.refusal import Origin
from appliance.postgres.errors import database_failure
from appliance.postgres.twin.database import OpenDatabase, read_database, run_sql
from appliance.postgres.twin.template_copy import Method, copy_database, end_all_sessions
from appliance.postgres.twin.turns import changing_branches, copying

_ASK_OWNER = "Drop one that is not needed (appliance branch list), or ask the owner of policy.yaml."


@dataclass(frozen=True)
class Asked:
    """What is asked for."""

    ttl: timedelta | None = None
    """How long it is to stand; None for as long as policy allows."""
    role: str | None = None
    """The role that it is for; None for those who may open the twin."""
    of: TemplateKind | None = None
    """What it is to be a copy of; None for what is best."""


@dataclass(frozen=True)
class Made:
    """A branch that was just made."""

    branch: Branch
    method: Method
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BranchServer:
    """The twin of one delivery, and the server that its branches stand on."""

    workflow: str
    twin: str
    policy: BranchPolicy
    open_admin: Callable[[], Connection[TupleRow]]
    """On the server's maintenance database."""
    open_database: OpenDatabase
    note_made: Callable[[str, BranchMarker], None] | None = None
    """Writes a database down that is about to be made, while no other branch of the server changes."""
    origin: Origin = "local"
    """Who asks."""

    def branches(self) -> list[Branch]:
        """Those of this twin, by name. Raises our errors."""
        with self._session("The branches could not be looked at.") as admin:
            return [each for each in all_branches(admin) if each.marker.twin == self.twin]

    def on_whole_server(self) -> list[Branch]:
        """Those of every twin on this server. Raises our errors."""
        with self._session("The branches could not be looked at.") as admin:
            return all_branches(admin)

    def find(self, name: str) -> Branch:
        """One of them. Raises WrongRequestError where there is none."""
        with self._session(f"The branch '{name}' could not be looked at.") as admin:
            return self._found(admin, name)

    def create(self, name: str, asked: Asked) -> Made:
        """Make a branch. Raises RefusedError, WrongRequestError or WorkFailedError; then there is none."""
        database = branch_database(self.twin, name)
        self.may_ask()
        with self._turn(f"The branch '{name}' could not be made.") as admin:
            if asked.role is not None:
                require_role(admin, asked.role)
            if read_database(admin, database) is not None:
                raise WrongRequestError(
                    f"There is a branch '{name}' already, as the database '{database}'.",
                    "What was written to it is not overwritten unasked.",
                    f"appliance branch reset {self.workflow} '{name}', or give the new one another name.",
                )
            now = datetime.now(UTC)
            ends_at = now + (self.policy.longest if asked.ttl is None else asked.ttl)
            return self._copy(admin, database, self._marker(name, asked, now, ends_at), asked)

    def reset(self, name: str, asked: Asked) -> Made:
        """Make a branch again; what was written to it is gone. It ends when it was to, or after ``ttl``.

        Who is in it is disconnected. Where policy says no or nothing can be copied now, it stays as it is.
        Raises as ``create``.
        """
        self.may_ask()
        with self._turn(f"The branch '{name}' could not be made again.") as admin:
            former = self._found(admin, name)
            now = datetime.now(UTC)
            ends_at = former.marker.ends_at if asked.ttl is None else now + asked.ttl
            again = Asked(role=former.marker.role)
            marker = self._marker(name, again, now, ends_at)
            # What would keep it from being made again is found out while it is still there.
            template = self._template(admin, asked.of)
            self._ask_policy(admin, template, marker, former.database.name)
            drop_branch(admin, former.database)
            return self._copy(admin, former.database.name, marker, replace(asked, of=template.kind))

    def extend(self, name: str, ttl: timedelta | None = None) -> Branch:
        """Let a branch stand for ``ttl`` from now, or as long as policy allows. Raises our errors."""
        self.may_ask()
        ttl = self.policy.longest if ttl is None else ttl
        enforce(check_lifetime(self.policy, ttl), _ASK_OWNER)
        with self._turn(f"The branch '{name}' could not be extended.") as admin:
            branch = self._found(admin, name)
            marker = branch.marker.model_copy(update={"ends_at": datetime.now(UTC) + ttl})
            if self.note_made is not None:
                self.note_made(branch.database.name, marker)
            _comment(admin, branch.database.name, marker)
            return replace(branch, marker=marker)

    def drop(self, name: str) -> Branch:
        """Drop a branch, and disconnect who is in it. Raises our errors."""
        self.may_ask()
        with self._turn(f"The branch '{name}' could not be dropped.") as admin:
            branch = self._found(admin, name)
            drop_branch(admin, branch.database)
            return branch

    def end_due(self, now: datetime | None = None) -> list[str]:
        """Drop every branch of the server whose time has come, and what killed processes have left half made.

        Returns a sentence for each, also where it could not be dropped yet. Raises our errors.
        """
        with self._session("The branches could not be looked at.") as admin, changing_branches(admin):
            return end_due(admin, self.twin, now)

    def may_ask(self) -> None:
        """Raise RefusedError where policy lets who asks do nothing to branches."""
        enforce(check_asking(self.policy, self.origin), _ASK_OWNER)

    @contextmanager
    def _session(self, what: str) -> Iterator[Connection[TupleRow]]:
        try:
            with closing(self.open_admin()) as admin:
                yield admin
        except psycopg.Error as error:
            raise database_failure(what, error) from None

    @contextmanager
    def _turn(self, what: str) -> Iterator[Connection[TupleRow]]:
        """A session that has the server's turn. What is over is dropped first, so that it counts no more."""
        with self._session(what) as admin, changing_branches(admin):
            end_due(admin, self.twin)
            yield admin

    def _found(self, admin: Connection[TupleRow], name: str) -> Branch:
        database = read_database(admin, branch_database(self.twin, name))
        marker = marker_of(database) if database is not None else None
        if database is None or marker is None:
            names = [each.marker.name for each in all_branches(admin) if each.marker.twin == self.twin]
            raise WrongRequestError(
                f"The twin '{self.twin}' has no branch '{name}'.",
                f"It has: {', '.join(names) or 'none'}.",
                f"appliance branch list {self.workflow}",
            )
        return Branch(database, marker, bytes_of(admin, database.name))

    def _marker(self, name: str, asked: Asked, now: datetime, ends_at: datetime) -> BranchMarker:
        return BranchMarker(
            name=name,
            twin=self.twin,
            workflow=self.workflow,
            run="",
            copy_of="golden",
            role=asked.role,
            made_at=now,
            ends_at=ends_at,
            state="making",
        )

    def _template(self, admin: Connection[TupleRow], of: TemplateKind | None) -> Candidate:
        chosen = choose(candidates(admin, self.twin), self.twin, of)
        if chosen.kind == "golden":
            # Only its owner and superusers can be in it: to look, and for no user's work.
            end_all_sessions(admin, chosen.database)
        return chosen

    def _ask_policy(
        self,
        admin: Connection[TupleRow],
        template: Candidate,
        marker: BranchMarker,
        but: str = "",
    ) -> None:
        ttl = marker.ends_at - marker.made_at
        enforce(refusals(admin, self.policy, template, ttl, but=but, origin=self.origin), _ASK_OWNER)

    def _copy(self, admin: Connection[TupleRow], database: str, marker: BranchMarker, asked: Asked) -> Made:
        with copying(admin, self.twin):
            template = self._template(admin, asked.of)
            self._ask_policy(admin, template, marker)
            marker = marker.model_copy(update={"run": template.run, "copy_of": template.kind})
            if self.note_made is not None:
                self.note_made(database, marker)
            began = datetime.now(UTC)
            try:
                method = copy_database(admin, template.database, database)
            except psycopg.errors.ObjectInUse:
                # A session came in after the look.
                raise occupied(template) from None
            try:
                _comment(admin, database, marker)
                notes = give_rights(admin, self.open_database, self.twin, database, marker.role)
                marker = marker.model_copy(update={"state": "ready"})
                _comment(admin, database, marker)
            except BaseException:
                self._forget(database)
                raise
        made = read_database(admin, database)
        assert made is not None  # noqa: S101
        seconds = (datetime.now(UTC) - began).total_seconds()
        return Made(Branch(made, marker, bytes_of(admin, database)), method, seconds, tuple(notes))

    def _forget(self, database: str) -> None:
        """Drop what was not finished, in a session of its own: the one that failed may be gone."""
        try:
            with closing(self.open_admin()) as admin:
                made = read_database(admin, database)
                if made is not None:
                    drop_branch(admin, made)
        except Exception:
            # Whatever takes the turn next finds it by its mark.
            return


def _comment(admin: Connection[TupleRow], database: str, marker: BranchMarker) -> None:
    run_sql(admin, "COMMENT ON DATABASE {} IS {text}", database, text=marker.model_dump_json())
