"""Whether this Python can write Parquet: what that needs is an extra, and in an image of its own."""

from __future__ import annotations

from importlib.util import find_spec

from appliance.errors import WrongRequestError

_LIBRARIES = ("adbc_driver_postgresql", "arro3.compute", "arro3.io")


def require_parquet() -> None:
    """Raise WrongRequestError where a library is missing. Nothing is imported."""
    try:
        there = all(find_spec(name) is not None for name in _LIBRARIES)
    except ImportError:
        there = False
    if not there:
        raise WrongRequestError(
            "The libraries that write Parquet files are not installed.",
            "They are an extra of this package, so that nothing else has to carry them.",
            "pip install 'appliance[parquet]', or in a checkout:"
            " .venv/bin/pip install --require-hashes -r requirements/parquet.txt",
        )
