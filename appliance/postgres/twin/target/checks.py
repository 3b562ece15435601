"""Whether a target can take a twin, found out at ``plan``: all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import TargetFacts
from appliance.postgres.sessions.role_checks import powerful_writer
from appliance.postgres.source.unsupported_objects import LEAVE_OUT, UNREADABLE, LeftBehind, find_left_behind
from appliance.postgres.twin.database import (
    ADOPT_COMMENT,
    OpenDatabase,
    is_empty,
    read_database,
)
from appliance.postgres.twin.names import NAME_BYTES, TwinNames, is_beside_a_twin, scratch_names, twin_names
from appliance.postgres.twin.ownership import Owners, others_twins
from appliance.postgres.twin.target.abilities import read_abilities
from appliance.postgres.twin.target.extension_trial import try_extensions
from appliance.postgres.twin.target.libxml import reads_xml
from appliance.postgres.twin.target.locale import LocaleSettings, predict_locale
from appliance.postgres.twin.target.warnings import infinite_numerics, other_versions, target_warnings
from appliance.postgres.twin.template_copy import can_clone
from appliance.postgres.twin.unchecked_keys import unchecked_keys
from appliance.workflow.catalog import Catalog, NotCarried

OLDEST_TARGET = 130000
_TEMPLATES = {"postgres", "template0", "template1"}

TableKey = tuple[str, str]
"""(schema, name)."""


@dataclass(frozen=True)
class TargetCheck:
    """A target that can take the twin, and what the plan should say about it."""

    facts: TargetFacts
    not_carried: tuple[NotCarried, ...] = ()
    """Of this target: what it lacks, and what depends on that."""
    fallbacks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_behind: frozenset[tuple[int, int]] = frozenset()
    """(catalog oid, object oid) of all that the twin there will not have."""
    reads_xml: bool = True
    """The server was built with libxml."""


@dataclass(frozen=True)
class TargetProblem:
    """Why a target cannot take a twin, and what to do: in words, and as SQL where SQL does it."""

    what: str
    fix: str
    sql: tuple[str, ...] = ()


@dataclass
class _Findings:
    """All problems, so that a person sees them at once; and whether the twin exists."""

    problems: list[TargetProblem] = field(default_factory=list)
    exists: bool = False

    def add(self, problem: str, fix: str, *sql: str) -> None:
        self.problems.append(TargetProblem(problem, fix, sql))


def check_target(
    admin: Connection[TupleRow],
    source: Connection[TupleRow],
    open_database: OpenDatabase,
    *,
    delivery: int,
    connection: str,
    twin: str,
    catalog: Catalog,
    selected: Collection[TableKey],
    filtered: Collection[TableKey] = (),
    powerful_role: bool = False,
    leave_out: Collection[str] = (),
    scratch_of: str | None = None,
    owners: Owners | None = None,
    golden: bool = False,
) -> TargetCheck:
    """Look at the target from its maintenance database (``admin``), with the source's snapshot (``source``).

    ``selected`` are the tables whose rows are copied, ``filtered`` those of them that leave rows out; leaves
    of a partitioned table stand for themselves. ``powerful_role``: policy lets this connection's role be one;
    ``leave_out`` is what the workflow names there, ``owners`` whose twin it may replace; ``scratch_of`` the
    workflow that builds for files alone: the database ``twin`` is not replaced then, nor looked at;
    ``golden``: a golden copy is to be kept. Changes nothing on either server: which extensions the role may
    create, and whether files are cloned, is tried in a database that is dropped at once. Raises
    WrongRequestError with all that makes the twin impossible, each with what to type; psycopg errors pass.
    """
    names = twin_names(twin) if scratch_of is None else scratch_names(twin, scratch_of)
    next_database = names.next if scratch_of is None else names.files
    findings = _look_at(admin, open_database, names, scratch=scratch_of is not None, golden=golden)
    if owners is not None and scratch_of is None:
        for problem, fix in others_twins(admin, names, owners):
            findings.add(problem, fix)
    abilities = read_abilities(admin)
    if not findings.problems:
        wanted_extensions = [name for name, _ in catalog.extensions]
        abilities = try_extensions(admin, open_database, names.trial, abilities, wanted_extensions)
    left_behind = find_left_behind(source, abilities, leave_out=leave_out)
    _check_selected(left_behind, selected, findings)
    powerful = powerful_writer(admin, (names.twin, names.next, names.prev, names.gone, names.files))
    if powerful is not None and not powerful_role:
        findings.add(powerful.what, powerful.fix(connection), *powerful.sql)
    if findings.problems:
        raise WrongRequestError(
            f"The connection '{connection}' cannot take the twin '{twin}'.",
            "\n".join(problem.what for problem in findings.problems),
            "\n      ".join(dict.fromkeys(line for problem in findings.problems for line in _typed(problem))),
        )
    wanted = wanted_locale(catalog)
    chosen, fallback = predict_locale(admin, wanted)
    facts = TargetFacts(
        delivery=delivery,
        connection=connection,
        database=twin,
        next_database=next_database,
        prev_database=names.prev,
        server_version=admin.info.server_version,
        encoding=chosen.encoding,
        locale_provider=chosen.provider,
        collate=chosen.collate,
        ctype=chosen.ctype,
        locale=chosen.locale,
        twin_exists=findings.exists,
        copied_by="clone" if scratch_of is None and can_clone(admin, names.trial) else "copy",
        scratch=scratch_of is not None,
        missing_extensions=left_behind.missing_extensions,
        tried_extensions=tuple(sorted(abilities.created)),
        refused_extensions=tuple(sorted(abilities.refused)),
    )
    return TargetCheck(
        facts=facts,
        left_behind=left_behind.objects,
        reads_xml=reads_xml(admin),
        not_carried=(*left_behind.items, *unchecked_keys(catalog, selected, filtered, left_behind)),
        fallbacks=(
            *([fallback] if fallback else []),
            *other_versions(catalog, abilities, left_behind.missing_extensions),
        ),
        warnings=(
            *([powerful.what] if powerful else []),
            *target_warnings(admin, names, catalog),
            *infinite_numerics(admin, catalog, selected),
            *(f"leave_out names `{each}`, which the source does not have." for each in left_behind.unknown),
        ),
    )


def target_problems(
    admin: Connection[TupleRow], open_database: OpenDatabase, twin: str, *, golden: bool = False
) -> tuple[TargetProblem, ...]:
    """What stands against a twin of that name, as far as the target alone can tell. psycopg errors pass."""
    return tuple(_look_at(admin, open_database, twin_names(twin), golden=golden).problems)


def table_problems(left_behind: LeftBehind, selected: Collection[TableKey]) -> tuple[TargetProblem, ...]:
    """Selected tables that cannot be made on a target."""
    findings = _Findings()
    _check_selected(left_behind, selected, findings)
    return tuple(findings.problems)


def wanted_locale(catalog: Catalog) -> LocaleSettings:
    """What the source's database has."""
    return LocaleSettings(
        encoding=catalog.encoding,
        provider=catalog.locale_provider,
        collate=catalog.collate,
        ctype=catalog.ctype,
        locale=catalog.locale,
        icu_rules=catalog.icu_rules,
    )


def _look_at(
    admin: Connection[TupleRow],
    open_database: OpenDatabase,
    names: TwinNames,
    *,
    scratch: bool = False,
    golden: bool = False,
) -> _Findings:
    findings = _Findings()
    _check_server(admin, findings)
    if scratch:
        _check_names(admin, open_database, (names.files,), findings)
    else:
        findings.exists = _check_databases(admin, open_database, names, findings)
        if golden:
            _check_names(admin, open_database, (names.golden,), findings)
    return findings


def _check_server(admin: Connection[TupleRow], findings: _Findings) -> None:
    role = admin.info.user
    row = admin.execute(
        "SELECT pg_is_in_recovery(), rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None  # noqa: S101
    in_recovery, may_create = row
    version = admin.info.server_version
    if version < OLDEST_TARGET:
        findings.add(
            f"It is PostgreSQL {version // 10000}; 13 is the oldest that can hold a twin.", "Upgrade it."
        )
    if in_recovery:
        findings.add("The server is a standby, which is read-only.", "Point the connection at its primary.")
    if not may_create:
        findings.add(
            f"The role '{role}' may not create databases, and the twin is built aside as one.",
            "As a superuser of the target:",
            f"ALTER ROLE {quoted(role)} CREATEDB;",
        )


def _check_databases(
    admin: Connection[TupleRow], open_database: OpenDatabase, names: TwinNames, findings: _Findings
) -> bool:
    """Look at every name the twin uses; whether the twin itself exists."""
    role = admin.info.user
    if names.twin in _TEMPLATES or names.twin == admin.info.dbname:
        findings.add(
            f"The database '{names.twin}' belongs to the server itself.",
            "Give the twin a name of its own as dbname.",
        )
        return False
    if is_beside_a_twin(names.twin):
        findings.add(
            f"The name '{names.twin}' is kept for what stands beside a twin, whose run would drop it.",
            "Give the twin a dbname without __branch_ that does not end in __next, __prev, __gone, __swap or"
            " __golden.",
        )
        return False
    if len(names.twin.encode()) > NAME_BYTES:
        findings.add("The twin's name is longer than 63 bytes.", "Give it a shorter dbname.")
        return False
    _check_names(admin, open_database, (names.next, names.prev, names.gone, names.swap), findings)
    twin = read_database(admin, names.twin)
    if twin is None:
        return False
    if not twin.owned:
        findings.add(
            f"The database '{twin.name}' belongs to '{twin.owner}': the role '{role}' may not replace it.",
            "As its owner, or a superuser of the target:",
            f"ALTER DATABASE {quoted(twin.name)} OWNER TO {quoted(role)};",
        )
    elif twin.marker is None and not twin.adopted and not _empty(open_database, twin.name):
        findings.add(
            f"The database '{twin.name}' would be replaced, but the appliance did not make what it holds.",
            "If it may be replaced:",
            f"COMMENT ON DATABASE {quoted(twin.name)} IS '{ADOPT_COMMENT}';",
        )
    return True


def _check_names(
    admin: Connection[TupleRow], open_database: OpenDatabase, names: tuple[str, ...], findings: _Findings
) -> None:
    """Names that must be free, or ours; under the first of them it is built."""
    for name in names:
        other = read_database(admin, name)
        if other is None or other.half_copied or (other.owned and other.marker is not None):
            continue
        # An attempt that was killed leaves an empty database without our comment.
        if name == names[0] and other.owned and other.accepts_connections and _empty(open_database, name):
            continue
        findings.add(
            f"The database '{name}' is in the way and was not made by the appliance.",
            f"Rename or drop the database {quoted(name)}.",
        )


def _typed(problem: TargetProblem) -> tuple[str, ...]:
    """What to do about a problem, line by line."""
    if len(problem.sql) > 1:
        return (problem.fix, *(f"  {statement}" for statement in problem.sql))
    return (" ".join([problem.fix, *problem.sql]),)


def _empty(open_database: OpenDatabase, name: str) -> bool:
    with open_database(name) as inside:
        return is_empty(inside)


def _check_selected(left_behind: LeftBehind, selected: Collection[TableKey], findings: _Findings) -> None:
    for table in sorted(left_behind.tables.keys() & set(selected)):
        schema, name = table
        reason = left_behind.tables[table]
        lacking = UNREADABLE.casefold() in reason.casefold()
        fix = "Grant SELECT on {} to the source's role" if lacking else "Make available on the target {}"
        fix = "Take {} out of leave_out" if LEAVE_OUT in reason else fix
        findings.add(
            f"The table {schema}.{name} cannot be made there. {reason}",
            f"{fix.format('what these tables need')}, or leave them out under tables.exclude.",
        )
