"""Which keys a step is given: those that its plan's bindings ask for, never the appliance's own."""

from __future__ import annotations

from appliance.keys.keys import run_key, source_key
from appliance.masking.bindings import secret_settings
from appliance.postgres.plan import Plan
from appliance.postgres.proof import evidence
from appliance.steps.records.run_spec import RunSpec
from appliance.subjects.erased import ERASED_KEY, erased_key

PLANNING = ("plan", "plan_only")
"""Steps that look at a sample of what is kept. There is no plan yet."""


def step_settings(step: str, spec: RunSpec, plan: Plan | None, key: bytes) -> dict[str, str]:
    """Setting and value of all that a step's sessions are opened with; empty for most steps.

    ``copy`` masks and gathers evidence, ``verify`` compares evidence and masks nothing; what makes the plan
    leaves rows about erased subjects out of its look. Whose keys they are, in which epoch and of which run,
    comes from the spec, which no step can write. ``key`` is the appliance's.
    """
    erased = secret_settings(erased_key(key, spec.key_name), [ERASED_KEY]) if spec.erased else {}
    if step in PLANNING:
        return erased
    if plan is None or step not in ("copy", "verify"):
        return {}
    settings = secret_settings(run_key(key, spec.run_id), evidence.bindings(plan))
    if step == "copy":
        settings |= secret_settings(source_key(key, spec.key_name, spec.epoch), plan.bindings) | erased
    return settings
