"""``python -m appliance.cloud.reaching``: whether the dashboard answers this machine at all, right now.

The updater asks the former release, where a new one no longer gets an answer: is it the release, or the way?
"""

from __future__ import annotations

import sys

from appliance.cloud.client import DashboardAwayError, TokenRefusedError
from appliance.cloud.enrol_unattended import client_of
from appliance.cloud.enrolment import load_identity
from appliance.errors import ApplianceError, ExitCode
from appliance.settings.settings import Settings, load_settings


def is_there(settings: Settings) -> bool:
    """Whether it answers as a dashboard does, whatever it says. Without enrolment nothing is there."""
    identity = load_identity(settings.identity_file)
    if identity is None:
        return False
    client = client_of(settings, identity.url, identity.token)
    try:
        client.call("GET", "/healthz")
    except TokenRefusedError:
        return True
    except DashboardAwayError:
        return False
    else:
        return True
    finally:
        client.close()


def main() -> int:
    """0 where it answers."""
    try:
        return ExitCode.DONE if is_there(load_settings()) else ExitCode.WORK_FAILED
    except ApplianceError as error:
        sys.stderr.write(f"{error.text()}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
