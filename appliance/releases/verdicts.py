"""What a release is left for in its grace period: read from what systemd, the journal and the runs say.

A source that is away, a full disk or a document that policy refuses is no release's fault, and none of these.
"""

from __future__ import annotations

import json
from datetime import datetime

from appliance.system.postgres_programs import ask

SHOWN = "Id,ActiveState,NRestarts,ActiveExitTimestampMonotonic,InactiveExitTimestampMonotonic"
"""What ``systemctl show`` is asked for of each unit."""
OUT_OF_MEMORY = "MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef"
"""What systemd writes into the journal when the kernel has killed a process of a unit for its ceiling."""
RESTARTS_MAX = 4
"""systemd has started a service again so often since it was switched to: it will go on like that."""
KILLS_MAX = 2
"""Once may be chance."""
DOWN_S = 300.0
_ASK_WITHIN_S = 20.0

# Failures that are not the release's: the request (2), policy (3), what may pass by itself, what a customer's
# container or a bucket says for good, and what a server says of itself. Of SQLSTATEs only wrong SQL (42) and
# an internal error (XX) speak against who wrote it.
_FAILING = """
SELECT string_agg(newest.workflow, ', ' ORDER BY newest.workflow)
FROM (
    SELECT DISTINCT ON (workflow) workflow, state, failure
    FROM appliance.run
    WHERE started_at >= to_timestamp({since}) AND state IN ('succeeded', 'failed')
    ORDER BY workflow, ended_at DESC
) AS newest
CROSS JOIN LATERAL (
    SELECT state FROM appliance.run
    WHERE workflow = newest.workflow AND started_at < to_timestamp({since})
      AND state IN ('succeeded', 'failed', 'refused')
    ORDER BY started_at DESC LIMIT 1
) AS before
WHERE newest.state = 'failed' AND before.state = 'succeeded'
  AND newest.failure ->> 'exit_code' = '1' AND newest.failure ->> 'retry' = 'false'
  AND NOT (newest.failure ->> 'step' IN ('container', 'upload') AND
    coalesce(newest.failure ->> 'exception', '') IN ('HandoverFailedError', 'WorkFailedForGoodError'))
  AND (newest.failure ->> 'sqlstate' IS NULL OR newest.failure ->> 'sqlstate' ~ '^(42|XX)')
"""


def does_not_stay_up(shown: str, uptime_s: float) -> str:
    """From ``systemctl show``: services that crash again and again, or have not worked for minutes.

    One that was stopped on purpose, and so is inactive, is none.
    """
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n")]
    crashing = [each["Id"] for each in blocks if int(each.get("NRestarts") or 0) >= RESTARTS_MAX]
    if crashing:
        return f"Does not stay up: {', '.join(crashing)}."
    down = [each["Id"] for each in blocks if _is_down(each, uptime_s)]
    return f"Does not work for more than {DOWN_S / 60:.0f} minutes: {', '.join(down)}." if down else ""


def _is_down(unit: dict[str, str], uptime_s: float) -> bool:
    if unit.get("ActiveState") in ("active", "inactive", None):
        return False
    # One that was never active has begun to start at some moment.
    left = unit.get("ActiveExitTimestampMonotonic") or "0"
    began = unit.get("InactiveExitTimestampMonotonic") or "0"
    since = int(left) or int(began)
    return since > 0 and uptime_s - since / 1e6 > DOWN_S


def takes_too_much_memory(journal: str) -> str:
    """From the journal's records of kills for memory: services that were killed at their ceiling again."""
    killed: dict[str, int] = {}
    for line in journal.splitlines():
        try:
            record = json.loads(line)
            unit = record["UNIT"] if record["_PID"] == "1" else ""
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(unit, str) and unit.startswith("appliance-") and unit.endswith(".service"):
            killed[unit] = killed.get(unit, 0) + 1
    over = sorted(unit for unit, times in killed.items() if times >= KILLS_MAX)
    return f"Takes more memory than it may, again and again: {', '.join(over)}." if over else ""


def fails_what_succeeded(database_url: str, since: datetime) -> str:
    """Workflows whose last run before succeeded and whose newest one since has failed by our own doing."""
    sql = _FAILING.format(since=f"{since.timestamp():.3f}")
    failing = ask(database_url, sql, within_s=_ASK_WITHIN_S)
    return f"Runs fail that succeeded before: {failing}." if failing else ""
