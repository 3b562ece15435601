"""Jobs that give the filled tables their CHECK constraints back, and hold the rows against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import psycopg

from appliance.postgres.building.as_in_source import set_as_in_source
from appliance.postgres.building.broken_rules import Relation, failing, touched
from appliance.postgres.building.function_advice import function_advice
from appliance.postgres.building.late_checks import AT_ONCE, LateCheck, additions, by_table, validation
from appliance.postgres.building.made_object import Building
from appliance.postgres.building.once import once
from appliance.postgres.building.post_data import CHECKS, PHASES
from appliance.postgres.errors import named_failure, retry_can_help
from appliance.postgres.identifiers import quoted
from appliance.postgres.no_encoding import bytes_of
from appliance.postgres.sessions.parallel_jobs import Job, Session

_ADDED = "checks added {}"
_SMALL = 1 << 20
"""Bytes of a table below which several are validated in one transaction."""
_TOGETHER = 50
_PHASE = PHASES.index(CHECKS)

_Tables = Sequence[tuple[Relation, list[LateCheck]]]


def check_jobs(building: Building, checks: Sequence[LateCheck]) -> list[Job]:
    """Add all checks for new rows, which reads nothing; then validate them table by table."""
    tables = by_table(checks)
    labels = {".".join(relation): True for relation in tables}
    statements = additions(checks)
    added = [
        Job(
            _ADDED.format(number),
            partial(_add, key=_ADDED.format(number), statement=statement),
            (_PHASE, float("-inf"), number),
            # A table below another may come before it or after it: the server brings both together.
            frozenset({_ADDED.format(number - 1)}) if number else frozenset(),
            labels if len(tables) <= AT_ONCE else {"every check": True},
        )
        for number, statement in enumerate(statements)
    ]
    all_added = frozenset(job.key for job in added)
    return added + _validations(building, tables, all_added)


def _validations(
    building: Building, tables: Mapping[Relation, list[LateCheck]], added: frozenset[str]
) -> list[Job]:
    # A table above others validates theirs too, and does not read again what is valid already.
    below = {check.name for found in tables.values() for check in found if check.inherited}
    above = {
        relation
        for relation, found in tables.items()
        if any(check.name in below and not check.inherited for check in found) or found[0].partitioned
    }
    leaves = [(relation, found) for relation, found in tables.items() if relation not in above]
    large = [each for each in leaves if building.sizes.get(each[0], 0) >= _SMALL]
    small = [each for each in leaves if building.sizes.get(each[0], 0) < _SMALL]
    groups: list[_Tables] = [[each] for each in large]
    groups += [small[start : start + _TOGETHER] for start in range(0, len(small), _TOGETHER)]
    jobs = [_validation(building, number, group, added) for number, group in enumerate(groups)]
    after = added | {job.key for job in jobs}
    parents = sorted(above, key=lambda relation: (not tables[relation][0].partitioned, relation))
    for number, relation in enumerate(parents, len(groups)):
        jobs.append(_validation(building, number, [(relation, tables[relation])], after))
        # One above may be below another.
        after |= {jobs[-1].key}
    return jobs


def _validation(building: Building, number: int, group: _Tables, needs: frozenset[str]) -> Job:
    size = max(building.sizes.get(relation, 0) for relation, _ in group)
    return Job(
        f"checks {number}",
        _Validation(building, number, group).run,
        (_PHASE, -size, number),
        needs,
        {".".join(relation): True for relation, _ in group},
    )


def _add(session: Session, *, key: str, statement: bytes) -> None:
    try:
        once(session, key, statement)
    except psycopg.errors.DeadlockDetected:
        raise
    except psycopg.Error as error:
        raise named_failure("The twin's tables could not be given their checks.", error) from None


class _Validation:
    """The checks of some tables."""

    def __init__(self, building: Building, number: int, group: _Tables) -> None:
        self.building, self.number, self.group = building, number, group

    def run(self, session: Session) -> None:
        """Validate all at once; where that fails, one by one."""
        statement = "; ".join(
            self._statement(relation, [check.name for check in found]) for relation, found in self.group
        )
        try:
            once(session, f"checks {self.number}", bytes_of(statement))
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            if retry_can_help(error):
                raise named_failure("The twin's checks could not be validated.", error) from None
        else:
            return
        place = 0
        for relation, found in self.group:
            for check in found:
                self._one(session, f"checks {self.number}/{place}", relation, check)
                place += 1

    def _one(self, session: Session, key: str, relation: Relation, check: LateCheck) -> None:
        statement = self._statement(relation, [check.name])
        try:
            once(session, key, bytes_of(statement))
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            self._does_not_hold(session, relation, check, error)

    def _does_not_hold(
        self, session: Session, relation: Relation, check: LateCheck, error: psycopg.Error
    ) -> None:
        name = f"check {check.name} on {'.'.join(relation)}"
        masked = touched(check.definition, relation, self.building.masks.get(relation, ()))
        if masked or retry_can_help(error):
            raise named_failure(f"The {name} does not hold in the twin.", error) from None
        self.building.unchecked.append(check.tag)
        said = f"The {name} is not checked for these rows:"
        if error.sqlstate == "23514":
            settings = self.building.settings.of(*relation)
            elsewhere = any(self.building.masks.values())
            why = failing(session, quoted(*relation), check.name, settings, elsewhere=elsewhere)
            self.building.notes.append(f"{said} {why}")
            return
        advice = function_advice(error, self.building.entries, self.building.settings.of(*relation))
        mended = f" A function does not find what it names. In the source: {advice}" if advice else ""
        self.building.notes.append(f"{said} it fails (SQLSTATE {error.sqlstate}).{mended}")

    def _statement(self, relation: Relation, names: Sequence[str]) -> str:
        settings = self.building.settings.of(*relation)
        return f"{set_as_in_source(settings, 'evaluate')}{validation(relation, names)}"
