"""Tokens of people who fetch files: for named workflows and for a time, or until they are revoked.

``data-users/tokens.json`` in the state's folder has their digests; a token itself is shown once, to who makes
it. It is no part of a backup: a restore must not bring a token back that was revoked.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from appliance.documents.names import SHA256, WORKFLOW_ID
from appliance.durable import write_file
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.system.beneath import as_owner_of

FOLDER = "data-users"
"""In the state's folder."""
_FILE = "tokens.json"
PERSON = r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}"
"""It becomes a part of a place in the ledger of copies."""
TOKEN = re.compile(r"apl_(?P<id>[0-9a-f]{8})_[A-Za-z0-9_-]{43}")
USUAL_DAYS = 90
MOST_DAYS = 366


class DataUserToken(BaseModel):
    """One token, without what opens anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    person: str = Field(pattern=f"^{PERSON}$")
    workflows: tuple[str, ...] = Field(min_length=1)
    """Ids of workflows."""
    digest: str = Field(pattern=f"^{SHA256}$")
    """SHA-256 of the token."""
    made_at: datetime
    made_by: str | None = None
    """The user of this machine who made it."""
    expires_at: datetime
    revoked_at: datetime | None = None

    def opens(self, workflow: str) -> bool:
        """Whether it is for that workflow."""
        return workflow in self.workflows

    def why_not(self, now: datetime) -> str:
        """Why it is good for nothing any more; empty where it is good."""
        if self.revoked_at is not None:
            return f"It was revoked on {self.revoked_at:%Y-%m-%d}."
        if self.expires_at <= now:
            return f"It expired on {self.expires_at:%Y-%m-%d}."
        return ""


_TOKENS: TypeAdapter[tuple[DataUserToken, ...]] = TypeAdapter(tuple[DataUserToken, ...])


def all_tokens(state_dir: Path) -> tuple[DataUserToken, ...]:
    """Every token that was ever made, the oldest first. Raises WorkFailedError for a file that is no good."""
    path = state_dir / FOLDER / _FILE
    try:
        with as_owner_of(state_dir):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return _TOKENS.validate_json(file.read())
    except FileNotFoundError:
        return ()
    except PermissionError:
        raise WrongRequestError(
            f"{path} cannot be read.",
            "Tokens are for the appliance and root only.",
            "Run it again with sudo.",
        ) from None
    except (OSError, ValidationError):
        raise WorkFailedError(
            f"{path} is no list of tokens.",
            "While it is so, no token is good.",
            f"sudo rm {path}; then make new tokens: appliance tokens make",
        ) from None


def make_token(
    state_dir: Path, person: str, workflows: tuple[str, ...], *, days: int, made_by: str | None
) -> tuple[str, DataUserToken]:
    """A new token, and what is kept of it. Raises WrongRequestError, WorkFailedError."""
    if re.fullmatch(PERSON, person) is None:
        raise WrongRequestError(
            "That is no name for a person.",
            "It has up to 80 letters, digits and . _ @ + -, and begins with a letter or a digit.",
            "As anna, or anna@example.com.",
        )
    if not workflows:
        raise WrongRequestError("A token is for named workflows.", "", "--workflow ID, once for each.")
    for each in workflows:
        if re.fullmatch(WORKFLOW_ID, each) is None:
            raise WrongRequestError(f"'{each[:80]}' is no workflow's id.", "", "appliance workflow list")
    if not 1 <= days <= MOST_DAYS:
        raise WrongRequestError(f"A token is good for 1 to {MOST_DAYS} days.", "", f"--days {USUAL_DAYS}")
    now = datetime.now(UTC)
    id_ = secrets.token_hex(4)
    secret = f"apl_{id_}_{secrets.token_urlsafe(32)}"
    token = DataUserToken(
        id=id_,
        person=person,
        workflows=tuple(dict.fromkeys(workflows)),
        digest=_digest(secret),
        made_at=now,
        made_by=made_by,
        expires_at=now + timedelta(days=days),
    )
    _change(state_dir, lambda there: (*there, token))
    return secret, token


def revoke(state_dir: Path, name: str) -> list[DataUserToken]:
    """End a token by its id, or all tokens of a person; those that were good until now.

    Raises WrongRequestError where there is no such token, WorkFailedError.
    """
    now = datetime.now(UTC)
    ended: list[DataUserToken] = []

    def change(there: tuple[DataUserToken, ...]) -> tuple[DataUserToken, ...]:
        if not any(name in (each.id, each.person) for each in there):
            raise WrongRequestError(
                f"There is no token '{name[:80]}', and none of a person of that name.",
                "",
                "appliance tokens list",
            )
        after = []
        for each in there:
            if name in (each.id, each.person) and each.revoked_at is None:
                each = each.model_copy(update={"revoked_at": now})  # noqa: PLW2901
                ended.append(each)
            after.append(each)
        return tuple(after)

    _change(state_dir, change)
    return ended


def known_token(state_dir: Path, given: str) -> DataUserToken | None:
    """The token that was shown, good or not; None for one that was never made. Raises our errors."""
    found = TOKEN.fullmatch(given)
    if found is None:
        return None
    digest = _digest(given)
    for each in all_tokens(state_dir):
        if each.id == found["id"] and hmac.compare_digest(each.digest, digest):
            return each
    return None


def _digest(token: str) -> str:
    # Of 256 random bits: there is nothing to guess, so nothing to make slow.
    return hashlib.sha256(token.encode()).hexdigest()


def _change(
    state_dir: Path, change: Callable[[tuple[DataUserToken, ...]], tuple[DataUserToken, ...]]
) -> None:
    folder = state_dir / FOLDER
    try:
        with as_owner_of(state_dir), _alone(folder):
            after = change(all_tokens(state_dir))
            write_file(folder / _FILE, _TOKENS.dump_json(after, indent=1), durable=True, mode=0o600)
    except OSError as error:
        raise WorkFailedError(
            f"The tokens in {folder} could not be changed.",
            error.strerror or type(error).__name__,
            f"df -h {state_dir}; ls -ld {folder}",
        ) from None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two commands at a time must not lose a revocation."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
