"""``appliance run``, where what it copies is changed under its snapshot, begins anew by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.engine.breakable_proxy import wait_until
from tests.engine.scenario import Scenario

_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^CREATE DATABASE'"


@contextmanager
def held_before_the_copying(scenario: Scenario) -> Iterator[None]:
    """A run that is under way waits to make its database, planned and with the schema read."""
    with scenario.target.connect("postgres") as other, other.transaction():
        other.execute("LOCK TABLE pg_database IN SHARE ROW EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("as_json", [True, False], ids=["as JSON", "for eyes"])
def test_a_table_that_is_emptied_meanwhile_is_copied_as_it_is_then(
    scenario: Scenario, *, as_json: bool
) -> None:
    scenario.workflow["limits"]["lock_timeout_s"] = 300
    with held_before_the_copying(scenario):
        process = scenario.start("run", *(["--json"] if as_json else []))
        wait_until(lambda: scenario.target.value("postgres", _WAITS) == 1)
        scenario.source.sql(scenario.source_database, "TRUNCATE public.invoice")
    ended = scenario.finish(process)
    assert ended.code == 0, ended.text
    assert "The run's snapshot does not fit public.invoice any more." in ended.out
    assert scenario.twin_rows("SELECT count(*) FROM public.invoice") == [(0,)]
    assert scenario.twin_rows("SELECT count(*) FROM crm.customer") == [(300,)]
    if as_json:
        first, second = (line["run_id"] for line in ended.lines if line["type"] == "run")
        assert first != second and ended.lines[-1]["run_id"] == second
    scenario.assert_nothing_left(databases=[scenario.twin])
