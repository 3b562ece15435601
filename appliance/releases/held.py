"""What the operator holds this machine to: a version, or no update until a day. Beside policy, not in it.

Policy belongs to its owner and is written by hand; these are for the moment, from the command line.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.durable import write_file
from appliance.errors import WorkFailedError
from appliance.policy.refusal import Refusal

_FILE = "held.json"


class Held(BaseModel):
    """What holds now."""

    model_config = ConfigDict(frozen=True)

    pin: str | None = None
    until: date | None = None
    """The last day on which no unattended update starts."""


def read_held(trust: Path) -> Held:
    """What holds. Raises WorkFailedError for a file that cannot be read: what it held is unknown."""
    try:
        return Held.model_validate_json((trust / _FILE).read_bytes())
    except FileNotFoundError:
        return Held()
    except (OSError, ValidationError):
        raise WorkFailedError(
            f"{trust / _FILE} cannot be read.",
            "It says what this machine is held to.",
            "sudo appliance release unpin",
        ) from None


def write_held(trust: Path, held: Held) -> None:
    """Hold to this from here on."""
    trust.mkdir(mode=0o755, exist_ok=True)
    write_file(trust / _FILE, held.model_dump_json(), durable=True, mode=0o644)


def held_back(held: Held, version: str, today: date, *, by_operator: bool) -> tuple[Refusal, ...]:
    """Why this release is not moved to. A hold is for what comes by itself, a pin for everybody."""
    if held.pin is not None and held.pin != version:
        what = f"This machine is pinned to {held.pin}: sudo appliance release unpin"
        return (Refusal("pin", what),)
    if held.until is not None and today <= held.until and not by_operator:
        return (Refusal("hold", f"Updates are held until {held.until} has passed."),)
    return ()
