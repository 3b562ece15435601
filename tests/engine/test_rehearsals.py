"""Migrations with known behaviour, rehearsed: locks and rewrites are those that PostgreSQL's manual names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from appliance.branches.server import Made
from appliance.errors import WrongRequestError
from appliance.postgres.twin.names import twin_names
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import read_script
from appliance.rehearsals.results.report import StatementReport
from appliance.rehearsals.watch.locks import short
from tests.engine.clusters import Cluster
from tests.engine.rehearsal_rig import Rig, rehearsal_rig

EXCLUSIVE = "ACCESS EXCLUSIVE"


@pytest.fixture(scope="module")
def rig(target: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rehearsal_rig(target, "rehearsed", tmp_path_factory.mktemp("rehearsals")) as rig:
        yield rig


def locks(statement: StatementReport) -> dict[str, str]:
    return {each.table.removeprefix("public."): short(each.mode) for each in statement.locks}


MIGRATIONS = {
    # What it is: the statements, of which the last counts, its lock on the table, whether it rewrites that.
    "constant default": ("ALTER TABLE item ADD COLUMN a int DEFAULT 5", EXCLUSIVE, False),
    "volatile default": ("ALTER TABLE item ADD COLUMN b float DEFAULT random()", EXCLUSIVE, True),
    "set not null": ("ALTER TABLE item ALTER COLUMN name SET NOT NULL", EXCLUSIVE, False),
    "check not valid": ("ALTER TABLE item ADD CONSTRAINT c CHECK (price > 0) NOT VALID", EXCLUSIVE, False),
    "validate check": ("ALTER TABLE item VALIDATE CONSTRAINT c", "SHARE UPDATE EXCLUSIVE", False),
    "not null by a check": (
        "ALTER TABLE item ADD CONSTRAINT d CHECK (price IS NOT NULL);"
        " ALTER TABLE item ALTER COLUMN price SET NOT NULL",
        EXCLUSIVE,
        False,
    ),
    "index": ("CREATE INDEX by_name ON item (name)", "SHARE", False),
    "type, rewrite": ("ALTER TABLE item ALTER COLUMN price TYPE bigint", EXCLUSIVE, True),
    "type, no rewrite": ("ALTER TABLE item ALTER COLUMN code TYPE varchar(40)", EXCLUSIVE, False),
    "rename": ("ALTER TABLE item RENAME COLUMN old TO older", EXCLUSIVE, False),
    "drop column": ("ALTER TABLE item DROP COLUMN older", EXCLUSIVE, False),
    "backfill": ("UPDATE item SET price = 1 WHERE id < 100", "ROW EXCLUSIVE", False),
    "trigger": (
        "CREATE TRIGGER t BEFORE UPDATE ON item FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "SHARE ROW EXCLUSIVE",
        False,
    ),
    "key not valid": (
        "ALTER TABLE item ADD CONSTRAINT f FOREIGN KEY (owner_id) REFERENCES owner NOT VALID",
        "SHARE ROW EXCLUSIVE",
        False,
    ),
    "validate key": ("ALTER TABLE item VALIDATE CONSTRAINT f", "SHARE UPDATE EXCLUSIVE", False),
    "vacuum full": ("VACUUM FULL item", EXCLUSIVE, True),
    "truncate": ("TRUNCATE item", EXCLUSIVE, False),
}


@pytest.fixture(scope="module", params=["target", "postgres17"])
def all_at_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, StatementReport]:
    """Each of them, performed one after the other in one branch: on the oldest server here, and on 17."""
    cluster: Cluster = request.getfixturevalue(request.param)
    sql = "".join(f"{statements};\n-- behind {what}\n" for what, (statements, _, _) in MIGRATIONS.items())
    with rehearsal_rig(cluster, "ten_migrations", tmp_path_factory.mktemp("rehearsals")) as rig:
        rehearsal = rig.rehearse(sql)
    assert rehearsal.verdict == "passed", rehearsal.reasons
    by_line = {each.line: each for each in rehearsal.up.statements}
    return {what: by_line[2 * place + 1] for place, what in enumerate(MIGRATIONS)}


@pytest.mark.parametrize("what", MIGRATIONS)
def test_a_migration_takes_the_lock_that_the_manual_names(
    all_at_once: dict[str, StatementReport], what: str
) -> None:
    _, locked, rewritten = MIGRATIONS[what]
    found = all_at_once[what]
    assert (locks(found)["item"], found.rewrites) == (locked, ("public.item",) if rewritten else ())


def test_a_foreign_key_locks_both_tables_and_its_validation_neither_for_writers(rig: Rig) -> None:
    up = rig.rehearse(
        "ALTER TABLE item ADD CONSTRAINT fk FOREIGN KEY (owner_id) REFERENCES owner NOT VALID;"
        "ALTER TABLE item VALIDATE CONSTRAINT fk"
    ).up
    added, validated = up.statements
    assert locks(added) == {"item": "SHARE ROW EXCLUSIVE", "owner": "SHARE ROW EXCLUSIVE"}
    assert locks(validated) == {"item": "SHARE UPDATE EXCLUSIVE", "owner": "ROW SHARE"}
    assert (added.invalid, validated.validated) == (("constraint fk on public.item",),) * 2
    assert up.left_invalid == ()


def test_an_index_made_concurrently_blocks_nobody(rig: Rig) -> None:
    up = rig.rehearse("CREATE INDEX CONCURRENTLY i ON few (slowly(id))").up
    (made,) = up.statements
    assert (made.in_transaction, made.built, locks(made)) == (
        False,
        ("index public.i",),
        {"few": "SHARE UPDATE EXCLUSIVE"},
    )
    assert (up.tables[0].reader_blocked_ms, up.tables[0].writer_blocked_ms) == (0, 0)


def test_one_that_fails_leaves_an_invalid_index_and_says_so(rig: Rig) -> None:
    rehearsal = rig.rehearse("CREATE UNIQUE INDEX CONCURRENTLY i ON item (mood)")
    (made,) = rehearsal.up.statements
    assert (rehearsal.verdict, made.invalid) == ("failed", ("index public.i",))
    assert made.failure is not None and made.failure.sqlstate == "23505"
    assert rehearsal.up.left_invalid == ("index public.i",)


def test_an_enum_value_and_its_use_work_one_after_the_other(rig: Rig) -> None:
    rehearsal = rig.rehearse(
        "ALTER TYPE mood ADD VALUE 'happy';\nINSERT INTO item (id, mood) VALUES (0, 'happy')"
    )
    assert (rehearsal.verdict, rehearsal.up.statements[-1].rows) == ("passed", 1)


def test_a_partition_is_attached_and_its_parent_is_barely_locked(rig: Rig) -> None:
    attached = rig.only(
        "ALTER TABLE event ATTACH PARTITION event_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    )
    assert (locks(attached)["event"], locks(attached)["event_2026"]) == ("SHARE UPDATE EXCLUSIVE", EXCLUSIVE)


def test_a_backfill_in_batches_that_commits_is_performed_as_it_is(rig: Rig) -> None:
    done = rig.only(
        "DO $$ BEGIN FOR n IN 0..4 LOOP UPDATE item SET price = 0 WHERE id / 1000 = n;"
        " COMMIT; END LOOP; END $$"
    )
    assert not done.in_transaction


def test_what_changes_the_catalog_is_seen_among_statements_that_do_not(rig: Rig) -> None:
    up = rig.rehearse(
        "INSERT INTO few VALUES (7); ALTER TABLE few RENAME TO fewer; INSERT INTO fewer VALUES (8);"
        "BEGIN; UPDATE fewer SET id = 9; SAVEPOINT s; CREATE INDEX lost ON fewer (id); ROLLBACK TO s;"
        "CREATE INDEX made ON fewer (id); UPDATE fewer SET id = 10; COMMIT;"
        "DO $$ BEGIN UPDATE fewer SET id = 1; CREATE TABLE more (n int); END $$; SELECT 1"
    ).up
    built = [each.built for each in up.statements if each.built]
    assert built == [("index public.lost",), ("index public.made",), ("table public.more",)]
    assert [each.dropped for each in up.statements if each.dropped] == [("index public.lost",)]
    assert up.statements[0].rows == 1 and up.left_invalid == ()


def test_readers_and_writers_wait_for_as_long_as_the_lock_is_held(rig: Rig) -> None:
    rehearsal = rig.rehearse(
        "BEGIN; ALTER TABLE item ADD COLUMN n int; SELECT pg_sleep(0.6); COMMIT; SELECT pg_sleep(0.1)",
        max_blocked_ms=300,
    )
    (item,) = rehearsal.up.tables
    assert item.probed and item.rows_before == 5000
    assert item.reader_blocked_ms >= 550 and item.writer_blocked_ms >= 550
    assert [each.who for each in item.blocked] == ["both"]
    assert rehearsal.verdict == "above"
    assert "Readers and writers of public.item were kept waiting" in rehearsal.reasons[0]


def test_an_index_keeps_writers_waiting_and_no_reader(rig: Rig) -> None:
    (few,) = rig.rehearse("CREATE INDEX i ON few (slowly(id))").up.tables
    assert few.probed
    assert few.reader_blocked_ms == 0 and few.writer_blocked_ms >= 500


def test_what_the_workflow_forbids_is_above_the_threshold(rig: Rig) -> None:
    rewrite = rig.rehearse("VACUUM FULL item", forbid=["rewrite"])
    invalid = rig.rehearse("ALTER TABLE item ADD CHECK (price > 0) NOT VALID", forbid=["invalid"])
    assert (rewrite.verdict, invalid.verdict) == ("above", "above")
    assert "public.item was rewritten" in rewrite.reasons[0]
    assert invalid.reasons == (
        "constraint item_price_check on public.item is left invalid (rehearsal.forbid).",
    )


def test_a_way_back_is_held_against_the_schema_before(rig: Rig) -> None:
    up = "ALTER TABLE item ADD COLUMN n int; CREATE INDEX i ON item (n)"
    good = rig.rehearse(up, "DROP INDEX i; ALTER TABLE item DROP COLUMN n")
    assert good.verdict == "passed" and good.schema_after_down is not None and good.schema_after_down.same
    bad = rig.rehearse(up, "DROP INDEX i")
    assert bad.verdict == "failed" and bad.schema_after_down is not None
    assert "+    n integer" in [line.rstrip(",") for line in bad.schema_after_down.difference]


def test_the_linters_findings_are_joined_with_the_statements(rig: Rig) -> None:
    added, made = rig.rehearse("SELECT 1;\n\nCREATE INDEX i ON item (name)", forbid=["lint"]).up.statements
    assert "require-concurrent-index-creation" not in {each.rule for each in added.findings}
    assert "require-concurrent-index-creation" in {each.rule for each in made.findings}


def test_a_migration_finds_its_roles_own_settings_and_none_of_ours(rig: Rig) -> None:
    checked = "DO $$ BEGIN ASSERT current_setting('search_path') = '\"$user\", public'; END $$"
    assert rig.rehearse(checked).verdict == "passed"


def test_nobody_else_may_open_the_branch(rig: Rig) -> None:
    def look(made: Made) -> Made:
        opened = "SELECT has_database_privilege('pg_monitor', %s, 'CONNECT'), datacl::text"
        found.extend(
            rig.stage.target.rows(
                "postgres", opened + " FROM pg_database WHERE datname = %s", [made.branch.database.name] * 2
            )
        )
        return made

    found: list[tuple[bool, str]] = []
    script = read_script([rig.file("SELECT 1")])
    replace(rig.rehearser(), make_branch=lambda make: look(make())).rehearse(script)
    ((public, rights),) = found
    assert not public and "=c" not in rights.replace("twin_owner=", "")


def test_a_branch_can_be_kept(rig: Rig) -> None:
    script = read_script([rig.file("CREATE TABLE kept (n int)")])
    kept = rig.rehearser().rehearse(script, keep=True)
    (branch,) = rig.server().branches()
    assert rig.stage.target.value(kept.branch, "SELECT count(*) FROM kept") == 0
    rig.server().drop(branch.marker.name)


def test_a_migration_with_a_role_of_its_own_owns_the_branch_and_not_the_twin(rig: Rig) -> None:
    target = rig.stage.target
    target.role("migrator")
    try:
        target.sql("postgres", "GRANT migrator TO twin_owner")
        changed = rig.rehearse(
            "ALTER TABLE item ADD COLUMN n int; CREATE INDEX i ON item (n); ALTER TYPE mood ADD VALUE 'high';"
            "CREATE OR REPLACE FUNCTION slowly(bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
            migrator="migrator",
        )
        assert changed.verdict == "passed", changed.reasons
        hidden = f"DO $$ BEGIN EXECUTE 'ALTER DATA' || 'BASE {rig.twin} CONNECTION LIMIT 0'; END $$"
        refused = rig.rehearse(hidden, migrator="migrator")
        assert refused.up.statements[0].failure is not None
        assert refused.up.statements[0].failure.sqlstate == "42501"
    finally:
        target.sql("postgres", "DROP ROLE migrator")


def test_a_twin_may_be_published_anew_meanwhile(rig: Rig) -> None:
    stage = rig.stage
    rehearser = rig.rehearser()

    def publish_and_branch(make):  # type: ignore[no-untyped-def]
        made = make()
        stage.finished_next()
        replace(stage.publisher(), golden="never").publish()
        return made

    script = read_script([rig.file("ALTER TABLE item ADD COLUMN n int")])
    rehearsal = replace(rehearser, make_branch=publish_and_branch).rehearse(script)
    assert (rehearsal.verdict, rig.server().branches()) == ("passed", [])
    assert stage.which(twin_names(rig.twin).twin) == "new"


def test_a_connection_is_refused_that_leads_to_another_server(rig: Rig) -> None:
    elsewhere = rig.connection().model_copy(update={"port": 1})
    with pytest.raises(WrongRequestError, match="another server"):
        replace(rig.rehearser(), migrator=Login.of(elsewhere)).rehearse(read_script([rig.file("SELECT 1")]))
    with closing(rig.stage.admin()) as admin, pytest.raises(psycopg.Error):
        admin.execute("SELECT * FROM nothing_of_this")
