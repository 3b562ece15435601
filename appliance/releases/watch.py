"""``python -m appliance.releases.watch``: judge a release in its grace period, and have it left or settled.

Runs until the grace period is over, from the release that has proven itself last. It moves nothing itself: it
writes the verdict down, and the updater carries on from there. Killed, it begins again where the file says.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from appliance.durable import write_file
from appliance.errors import ApplianceError, ExitCode
from appliance.releases.host import ThisMachine
from appliance.releases.installed import ROOT
from appliance.releases.lock import WATCHING, BusyError, update_alone
from appliance.releases.machine import Host, judged
from appliance.releases.under_way import is_overtaken, keep_update, read_update
from appliance.settings.settings import load_settings
from appliance.system.units import UPDATE, start_unit

LOOK_EVERY_S = 15.0
UNIT = "appliance-watch.path"


def begin_watch(state: Path) -> None:
    """Have the watch begin, and begin again after a reboot. Raises OSError."""
    if not (state / WATCHING).exists():
        write_file(state / WATCHING, "", durable=True, mode=0o644)
    start_unit(UNIT)


def look(root: Path, state: Path, host: Host, now: datetime, uptime: float | None = None) -> bool:
    """Look once, under the lock of updates; whether the watch goes on. Raises OSError, ApplianceError."""
    update = read_update(state)
    if update is not None and update.state == "watching" and not is_overtaken(root, update):
        verdict = judged(update, host, now, uptime)
        if verdict == update:
            return True
        keep_update(state, verdict)
    # The mark last: killed before, the watch comes again and finds that there is nothing to watch.
    if update is not None:
        start_unit(UPDATE)
    (state / WATCHING).unlink(missing_ok=True)
    return False


def main() -> int:
    """Look until the grace period is over, one way or the other."""
    while True:
        try:
            settings = load_settings()
            with update_alone(ROOT) as state:
                host = ThisMachine(ROOT, state, settings)
                if not look(ROOT, state, host, datetime.now(UTC)):
                    return ExitCode.DONE
        except BusyError:
            # The updater looks too.
            pass
        except (OSError, ApplianceError) as error:
            said = error.text() if isinstance(error, ApplianceError) else str(error.strerror)
            sys.stderr.write(f"{said}\n")
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())
