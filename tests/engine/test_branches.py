"""Branches on a real server: what they hold, who may open them, how they end, and what they never disturb."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from appliance.branches.branch import branch_database, marker_of
from appliance.branches.server import Asked, BranchServer
from appliance.errors import RefusedError, WorkFailedError, WrongRequestError
from appliance.policy.branches import BranchPolicy
from appliance.postgres.twin.database import mark, read_database, run_sql
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.publishing import Published, roll_back
from appliance.postgres.twin.target.checks import target_problems
from appliance.postgres.twin.template_copy import can_clone, copy_database
from appliance.postgres.twin.turns import copying
from tests.engine.clusters import Cluster
from tests.engine.test_publish import RUN, Stage

POLICY = BranchPolicy()


@pytest.fixture
def stage(target: Cluster, twin_database: str) -> Iterator[Stage]:
    """A twin that has a former one; the next one waits to be published."""
    stage = Stage(target, twin_names(twin_database))
    stage.database(stage.names.prev, "older", run="run-1")
    stage.database(stage.names.twin, "old", run="run-2")
    stage.finished_next()
    yield stage
    for database in target.databases():
        if database.startswith(twin_database):
            target.sql("postgres", f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
            target.drop_database(database)


def user_of(target: Cluster, name: str) -> Iterator[str]:
    target.role(name)
    yield name
    for database in target.databases():
        target.sql(database, f"DROP OWNED BY {name}")
    target.sql("postgres", f"DROP ROLE {name}")


@pytest.fixture
def someone(target: Cluster, stage: Stage) -> Iterator[str]:
    """A data user whom the twin's owner has nothing to say to."""
    yield from user_of(target, f"someone_{stage.names.twin}")


@pytest.fixture
def another(target: Cluster, stage: Stage) -> Iterator[str]:
    """One more."""
    yield from user_of(target, f"another_{stage.names.twin}")


def publish(stage: Stage, golden: Any = "always") -> Published:
    return replace(stage.publisher(), golden=golden).publish()


def server(stage: Stage, policy: BranchPolicy = POLICY) -> BranchServer:
    return BranchServer("w", stage.names.twin, policy, stage.admin, stage.open)


def branch_of(stage: Stage, name: str, policy: BranchPolicy = POLICY, **asked: Any) -> str:
    """Make a branch; its database."""
    return server(stage, policy).create(name, Asked(**asked)).branch.database.name


def names_of(stage: Stage) -> list[str]:
    return [each.marker.name for each in server(stage).branches()]


def test_a_branch_is_what_the_run_has_proven_and_says_of_which_run_it_is(stage: Stage) -> None:
    publish(stage)
    stage.target.sql(stage.names.twin, "UPDATE public.which SET name = 'changed by a user'")
    made = server(stage).create("pay-123", Asked())
    marker = marker_of(made.branch.database)
    assert marker is not None
    assert (marker.run, marker.copy_of, marker.name, marker.state) == (RUN, "golden", "pay-123", "ready")
    assert stage.which(made.branch.database.name) == "new"
    stage.target.sql(made.branch.database.name, "UPDATE public.which SET name = 'tried out'")
    assert (stage.which(stage.names.twin), stage.which(branch_of(stage, "other"))) == (
        "changed by a user",
        "new",
    )


def test_a_golden_copy_is_opened_by_no_user_and_replaced_by_the_next_run(stage: Stage, someone: str) -> None:
    publish(stage)
    assert stage.target.value(stage.names.twin, "SELECT 1", user=someone) == 1
    with pytest.raises(psycopg.OperationalError):
        stage.target.value(stage.names.golden, "SELECT 1", user=someone)
    stage.database(stage.names.next, "newest", run="run-next", state="finished")
    replace(stage.publisher(), run="run-next", golden="always").publish()
    assert (stage.which(stage.names.golden), stage.which(stage.names.prev)) == ("newest", "new")


def test_no_golden_copy_is_left_from_a_run_before_once_none_is_wanted(stage: Stage) -> None:
    publish(stage)
    stage.database(stage.names.next, "newest", run="run-next", state="finished")
    replace(stage.publisher(), run="run-next", golden="never").publish()
    assert stage.names.golden not in stage.target.databases()


def test_what_is_left_out_keeps_a_golden_copy_only_where_files_are_cloned(stage: Stage) -> None:
    publish(stage, "if_cloned")
    with closing(stage.admin()) as admin:
        assert (stage.names.golden in stage.target.databases()) == can_clone(admin, stage.names.trial)
    assert stage.which(stage.names.twin) == "new"


def test_a_database_of_that_name_that_is_not_ours_stays_and_the_twin_is_published(stage: Stage) -> None:
    stage.database(stage.names.golden, "theirs", run=None)
    with closing(stage.admin()) as admin:
        (problem,) = target_problems(admin, stage.open, stage.names.twin, golden=True)
        assert stage.names.golden in problem.what
        assert target_problems(admin, stage.open, stage.names.twin) == ()
    published = publish(stage)
    assert f"'{stage.names.golden}' was not made by the appliance" in " ".join(published.notes)
    assert (stage.which(stage.names.twin), stage.which(stage.names.golden)) == ("new", "theirs")


def test_a_swap_that_had_to_wait_finds_the_golden_copy_made(stage: Stage) -> None:
    with stage.target.connect(stage.names.twin), pytest.raises(WorkFailedError):
        publish(stage)
    assert stage.which(stage.names.golden) == "new"
    stage.publish()
    assert (stage.which(stage.names.golden), stage.which(stage.names.twin)) == ("new", "new")


def test_without_a_golden_copy_it_is_the_former_twin_and_the_twin_if_that_is_wanted(stage: Stage) -> None:
    publish(stage, "never")
    made = server(stage).create("a", Asked())
    assert (made.branch.marker.run, made.branch.marker.copy_of) == ("run-2", "former")
    assert stage.which(made.branch.database.name) == "old"
    assert stage.which(branch_of(stage, "b", of="twin")) == "new"
    with stage.target.connect(stage.names.twin), pytest.raises(WrongRequestError, match="postgres are in it"):
        branch_of(stage, "c", of="twin")
    with pytest.raises(WrongRequestError, match="is not there"):
        branch_of(stage, "c", of="golden")
    assert names_of(stage) == ["a", "b"]


def test_after_a_roll_back_a_branch_is_of_the_run_that_the_twin_is_of(stage: Stage) -> None:
    publish(stage)
    roll_back(stage.names, "staging", stage.admin, 0, stage.sentences.append)
    made = server(stage).create("a", Asked())
    assert (made.branch.marker.run, made.branch.marker.copy_of) == ("run-2", "twin")
    assert stage.which(branch_of(stage, "b", of="golden")) == "new"
    assert server(stage).create("c", Asked(of="former")).branch.marker.run == RUN


def test_who_may_open_the_twin_may_open_a_branch_with_the_rights_and_settings_of_the_twin(
    stage: Stage, someone: str, another: str
) -> None:
    twin = stage.names.twin
    stage.target.sql(twin, f"GRANT SELECT ON public.which TO {someone}", "twin_owner")
    stage.target.sql("postgres", f'REVOKE ALL ON DATABASE "{twin}" FROM PUBLIC', "twin_owner")
    stage.target.sql("postgres", f'GRANT CONNECT ON DATABASE "{twin}" TO {someone}', "twin_owner")
    stage.target.sql("postgres", f"ALTER DATABASE \"{twin}\" SET work_mem = '5MB'", "twin_owner")
    publish(stage)
    branch = branch_of(stage, "a")
    assert stage.target.value(branch, "SELECT name FROM public.which", user=someone) == "new"
    assert stage.target.value(branch, "SHOW work_mem") == "5MB"
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        stage.target.value(branch, "SELECT 1", user=another)


def test_what_was_granted_and_revoked_in_the_twin_since_the_run_holds_in_a_branch(
    stage: Stage, someone: str, another: str
) -> None:
    twin = stage.names.twin
    stage.target.sql(twin, f"GRANT SELECT, UPDATE (name) ON public.which TO {another}", "twin_owner")
    publish(stage)
    stage.target.sql(twin, f"GRANT SELECT ON public.which TO {someone}", "twin_owner")
    stage.target.sql(twin, f"REVOKE ALL ON public.which FROM {another}", "twin_owner")
    stage.target.sql(twin, f"REVOKE UPDATE (name) ON public.which FROM {another}", "twin_owner")
    granted = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = %s"
    assert stage.target.value(stage.names.golden, granted, [another]) == 0
    branch = branch_of(stage, "a")
    assert stage.target.value(branch, "SELECT name FROM public.which", user=someone) == "new"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stage.target.value(branch, "SELECT name FROM public.which", user=another)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stage.target.sql(branch, "UPDATE public.which SET name = 'x'", another)


def test_a_branch_for_a_role_is_opened_by_that_role_alone_which_may_write(
    stage: Stage, someone: str, another: str
) -> None:
    publish(stage)
    branch = branch_of(stage, "a", role=someone)
    stage.target.sql(branch, "UPDATE public.which SET name = 'mine'; CREATE SCHEMA mine", someone)
    assert stage.which(branch) == "mine"
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        stage.target.value(branch, "SELECT 1", user=another)
    with pytest.raises(WrongRequestError, match="no role 'noone'"):
        branch_of(stage, "b", role="noone")


def test_reset_brings_the_newest_run_and_ends_when_it_was_to(stage: Stage, someone: str) -> None:
    publish(stage)
    former = server(stage).create("a", Asked(ttl=timedelta(hours=5), role=someone)).branch
    stage.database(stage.names.next, "newest", run="run-next", state="finished")
    replace(stage.publisher(), run="run-next", golden="always").publish()
    with stage.target.connect(former.database.name, "twin_owner"):
        again = server(stage).reset("a", Asked()).branch
    assert stage.which(again.database.name) == "newest"
    assert (again.marker.run, again.marker.role) == ("run-next", someone)
    assert again.marker.ends_at == former.marker.ends_at
    longer = server(stage).reset("a", Asked(ttl=timedelta(hours=50))).branch
    assert longer.marker.ends_at > former.marker.ends_at + timedelta(hours=40)


def test_a_branch_that_cannot_be_made_again_stays(stage: Stage) -> None:
    publish(stage, "never")
    branch = branch_of(stage, "a", of="twin")
    stage.target.sql(branch, "UPDATE public.which SET name = 'work'")
    with stage.target.connect(stage.names.twin), pytest.raises(WrongRequestError):
        server(stage).reset("a", Asked(of="twin"))
    assert stage.which(branch) == "work"
    with pytest.raises(RefusedError, match=r"branches\.ttl_days"):
        server(stage).reset("a", Asked(ttl=timedelta(days=8)))
    assert stage.which(branch) == "work"


def test_a_name_that_is_taken_is_refused_and_nothing_of_it_is_lost(stage: Stage) -> None:
    publish(stage)
    branch = branch_of(stage, "a")
    stage.target.sql(branch, "UPDATE public.which SET name = 'work'")
    with pytest.raises(WrongRequestError, match="already"):
        branch_of(stage, "a")
    assert stage.which(branch) == "work"
    theirs = branch_database(stage.names.twin, "theirs")
    stage.database(theirs, "theirs", run=None)
    for act in (server(stage).create, server(stage).reset):
        with pytest.raises(WrongRequestError):
            act("theirs", Asked())
    with pytest.raises(WrongRequestError):
        server(stage).drop("theirs")
    server(stage).end_due(datetime.now(UTC) + timedelta(days=400))
    assert (stage.which(theirs), names_of(stage)) == ("theirs", [])


@pytest.mark.parametrize(
    ("policy", "asked", "rule"),
    [
        (BranchPolicy(max=1), {}, r"branches\.max\b"),
        (BranchPolicy(ttl_days=2), {"ttl": timedelta(days=2, minutes=1)}, r"branches\.ttl_days"),
        (BranchPolicy(by=()), {}, r"branches\.by"),
    ],
)
def test_policy_says_how_many_how_long_and_who(
    stage: Stage, policy: BranchPolicy, asked: dict[str, Any], rule: str
) -> None:
    publish(stage)
    branch_of(stage, "first")
    with pytest.raises(RefusedError, match=rule):
        branch_of(stage, "second", policy, **asked)
    assert names_of(stage) == ["first"]


def test_policy_says_how_large_they_may_be_together(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(stage)
    size = int(stage.target.value("postgres", f"SELECT pg_database_size('{stage.names.golden}')"))
    monkeypatch.setattr("appliance.policy.branches.GB", int(size * 1.5))
    branch_of(stage, "first", BranchPolicy(max_gb=1))
    with pytest.raises(RefusedError, match=r"branches\.max_gb"):
        branch_of(stage, "second", BranchPolicy(max_gb=1))
    server(stage, BranchPolicy(max_gb=1)).reset("first", Asked())


def test_a_branch_ends_by_itself_also_while_somebody_is_in_it(stage: Stage) -> None:
    publish(stage)
    branch = branch_of(stage, "short", ttl=timedelta(minutes=1))
    branch_of(stage, "long", ttl=timedelta(hours=1))
    assert server(stage).end_due() == []
    with stage.target.connect(branch, "twin_owner"):
        lines = server(stage).end_due(datetime.now(UTC) + timedelta(minutes=2))
    assert lines == [f"The branch 'short' of '{stage.names.twin}' is over and was dropped."]
    assert names_of(stage) == ["long"]


def test_a_branch_held_by_whom_we_may_not_end_takes_nobody_else_and_goes_when_they_leave(
    stage: Stage,
) -> None:
    publish(stage)
    branch = branch_of(stage, "a", ttl=timedelta(minutes=1))
    later = datetime.now(UTC) + timedelta(minutes=2)
    with stage.target.connect(branch):
        (line,) = server(stage).end_due(later)
        assert "could not be dropped yet. Sessions of postgres are in it" in line
        with pytest.raises(psycopg.OperationalError, match="not currently accepting"):
            stage.target.connect(branch, "twin_owner")
    assert server(stage).end_due(later) == [
        f"The branch 'a' of '{stage.names.twin}' is over and was dropped."
    ]


def test_what_a_killed_process_left_half_made_is_dropped(stage: Stage) -> None:
    publish(stage)
    unmarked = branch_database(stage.names.twin, "unmarked")
    with closing(stage.admin()) as admin:
        copy_database(admin, stage.names.golden, unmarked)
    made = server(stage).create("begun", Asked()).branch
    assert unmarked not in stage.target.databases()
    with closing(stage.admin()) as admin:
        comment = made.marker.model_copy(update={"state": "making"}).model_dump_json()
        run_sql(admin, "COMMENT ON DATABASE {} IS {text}", made.database.name, text=comment)
    assert server(stage).end_due() == ["The branch 'begun', never whole, was dropped."]


def test_what_failed_on_the_way_leaves_no_branch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(stage)

    def fails(*_: object) -> list[str]:
        raise psycopg.errors.DiskFull("no space")

    monkeypatch.setattr("appliance.branches.server.give_rights", fails)
    with pytest.raises(WorkFailedError):
        branch_of(stage, "a")
    assert branch_database(stage.names.twin, "a") not in stage.target.databases()


def test_a_swap_waits_until_a_branch_is_copied(stage: Stage) -> None:
    publish(stage)
    stage.database(stage.names.next, "newest", run="run-next", state="finished")
    waits = threading.Event()
    publisher = replace(stage.publisher(), run="run-next", golden="always", tell=lambda _: waits.set())
    swap = threading.Thread(target=publisher.publish)
    with closing(stage.admin()) as admin, copying(admin, stage.names.twin):
        swap.start()
        assert waits.wait(300)
        assert stage.which(stage.names.twin) == "new"
    swap.join(300)
    assert stage.which(stage.names.twin) == "newest"


def test_branches_outlive_the_runs_that_follow(stage: Stage) -> None:
    publish(stage)
    branch = branch_of(stage, "a")
    for number in range(3):
        stage.database(stage.names.next, f"newer-{number}", run=f"run-{number}", state="finished")
        replace(stage.publisher(), run=f"run-{number}", golden="always").publish()
    assert (stage.which(branch), names_of(stage)) == ("new", ["a"])


def test_before_the_first_run_there_is_nothing_to_branch_from(target: Cluster, twin_database: str) -> None:
    empty = Stage(target, twin_names(twin_database))
    with pytest.raises(WrongRequestError, match="no twin"):
        branch_of(empty, "a")


def test_a_golden_copy_that_was_never_whole_is_made_again(stage: Stage) -> None:
    with closing(stage.admin()) as admin:
        copy_database(admin, stage.names.twin, stage.names.golden)
    publish(stage)
    assert stage.which(stage.names.golden) == "new"
    with closing(stage.admin()) as admin:
        golden = read_database(admin, stage.names.golden)
        assert golden is not None and golden.marker is not None and golden.marker.run == RUN
        mark(admin, stage.names.golden, workflow="w", run="run-0", state="golden")


def test_a_branch_that_is_extended_stays_what_it_is_within_what_policy_allows(stage: Stage) -> None:
    publish(stage)
    branch_of(stage, "mine", ttl=timedelta(hours=1))
    before = server(stage).find("mine").marker
    server(stage).extend("mine", timedelta(days=2))
    after = server(stage).find("mine").marker
    assert after.ends_at > before.ends_at + timedelta(days=1)
    assert after.model_copy(update={"ends_at": before.ends_at}) == before
    with pytest.raises(RefusedError, match=r"branches\.ttl_days"):
        server(stage).extend("mine", timedelta(days=8))
    with pytest.raises(RefusedError, match=r"branches\.by"):
        server(stage, BranchPolicy(by=("cloud",))).extend("mine")
