"""How far an update has come, in a file that survives a power cut."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from appliance.durable import write_file
from appliance.errors import WorkFailedError
from appliance.releases.installed import CURRENT, linked
from appliance.releases.lock import UNDER_WAY
from appliance.releases.machine import Update


def read_update(state: Path) -> Update | None:
    """The update that was begun and has not ended."""
    path = state / UNDER_WAY
    try:
        return Update.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise WorkFailedError(
            f"{path} cannot be read, so an update that was begun cannot be carried on.",
            "",
            f"rm {path}, then run the deploy of the release that is to run.",
        ) from None


def is_overtaken(root: Path, update: Update) -> bool:
    """Whether a deploy has put another release in place of one in its grace period, which ends it."""
    return update.state == "watching" and linked(root, CURRENT) != update.wanted.version


def keep_update(state: Path, update: Update) -> None:
    """Write down how far it is, so that it survives a power cut from here on."""
    write_file(state / UNDER_WAY, update.model_dump_json(), durable=True, mode=0o644)
    reached = update.state.replace("_", " ")
    print(f"{update.former} → {update.wanted.version}: {reached}", flush=True)  # noqa: T201 - the journal
