"""Loads uvicorn and FastAPI without what the status service does not use of them: 3 MB, and their time.

uvicorn brings its command line along, and click with it. FastAPI builds the models of an OpenAPI document,
which is asked for once in a while; they are built then. Where a later release of either is made otherwise,
it is loaded as it comes.
"""

from __future__ import annotations

import sys
from types import ModuleType

import pydantic

_COMMAND_LINE = "uvicorn.main"


def load() -> None:
    """Load both, in this process."""
    _load_uvicorn()
    _load_openapi_models()


def _load_uvicorn() -> None:
    if _COMMAND_LINE in sys.modules:
        return
    stand_in = ModuleType(_COMMAND_LINE)
    stand_in.__dict__.update(Server=None, main=None, run=None)
    sys.modules[_COMMAND_LINE] = stand_in
    try:
        import uvicorn  # noqa: F401, PLC0415 - with the stand-in
    except ImportError:
        for name in [name for name in sys.modules if name.split(".")[0] == "uvicorn"]:
            del sys.modules[name]


def _load_openapi_models() -> None:
    usual = pydantic.BaseModel.model_config
    pydantic.BaseModel.model_config = pydantic.ConfigDict(**usual, defer_build=True)
    try:
        import fastapi.openapi.models  # noqa: F401, PLC0415 - with the setting
    finally:
        pydantic.BaseModel.model_config = usual
