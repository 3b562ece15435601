"""The commands that a customer copies from the dashboard."""

from __future__ import annotations

from typing import TypedDict

from appliance import __version__

from .settings import Settings


class Commands(TypedDict):
    """What to type on the virtual machine."""

    install: str
    enrol: str


def commands(settings: Settings, token: str) -> Commands:
    """Install and enrol, for a new appliance."""
    url = settings.public_url.rstrip("/")
    return {
        "install": settings.install_command.format_map({"url": url, "token": token, "version": __version__}),
        "enrol": settings.enrol_command.format_map({"url": url, "token": token}),
    }


def upgrade_command(settings: Settings, version: str) -> str:
    """Move an appliance to a release by hand."""
    return settings.upgrade_command.format_map({"version": version, "url": settings.public_url.rstrip("/")})
