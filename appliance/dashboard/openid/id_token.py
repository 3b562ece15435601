"""Holds an ID token against what a sign-in asked for (OpenID Connect Core 1.0, 3.1.3.7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

SKEW_SECONDS = 60
"""How far the clocks of this dashboard and of the provider may be apart."""
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
"""Signatures of a key pair. The shared secret signs nothing, and "none" is no signature."""


class WrongTokenError(Exception):
    """An ID token that proves nothing. Its text says why, without a value of it."""


class UnknownKeyError(WrongTokenError):
    """It is signed with none of the keys at hand: the provider may have changed its keys."""


@dataclass(frozen=True)
class Expected:
    """What a good token says."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str


def verified(token: str, keys: KeySet, expected: Expected, now: float) -> dict[str, Any]:
    """The claims of a token that was signed by the provider, for this dashboard, in answer to this sign-in.

    Raises WrongTokenError.
    """
    try:
        found = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
    except (InvalidKeyIdError, BadSignatureError) as error:
        raise UnknownKeyError("it is signed with no key that the provider publishes") from error
    except (JoseError, ValueError, TypeError) as error:
        raise WrongTokenError(
            "its signature is of a kind that proves nothing, or it cannot be read"
        ) from error
    claims = CodeIDToken(
        found.claims,
        found.header,
        options={
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
            "sub": {"essential": True},
        },
        params={
            "nonce": expected.nonce,
            "client_id": expected.client_id,
            "access_token": expected.access_token,
        },
    )
    try:
        claims.validate(now=int(now), leeway=SKEW_SECONDS)
    except JoseError as error:
        named = str(getattr(error, "claim", ""))
        raise WrongTokenError(f"its {_WORDS.get(named, 'form')} is wrong") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise WrongTokenError("a claim of it is of the wrong type") from error
    _alone(claims, expected)
    return dict(claims)


_CLOCKS = "time (are the clocks of both servers right?)"
_WORDS: Mapping[str, str] = {
    "iss": "issuer",
    "aud": "audience",
    "azp": "audience",
    "sub": "subject",
    "nonce": "nonce",
    "exp": _CLOCKS,
    "iat": _CLOCKS,
    "nbf": _CLOCKS,
    "at_hash": "access token",
}


def _alone(claims: Mapping[str, Any], expected: Expected) -> None:
    """The library takes a token for several audiences; here only one whose authorized party this one is."""
    others = claims["aud"] not in (expected.client_id, [expected.client_id])
    if others and claims.get("azp") != expected.client_id:
        raise WrongTokenError("its audience is wrong")
    if not 0 < len(claims["sub"]) <= 255:
        raise WrongTokenError("its subject is wrong")
