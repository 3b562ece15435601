"""What an ID token must say, whatever a provider writes: each single thing wrong is refused."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from appliance.dashboard.openid.id_token import Expected, UnknownKeyError, WrongTokenError, verified

NOW = 1_800_000_000
KEY = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
KEYS = KeySet([KEY])
EXPECTED = Expected("https://login.example.com", "dashboard", "the-nonce", "access")
GOOD: dict[str, Any] = {
    "iss": EXPECTED.issuer,
    "aud": "dashboard",
    "sub": "ada",
    "nonce": "the-nonce",
    "iat": NOW - 5,
    "exp": NOW + 300,
}


def signed(claims: dict[str, Any], **header: str) -> str:
    return jwt.encode({"alg": "ES256", "kid": "one", **header}, claims, KEY, algorithms=["ES256"])


def test_a_good_one_is_taken() -> None:
    assert verified(signed(GOOD), KEYS, EXPECTED, NOW)["sub"] == "ada"
    assert verified(signed({**GOOD, "aud": ["dashboard"]}), KEYS, EXPECTED, NOW)
    assert verified(signed({**GOOD, "exp": NOW - 59}), KEYS, EXPECTED, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://other.example.com"},
        {"iss": EXPECTED.issuer + "/"},
        {"aud": "another"},
        {"aud": ["dashboard", "another"]},
        {"aud": ["dashboard", "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"exp": NOW - 61},
        {"exp": "never"},
        {"iat": NOW + 61},
        {"nbf": NOW + 61},
        {"at_hash": "of-another-token"},
    ],
)
def test_one_thing_wrong_is_enough(change: dict[str, Any]) -> None:
    with pytest.raises(WrongTokenError):
        verified(signed(GOOD | change), KEYS, EXPECTED, NOW)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_nothing_may_be_missing(name: str) -> None:
    with pytest.raises(WrongTokenError):
        verified(signed({key: value for key, value in GOOD.items() if key != name}), KEYS, EXPECTED, NOW)


def test_a_key_that_is_not_published_is_known_as_such_so_that_the_keys_are_fetched() -> None:
    other = ECKey.generate_key("P-256", {"kid": "two"})
    foreign = jwt.encode({"alg": "ES256", "kid": "two"}, GOOD, other)
    same_name = jwt.encode({"alg": "ES256", "kid": "one"}, GOOD, other)
    for token in (foreign, same_name):
        with pytest.raises(UnknownKeyError):
            verified(token, KEYS, EXPECTED, NOW)


def test_neither_a_shared_secret_nor_nothing_signs() -> None:
    shared = OctKey.import_key("the client's secret, which others may know as well")
    by_secret = jwt.encode({"alg": "HS256", "kid": "one"}, GOOD, shared)
    nothing = jwt.encode({"alg": "none"}, GOOD, shared, algorithms=["none"])
    for token in (by_secret, nothing, "no.token", "", signed(GOOD)[:-4] + "AAAA"):
        with pytest.raises(WrongTokenError):
            verified(token, KEYS, EXPECTED, NOW)
