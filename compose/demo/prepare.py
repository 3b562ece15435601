"""What the demo needs before its first start: keys, passwords, and a connections.yaml that holds them.

Runs as root in a container without a network, and makes only what is not there yet, so that a connection
which was changed since stays as it is.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

APPLIANCE = 10001
POSTGRES = 10002
DASHBOARD = 10003

CONNECTIONS = """\
# The databases' addresses and credentials: on the appliance only, read afresh for every run.
production: {{type: postgres, host: production, dbname: shop, user: reader, password: {reader}}}
staging: {{type: postgres, host: staging, dbname: shop_twin, user: twin_owner, password: {twin_owner}}}
"""


def write_once(path: Path, text: str, owner: int) -> None:
    """Create the file whole, readable by its owner alone, unless it is there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The volume belongs to a lesser user after the first start: no link of its making is followed.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(folder, owner, owner)
        if path.name in os.listdir(folder):  # noqa: PTH208 - by its descriptor
            return
        unfinished = f".{path.name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(unfinished, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), owner, owner)
            file.write(text)
        os.rename(unfinished, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def main() -> None:
    """Make them all."""
    passwords = {}
    for server, role in (("production", "reader"), ("staging", "twin_owner")):
        path = Path("/passwords") / server / role
        write_once(path, secrets.token_urlsafe(24), POSTGRES)
        passwords[role] = path.read_text(encoding="utf-8")
    write_once(Path("/etc/appliance/connections.yaml"), CONNECTIONS.format(**passwords), APPLIANCE)
    write_once(Path("/passwords/dashboard/first-password"), secrets.token_urlsafe(12), DASHBOARD)
    write_once(Path("/var/lib/appliance/keys/airflow-jwt"), secrets.token_urlsafe(64), APPLIANCE)


if __name__ == "__main__":
    main()
