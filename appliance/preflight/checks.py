"""All checks, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from appliance.preflight import access_checks, machine_checks
from appliance.preflight.facts import Facts
from appliance.system.findings import Finding

CHECKS = (*machine_checks.CHECKS, *access_checks.CHECKS)


def run_checks(facts: Facts, in_spite_of: Collection[str] = ()) -> list[Finding]:
    """What every check says, in order. One that fails and is named in ``in_spite_of`` only warns."""
    found = [replace(each.judge(facts), check=each.name) for each in CHECKS]
    return [
        _only_a_warning(each) if each.state == "fail" and each.check in in_spite_of else each
        for each in found
    ]


def _only_a_warning(finding: Finding) -> Finding:
    what = f"{finding.what} (Gone on in spite of it.)"
    return replace(finding, state="warn", explanation=replace(finding.explanation, what=what))
