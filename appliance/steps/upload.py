"""``upload``: deliver the run's files to one bucket, the manifest last; then delete what it keeps no longer.

It runs once the receipt is signed, and before the twin is public. It is given that bucket's credentials and
no others.
"""

from __future__ import annotations

import time

from appliance.buckets.access import read_access
from appliance.buckets.uploading import remove_older, upload
from appliance.errors import ApplianceError, WrongRequestError
from appliance.exports.manifest import read_manifest
from appliance.steps.calling.context import StepContext
from appliance.steps.records.run_spec import bucket_folder
from appliance.steps.records.upload_result import RemovedDelivery, UploadResult

_SHOWN_EVERY = 32 * 2**20


def run(context: StepContext) -> UploadResult:
    """Deliver, then delete what is older. Raises our errors."""
    began = time.monotonic()
    workflow, number = context.spec.workflow, context.call.delivery
    delivery = workflow.buckets.get(number) if number is not None else None
    if delivery is None or context.paths.export_dir is None:
        raise WrongRequestError("The step 'upload' was given no bucket of its workflow, or no files.")
    access = read_access(context.secrets_dir, delivery.connection)
    folder = bucket_folder(context.spec, delivery)
    export = context.paths.export_dir
    manifest = read_manifest(export).only(delivery.formats)

    done_before, shown = dict.fromkeys((each.file for each in manifest.files), 0), 0

    def tell(file: str, far: int, done: bool) -> None:
        nonlocal shown
        done_before[file] = far
        total = sum(done_before.values())
        if done or total - shown >= _SHOWN_EVERY:
            shown = total
            context.progress(bytes=total, done=total == manifest.bytes and done)

    uploaded = upload(access, export, manifest, folder, tell)
    removed: tuple[RemovedDelivery, ...] = ()
    if delivery.keep is not None:
        try:
            root = delivery.root(workflow.id)
            removed = tuple(
                RemovedDelivery(run=each.run, folder=each.folder)
                for each in remove_older(access, root, workflow.id, keep=delivery.keep, own=folder)
            )
        except ApplianceError as error:
            # The new delivery is whole. The next run tries again.
            context.notice(f"Older deliveries stay: {error.explanation.line()}")
    return UploadResult(
        connection=delivery.connection,
        folder=folder,
        objects=uploaded.objects,
        already_there=uploaded.kept,
        bytes=uploaded.bytes,
        removed=removed,
        seconds=round(time.monotonic() - began, 3),
    )
