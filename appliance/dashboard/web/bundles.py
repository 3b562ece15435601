"""The release bundles that a vendor has put into a folder, for customers' machines to fetch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse

from appliance.dashboard.web.context import Context
from appliance.documents.names import bundle_name, is_release, version_in_bundle_name
from appliance.releases.bundles import read_digest

router = APIRouter()


@dataclass(frozen=True)
class Bundle:
    """One release, and the digest that was put beside it."""

    path: Path
    sha256: str


def find_bundle(folder: str, version: str) -> Bundle | None:
    """The bundle of that version, if the folder holds it and its ``.sha256`` as ``make bundle`` writes it."""
    if not folder or not is_release(version):
        return None
    path = Path(folder) / bundle_name(version)
    try:
        sha256 = read_digest(path.with_suffix(".tar.sha256"))
    except OSError:
        return None
    return Bundle(path, sha256) if sha256 and path.is_file() else None


@router.get("/bundles/{name}")
def download(request: Request, name: str) -> FileResponse:
    """A bundle, for anybody: it holds no secret, and the machine that fetches it cannot sign in yet."""
    context: Context = request.app.state.context
    version = version_in_bundle_name(name)
    found = find_bundle(context.settings.bundles, version) if version else None
    if found is None:
        raise HTTPException(404)
    return FileResponse(found.path, media_type="application/x-tar", filename=name)
