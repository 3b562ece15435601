"""The catalog that a run is compared with: that of the workflow's last run that was verified.

The process that begins a run puts it into the run's folder, for a step sees no other run.
"""

from __future__ import annotations

import os
from pathlib import Path

from appliance.errors import WrongRequestError
from appliance.steps.records.run_files import CATALOG, FORMER_CATALOG, SPEC_OF_ANY_RELEASE, VERIFIED
from appliance.workflow.drift import FormerCatalog


def give_former_catalog(run_dir: Path, workflow: str) -> None:
    """Write it into the folder of a run that begins; nothing where there is no such run."""
    former = _newest_verified(run_dir, workflow)
    if former is None or FORMER_CATALOG.is_in(run_dir):
        return
    try:
        shape = CATALOG.read(former)
    except WrongRequestError:
        # Another release has written it: the next run has one to compare with again.
        return
    FORMER_CATALOG.write(run_dir, FormerCatalog(run_id=former.name, shape=shape))


def _newest_verified(run_dir: Path, workflow: str) -> Path | None:
    found: list[tuple[float, Path]] = []
    with os.scandir(run_dir.parent) as entries:
        for entry in entries:
            folder = Path(entry.path)
            if folder != run_dir and CATALOG.is_in(folder) and VERIFIED.is_in(folder):
                found.append((CATALOG.path(folder).stat().st_mtime, folder))
    for _, folder in sorted(found, reverse=True):
        try:
            if SPEC_OF_ANY_RELEASE.read(folder).workflow.id == workflow:
                return folder
        except WrongRequestError:
            continue
    return None
