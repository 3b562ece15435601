"""All checks, in the order in which they are told."""

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
        replace(finding, state="warn", what=f"{finding.what} (Gone on in spite of it.)")
        if finding.state == "fail" and finding.check in in_spite_of
        else finding
        for finding in found
    ]
