"""A preview shows what a run copies, beside shapes; an original comes out on a terminal alone."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.masking.shape import Shape, Value
from appliance.postgres.copying.preview_sql import LONGEST, shape_sql
from tests.engine.clusters import Cluster
from tests.engine.scenario import CANARY, Scenario


def previewed(scenario: Scenario, *options: str) -> list[dict[str, Any]]:
    ended = scenario.run("preview", "--json", *options)
    assert ended.code == 0, ended.text
    scenario.assert_nothing_left()
    found: list[dict[str, Any]] = json.loads(ended.out)["tables"]
    return found


def test_it_shows_what_the_run_delivers_and_of_originals_the_shape(scenario: Scenario) -> None:
    (customer,) = previewed(scenario, "--rows", "5")
    assert scenario.run().code == 0
    twins = {
        row[0]: row[1:] for row in scenario.twin_rows("SELECT email, full_name, phone FROM crm.customer")
    }
    assert (customer["schema"], customer["table"], len(customer["rows"])) == ("crm", "customer", 5)
    for row in customer["rows"]:
        assert twins[row["email"]["twin"]] == (row["full_name"]["twin"], row["phone"]["twin"])
        assert row["email"]["shape"].startswith("aaaaaa9@aaaaaa-aaaaa-9999.")
        assert row["notes"]["twin"] is None
        assert row["id"] == {"shape": "9"}


def test_it_writes_nothing_and_asks_no_target(scenario: Scenario) -> None:
    scenario.connections["staging"]["port"] = 1
    assert previewed(scenario, "--table", "customer")[0]["rows"]
    assert not list(scenario.state.glob("runs/*"))
    assert not [path for path in scenario.runtime.rglob("*") if path.is_file()]


def test_undecided_columns_are_named_and_not_looked_at(scenario: Scenario) -> None:
    del scenario.workflow["masks"]["crm.customer.notes"]
    (customer,) = previewed(scenario)
    assert customer["undecided"] == ["notes"]
    assert all("notes" not in row for row in customer["rows"])
    ended = scenario.run("preview")
    assert "Not decided, and not looked at; a run would stop: notes" in ended.out


def test_only_rows_that_a_run_would_copy_are_shown(scenario: Scenario) -> None:
    scenario.workflow["rows"] = {"crm.customer": {"where": "id > 298"}}
    (customer,) = previewed(scenario, "--rows", "10")
    assert [row["id"]["shape"] for row in customer["rows"]] == ["999", "999"]
    scenario.workflow["rows"] = {"crm.customer": {"where": "id > 298 AND md5(notes) IS NULL"}}
    assert len(previewed(scenario, "--rows", "10")[0]["rows"]) == 1


def test_partitions_are_shown_as_one_table(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE TABLE public.visit (id int, who text) PARTITION BY RANGE (id);"
        "CREATE TABLE public.visit_1 PARTITION OF public.visit FOR VALUES FROM (0) TO (3);"
        "CREATE TABLE public.visit_2 PARTITION OF public.visit FOR VALUES FROM (3) TO (9);"
        "INSERT INTO public.visit SELECT i, 'Ann' FROM generate_series(1, 5) AS i;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    scenario.objects_at_first = scenario.source_objects()
    scenario.workflow["masks"]["public.visit.who"] = "first_name"
    scenario.workflow["keep"].append("public.visit.id")
    (visit,) = previewed(scenario, "--table", "public.visit", "--rows", "4")
    assert [row["who"]["shape"] for row in visit["rows"]] == ["Aaa"] * 4
    assert len({row["who"]["twin"] for row in visit["rows"]}) == 1


def test_originals_are_refused_where_they_would_be_kept(scenario: Scenario) -> None:
    for options in (("--reveal",), ("--reveal", "--json")):
        ended = scenario.run("preview", *options)
        assert (ended.code, "on a terminal only" in ended.err) == (2, True)


def test_originals_are_shown_on_a_terminal(scenario: Scenario) -> None:
    arguments = [sys.executable, "-m", "appliance.cli.main", "preview", *scenario.write(), "--reveal"]
    ours, theirs = pty.openpty()
    environment = {**scenario.environment, "TERM": "dumb", "COLUMNS": "200"}
    process = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    printed = b""
    try:
        while block := os.read(ours, 4096):
            printed += block
    except OSError:
        pass  # the other end is closed
    assert process.wait(300) == 0, printed
    assert CANARY.encode() in printed
    scenario.assert_no_canary()
    scenario.assert_nothing_left()


def test_a_table_that_is_not_selected_is_an_error(scenario: Scenario) -> None:
    ended = scenario.run("preview", "--table", "crm.custmer")
    assert (ended.code, "Did you mean crm.customer?" in ended.err) == (2, True)


def test_the_source_logs_no_value(scenario: Scenario) -> None:
    before = len(scenario.source.log_file.read_text())
    previewed(scenario)
    assert CANARY not in scenario.source.log_file.read_text()[before:]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=100))
def test_a_shape_says_nothing_but_letters_digits_and_signs(source: Cluster, text: str) -> None:
    query = f"SELECT {shape_sql(Value('v', Shape('text', 'text')))} FROM (SELECT %s::text) AS t (v)"
    with source.connect() as session:
        ((shape,),) = session.execute(query.encode(), (text,)).fetchall()
    assert len(shape) == min(len(text), LONGEST + 1)
    for before, after in zip(text[:LONGEST], shape, strict=False):
        if before.isascii() and before.isprintable() and not before.isalnum():
            assert after == before
        else:
            assert after == (
                "9" if before in "0123456789" else "A" if before in map(chr, range(65, 91)) else "a"
            )
