"""Passwords, tokens, and what a browser keeps before it has a session."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from appliance.errors import WrongRequestError

Role = Literal["viewer", "editor", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "admin")
SecondPerson = Literal["no", "editor", "admin"]
"""Whether what keeps more waits for a second person, and the least role of theirs."""
SYSTEM_MAKER = "system"
"""The people with access to the dashboard's own server; their rights end with their access to it."""

API_PREFIX = "apd_"
APPLIANCE_PREFIX = "apl_"
ENROLMENT_PREFIX = "ape_"

MIN_PASSWORD = 12
MAX_PASSWORD = 256
"""Bounds what one sign-in can cost."""

_hasher = PasswordHasher(time_cost=2, memory_cost=32 * 1024, parallelism=1)
_hashing = threading.Semaphore(2)
"""At most this many hashes at once, so that sign-ins cannot take the memory away from heartbeats."""
_NO_USER = _hasher.hash("no user has this password")


@dataclass(frozen=True)
class Actor:
    """Who does something: a person in a session, an API token, or the dashboard's own command line."""

    name: str
    role: Role
    address: str = ""
    person_id: str | None = None
    maker: str = ""
    """Names this actor in what they give out (see ``authority``); empty for who can give out nothing."""

    def may(self, role: Role) -> bool:
        """Whether this actor's role is at least ``role``."""
        return ROLES.index(self.role) >= ROLES.index(role)


def hash_password(password: str) -> str:
    """The Argon2id hash to store; raises WrongRequestError for a password that is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise WrongRequestError(
            "That password cannot be used.",
            f"It must have from {MIN_PASSWORD} to {MAX_PASSWORD} characters.",
            "Choose a longer one; a sentence is fine.",
        )
    with _hashing:
        return _hasher.hash(password)


def password_matches(stored: str | None, password: str) -> bool:
    """Whether the password is right. Takes as long for a name that no one has."""
    if len(password) > MAX_PASSWORD:
        return False
    with _hashing:
        try:
            return _hasher.verify(stored or _NO_USER, password) and stored is not None
        except (Argon2Error, InvalidHashError):
            return False


def new_token(prefix: str) -> str:
    """A secret of 256 random bits that says by its beginning what it is, for leak scanners to find."""
    return prefix + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a token. A plain hash is enough: there is nothing to guess in 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def sign(key: bytes, purpose: str, text: str) -> str:
    """``text`` with a signature that only this dashboard can make, for this purpose only."""
    mark = hmac.new(key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()
    return f"{text}.{mark}"


def signed_text(key: bytes, purpose: str, signed: str) -> str | None:
    """The text that ``sign`` was given, or None where the signature is not ours."""
    text, _, _ = signed.rpartition(".")
    return text if hmac.compare_digest(sign(key, purpose, text).encode(), signed.encode()) else None
