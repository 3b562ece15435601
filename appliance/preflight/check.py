"""What a check is, and how all of them are run. Each judges gathered facts; none of them asks anything."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from appliance.findings import Finding, fail, ok, warn
from appliance.preflight.facts import Facts

Judge = Callable[[Facts], Finding]


@dataclass(frozen=True)
class Check:
    """One check: its name, what it is for, and what it makes of the facts."""

    name: str
    why: str
    judge: Judge


CHECKS: list[Check] = []
"""In the order in which they are told."""


def check(name: str) -> Callable[[Judge], Judge]:
    """Add a function to the checks; its docstring is what the check is for."""

    def add(judge: Judge) -> Judge:
        CHECKS.append(Check(name, (judge.__doc__ or "").strip(), judge))
        return judge

    return add


def well(what: str) -> Finding:
    """Nothing to do."""
    return ok("", what)


def look(what: str, next_step: str) -> Finding:
    """The appliance works, and somebody should look at it."""
    return warn("", what, next_step)


def stop(what: str, next_step: str) -> Finding:
    """The appliance would not work, or not be safe."""
    return fail("", what, next_step)


def run_checks(facts: Facts, in_spite_of: Collection[str] = ()) -> list[Finding]:
    """What every check says, in order. One that fails and is named in ``in_spite_of`` only warns."""
    found = [replace(each.judge(facts), check=each.name) for each in CHECKS]
    return [
        replace(finding, state="warn", what=f"{finding.what} (Gone on in spite of it.)")
        if finding.state == "fail" and finding.check in in_spite_of
        else finding
        for finding in found
    ]
