"""What a run is about to deliver, for the ledger of copies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypedDict

from appliance.copies.ledger import AskedBy, CopyMade, ended, made, note_ended, note_made
from appliance.postgres.plan import Plan
from appliance.run_folder import ALIVE, run_folder
from appliance.steps.records.run_spec import RunSpec, bucket_folder
from appliance.steps.records.upload_result import UploadResult


class _Common(TypedDict):
    """What is said of all copies of a run alike."""

    run: str
    workflow: str
    source: str
    made_at: datetime
    asked_by: AskedBy
    origin: Literal["local", "cloud"]


def note_copies(state_dir: Path, spec: RunSpec, plan: Plan, delivery: int | None = None) -> None:
    """Note every copy that the run makes, or those of one delivery. Raises WorkFailedError."""
    note_made(state_dir, _copies(spec, plan, delivery, _asked_by(state_dir, spec), datetime.now(UTC)))


def note_bucket(state_dir: Path, spec: RunSpec, delivery: int | None) -> None:
    """Note what is about to be delivered to one bucket. Raises WorkFailedError."""
    bucket = spec.workflow.buckets.get(delivery) if delivery is not None else None
    if bucket is not None:
        place = f"{bucket.connection}/{bucket_folder(spec, bucket)}"
        common = _common(spec, _asked_by(state_dir, spec), datetime.now(UTC))
        note_made(state_dir, [CopyMade(kind="bucket", place=place, **common)])


def note_removed(state_dir: Path, result: Mapping[str, object]) -> None:
    """Note the older deliveries that an upload has deleted from its bucket. Raises WorkFailedError."""
    uploaded = UploadResult.model_validate(result)
    known = {(each.place, each.run): each for each in made(state_dir)}
    over = ended(state_dir)
    for each in uploaded.removed:
        copy = known.get((f"{uploaded.connection}/{each.folder}", each.run))
        if copy is not None and copy.key not in over:
            note_ended(state_dir, copy, "A newer delivery took its place in the bucket (keep).")


def _copies(
    spec: RunSpec, plan: Plan, delivery: int | None, asked_by: AskedBy, now: datetime
) -> list[CopyMade]:
    workflow, common = spec.workflow, _common(spec, asked_by, now)
    found = []
    for target in plan.targets:
        if delivery not in (None, target.delivery):
            continue
        twin = workflow.twins.get(target.delivery)
        if twin is not None and not target.scratch:
            place = f"{target.connection}/{target.database}"
            ends = _ends(now, twin.expires_days)
            found.append(CopyMade(kind="twin", place=place, expires_at=ends, **common))
        if workflow.files and target.delivery == workflow.exporting_delivery:
            # One folder holds all formats, so the first that ends takes the others along.
            days = [each.expires_days for each in workflow.files.values() if each.expires_days is not None]
            ends = _ends(now, min(days, default=None))
            found.append(
                CopyMade(kind="files", place=f"{workflow.id}/{spec.run_id}", expires_at=ends, **common)
            )
    return found


def _common(spec: RunSpec, asked_by: AskedBy, now: datetime) -> _Common:
    return {
        "run": spec.run_id,
        "workflow": spec.workflow.id,
        "source": spec.workflow.source,
        "made_at": now,
        "asked_by": asked_by,
        "origin": spec.origin,
    }


def _ends(now: datetime, days: int | None) -> datetime | None:
    return now + timedelta(days=days) if days is not None else None


def _asked_by(state_dir: Path, spec: RunSpec) -> AskedBy:
    if (run_folder(state_dir, spec.run_id) / ALIVE).exists():
        return "command line"
    return "schedule" if spec.run_id.startswith(f"{spec.workflow.id}-scheduled-") else "request"
