"""Passwords with every awkward character, from connections.yaml to both servers."""

from __future__ import annotations

import itertools

import pytest

from tests.engine.checking import Checking
from tests.engine.scenario import CANARY, Scenario

_numbers = itertools.count(1)
AWKWARD = (
    " leading and trailing ",
    'it\'s "quoted" `twice`',
    "back\\slash\\\\ \\n \\:",
    "a:b:c: d",
    "100% %s %(x)s %20",
    "#hash # comment",
    "pass,word{with}[brackets]&*!|>",
    "ünïcödé ☃ пароль",
    "0b1011_0101",
    "12:34:56.75",
    "2001-12-14t21:59:43.10-05:00",
    "a=b;c?d&e@f/g",
    "$HOME $(id) ${x}",
)


@pytest.fixture
def check(scenario: Scenario) -> Checking:
    return Checking(scenario)


@pytest.mark.parametrize("password", AWKWARD)
def test_a_password_works_whatever_is_in_it(check: Checking, password: str) -> None:
    cluster = check.scenario.source
    role = f"awkward_{next(_numbers)}"
    cluster.role(role, "BYPASSRLS IN ROLE pg_read_all_data", password=password)
    check.scenario.connections["production"].update(user=role, password=password)
    checked = check("production")
    assert checked.code == 0, checked.worst("production")
    cluster.sql("postgres", f"DROP ROLE {role}")


def test_a_run_works_with_every_awkward_character_in_both_passwords(check: Checking) -> None:
    scenario = check.scenario
    for cluster, connection, options in (
        (scenario.source, "production", "BYPASSRLS IN ROLE pg_read_all_data"),
        (scenario.target, "staging", "CREATEDB"),
    ):
        role = f"awkward_{next(_numbers)}"
        password = "".join(AWKWARD) if connection == "production" else " # '\" : \\ % é "
        cluster.role(role, options, password=password)
        scenario.connections[connection].update(user=role, password=password)
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert CANARY not in str(scenario.twin_rows("SELECT string_agg(c::text, ' ') FROM crm.customer AS c"))
