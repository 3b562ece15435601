"""Who this appliance is to its dashboard: enrolling with a one-time token, and keeping the token it gave."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from appliance.cloud.client import DashboardAwayError, DashboardClient, TokenRefusedError
from appliance.contract.calls import Enrolled, EnrolRequest, NewToken
from appliance.durable import write_file
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.system.beneath import as_owner_of, ways

BAD_TOKEN = (
    "The dashboard does not accept that enrolment token.",
    "It was used, replaced, has expired, or belongs to another dashboard.",
    "Make a new one on the appliance's page of the dashboard.",
)

ROTATION_WANTED = "rotate-token"
"""A file beside the identity: another machine may have the token, as after a restore; it is changed first."""


@dataclass(frozen=True)
class Identity:
    """What enrolment gave. ``enrolled_with`` is the digest of the one-time token.

    ``former`` is the token before this one, for as long as this one has not been seen to work.
    """

    url: str
    appliance_id: str
    name: str
    token: str
    enrolled_with: str = ""
    former: str = ""

    def __repr__(self) -> str:
        return f"Identity({self.url}, {self.name})"


def load_identity(path: Path) -> Identity | None:
    """The identity, or None where the appliance is not enrolled.

    Raises WrongRequestError for a file that others may read or that is broken.
    """
    try:
        with as_owner_of(path):
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WrongRequestError(
            f"{path} cannot be read: {error.strerror}.", "It holds the dashboard's token.", f"ls -l {path}"
        ) from None
    if mode & 0o077:
        raise WrongRequestError(
            f"{path} can be read by others than its owner (mode {mode:04o}).",
            "It holds the dashboard's token.",
            f"chmod 600 {path}",
        )
    try:
        return Identity(**json.loads(text))
    except (ValueError, TypeError):
        raise WrongRequestError(
            f"{path} is broken.", "It is no identity as this release writes it.", "sudo appliance enrol URL -"
        ) from None


def save_identity(path: Path, identity: Identity) -> None:
    """Write it whole or not at all, for its owner only. Raises OSError."""
    kept = asdict(identity)
    if not identity.former:
        # A release that does not know the word can read the file.
        del kept["former"]
    _write(path, json.dumps(kept))


def digest(token: str) -> str:
    """Names a one-time token without holding it."""
    return hashlib.sha256(token.encode()).hexdigest()


def enrol(client: DashboardClient, token: str, path: Path, *, version: str) -> Identity:
    """Exchange a one-time token for this appliance's own, and keep that at ``path``.

    Repeatable: an answer that got lost is asked for again. Raises WrongRequestError for a token that is no
    good, WorkFailedError when the dashboard does not answer or the file cannot be written.
    """
    attempt_file = path.with_name("enrolment-attempt.json")
    attempt = _attempt(attempt_file, token)
    try:
        request = EnrolRequest(token=token, attempt=attempt, version=version)
    except ValidationError:
        raise WrongRequestError("That is no enrolment token.", "", BAD_TOKEN[2]) from None
    client.token = ""
    try:
        answer = client.call("POST", "/v1/enrol", request.to_wire())
    except TokenRefusedError:
        raise WrongRequestError(*BAD_TOKEN) from None
    if answer.status != 200:
        raise DashboardAwayError(f"It answered {answer.status} to the enrolment.", "Check the address.")
    try:
        given = Enrolled.from_wire(answer.body)
    except ValidationError:
        raise DashboardAwayError(
            "What answered is no dashboard that this release can speak to.", "Check the address."
        ) from None
    identity = Identity(client.url, str(given.appliance_id), given.name, given.token, digest(token))
    try:
        save_identity(path, identity)
    except OSError as error:
        raise WorkFailedError(
            f"{path} could not be written: {error.strerror}.",
            "The dashboard has answered; the same token can be used again.",
            ways(error, path, f"df -h {path.parent}"),
        ) from None
    with as_owner_of(attempt_file.parent), contextlib.suppress(OSError):
        attempt_file.unlink(missing_ok=True)
    client.token = identity.token
    return identity


def rotate(client: DashboardClient, identity: Identity, path: Path) -> Identity:
    """Ask for a new token and use it from now on; the dashboard retires the old one at its first use.

    The old one is kept beside it: requests overtake each other on the way, and the dashboard may have given
    another since. Raises DashboardAwayError, TokenRefusedError, and OSError when it cannot be kept; the old
    one stays.
    """
    answer = client.call("POST", "/v1/appliance/token")
    try:
        given = NewToken.from_wire(answer.body)
    except ValidationError:
        raise DashboardAwayError("It gave no token when asked for a new one.") from None
    renewed = replace(identity, token=given.token, former=identity.token)
    save_identity(path, renewed)
    client.token = renewed.token
    return renewed


def drop_former_token(identity: Identity, path: Path) -> Identity:
    """The new token has been used, so the former one is good for nothing. Raises OSError."""
    settled = replace(identity, former="")
    save_identity(path, settled)
    return settled


def go_back(client: DashboardClient, identity: Identity, path: Path) -> Identity:
    """The new token was refused before it had ever been used: the former one is in force. Raises OSError."""
    restored = replace(identity, token=identity.former, former="")
    save_identity(path, restored)
    client.token = restored.token
    return restored


def _attempt(path: Path, token: str) -> str:
    """The random word that goes with this token, the same until it has been exchanged."""
    try:
        with as_owner_of(path):
            kept = json.loads(path.read_bytes())
        if kept["token"] == digest(token):
            return str(kept["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    attempt = secrets.token_urlsafe(32)
    try:
        _write(path, json.dumps({"token": digest(token), "attempt": attempt}))
    except OSError as error:
        raise WorkFailedError(
            f"{path} could not be written: {error.strerror}.",
            "Enrolment has to be able to remember itself.",
            ways(error, path, f"ls -ld {path.parent}"),
        ) from None
    return attempt


def _write(path: Path, text: str) -> None:
    """As the user who owns the place: root enrols, the appliance's own user speaks. Raises OSError."""
    with as_owner_of(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(path, text, durable=True, mode=0o600)
