"""Whether this Python can speak to buckets: what that needs is an extra."""

from __future__ import annotations

from importlib.util import find_spec

from appliance.errors import WrongRequestError


def require_buckets() -> None:
    """Raise WrongRequestError where the library is missing. Nothing is imported."""
    if find_spec("obstore") is None:
        raise WrongRequestError(
            "The library that speaks to buckets is not installed.",
            "It is an extra of this package, so that nothing else has to carry it.",
            "pip install 'appliance[buckets]', or in a checkout:"
            " .venv/bin/pip install --require-hashes -r requirements/buckets.txt",
        )
