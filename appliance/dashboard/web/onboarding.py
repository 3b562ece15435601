"""The commands that a customer copies from the dashboard."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TypedDict

from appliance import __version__
from appliance.dashboard.repository.published import published
from appliance.dashboard.settings import DEFAULT_UPGRADE_COMMAND, Settings
from appliance.dashboard.web.bundles import find_bundle
from appliance.documents.names import bundle_name
from appliance.releases.repository.contents import TARGETS

NO_DIGEST = "SHA256"
"""Stands where the digest belongs that comes with a bundle which the dashboard does not have."""
_FETCH = "python3 -c 'import sys, urllib.request as r; r.urlretrieve(*sys.argv[1:])' {address} $bundle &&\n"
"""With what every machine has that the appliance can be installed on."""


class Commands(TypedDict):
    """What to type on the virtual machine."""

    install: str
    enrol: str
    fetches: bool
    """Whether the first of them fetches the release by itself."""


def commands(settings: Settings, token: str) -> Commands:
    """Install and enrol, for a new appliance."""
    filled = _filled(settings, __version__) | {"token": token}
    return {
        "install": settings.install_command.format_map(filled),
        "enrol": settings.enrol_command.format_map(filled),
        "fetches": bool(filled["fetch"]),
    }


def upgrade_command(settings: Settings, version: str) -> str:
    """Move an appliance to a release by hand."""
    filled = _filled(settings, version)
    repository = published(settings.releases)
    if repository and repository.bundle(version) and settings.upgrade_command == DEFAULT_UPGRADE_COMMAND:
        return f"sudo appliance release apply {version}"
    if filled["fetch"]:
        # A bundle that came another way has its digest beside it already.
        filled["fetch"] += f'echo "{filled["sha256"]}  $bundle" > $bundle.sha256 &&\n'
    return settings.upgrade_command.format_map(filled)


def _filled(settings: Settings, version: str) -> dict[str, str]:
    """Everything that a command may ask for, by the name it has in braces."""
    url = settings.public_url.rstrip("/")
    filled = {"url": url, "version": version, "bundle": bundle_name(version), "fetch": "", "trust": ""}
    repository = published(settings.releases)
    signed = repository.bundle(version) if repository else None
    if repository and signed:
        # The machine is born with the root of trust, by which it verifies this very bundle before it starts.
        address = f"{url}/releases/{TARGETS}/{signed.target.replace('/', f'/{signed.sha256}.')}"
        filled["trust"] = f" --data release_root_sha256={repository.root_digest()}"
        filled["bundle"] = PurePosixPath(signed.target).name
        return filled | {"sha256": signed.sha256, "fetch": _FETCH.format(address=address)}
    found = find_bundle(settings.bundles, version)
    fetch = _FETCH.format(address=f"{url}/bundles/$bundle") if found else ""
    return filled | {"sha256": found.sha256 if found else NO_DIGEST, "fetch": fetch}
