"""Every place on which a source's rows may stand: twins, what stands beside them, branches, files here."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from appliance import run_folder
from appliance.branches.reading import all_branches
from appliance.connections.database import Connection
from appliance.connections.file import select_connections
from appliance.copies.ledger import ended, made
from appliance.erasure.copies.in_buckets import is_in_bucket
from appliance.errors import ApplianceError, WrongRequestError
from appliance.exports.stored import Export, list_exports
from appliance.policy.policy import Policy
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.twin.database import read_database
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.turns import changing_branches
from appliance.steps.records.run_files import PLAN, SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.subjects.records import PlaceKind

APPLICATION = "appliance erasure"
Session = psycopg.Connection[TupleRow]


@dataclass(frozen=True)
class Place:
    """One of them."""

    kind: PlaceKind
    name: str
    run: str | None = None
    connection: str = ""
    database: str = ""
    plan: Plan | None = None
    export: Export | None = None
    why_not: str = ""
    """Why it cannot be looked at now; empty where it can."""


def places_of(
    state_dir: Path,
    exports_dir: Path,
    connections: dict[str, Connection],
    policy: Policy,
    key_name: str,
    *,
    settled: bool = False,
) -> list[Place]:
    """All that runs of a source have made and that may be there, whether it can be reached or not.

    ``settled``: wait for branches that are being made, so that none is missing that was begun before.
    """
    plans = dict(_plans(state_dir))
    found: list[Place] = []
    targets: dict[tuple[str, str], None] = {}
    for plan in plans.values():
        if plan.key_name == key_name:
            targets |= {(each.connection, each.database): None for each in plan.targets if not each.scratch}
    # No backup has the plans: restored from one, an appliance knows its twins by the ledger.
    targets |= dict.fromkeys(_twins_in_ledger(state_dir, connections, key_name))
    for connection, database in targets:
        if policy.write is not None and connection not in policy.write:
            why = f"policy does not let the connection {connection} be written to (rule write)"
            found.append(Place("twin", f"{connection}/{database}", None, connection, database, why_not=why))
            continue
        found += [
            place
            for place in _on_server(connections, connection, database, plans, settled=settled)
            if place.plan is None or place.plan.key_name == key_name
        ]
    found += _in_buckets(state_dir, connections, policy, plans, key_name)
    found += _fetched(state_dir, connections, plans, key_name)
    for export in list_exports(exports_dir):
        export_plan = plans.get(export.of_run)
        name = f"{export.manifest.workflow}/{export.manifest.run}"
        if export_plan is None:
            source = next((each.source for each in made(state_dir) if each.run == export.of_run), "")
            if source and _key_name(connections, source) != key_name:
                continue
            why = "the plan of its run is not here any more, so it cannot be said what its masks made"
            found.append(Place("files", name, export.manifest.run, export=export, why_not=why))
        elif export_plan.key_name == key_name:
            found.append(Place("files", name, export.manifest.run, plan=export_plan, export=export))
    return found


def _twins_in_ledger(
    state_dir: Path, connections: dict[str, Connection], key_name: str
) -> Iterator[tuple[str, str]]:
    """Connection and database of each twin that was noted and not ended."""
    over = ended(state_dir)
    for copy in made(state_dir):
        if copy.kind == "twin" and copy.key not in over and _key_name(connections, copy.source) == key_name:
            connection, _, database = copy.place.partition("/")
            yield connection, database


def _in_buckets(
    state_dir: Path,
    connections: dict[str, Connection],
    policy: Policy,
    plans: dict[str, Plan],
    key_name: str,
) -> Iterator[Place]:
    """What was delivered to buckets, and is there or cannot be looked for."""
    over = ended(state_dir)
    for copy in made(state_dir):
        plan = plans.get(copy.run)
        if copy.kind != "bucket" or copy.key in over:
            continue
        if plan.key_name != key_name if plan is not None else _key_name(connections, copy.source) != key_name:
            continue
        connection = copy.place.partition("/")[0]
        try:
            why = ""
            if connection not in policy.destinations:
                why = f"policy does not let the bucket {connection} be used (rule destinations)"
            elif not is_in_bucket(copy.place, connections):
                continue
        except ApplianceError as error:
            why = error.explanation.line()
        yield Place("bucket", copy.place, copy.run, connection, plan=plan, why_not=why)


def _fetched(
    state_dir: Path, connections: dict[str, Connection], plans: dict[str, Plan], key_name: str
) -> Iterator[Place]:
    """What people have fetched: no longer the appliance's to look at, and named all the same."""
    over = ended(state_dir)
    for copy in made(state_dir):
        if copy.kind != "pull" or copy.key in over:
            continue
        plan = plans.get(copy.run)
        of = plan.key_name if plan is not None else _key_name(connections, copy.source)
        # Of a run that the ledger did not know, it cannot be said that the subject is not in it.
        if of == key_name or not copy.source:
            yield Place("pull", copy.place, copy.run)


def _key_name(connections: dict[str, Connection], source: str) -> str:
    known = connections.get(source)
    return (known.mask_key if known is not None else None) or source


def runs_under_way(state_dir: Path, key_name: str, digests: set[str]) -> list[str]:
    """Runs of a source that were begun before they could know whom to leave out."""
    found = []
    for run, folder in run_folder.open_runs(state_dir):
        try:
            spec = SPEC.read(folder)
        except WrongRequestError:
            continue
        if spec.key_name == key_name and not leaves_out(spec, digests) and not _has_died(folder):
            found.append(run)
    return found


def leaves_out(spec: RunSpec, digests: set[str]) -> bool:
    """Whether a run knew whom to leave out."""
    knows = {digest for each in spec.erased for several in each.digests.values() for digest in several}
    return digests <= knows


def _has_died(folder: Path) -> bool:
    """Whether a run without Airflow has ended, however."""
    try:
        with (folder / run_folder.ALIVE).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return False
    return True


def _plans(state_dir: Path) -> Iterator[tuple[str, Plan]]:
    for path in sorted((state_dir / "runs").glob(f"*/{run_folder.PLAN}")):
        try:
            yield path.parent.name, PLAN.read(path.parent)
        except WrongRequestError:
            continue


def _on_server(
    connections: dict[str, Connection], name: str, database: str, plans: dict[str, Plan], *, settled: bool
) -> list[Place]:
    try:
        settings = select_connections(connections, [name])[name]
        with closing(
            open_session(
                name,
                libpq_parameters(settings, settings.maintenance_db),
                application_name=APPLICATION,
                read_only=True,
            )
        ) as admin:
            if settled:
                with changing_branches(admin):
                    return [*_twins(admin, name, database, plans), *_branches(admin, name, database, plans)]
            return [*_twins(admin, name, database, plans), *_branches(admin, name, database, plans)]
    except psycopg.Error as error:
        failure: ApplianceError = database_failure("The server could not be asked.", error)
    except ApplianceError as error:
        failure = error
    return [Place("twin", f"{name}/{database}", None, name, database, why_not=failure.explanation.line())]


def _twins(admin: Session, name: str, database: str, plans: dict[str, Plan]) -> Iterator[Place]:
    """Before the branches, which are copies of these."""
    names = twin_names(database)
    kinds: dict[str, PlaceKind] = {
        names.golden: "golden copy",
        names.twin: "twin",
        names.prev: "former twin",
        names.next: "twin",
        names.gone: "former twin",
    }
    for each, kind in kinds.items():
        facts = read_database(admin, each)
        if facts is None or facts.marker is None:
            continue
        run = facts.marker.run
        why = "" if run in plans else f"the plan of its run {run} is gone; a new run is without the subject"
        yield Place(kind, f"{name}/{each}", run, name, each, plans.get(run), why_not=why)


def _branches(admin: Session, name: str, database: str, plans: dict[str, Plan]) -> Iterator[Place]:
    for branch in all_branches(admin):
        marker, there = branch.marker, branch.database.name
        if marker.twin != database:
            continue
        why = ""
        if marker.state == "making":
            why = "it is not whole: the next `appliance branch` command drops it"
        elif marker.run not in plans:
            why = f"the plan of its run {marker.run} is gone: appliance branch drop {marker.workflow}"
        yield Place(
            "branch", f"{name}/{there}", marker.run or None, name, there, plans.get(marker.run), why_not=why
        )
