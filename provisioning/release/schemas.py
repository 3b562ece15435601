"""What a bundle's manifest says of the data that its release works on: read from what is in the bundle."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from appliance.releases.way_down.borders import BORDERS
from appliance.releases.way_down.schemas import Moves, Schemas
from appliance.store.database import migrations

MOVES = Moves(up_from="0.1.0", down_to="0.1.0")
"""The first release of all. ``down_to`` becomes a later one when a migration of the own store is such that an
older release could not work on it, ``up_from`` when a migration is given up."""
_MIGRATIONS = "airflow/migrations/versions/"
_REVISION = re.compile(r"""^(down_)?revision(?:\s*:[^=\n]*)?\s*=\s*["']([0-9a-f]+)["']""", re.MULTILINE)


def schemas_of(wheels: Path) -> Schemas:
    """Of the release that has these wheels. Raises SystemExit for an Airflow that cannot be read."""
    found = sorted(wheels.glob("apache_airflow_core-*.whl"))
    if len(found) != 1:
        raise SystemExit(f"{len(found)} versions of Airflow are in the bundle, and one must be.")
    return Schemas(
        airflow=found[0].name.split("-")[1],
        metadata=newest_revision(found[0]),
        metadata_down_to=tuple(BORDERS),
        store=migrations()[-1][0],
    )


def newest_revision(wheel: Path) -> str:
    """The schema that this Airflow brings its metadata to: the migration that no other follows."""
    known: set[str] = set()
    followed: set[str] = set()
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            if not name.startswith(_MIGRATIONS) or not name.endswith(".py"):
                continue
            for is_former, revision in _REVISION.findall(opened.read(name).decode("utf-8")):
                (followed if is_former else known).add(revision)
    newest = known - followed
    if len(newest) != 1:
        raise SystemExit(f"{wheel.name} does not lead to one schema, but to {sorted(newest)}.")
    return newest.pop()
