"""``appliance release pin``: the owner's word on which release to stay, in policy.yaml."""

from __future__ import annotations

import stat

from appliance import __version__
from appliance.documents.names import is_release
from appliance.durable import write_file
from appliance.errors import WrongRequestError
from appliance.policy.pinning import with_pin
from appliance.policy.policy import read_policy
from appliance.settings.settings import Settings

_MODE = 0o644


def pinned(settings: Settings) -> str:
    """What is in force, in a sentence."""
    pin = read_policy(settings).updates.pin
    if pin is None:
        return f"No release is pinned. This one is {__version__}."
    if pin == __version__:
        return f"The appliance stays on {pin}, this release."
    return f"The appliance may move to {pin} and to no other release. This one is {__version__}."


def pin_release(settings: Settings, version: str | None) -> None:
    """Write the pin; None takes it away. Raises WrongRequestError where it cannot be written."""
    if version is not None and not is_release(version):
        raise WrongRequestError(
            f"{version} names no release.", "Versions begin with a digit, as 1.2.0.", "appliance release list"
        )
    path = settings.policy_file
    try:
        found = path.stat() if path.exists() else None
        text = path.read_text(encoding="utf-8") if found else ""
        changed = with_pin(text, version, str(path))
        owner = (found.st_uid, found.st_gid) if found else None
        mode = stat.S_IMODE(found.st_mode) if found else _MODE
        write_file(path, changed, durable=True, mode=mode, owner=owner)
    except PermissionError:
        raise
    except OSError as error:
        raise WrongRequestError(
            f"{path} cannot be written: {error.strerror or type(error).__name__}.",
            "The pin is a rule of the appliance's owner, and stands there.",
            "Write it where the file comes from: updates: {pin: " + (version or "null") + "}",
        ) from None
