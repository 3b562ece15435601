"""The receipt of a run, from what its steps have left in its folder. Runs where the key is: in no step."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from appliance.connections.database import Connection
from appliance.contract.fields import document_digest
from appliance.durable import write_file
from appliance.errors import ApplianceError, WorkFailedError
from appliance.exports.manifest import MANIFEST, read_manifest
from appliance.keys.keys import derived_key
from appliance.postgres.plan import Plan, Snapshot
from appliance.receipts.book import ReceiptBook
from appliance.receipts.chain import ChainLink
from appliance.receipts.envelope import SignedReceipt, WrongReceiptError
from appliance.receipts.predicate import (
    AskedBy,
    GroupFacts,
    ImageFacts,
    NotCarriedFacts,
    Outcome,
    RunPredicate,
    SnapshotFacts,
    SourceFacts,
    TwinFacts,
    TwinTable,
)
from appliance.receipts.statement import (
    Statement,
    Subject,
    UnreadableStatementError,
    parse_statement,
    subject,
)
from appliance.run_folder import CLOSED, RECEIPT, TOUCHED, Model, RunFile
from appliance.steps.records.receipt_parts import (
    after_load_facts,
    buckets_of,
    filter_facts,
    keyed_digest,
    workflow_facts,
)
from appliance.steps.records.receipt_tables import catalogue_digest, table_facts
from appliance.steps.records.run_files import DIGESTS, PLAN, SNAPSHOT, SPEC, VERIFIED
from appliance.steps.records.run_spec import RunSpec

_MODE = 0o640


@dataclass(frozen=True)
class Signing:
    """What a receipt needs besides the run's folder."""

    book: ReceiptBook
    key: bytes
    """The appliance's mask key: the source's identity is a digest keyed with what follows from it."""
    source_address: tuple[str, ...]
    """Host, port and database: goes into that digest where the server does not say its own identity."""
    asked_by: AskedBy
    images: tuple[ImageFacts, ...] = ()


def address_of(connection: Connection) -> tuple[str, ...]:
    """What distinguishes a source from others where its server does not."""
    return connection.host, str(connection.port), connection.dbname


def release_run(signing: Signing, folder: Path, export_dir: Path | None) -> SignedReceipt:
    """Sign the receipt of a run that was proven and attested; once: a second attempt takes the first one's.

    ``export_dir`` has the files that were written, if any. Raises WorkFailedError where it cannot be written.
    """
    digests = DIGESTS.read(folder)
    twins = tuple(
        TwinFacts(
            connection=twin.connection,
            sha256=twin.sha256,
            definitions_sha256=twin.definitions_sha256,
            tables=tuple(
                TwinTable(table=each.table, rows=each.rows, sha256=each.sha256) for each in twin.tables
            ),
        )
        for twin in digests.twins
    )
    subjects = [subject(f"twin/{twin.connection}", twin.sha256) for twin in twins]
    if export_dir is not None and (export_dir / MANIFEST).exists():
        manifest = read_manifest(export_dir)
        subjects += [subject(f"files/{each.file}", each.sha256) for each in manifest.files]
    known = _released(signing.book, SPEC.read(folder).run_id, tuple(subjects))
    if known is None:
        return _append(signing, folder, "released", subjects, twins)
    _note(folder / RECEIPT, known.content)
    return known


def close_run(
    signing: Signing, folder: Path, outcome: Outcome, failed_step: str | None
) -> SignedReceipt | None:
    """Sign the receipt of a run that failed or was cancelled, if it had touched a target; None if not.

    Raises WorkFailedError where it cannot be written.
    """
    if not (folder / TOUCHED).exists() or (folder / CLOSED).exists():
        return None
    spec = SPEC.read(folder)
    digest = keyed_digest(signing.key, "run", spec.model_dump_json())
    subjects = [subject(f"run/{spec.run_id}", digest)]
    return _append(signing, folder, outcome, subjects, (), failed_step)


def _append(  # noqa: PLR0917
    signing: Signing,
    folder: Path,
    outcome: Outcome,
    subjects: Sequence[Subject],
    twins: tuple[TwinFacts, ...],
    failed_step: str | None = None,
) -> SignedReceipt:
    spec = SPEC.read(folder)

    def statement(link: ChainLink) -> Statement:
        predicate = _predicate(signing, spec, folder, link, outcome, twins, failed_step)
        return Statement(tuple(subjects), predicate)

    _, signed = signing.book.append(spec.run_id, statement)
    if outcome == "released":
        _note(folder / RECEIPT, signed.content)
    else:
        _note(folder / CLOSED, b"")
    return signed


def _note(path: Path, content: bytes) -> None:
    try:
        write_file(path, content, durable=False, mode=_MODE)
    except OSError as error:
        raise WorkFailedError(
            "The receipt could not be put into the run's folder.",
            error.strerror or type(error).__name__,
            f"df -h {path.parent}",
        ) from None


def _released(book: ReceiptBook, run: str, subjects: tuple[Subject, ...]) -> SignedReceipt | None:
    """What an attempt has signed that was killed after it, if it was about just these things."""
    for entry in reversed(book.of_run(run)):
        with contextlib.suppress(WrongReceiptError, UnreadableStatementError):
            signed = book.own(entry)
            statement = parse_statement(signed.envelope.payload)
            predicate = statement.predicate
            if not isinstance(predicate, RunPredicate) or predicate.run != run:
                continue
            if predicate.outcome == "released" and statement.subjects == subjects:
                return signed
    return None


def _predicate(  # noqa: PLR0917
    signing: Signing,
    spec: RunSpec,
    folder: Path,
    link: ChainLink,
    outcome: Outcome,
    twins: tuple[TwinFacts, ...],
    failed_step: str | None,
) -> RunPredicate:
    workflow = spec.workflow
    needed = outcome == "released"
    plan = _if_there(PLAN, folder, needed=needed)
    snapshot = _if_there(SNAPSHOT, folder, needed=needed)
    digests = _if_there(DIGESTS, folder, needed=needed)
    verified = _if_there(VERIFIED, folder, needed=needed)
    twin = verified.twins[0] if verified is not None and verified.twins else None
    return RunPredicate(
        link=link,
        outcome=outcome,
        failed_step=failed_step,
        run=spec.run_id,
        workflow=workflow_facts(signing.key, spec),
        asked_by=signing.asked_by,
        policy_digest=_json_digest(spec.policy),
        release=spec.appliance_version,
        images=signing.images,
        buckets=buckets_of(spec),
        key_name=spec.key_name,
        key_epoch=spec.epoch,
        source=_source(signing, spec, plan, snapshot),
        snapshot=SnapshotFacts(id=snapshot.snapshot_id, taken_at=snapshot.taken_at) if snapshot else None,
        catalogue_digest=catalogue_digest(plan) if plan else None,
        tables=table_facts(signing.key, workflow, plan, twin) if plan else (),
        groups=tuple(GroupFacts(**each.model_dump()) for each in digests.groups) if digests else (),
        after_load=tuple(
            after_load_facts(signing.key, each.database, each.after_load)
            for each in (verified.twins if verified is not None else ())
            if each.after_load is not None
        ),
        rows=tuple(filter_facts(signing.key, name, each) for name, each in workflow.rows.items()),
        not_carried=tuple(
            NotCarriedFacts(kind=each.kind, name=each.name, why=each.why) for each in plan.not_carried
        )
        if plan
        else (),
        twins=twins,
        began_at=spec.created_at,
    )


def _source(
    signing: Signing, spec: RunSpec, plan: Plan | None, snapshot: Snapshot | None
) -> SourceFacts | None:
    if snapshot is None:
        return None
    database = plan.source.database if plan is not None else ""
    known = (snapshot.system_identifier, database) if snapshot.system_identifier else signing.source_address
    return SourceFacts(
        connection=spec.workflow.source,
        identity=derived_key(signing.key, "identity of a source", *known)[:16].hex(),
        server_version=snapshot.server_version,
        standby=snapshot.in_recovery,
    )


def _json_digest(document: BaseModel) -> str:
    return document_digest(document.model_dump(mode="json"))


def _if_there(file: RunFile[Model], folder: Path, *, needed: bool) -> Model | None:
    """What a step has left, if it came so far. What a killed step left half written counts for a failure."""
    try:
        return file.read(folder) if file.is_in(folder) else None
    except ApplianceError:
        if needed:
            raise
        return None
