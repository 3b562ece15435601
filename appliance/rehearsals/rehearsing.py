"""A rehearsal from its branch to its verdict. Whatever happens, the branch is dropped, or ends by itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from appliance.branches.branch import Branch
from appliance.branches.server import Asked, BranchServer, Made
from appliance.errors import ApplianceError, WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.rehearsals.beyond import refuse_beyond
from appliance.rehearsals.directing import Stage, direct
from appliance.rehearsals.login import Login
from appliance.rehearsals.owning import give_to, require_fit
from appliance.rehearsals.results.judging import judged
from appliance.rehearsals.results.linting import lint_all, with_findings
from appliance.rehearsals.results.report import Direction, Rehearsal
from appliance.rehearsals.schema_text import compared, schema_text
from appliance.rehearsals.statements import Statement, read_text, split_statements
from appliance.rehearsals.watch.observing import Outcome, observe
from appliance.workflow.rehearsal import RehearsalLimits

_LOOKS = "appliance rehearsal watch"
MIGRATES = "appliance rehearsal"
_SLACK = timedelta(minutes=30)
"""For copying, counting and dropping; then a lost branch is dropped."""


@dataclass(frozen=True)
class Script:
    """The statements of a migration, or of its way back."""

    texts: tuple[tuple[str, str], ...]
    """Each file's name and its text."""
    statements: tuple[Statement, ...]


def read_script(files: Sequence[Path]) -> Script:
    """All statements of some files. Raises WrongRequestError: nothing of it is performed then."""
    return script_of([(str(file), read_text(file)) for file in files])


def script_of(texts: Sequence[tuple[str, str]]) -> Script:
    """The same of files that were read: each one's name and its text."""
    statements = [statement for name, text in texts for statement in split_statements(text, name)]
    if not statements:
        names = ", ".join(name for name, _ in texts)
        raise WrongRequestError(f"There is no statement in {names}.", "", "Name a file with SQL.")
    refuse_beyond(statements)
    return Script(tuple(texts), tuple(statements))


Program = Callable[[str], Outcome]
"""Does its work in the branch of that name, as the role of its own, and says how it ended."""


def linted(
    rehearsal: Rehearsal, up: Script | None, down: Script | None, limits: RehearsalLimits
) -> Rehearsal:
    """The same with the linter's findings, and the verdict that follows."""
    notes = list(rehearsal.notes)
    changed: dict[str, Direction] = {}
    for way, script, direction in (("up", up, rehearsal.up), ("down", down, rehearsal.down)):
        if script is None or direction is None:
            continue
        findings, more = lint_all(script.texts, rehearsal.server_version or 0)
        notes += [note for note in more if note not in notes]
        reports = with_findings(direction.statements, script.statements, findings)
        changed[way] = direction.model_copy(update={"statements": reports})
    return judged(rehearsal.model_copy(update={**changed, "notes": tuple(notes)}), limits)


@dataclass(frozen=True)
class Rehearser:
    """Where migrations of one workflow are rehearsed."""

    server: BranchServer
    twin: Login
    migrator: Login | None
    """As whose role, where that is not the twin's."""
    limits: RehearsalLimits
    make_branch: Callable[[Callable[[], Made]], Made]
    """Makes it, noted for what ends branches by itself."""
    source_rows: Callable[[str], Mapping[str, int]]
    """Of a run: how many rows the source has of tables that it left rows out of."""
    say: Callable[[str], None] = field(default=lambda _: None)
    unwanted: Callable[[], bool] = field(default=lambda: False)
    """Whether it was asked to end: then what was seen until then is the report."""
    lints: bool = True
    """Whether the linter is asked here; else ``linted`` adds what it says."""

    def rehearse(self, up: Script | Program, down: Script | None = None, *, keep: bool = False) -> Rehearsal:
        """Perform it in a branch of its own. Raises our errors where that could not be."""
        began = datetime.now(UTC)
        with self.branch(began, keep=keep, directions=1 if down is None else 2) as (made, kept):
            try:
                return self._in_branch(made, up, down, began, kept)
            except psycopg.Error as error:
                raise database_failure("The rehearsal could not be watched to its end.", error) from None

    @contextmanager
    def branch(self, began: datetime, *, keep: bool, directions: int) -> Iterator[tuple[Made, bool]]:
        """A branch for as long as the block; it is dropped afterwards, but if it is to be kept."""
        self._require_role()
        name = f"rehearsal_{began:%y%m%dt%H%M%S}_{secrets.token_hex(3)}"
        ttl = min(
            timedelta(minutes=self.limits.max_minutes * directions) + _SLACK, self.server.policy.longest
        )
        # The twin's users stay out, but of one that is kept.
        role = self.migrator.user if self.migrator else None if keep else self.twin.user
        asked = Asked(ttl=None if keep else ttl, role=role)
        made = self.make_branch(lambda: self.server.create(name, asked))
        self.say(f"The branch '{made.branch.database.name}' is made, of the run {made.branch.marker.run}.")
        try:
            if self.migrator is not None:
                self._hand_over(made.branch)
            yield made, keep
        except BaseException:
            self._drop(name)
            raise
        if not keep:
            self._drop(name)

    def _drop(self, name: str) -> None:
        try:
            self.server.drop(name)
        except ApplianceError as error:
            self.say(f"The branch '{name}' could not be dropped; it ends by itself. {error.why}")

    def _require_role(self) -> None:
        migrator = self.migrator or self.twin
        if migrator.server != self.twin.server:
            raise WrongRequestError(
                f"'{migrator.name}' (rehearsal.connection) leads to another server than the twin's.",
                "A branch stands on the twin's server.",
                f"Give it the host and port of '{self.twin.name}' in connections.yaml.",
            )
        with closing(self.server.open_admin()) as admin:
            require_fit(admin, migrator.user)

    def _hand_over(self, branch: Branch) -> None:
        assert self.migrator is not None  # noqa: S101
        with closing(self.look(branch)) as inside:
            for note in give_to(inside, self.migrator.user):
                self.say(note)

    def look(self, branch: Branch) -> psycopg.Connection[TupleRow]:
        """A session of the appliance's own in the branch."""
        return self.twin.open(branch.database.name, _LOOKS)

    def stage(self, branch: Branch, minutes: float) -> Stage:
        """The branch, for one direction."""
        return Stage(
            look=lambda: self.look(branch),
            migrate=lambda: self._migrating(branch),
            minutes=minutes,
            source_rows=self.source_rows(branch.marker.run),
            say=self.say,
            unwanted=self.unwanted,
        )

    def _in_branch(
        self, made: Made, up: Script | Program, down: Script | None, began: datetime, kept: bool
    ) -> Rehearsal:
        branch = made.branch
        with closing(self.look(branch)) as session:
            version = session.info.server_version
        stage = self.stage(branch, self.limits.max_minutes)
        database = branch.database.name
        before = schema_text(self.twin, database, version) if down is not None else ""
        forward = direct(stage, up.statements) if isinstance(up, Script) else self._observe(stage, branch, up)
        back = None
        comparison = None
        if down is not None and not _failed(forward):
            back = direct(stage, down.statements)
            if not _failed(back):
                comparison = compared(before, schema_text(self.twin, database, version))
        marker = branch.marker
        rehearsal = Rehearsal(
            workflow=marker.workflow,
            twin=marker.twin,
            branch=database,
            kept=kept,
            run=marker.run,
            copy_of=marker.copy_of,
            began_at=began,
            up=forward,
            down=back,
            schema_after_down=comparison,
            notes=made.notes,
            server_version=version,
        )
        if not self.lints:
            return judged(rehearsal, self.limits)
        return linted(rehearsal, up if isinstance(up, Script) else None, down, self.limits)

    def _observe(self, stage: Stage, branch: Branch, program: Program) -> Direction:
        # As the twin's owner it could drop the twin: its statements are not seen before they run.
        assert self.migrator is not None  # noqa: S101 - asked before there is a branch
        return observe(stage, self.migrator.user, lambda: program(branch.database.name))

    def _migrating(self, branch: Branch) -> psycopg.Connection[TupleRow]:
        session = (self.migrator or self.twin).open(branch.database.name, MIGRATES)
        # As a migration finds it in production: what the role and the database have set, and nothing of ours.
        session.execute("RESET ALL")
        return session


def _failed(direction: Direction) -> bool:
    return (
        direction.stopped
        or direction.cancelled
        or direction.failure is not None
        or any(each.failure is not None for each in direction.statements)
    )
