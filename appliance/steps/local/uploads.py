"""What surrounds the uploads of ``appliance run``: the ledger, and each bucket's credentials in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from appliance.connections.buckets import BucketConnection
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.secrets import remove_buckets, write_buckets
from appliance.steps.records.made_copies import note_bucket, note_removed
from appliance.steps.records.run_spec import RunSpec


def give_bucket(
    call: StepCall, spec: RunSpec, buckets: Mapping[str, BucketConnection], secrets_dir: Path
) -> None:
    """Let an upload see its bucket's credentials and no other's; of other steps nothing is changed.

    They are read for each attempt afresh: what they were may have expired. Raises our errors.
    """
    if call.step == "upload" and call.delivery is not None:
        name = spec.workflow.buckets[call.delivery].connection
        remove_buckets(secrets_dir)
        write_buckets(secrets_dir, {name: buckets[name]})


@contextlib.contextmanager
def uploading(
    state_dir: Path, spec: RunSpec, secrets_dir: Path, results: Callable[[], Sequence[Mapping[str, object]]]
) -> Iterator[None]:
    """Note each delivery before the block, and after it what older ones its ``results`` say are gone."""
    for number in spec.workflow.buckets:
        note_bucket(state_dir, spec, number)
    try:
        yield
    finally:
        remove_buckets(secrets_dir)
        for result in results():
            note_removed(state_dir, result)
