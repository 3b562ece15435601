"""What a backup says of itself: its first member, read before anything else is believed."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

import appliance
from appliance.documents.names import release_order
from appliance.errors import WrongRequestError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASES = ("airflow", "appliance")
LARGEST_MANIFEST = 1 << 20


class DatabaseFacts(BaseModel):
    """Of one dumped database."""

    model_config = ConfigDict(frozen=True)

    server_version: int
    """As ``server_version_num``."""
    schema_version: str
    """Of Airflow's, its migration's name; of the appliance's own, the number of its last migration."""


class Manifest(BaseModel):
    """Written by ``create``. Keys that a later release of the same format adds are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int
    release: str
    created_at: datetime
    host: str
    dashboard_name: str | None = None
    """As whom the appliance was enrolled."""
    databases: dict[str, DatabaseFacts]
    left_out: tuple[str, ...] = ()
    """Files that were not taken in, and why."""


def read_manifest(content: bytes) -> Manifest:
    """The manifest, if this release can read the backup. Raises WrongRequestError that says why it cannot."""
    try:
        found = Manifest.model_validate_json(content)
    except ValueError:
        raise WrongRequestError(
            "This is not a backup that any release of the appliance wrote.",
            "Its first member is no manifest.",
            "appliance backup list FILE   on the file that 'appliance backup create' made.",
        ) from None
    if found.format != FORMAT:
        than = "a newer" if found.format > FORMAT else "an older"
        raise WrongRequestError(
            f"The backup has format {found.format}, and this release reads format {FORMAT}.",
            f"It was written by {than} release of the appliance, {found.release}.",
            f"Install release {found.release} on this machine, then restore again.",
        )
    if release_order(found.release) > release_order(appliance.__version__):
        raise WrongRequestError(
            f"The backup was made by release {found.release}, and this is {appliance.__version__}.",
            "A release reads backups of its own age and older ones: it cannot take a database's schema back.",
            f"Install release {found.release} or a newer one on this machine, then restore again.",
        )
    if set(found.databases) != set(DATABASES):
        raise WrongRequestError(
            "The backup does not hold the databases that an appliance has.",
            f"It holds: {', '.join(sorted(found.databases)) or 'none'}.",
            "Use another backup.",
        )
    return found
