"""What ``appliance copies`` reads and removes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from appliance.branches.remembered import remembered
from appliance.connections.database import Connection
from appliance.connections.file import load_connections
from appliance.copies.ledger import ended, made, note_ended
from appliance.erasure.copies.expiring import StandingCopy, expire, print_expired, standing_copies
from appliance.errors import WrongRequestError
from appliance.settings.settings import load_settings
from appliance.steps.local.folders import state_folder


def found_copies(
    connections: Path | None, state: Path | None, exports_dir: Path | None
) -> list[StandingCopy]:
    """Every copy of the ledger. Raises our errors for the documents."""
    return standing_copies(*_places(connections, state, exports_dir))


def expire_copies(connections: Path | None, state: Path | None, exports_dir: Path | None) -> int:
    """Remove what is over; the exit status."""
    return print_expired(expire(*_places(connections, state, exports_dir), datetime.now(UTC)))


def note_gone(place: str, why: str, state: Path | None) -> None:
    """Note what a person has fetched as deleted there. Raises WrongRequestError for anything else."""
    folder = state_folder(load_settings(), state)
    over = ended(folder)
    found = [each for each in made(folder) if each.kind == "pull" and each.place == place]
    left = [each for each in found if each.key not in over]
    if not left:
        what = f"{place} is noted as gone already." if found else f"No person has fetched a copy {place}."
        raise WrongRequestError(what, "", "appliance copies list")
    for each in left:
        note_ended(folder, each, why)


def _places(
    connections: Path | None, state: Path | None, exports_dir: Path | None
) -> tuple[Path, Path, dict[str, Connection]]:
    settings = load_settings()
    folder = state_folder(settings, state)
    known = (
        load_connections(connections or settings.connections_file)
        if made(folder) or remembered(folder)
        else {}
    )
    return folder, exports_dir or folder / "exports", known
