"""After a run of this machine was killed: drop what it had built aside, with the evidence in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psycopg

from appliance.connections.database import Connection
from appliance.connections.file import select_connections
from appliance.errors import ApplianceError
from appliance.keys.keys import load_or_create_key
from appliance.killed_runs import left_behind, note_try, unclosed
from appliance.receipts.book import ReceiptBook
from appliance.receipts.predicate import AskedBy
from appliance.settings.settings import Settings
from appliance.steps import discard
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.context import load_context
from appliance.steps.calling.secrets import write_secrets
from appliance.steps.local.folders import secrets_base
from appliance.steps.records.run_files import SPEC
from appliance.steps.records.run_receipt import Signing, address_of, close_run


def discard_left_behind(settings: Settings, state: Path, known: Mapping[str, Connection]) -> list[str]:
    """Discard what killed runs below ``state`` have left; a line for each, also where it did not work.

    Only runs whose process is gone, and only databases that such a run has made and no run has verified.
    """
    return [
        _discard(settings, run_id, folder, known) for run_id, folder in left_behind(state, local_only=True)
    ]


def close_killed_runs(state: Path, known: Mapping[str, Connection]) -> list[str]:
    """Sign receipts for runs of this machine that were killed after they had touched a target.

    A line for each, also where it did not work.
    """
    lines = []
    for run_id, folder in unclosed(state, local_only=True):
        try:
            spec = SPEC.read(folder)
            (source,) = select_connections(known, [spec.workflow.source]).values()
            signing = Signing(
                book=ReceiptBook(state / "receipts", state / "keys"),
                key=load_or_create_key(state / "keys" / "mask.key"),
                source_address=address_of(source),
                asked_by=AskedBy(kind="command line", user=spec.asked_by_user),
            )
            close_run(signing, folder, "failed", None)
        except ApplianceError as error:
            lines.append(f"The killed run {run_id} got no receipt: {error.what}")
    return lines


def _discard(settings: Settings, run_id: str, folder: Path, known: Mapping[str, Connection]) -> str:
    note_try(folder)
    try:
        workflow = SPEC.read(folder).workflow
        targets = [twin.connection for twin in workflow.twins.values()]
        with secrets_base(settings, run_id) as secrets_dir:
            write_secrets(secrets_dir, select_connections(known, targets))
            call = StepCall(run_id, workflow.id, "discard")
            discard.run(load_context(call, StepPaths(folder, secrets_dir), lambda _: None))
    except (ApplianceError, psycopg.Error, OSError) as error:
        why = error.explanation.what if isinstance(error, ApplianceError) else type(error).__name__
        return f"What the killed run {run_id} built beside its twin could not be dropped: {why}"
    return f"Dropped what the killed run {run_id} had built beside its twin."
