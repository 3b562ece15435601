"""Codes that a phone shows (TOTP, RFC 6238), and recovery codes for the day on which it is lost. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken

STEP_SECONDS = 30
SKEW_STEPS = 1
"""How far a phone's clock may be off, each way."""
RECOVERY_CODES = 10
SETUP_SECONDS = 900
"""How long a secret that was shown may wait for its first code."""
ISSUER = "Appliances"


def new_secret() -> str:
    """160 random bits, as authenticator apps take them."""
    return pyotp.random_base32()


def matching_step(secret: str, code: str, now: float) -> int | None:
    """The step that a code belongs to, among those near ``now``; None for a wrong code."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    totp, present = pyotp.TOTP(secret, interval=STEP_SECONDS), int(now // STEP_SECONDS)
    found = None
    for step in range(present - SKEW_STEPS, present + SKEW_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), digits):
            found = step
    return found


def _fernet(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(key, b"second-factor", hashlib.sha256)))


def seal(key: bytes, person_id: str, secret: str) -> str:
    """The secret as it is stored and sent to a page: of no use without the dashboard's key, or for others."""
    return _fernet(key).encrypt(f"{person_id}:{secret}".encode()).decode()


def unseal(key: bytes, person_id: str, sealed: str, seconds: int | None = None) -> str | None:
    """The secret, or None where it is not this person's, too old, or sealed with another key."""
    try:
        owner, _, secret = _fernet(key).decrypt(sealed.encode(), ttl=seconds).decode().partition(":")
    except (InvalidToken, ValueError):
        return None
    return secret if owner == person_id else None


def new_recovery_codes() -> list[str]:
    """Codes of 64 random bits, in groups that can be read aloud."""
    made = (secrets.token_hex(8) for _ in range(RECOVERY_CODES))
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in made]


def recovery_digest(key: bytes, person_id: str, code: str) -> str:
    """What is stored of a recovery code. Case, blanks and hyphens do not matter to who types it."""
    plain = "".join(code.lower().replace("-", "").split())
    return hmac.new(key, f"recovery-code:{person_id}:{plain}".encode(), hashlib.sha256).hexdigest()


def qr_image(secret: str, name: str) -> str:
    """The secret as a picture for a phone, as the address of an SVG image."""
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    return segno.make(uri, error="m").svg_data_uri(scale=5, border=3, light="white")
