"""SQL after the load: in the new twin, after the proof, all of it or nothing, and counted."""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WorkFailedForGoodError
from appliance.exports.stored import list_exports
from appliance.policy.policy import Policy, check_workflow
from appliance.postgres.copying import ledger
from appliance.postgres.twin.after_load import run_once
from appliance.receipts.predicate import RunPredicate
from appliance.workflow.document import Workflow
from tests.engine.clusters import Cluster
from tests.engine.erasure_shop import statement_of
from tests.engine.scenario import Scenario

LOGIN = "INSERT INTO crm.customer VALUES (10001, 'test@demo.example', 'Test Login', NULL, NULL)"


def after(scenario: Scenario, *pieces: dict[str, str] | str) -> None:
    scenario.workflow["after_load"] = [{"sql": each} if isinstance(each, str) else each for each in pieces]


def record(scenario: Scenario) -> dict[str, Any]:
    """What verify.json says of the only twin."""
    (file,) = scenario.state.glob("runs/*/verify.json")
    found: dict[str, Any] = json.loads(file.read_text())["twins"][0]["after_load"]
    return found


def assert_no_twin(scenario: Scenario) -> None:
    names = {name for (name,) in scenario.target.rows("postgres", "SELECT datname FROM pg_database")}
    assert not names & {scenario.twin, f"{scenario.twin}__next"}


def test_it_changes_the_new_twin_and_says_what(scenario: Scenario) -> None:
    (scenario.folder / "sql").mkdir()
    (scenario.folder / "sql" / "logins.sql").write_text(f"-- a login\n{LOGIN};\n")
    after(
        scenario,
        {"file": "sql/logins.sql"},
        "UPDATE crm.customer SET full_name = 'Demo GmbH' WHERE id <= 2; DELETE FROM invoice WHERE id > 2990;"
        " CREATE TABLE public.feature_flag AS SELECT 'demo' AS name",
    )
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert "crm.customer: 1 inserted, 2 updated; public.feature_flag: 1 inserted" in ended.out
    assert "public.invoice: 10 deleted" in ended.out
    assert "Check it: appliance receipt verify " in ended.out
    (file,) = (scenario.state / "receipts").glob("0*.json")
    receipt = statement_of(file)
    assert isinstance(receipt, RunPredicate)
    (done,) = receipt.after_load
    changes = {each.table: (each.inserted, each.updated, each.deleted) for each in done.changes}
    assert changes["crm.customer"] == (1, 2, 0) and changes["public.invoice"] == (0, 0, 10)
    assert done.made == ("public.feature_flag",) and "Test Login" not in file.read_text()
    assert scenario.target.value(scenario.twin, "SELECT count(*) FROM crm.customer") == 301
    query = "SELECT count(*) FROM crm.customer WHERE full_name = 'Demo GmbH'"
    assert scenario.target.value(scenario.twin, query) == 2
    found = record(scenario)
    assert found["rows"] == {"crm.customer": 301, "public.invoice": 2990}
    assert (found["pieces"], found["made"], found["dropped"]) == (2, ["public.feature_flag"], [])
    query = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'appliance%'"
    assert scenario.target.value(scenario.twin, query) == 0


def test_files_hold_what_the_twin_holds_then(scenario: Scenario) -> None:
    after(scenario, LOGIN)
    scenario.workflow["deliver"].append({"files": {"format": "csv"}})
    scenario.policy = {"destinations": ["files"]}
    assert scenario.run().code == 0
    (export,) = list_exports(scenario.state / "exports")
    with gzip.open(export.folder / "crm.customer.csv.gz", "rt") as text:
        assert "test@demo.example" in text.read()
    assert {table.table: table.rows for table in export.manifest.tables}["crm.customer"] == 301


def test_what_fails_replaces_no_twin(scenario: Scenario) -> None:
    after(scenario, f"SELECT 1;\nUPDATE crm.customer SET nothing = '{LOGIN[:6]}'")
    ended = scenario.run()
    assert ended.code == 1, ended.text
    assert "after_load[0] failed" in ended.text
    assert "line 2" in ended.text
    assert_no_twin(scenario)


def test_a_constraint_that_was_not_looked_at_replaces_no_twin(scenario: Scenario) -> None:
    after(scenario, "ALTER TABLE public.invoice ADD CONSTRAINT late CHECK (total > 0) NOT VALID")
    ended = scenario.run()
    assert ended.code == 1, ended.text
    assert "constraint invoice late was not validated" in ended.text
    assert_no_twin(scenario)


def test_what_it_writes_into_kept_columns_is_looked_at_too(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE TABLE public.label AS SELECT n AS id, 'l ' || n % 9 AS word FROM generate_series(1, 400) n;"
        " GRANT SELECT ON public.label TO reader",
    )
    scenario.workflow["keep"].append("public.label.*")
    after(scenario, "UPDATE public.label SET word = 'anna.huber' || id || '@gmx.at'")
    scenario.policy = {"kept_looks_personal": "halt"}
    ended = scenario.run()
    assert (ended.code, "public.label.word" in ended.text) == (3, True), ended.text
    assert_no_twin(scenario)


COPIED = {"public.a": "SELECT count(*) FROM public.a", "public.b": "SELECT count(*) FROM public.b"}
DATA = """
CREATE TABLE a (id int PRIMARY KEY, note text);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO a SELECT n, 'real ' || n FROM generate_series(1, 5) n;
INSERT INTO b SELECT n, n FROM generate_series(1, 5) n;
"""


@pytest.fixture
def session(target: Cluster) -> Iterator[Connection[TupleRow]]:
    """On a database of two tables, as it stands when it was verified."""
    name = f"verified_{secrets.token_hex(4)}"
    target.create_database(name)
    target.sql(name, DATA)
    with closing(target.connect(name)) as connection:
        ledger.create(connection)
        yield connection
    target.sql("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def changed(session: Connection[TupleRow], *texts: str) -> list[str]:
    return [change.text for change in run_once(session, texts, COPIED, 60).changes]


def test_rows_are_counted_with_what_cascades_and_what_was_undone_is_not_there(
    session: Connection[TupleRow],
) -> None:
    texts = ["DELETE FROM a WHERE id = 1", "INSERT INTO b VALUES (7, 2); UPDATE b SET id = 8 WHERE id = 7"]
    assert changed(session, *texts) == ["public.a: 1 deleted", "public.b: 1 inserted, 1 updated, 1 deleted"]
    assert session.execute("SELECT count(*) FROM b").fetchone() == (5,)


def test_what_was_done_is_not_done_again(session: Connection[TupleRow]) -> None:
    first = run_once(session, ["INSERT INTO a VALUES (9, '')"], COPIED, 60)
    assert run_once(session, ["INSERT INTO a VALUES (9, '')"], COPIED, 60) == first
    assert first.rows == {"public.a": 6}


def test_a_table_that_is_emptied_and_a_constraint_that_is_dropped_are_named(
    session: Connection[TupleRow],
) -> None:
    found = run_once(session, ["TRUNCATE b", "ALTER TABLE b DROP CONSTRAINT b_a_fkey"], COPIED, 60)
    assert [change.text for change in found.changes] == ["public.b: written anew"]
    assert (found.rows, found.constraints_dropped) == ({"public.b": 0}, ("b b_a_fkey",))


def test_rows_in_partitions_count_for_their_root(session: Connection[TupleRow]) -> None:
    session.execute(
        "CREATE TABLE p (id int) PARTITION BY RANGE (id);"
        " CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10)"
    )
    counts = {"public.p": "SELECT count(*) FROM public.p"}
    found = run_once(session, ["INSERT INTO p VALUES (1)"], counts, 60)
    assert ([change.table for change in found.changes], found.rows) == (["public.p_1"], {"public.p": 1})


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1;\nUPDATE a SET nothing = 1", "line 2"),
        (
            "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT note FROM a WHERE id = 1); END $$",
            "after_load[0] failed",
        ),
        ("INSERT INTO a VALUES (1, 'real')", "UniqueViolation"),
        ("UPDATE a SET note = 'x'; COMMIT", "has ended its transaction"),
        ("UPDATE a SET note = 'x'; COMMIT; BEGIN", "has ended its transaction"),
        ("ROLLBACK", "has ended its transaction"),
        ("COPY a FROM STDIN", "after_load[0] failed"),
        ("DROP TABLE b", "drops or renames public.b"),
        ("ALTER TABLE b RENAME TO bill", "drops or renames public.b"),
        ("INSERT INTO b VALUES (9, 4242)", "left for later failed"),
        ("SELECT pg_sleep(0.7); SELECT pg_sleep(600)", "took longer"),
    ],
)
def test_each_failure_says_where_and_quotes_no_row(
    session: Connection[TupleRow], sql: str, said: str
) -> None:
    with pytest.raises(WorkFailedForGoodError) as caught:
        run_once(session, [sql], COPIED, 1.2 if "sleep" in sql else 60)
    assert said in caught.value.text()
    assert "real" not in caught.value.text()
    assert caught.value.next_step


def test_a_file_that_is_missing_is_named_before_anything_runs(scenario: Scenario) -> None:
    after(scenario, {"file": "nowhere.sql"})
    ended = scenario.run()
    assert (ended.code, "nowhere.sql" in ended.text) == (2, True), ended.text


def test_a_link_out_of_the_folder_is_not_followed(scenario: Scenario, tmp_path_factory: Any) -> None:
    elsewhere = Path(tmp_path_factory.mktemp("elsewhere")) / "x.sql"
    elsewhere.write_text("SELECT 1")
    (scenario.folder / "x.sql").symlink_to(elsewhere)
    after(scenario, {"file": "x.sql"})
    ended = scenario.run()
    assert (ended.code, "leads out of" in ended.text) == (2, True), ended.text


def test_the_cloud_needs_a_word_of_policys() -> None:
    document = {
        "id": "w",
        "source": "a",
        "tables": {"include": ["public.*"]},
        "deliver": [{"twin": {"connection": "b"}}],
        "after_load": [{"sql": "SELECT 1"}],
    }
    workflow = Workflow.model_validate(document)
    given = {"workflows_from_cloud": True, "read": ["a"], "write": ["b"]}
    refused = check_workflow(Policy.model_validate(given), workflow, origin="cloud")
    assert [each.rule for each in refused] == ["sql_from_cloud"]
    assert not check_workflow(
        Policy.model_validate({**given, "sql_from_cloud": True}), workflow, origin="cloud"
    )
    assert not check_workflow(Policy(), workflow)


@pytest.mark.parametrize("file", ["/etc/x.sql", "../x.sql", "a/../../x.sql", "x.txt", "x\n.sql"])
def test_a_file_elsewhere_is_an_error(file: str) -> None:
    with pytest.raises(ValueError, match="no file beside the workflow"):
        Workflow.model_validate(
            {
                "id": "w",
                "source": "a",
                "tables": {"include": ["public.*"]},
                "deliver": [{"twin": {"connection": "b"}}],
                "after_load": [{"file": file}],
            }
        )
