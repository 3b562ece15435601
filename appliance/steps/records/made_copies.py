"""What a run is about to deliver, for the ledger of copies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.copies.ledger import AskedBy, CopyMade, note_made
from appliance.postgres.plan import Plan
from appliance.run_folder import ALIVE, run_folder
from appliance.steps.records.run_spec import RunSpec


def note_copies(state_dir: Path, spec: RunSpec, plan: Plan, delivery: int | None = None) -> None:
    """Note every copy that the run makes, or those of one delivery. Raises WorkFailedError."""
    note_made(state_dir, _copies(spec, plan, delivery, _asked_by(state_dir, spec), datetime.now(UTC)))


def _copies(
    spec: RunSpec, plan: Plan, delivery: int | None, asked_by: AskedBy, now: datetime
) -> list[CopyMade]:
    workflow = spec.workflow
    common = {
        "run": spec.run_id,
        "workflow": workflow.id,
        "source": workflow.source,
        "made_at": now,
        "asked_by": asked_by,
        "origin": spec.origin,
    }
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


def _ends(now: datetime, days: int | None) -> datetime | None:
    return now + timedelta(days=days) if days is not None else None


def _asked_by(state_dir: Path, spec: RunSpec) -> AskedBy:
    if (run_folder(state_dir, spec.run_id) / ALIVE).exists():
        return "command line"
    return "schedule" if spec.run_id.startswith(f"{spec.workflow.id}-scheduled-") else "request"
