"""What bad input gets: one clear message with the exit code that belongs to it, and nothing else happens.

After each of these the former twin is in place, source and target have nothing that was not there before, and
neither the message nor any file of the run holds a password or a value out of a row.
"""

from __future__ import annotations

import itertools
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.breakable_proxy import breakable_proxy, wait_until
from tests.engine.clusters import Cluster
from tests.engine.container_cluster import start_container_cluster
from tests.engine.scenario import CANARY, SHOP, Ended, Scenario

BIG = """
CREATE TABLE public.event (id int PRIMARY KEY, filler text);
INSERT INTO public.event SELECT i, repeat('x', 200) FROM generate_series(1, 400000) AS i;
GRANT SELECT ON public.event TO reader; ANALYZE public.event
"""
_folders = itertools.count()


@pytest.fixture(scope="module")
def published(
    source: Cluster, target: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Scenario]]:
    """Make a scenario whose twin was published before all tests of this file."""
    source.create_database("broken_shop")
    for statement in (*SHOP.split(";\n"), *BIG.split(";\n")):
        source.sql("broken_shop", statement)
    base = tmp_path_factory.mktemp("published")

    def make() -> Scenario:
        folder = base / str(next(_folders))
        folder.mkdir()
        made = Scenario(folder, source, "broken_shop", target, "broken_twin")
        made.workflow["keep"].append("public.event.*")
        return made

    first = make()
    first.publish_first_twin()
    yield make
    source.drop_database("broken_shop")
    for suffix in ("", "__next", "__prev", "__gone"):
        target.drop_database("broken_twin" + suffix)


@pytest.fixture
def broken(published: Callable[[], Scenario]) -> Iterator[Scenario]:
    """A scenario to break. Afterwards everything must be as it was."""
    scenario = published()
    yield scenario
    wait_until(lambda: not scenario.source.sessions("staging-twin"))
    wait_until(lambda: not scenario.target.sessions("staging-twin"))
    assert scenario.twin_is_the_former()
    scenario.assert_nothing_left()
    shutil.rmtree(scenario.folder)


def fails(scenario: Scenario, code: int, *said: str, options: tuple[str, ...] = ()) -> Ended:
    """Run it; it must fail with this exit code and say all of this, on standard error and once."""
    ended = scenario.run("run", *options)
    assert ended.code == code, ended.text
    for each in said:
        assert each in ended.err, ended.err
    assert "Traceback" not in ended.text
    assert "Next: " in ended.err
    return ended


@pytest.mark.parametrize("connection", ["production", "staging"])
def test_a_wrong_password(broken: Scenario, connection: str) -> None:
    broken.connections[connection]["password"] = "not-the-password"
    role = broken.connections[connection]["user"]
    fails(broken, 2, f"'{connection}' could not be opened", f"did not accept the password of '{role}'")


@pytest.mark.parametrize("connection", ["production", "staging"])
def test_a_host_that_does_not_answer(broken: Scenario, connection: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broken.connections[connection].update(port=silent.getsockname()[1], connect_timeout=2)
        fails(broken, 1, f"'{connection}' could not be opened", "does not answer within 2 s")


def test_a_password_that_was_never_filled_in(broken: Scenario) -> None:
    broken.connections["staging"]["password"] = "changeme"
    fails(broken, 2, "staging.password", "changeme")


@pytest.mark.parametrize("side", ["production", "staging"])
def test_a_connection_that_dies_in_the_middle_of_a_copy(broken: Scenario, side: str) -> None:
    cluster = broken.source if side == "production" else broken.target
    with breakable_proxy(cluster.port) as proxy:
        broken.connections[side]["port"] = proxy.port
        proxy.cut_after(30_000_000)
        ended = fails(broken, 1, "connection to the server broke")
        assert proxy.cuts == 1
    assert "schema: done" in ended.out
    assert "copy: done" not in ended.out


def test_a_snapshot_that_somebody_ends_stops_the_run(broken: Scenario) -> None:
    process = broken.start()
    wait_until(lambda: any("COPY" in query for _, _, query in broken.source.sessions("staging-twin")))
    broken.source.sql(
        "postgres",
        # The keeper's is the oldest; a copy's own session may be idle for a moment, too.
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'staging-twin%' AND state = 'idle in transaction'"
        " ORDER BY xact_start LIMIT 1",
    )
    ended = broken.finish(process)
    assert ended.code == 1, ended.text
    assert "snapshot" in ended.err
    assert "Traceback" not in ended.text


def test_a_source_role_without_select_on_one_table(broken: Scenario) -> None:
    broken.source.sql("broken_shop", "REVOKE SELECT ON public.invoice FROM reader")
    try:
        fails(broken, 2, "may not read public.invoice", 'GRANT SELECT ON "public"."invoice" TO "reader";')
    finally:
        broken.source.sql("broken_shop", "GRANT SELECT ON public.invoice TO reader")


def test_a_target_role_that_may_not_create_a_database(broken: Scenario) -> None:
    broken.target.sql("postgres", "ALTER ROLE twin_owner NOCREATEDB")
    try:
        fails(broken, 2, "may not create databases", 'ALTER ROLE "twin_owner" CREATEDB;')
    finally:
        broken.target.sql("postgres", "ALTER ROLE twin_owner CREATEDB")


def test_a_full_target_disk(broken: Scenario) -> None:
    small = start_container_cluster(disk_mb=100)
    try:
        small.role("twin_owner", "CREATEDB")
        broken.connections["staging"] = small.connection("broken_twin", "twin_owner")
        before = small.databases()
        fails(broken, 1, "disk is full", "Free space on the server")
        assert small.databases() == before
        assert small.sessions("staging-twin") == []
    finally:
        small.remove()


def test_a_column_that_no_rule_covers(broken: Scenario) -> None:
    broken.source.sql("broken_shop", "ALTER TABLE crm.customer ADD COLUMN passport_no text")
    try:
        broken.objects_at_first = broken.source_objects()
        fails(
            broken,
            3,
            "1 column is neither masked nor kept, in crm.customer",
            "crm.customer.passport_no",
            "masks:",
        )
    finally:
        broken.source.sql("broken_shop", "ALTER TABLE crm.customer DROP COLUMN passport_no")


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ({"public.invoice.total": "email"}, "does not fit the type numeric(10,2)"),
        ({"crm.customer.email": "first_name"}, "the column is unique"),
        ({"crm.customer.full_name": "null"}, "NOT NULL"),
        ({"crm.customer.phone": "fone"}, "did you mean phone"),
        ({"crm.customer.fone": "phone"}, "matches nothing in the source"),
        ({"crm.customer.id": "hash"}, "crm.customer.id"),
        ({"crm.customer.phone": {"mask": "phone", "keep_suffix": 3}}, "keep_suffix"),
    ],
    ids=["type", "unique", "not null", "unknown mask", "no such column", "foreign key", "parameter"],
)
def test_a_mask_that_cannot_be(broken: Scenario, masks: dict[str, Any], said: str) -> None:
    broken.workflow["masks"].update(masks)
    (pattern,) = masks
    ended = fails(broken, 2, said, pattern)
    assert "workflow.yaml:" in ended.err


def test_everything_wrong_at_once_is_said_at_once(broken: Scenario) -> None:
    broken.workflow["masks"].update({"crm.customer.email": "city", "no.such.column": "hash"})
    broken.workflow["keep"].remove("public.event.*")
    broken.workflow["rows"] = {"public.event": {"where": "id <> 1) OR (true"}}
    broken.target.sql("postgres", "ALTER ROLE twin_owner NOCREATEDB")
    try:
        fails(
            broken,
            2,
            "the column is unique",
            "`no.such.column` matches nothing",
            "2 columns are neither masked nor kept, in public.event",
            "closes a parenthesis",
            "may not create databases",
        )
    finally:
        broken.target.sql("postgres", "ALTER ROLE twin_owner CREATEDB")


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        ({"always_mask": ["*.*.total"]}, "always_mask"),
        ({"never_copy": ["public.event"]}, "never_copy"),
        ({"write": ["elsewhere"]}, "write"),
        ({"read": []}, "read"),
    ],
)
def test_what_policy_forbids(broken: Scenario, policy: dict[str, Any], rule: str) -> None:
    broken.policy = policy
    fails(broken, 3, f"policy rule {rule}")


def test_a_twin_that_would_replace_its_own_source(broken: Scenario) -> None:
    broken.source.role("careless", "SUPERUSER")
    broken.connections["staging"] = broken.source.connection("broken_shop", "careless")
    try:
        fails(broken, 2, "is the source itself")
    finally:
        broken.source.sql("postgres", "DROP ROLE careless")


def test_a_database_of_somebody_else_under_the_name_that_is_needed(broken: Scenario) -> None:
    broken.target.create_database("broken_twin__next")
    broken.target.sql("broken_twin__next", "CREATE TABLE public.theirs ()")
    try:
        fails(broken, 2, "'broken_twin__next' is in the way")
        assert broken.target.value("broken_twin__next", "SELECT to_regclass('public.theirs') IS NOT NULL")
    finally:
        broken.target.drop_database("broken_twin__next")


def test_a_value_that_the_twin_does_not_accept(broken: Scenario) -> None:
    broken.source.sql(
        "broken_shop", "ALTER TABLE crm.customer ADD CHECK (substr(full_name, 1, 6) = 'Person') NOT VALID"
    )
    broken.source.sql("broken_shop", "ALTER TABLE crm.customer VALIDATE CONSTRAINT customer_full_name_check")
    try:
        ended = fails(broken, 2, "crm.customer", "customer_full_name_check")
        assert CANARY not in ended.text
    finally:
        broken.source.sql("broken_shop", "ALTER TABLE crm.customer DROP CONSTRAINT customer_full_name_check")


def test_a_value_that_fits_no_partition(broken: Scenario) -> None:
    broken.source.sql(
        "broken_shop",
        "CREATE TABLE public.by_area (area text) PARTITION BY LIST (area);"
        "CREATE TABLE public.by_area_north PARTITION OF public.by_area FOR VALUES IN ('north');"
        "INSERT INTO public.by_area VALUES ('north');"
        "GRANT SELECT ON public.by_area, public.by_area_north TO reader;",
    )
    broken.workflow["masks"]["public.by_area.area"] = "city"
    try:
        fails(broken, 2, "public.by_area_north.area: 1 of 1 rows", "would fit no partition of public.by_area")
    finally:
        broken.source.sql("broken_shop", "DROP TABLE public.by_area")


def test_json_tells_the_same(broken: Scenario) -> None:
    broken.connections["production"]["password"] = "not-the-password"
    ended = broken.run("run", "--json")
    assert ended.code == 2
    last = ended.lines[-1]
    assert last["type"] == "failed"
    assert last["exit_code"] == 2
    assert "password of 'reader'" in last["why"]


def test_files_that_are_not_there(broken: Scenario, tmp_path: Path) -> None:
    arguments = broken.write()
    missing = [str(tmp_path / "nothing.yaml"), *arguments[1:]]
    broken.write = lambda: missing  # type: ignore[method-assign]
    fails(broken, 2, "nothing.yaml")
