"""Writing a verified database as files, for ``attest``."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from appliance import __version__
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports.manifest import MANIFEST, ExportedFormat, Manifest, read_manifest
from appliance.exports.writing import write_manifest
from appliance.postgres.exporting.archive import write_archive
from appliance.postgres.exporting.libraries import require_parquet
from appliance.postgres.exporting.relations import Relation, relations_of
from appliance.postgres.exporting.text_files import write_text
from appliance.postgres.exporting.verified import Progress, VerifiedDatabase, snapshot_of
from appliance.postgres.plan import Plan, TargetFacts
from appliance.steps.calling.context import StepContext
from appliance.steps.calling.secrets import read_service, service_environment
from appliance.steps.records.run_files import VERIFIED, settings_of
from appliance.system.postgres_programs import find_pg_dump
from appliance.workflow.deliveries.delivery import ROWS_PER_FILE, FilesDelivery


class ExportResult(BaseModel):
    """What was exported. Counts only."""

    formats: tuple[str, ...]
    tables: int
    files: int
    rows: int
    bytes: int


def write_export(context: StepContext, plan: Plan, target: TargetFacts) -> ExportResult:
    """Write the tables of the verified database to the step's export folder, the manifest last.

    What an earlier attempt has completed stays; what it has not is written anew. Raises our errors, with no
    file of ours left in the folder.
    """
    folder = context.paths.export_dir
    if folder is None:
        raise WrongRequestError("The step 'attest' was given no folder for files.")
    if (folder / MANIFEST).exists():
        return _result(read_manifest(folder))
    try:
        with _cleared(folder):
            manifest = Manifest(
                workflow=plan.workflow_id,
                run=plan.run_id,
                created_at=datetime.now(UTC),
                appliance_version=__version__,
                formats=_write_all(context, plan, target, folder),
            )
            write_manifest(folder, manifest)
    except OSError as error:
        raise WorkFailedError(
            "The files could not be written.",
            f"{error.strerror or type(error).__name__}, in this appliance's exports folder.",
            "Look at df -h; make room with: appliance exports list, appliance exports rm RUN.",
        ) from None
    return _result(manifest)


def _write_all(
    context: StepContext, plan: Plan, target: TargetFacts, folder: Path
) -> tuple[ExportedFormat, ...]:
    """All formats, from one snapshot."""
    settings = settings_of(plan.targets.index(target)).read(context.run_dir)
    relations = _relations(context, plan, target)
    with (
        closing(context.connect_target(target.connection, target.next_database)) as session,
        snapshot_of(session) as snapshot,
    ):
        database = VerifiedDatabase(session, snapshot, settings, folder, lambda far: _tell(context, far))
        return tuple(
            _write(context, target, database, files, relations) for files in context.spec.workflow.exported
        )


def _write(
    context: StepContext,
    target: TargetFacts,
    database: VerifiedDatabase,
    files: FilesDelivery,
    relations: list[Relation],
) -> ExportedFormat:
    chosen = [each for each in relations if files.takes(each.name.schema_name, each.name.name)]
    if files.format == "archive":
        return _archive(context, target, database, files, chosen, relations)
    if files.format == "parquet":
        return _parquet(context, target, database, files, chosen)
    return write_text(database, chosen, files.format)


def _archive(  # noqa: PLR0917
    context: StepContext,
    target: TargetFacts,
    database: VerifiedDatabase,
    files: FilesDelivery,
    chosen: list[Relation],
    relations: list[Relation],
) -> ExportedFormat:
    limits = context.spec.workflow.limits
    environment = service_environment(context.secrets_dir, target.connection, context.application_name)
    return write_archive(
        database,
        chosen,
        find_pg_dump(target.server_version, "what was built"),
        environment,
        files.layout or "file",
        database_name=target.next_database,
        without_rows=[part for each in relations if each not in chosen for part in each.parts],
        jobs=min(limits.parallel, math.ceil(limits.cpus)),
    )


def _parquet(
    context: StepContext,
    target: TargetFacts,
    database: VerifiedDatabase,
    files: FilesDelivery,
    chosen: list[Relation],
) -> ExportedFormat:
    require_parquet()
    from appliance.postgres.exporting.parquet import write_parquet  # noqa: PLC0415
    from appliance.postgres.exporting.parquet_files import ArrowSession, statements_before  # noqa: PLC0415

    parameters = read_service(context.secrets_dir, target.connection)
    parameters |= {"dbname": target.next_database, "application_name": context.application_name}

    def open_arrow(snapshot: str) -> ArrowSession:
        return ArrowSession(parameters, statements_before(snapshot))

    return write_parquet(database, chosen, open_arrow, files.rows_per_file or ROWS_PER_FILE)


def _tell(context: StepContext, far: Progress) -> None:
    context.progress(
        table=far.table, rows=far.rows, rows_expected=far.rows_expected, bytes=far.bytes, done=far.done
    )


def _relations(context: StepContext, plan: Plan, target: TargetFacts) -> list[Relation]:
    """Each with the rows that ``verify`` has left in it."""
    verified = VERIFIED.read(context.run_dir)
    (proof,) = [twin for twin in verified.twins if twin.database == target.next_database]
    return relations_of(plan, proof.rows)


@contextlib.contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Without the files of an earlier attempt, and without ours if this one fails."""
    _clear(folder)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            _clear(folder)
        raise


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _result(manifest: Manifest) -> ExportResult:
    return ExportResult(
        formats=tuple(each.format for each in manifest.formats),
        tables=len(manifest.tables),
        files=len(manifest.files),
        rows=manifest.rows,
        bytes=manifest.bytes,
    )
