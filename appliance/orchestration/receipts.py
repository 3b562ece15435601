"""Receipts of Airflow's runs: signed by the process that orchestrates, which has the key and the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import docker
import psycopg
from docker.errors import DockerException

from appliance.connections.file import load_connections, select_connections
from appliance.errors import ApplianceError
from appliance.keys.keys import load_or_create_key
from appliance.killed_runs import unclosed
from appliance.policy.policy import read_policy
from appliance.receipts.book import ReceiptBook, run_of
from appliance.receipts.envelope import SignedReceipt
from appliance.receipts.predicate import AskedBy, ImageFacts, Outcome
from appliance.run_folder import stop_request
from appliance.settings.settings import Settings
from appliance.steps.records.run_files import SPEC
from appliance.steps.records.run_receipt import Signing, address_of, close_run, release_run
from appliance.steps.records.run_spec import RunSpec
from appliance.store.queries import run_details
from appliance.store.receipts import tell_receipt
from appliance.store.rows import RunDetails
from appliance.store.runs import RunStore

_ASKED: dict[str, Literal["schedule", "dashboard", "operator"]] = {
    "schedule": "schedule",
    "command": "dashboard",
    "operator": "operator",
}


def signing_of(
    settings: Settings, spec: RunSpec, store: RunStore, images: tuple[ImageFacts, ...] = ()
) -> Signing:
    """What the receipt of a run is signed with. Raises WrongRequestError for keys or connections."""
    known = load_connections(settings.connections_file)
    (source,) = select_connections(known, [spec.workflow.source]).values()
    run = _known(store, spec.run_id)
    return Signing(
        book=ReceiptBook(settings.receipts_dir, settings.keys_dir),
        key=load_or_create_key(settings.mask_key_file),
        source_address=address_of(source),
        asked_by=AskedBy(kind=_ASKED[run.trigger] if run is not None else "unknown"),
        images=images,
    )


def sign_released(
    settings: Settings, store: RunStore, client: docker.APIClient, folder: Path, exported: Path | None
) -> None:
    """Sign the receipt of a run that was attested. Raises our errors: it is not published then."""
    spec = SPEC.read(folder)
    signing = signing_of(settings, spec, store, images_of(client, settings.steps.image))
    tell_signed(settings, store, release_run(signing, folder, exported))


def tell_signed(settings: Settings, store: RunStore, signed: SignedReceipt) -> None:
    """Tell the dashboard; the receipt lies on this machine already, so that a loss costs the news only."""
    run = run_of(signed)
    if run is None:
        return
    with contextlib.suppress(psycopg.Error, ApplianceError):
        tell_receipt(store.connection, signed, run, whole=read_policy(settings).share_receipts)


def images_of(client: docker.APIClient, name: str) -> tuple[ImageFacts, ...]:
    """The image that the steps run in, by what the engine says it is."""
    with contextlib.suppress(DockerException):
        found = client.inspect_image(name)  # type: ignore[no-untyped-call]
        return (ImageFacts(name=name, id=str(found["Id"])),)
    return ()


def close_failed_runs(client: docker.APIClient, settings: Settings) -> Iterator[str]:
    """Sign receipts of runs that have failed after they had touched a target; a line for each."""
    store = RunStore(settings.database_url)
    try:
        images = None
        for run_id, folder in unclosed(settings.state_dir):
            images = images if images is not None else images_of(client, settings.steps.image)
            run = _known(store, run_id)
            failure = run.failure if run is not None else None
            stop = stop_request(folder)
            outcome: Outcome = "cancelled" if stop is not None and stop.kind == "cancel" else "failed"
            try:
                signing = signing_of(settings, SPEC.read(folder), store, images)
                signed = close_run(signing, folder, outcome, failure.step if failure is not None else None)
                if signed is not None:
                    tell_signed(settings, store, signed)
            except ApplianceError as error:
                yield f"The run {run_id}, which failed, got no receipt: {error.what}"
            else:
                yield f"Signed the receipt of the run {run_id}, which did not succeed."
    finally:
        store.close()


def _known(store: RunStore, run_id: str) -> RunDetails | None:
    with contextlib.suppress(psycopg.Error, ApplianceError):
        return run_details(store.connection, run_id)
    return None
