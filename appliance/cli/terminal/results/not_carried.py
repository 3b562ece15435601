"""What the twin of a run lacks of the source, read from the run's own folder."""

from __future__ import annotations

from pathlib import Path

from appliance.documents.problems import printable
from appliance.errors import WrongRequestError
from appliance.store.rows import RunDetails
from appliance.system.beneath import as_owner_of


def not_carried_lines(run: RunDetails, folder: Path) -> list[str]:
    """What the plan found, then what a target refused when it was tried."""
    from appliance.steps.records.run_files import PLAN  # noqa: PLC0415 - a list of runs does without

    counted = run.plan.not_carried if run.plan else 0
    refused = [
        item
        for step in run.steps
        if step.step == "schema"
        for item in (step.result or {}).get("not_carried", ())
    ]
    if not counted and not refused:
        return []
    try:
        with as_owner_of(folder):
            planned = [(item.kind, item.name, item.why) for item in PLAN.read(folder).not_carried]
    except (WrongRequestError, OSError):
        things = "1 thing" if counted == 1 else f"{counted:,} things"
        planned = []
        lines = [f"The twin lacks {things} of the source; the plan that names them is not there any more."]
    else:
        lines = ["What the twin does not have:"]
    tried = [(str(item.get("kind")), str(item.get("name")), str(item.get("why"))) for item in refused]
    return [*lines, *(f"  {printable(f'{kind} {name}: {why}')}" for kind, name, why in [*planned, *tried])]
