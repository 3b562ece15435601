"""What policy says of checks for drift, read anew when the file has changed: DAGs are made at each parse.

Of a policy that cannot be read nothing is known: each workflow is checked at its own time then, and no run
begins.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from pydantic import TypeAdapter

import appliance
from appliance.durable import write_file
from appliance.errors import ApplianceError
from appliance.orchestration.workflow_files import Origin, WorkflowFile
from appliance.policy.drift import drift_times
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

_KEPT = "drift-policy.json"
"""Beside the index of workflow files; losing it costs a few milliseconds."""


@dataclass(frozen=True)
class DriftRule:
    """What the owner says; ``version`` and the file's own marks say of which reading."""

    version: str
    mtime_ns: int
    size: int
    schedule: str | None = None
    own: tuple[Origin, ...] = ("local",)

    def times_of(self, file: WorkflowFile) -> tuple[str, ...]:
        """When a workflow is checked."""
        return drift_times(file.drift, file.origin, by_policy=self.schedule, own=self.own)


_RULE = TypeAdapter(DriftRule)


def drift_rule(settings: Settings) -> DriftRule:
    """The rule in force. Never raises."""
    try:
        status = settings.policy_file.stat()
        marks = (status.st_mtime_ns, status.st_size)
    except OSError:
        return DriftRule(appliance.__version__, 0, 0)
    kept = _kept(settings)
    if kept is not None and (kept.version, kept.mtime_ns, kept.size) == (appliance.__version__, *marks):
        return kept
    # Only a changed file needs the models.
    from appliance.policy.policy import read_policy  # noqa: PLC0415

    try:
        policy = read_policy(settings)
    except ApplianceError:
        return DriftRule(appliance.__version__, *marks)
    read = DriftRule(appliance.__version__, *marks, policy.drift, policy.drift_own)
    with as_owner_of(settings.state_dir), contextlib.suppress(OSError):
        # The status service reads it, too, and may be another user.
        write_file(settings.state_dir / _KEPT, _RULE.dump_json(read).decode(), durable=False, mode=0o640)
    return read


def _kept(settings: Settings) -> DriftRule | None:
    try:
        with as_owner_of(settings.state_dir):
            return _RULE.validate_json((settings.state_dir / _KEPT).read_bytes())
    except (OSError, ValueError):
        return None
