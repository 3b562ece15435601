"""What a check is: it judges gathered facts, and asks nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.preflight.facts import Facts
from appliance.system.findings import Finding, fail, ok, warn

Judge = Callable[[Facts], Finding]


@dataclass(frozen=True)
class Check:
    """One check: its name, what it is for, and what it makes of the facts."""

    name: str
    why: str
    judge: Judge


def adding_to(checks: list[Check]) -> Callable[[str], Callable[[Judge], Judge]]:
    """A decorator that takes a check's name and adds the function; its docstring is what the check is for."""

    def check(name: str) -> Callable[[Judge], Judge]:
        def add(judge: Judge) -> Judge:
            checks.append(Check(name, (judge.__doc__ or "").strip(), judge))
            return judge

        return add

    return check


def well(what: str) -> Finding:
    return ok("", what)


def look(what: str, next_step: str) -> Finding:
    """The appliance works, and needs a look."""
    return warn("", what, next_step)


def stop(what: str, next_step: str) -> Finding:
    """The appliance would not work, or not be safe."""
    return fail("", what, next_step)
