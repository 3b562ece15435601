"""Drops the branches whose time has come. Run by appliance-branches.timer."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from appliance.branches.opening import server_of
from appliance.branches.remembered import forget, remembered
from appliance.connections.file import load_connections
from appliance.errors import ApplianceError, ExitCode
from appliance.policy.branches import BranchPolicy
from appliance.settings.settings import Settings, load_settings


def end_everywhere(settings: Settings) -> Iterator[str | ApplianceError]:
    """End what is over on every server that a branch was made on: a line for each, or what went wrong there.

    Policy is not asked: what it allowed when a branch was made has said when it ends.
    """
    names = remembered(settings.state_dir)
    known = load_connections(settings.connections_file) if names else {}
    for name in names:
        if name not in known:
            yield ApplianceError(
                f"The connection '{name}' is gone from connections.yaml, and branches stand on its server.",
                "",
                f"Drop them there by hand, and then delete {settings.state_dir / 'branches' / name}.",
            )
            continue
        server = server_of(name, known[name], BranchPolicy(), "")
        try:
            yield from server.end_due()
            if not server.on_whole_server():
                forget(settings.state_dir, name)
        except ApplianceError as error:
            yield error


def main() -> int:
    """End them, and say what was done; the exit status."""
    code: int = ExitCode.DONE
    try:
        for said in end_everywhere(load_settings()):
            failed = isinstance(said, ApplianceError)
            sys.stderr.write(f"{said.text() if isinstance(said, ApplianceError) else said}\n")
            code = ExitCode.WORK_FAILED if failed else code
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
