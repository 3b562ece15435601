"""Real PostgreSQL clusters: made in a temporary folder, on a free loopback port, as the user ``postgres``."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from appliance.postgres.plan import PlannedTable
from appliance.system.postgres_programs import PG_DUMP_VARIABLE
from tests.engine.clusters import (
    CLONING_FOLDER,
    COMING_MAJOR,
    COMING_PROGRAMS,
    WHEEL_MAJOR,
    Cluster,
    Newer,
    program,
    start_cluster,
    usual_major,
)
from tests.engine.container_cluster import (
    ContainerCluster,
    has_postgres17,
    pg_dump_wrapper,
    start_container_cluster,
)
from tests.engine.engine_run import AS_IS, EngineRun
from tests.engine.locking import MakeRig, small_table
from tests.engine.machines import AIRFLOW_MADE, OWNER, Machine, NewMachine, make_airflow_template
from tests.engine.scenario import SHOP, Scenario

# A disk that clones files is made by hand: mkfs.xfs in a file, mounted.
collect_ignore = [] if CLONING_FOLDER in os.environ else ["test_branch_clones.py"]

_numbers = itertools.count(1)
_machines = itertools.count(1)


@pytest.fixture(scope="session")
def new_cluster() -> Iterator[Callable[..., Cluster]]:
    """Start a cluster: ``new_cluster(major=15, tls=True, settings={...})``; all are removed at the end."""
    started: list[Cluster] = []

    def start(**options: object) -> Cluster:
        cluster = start_cluster(**options)  # type: ignore[arg-type]
        started.append(cluster)
        return cluster

    yield start
    for cluster in reversed(started):
        cluster.remove()


@pytest.fixture(scope="session")
def major() -> int:
    """The major that tests run on."""
    return usual_major()


@pytest.fixture(scope="session")
def source(new_cluster: Callable[..., Cluster]) -> Cluster:
    """The cluster of the source databases, with the role ``reader``, which has no privileges yet."""
    cluster = new_cluster(name="source")
    cluster.role("reader")
    return cluster


@pytest.fixture(scope="session")
def target(new_cluster: Callable[..., Cluster]) -> Cluster:
    """The cluster that holds twins, with a superuser and the role ``twin_owner`` (CREATEDB only)."""
    cluster = new_cluster(name="target", major=usual_major(of_targets=True))
    cluster.role("twin_owner", "CREATEDB")
    return cluster


@pytest.fixture(scope="session")
def postgres17(new_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    """PostgreSQL 17 with ``reader`` and ``twin_owner``: this machine's own, else in a container."""
    cluster = new_cluster(name="seventeen", major=17) if has_postgres17() else start_container_cluster()
    cluster.role("reader")
    cluster.role("twin_owner", "CREATEDB")
    yield cluster
    if isinstance(cluster, ContainerCluster):
        cluster.remove()


@pytest.fixture
def source_database(source: Cluster) -> Iterator[str]:
    """A fresh, empty source database."""
    name = f"shop_{next(_numbers)}"
    source.create_database(name)
    yield name
    source.drop_database(name)


@pytest.fixture
def twin_database(target: Cluster) -> Iterator[str]:
    """The name of a twin that does not exist yet; it and its siblings are dropped afterwards."""
    name = f"twin_{next(_numbers)}"
    yield name
    for suffix in ("", "__next", "__prev", "__gone"):
        target.drop_database(name + suffix)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """An empty run folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def scenario(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> Scenario:
    """A small shop, and a workflow for it that works."""
    for statement in SHOP.split(";\n"):
        source.sql(source_database, statement)
    return Scenario(tmp_path, source, source_database, target, twin_database)


@pytest.fixture(scope="session")
def secured_target(new_cluster: Callable[..., Cluster]) -> Cluster:
    """A cluster for twins that speaks TLS, with a certificate for ``localhost``."""
    cluster = new_cluster(name="secured-target", tls=True, major=usual_major(of_targets=True))
    cluster.role("twin_owner", "CREATEDB")
    return cluster


@pytest.fixture(scope="session")
def postgres18(new_cluster: Callable[..., Cluster]) -> Cluster:
    """PostgreSQL 18 with ``reader`` and ``twin_owner``."""
    cluster = new_cluster(name="eighteen", major=WHEEL_MAJOR)
    cluster.role("reader")
    cluster.role("twin_owner", "CREATEDB")
    return cluster


@pytest.fixture(scope="session")
def older(new_cluster: Callable[..., Cluster]) -> Callable[[int], Cluster]:
    """PostgreSQL 13, 14 or 16 with ``reader`` and ``twin_owner``, started when it is first asked for."""

    @cache
    def cluster_of(major: int) -> Cluster:
        if not Path(program(major, "postgres")).exists():
            pytest.skip(f"there is no PostgreSQL {major}: scripts/older-postgres.sh installs it")
        cluster = new_cluster(name=f"major-{major}", major=major)
        assert cluster.value("postgres", "SHOW server_version").startswith(f"{major}.")
        cluster.role("reader", "BYPASSRLS")
        cluster.role("twin_owner", "CREATEDB")
        return cluster

    return cluster_of


@pytest.fixture(scope="session")
def postgres19(new_cluster: Callable[..., Cluster]) -> Cluster:
    """PostgreSQL 19, where it is named, with ``reader`` and ``twin_owner``."""
    cluster = new_cluster(name="nineteen", major=COMING_MAJOR)
    cluster.role("reader")
    cluster.role("twin_owner", "CREATEDB")
    return cluster


@pytest.fixture(params=[17, 18, *([COMING_MAJOR] if COMING_PROGRAMS else [])])
def newer(request: pytest.FixtureRequest, tmp_path: Path) -> Newer:
    """Each of the newer servers, with a pg_dump that reads it."""
    cluster = request.getfixturevalue(f"postgres{request.param}")
    if request.param >= WHEEL_MAJOR:
        return Newer(cluster, {PG_DUMP_VARIABLE: program(request.param, "pg_dump")})
    return Newer(cluster, {} if has_postgres17() else {PG_DUMP_VARIABLE: str(pg_dump_wrapper(tmp_path))})


@pytest.fixture
def start_run(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> Iterator[Callable[..., EngineRun]]:
    """Start runs that copy one source database as it is into one twin."""
    source.let_read_all("reader")
    runs: list[EngineRun] = []

    def start(**options: Any) -> EngineRun:
        runs.append(EngineRun(source, source_database, target, twin_database, tmp_path, **options))
        return runs[-1]

    yield start
    for run in runs:
        run.close()
    # Other tests of the same servers rely on a reader that may do less.
    source.let_read_no_more("reader")


@pytest.fixture(scope="session")
def machines_cluster(
    new_cluster: Callable[..., Cluster], tmp_path_factory: pytest.TempPathFactory
) -> Cluster:
    """A cluster for machines, with a database that Airflow's own migrations have made."""
    cluster = new_cluster(name="machines", settings={"fsync": "off"})
    make_airflow_template(cluster, tmp_path_factory.mktemp("airflow"))
    return cluster


@pytest.fixture(scope="session")
def new_machine(machines_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewMachine]:
    """Make machines that an appliance could live on."""
    made: list[str] = []

    def make() -> Machine:
        number = next(_machines)
        names = (f"airflow_{number}", f"appliance_{number}")
        machines_cluster.create_database(names[0], f"TEMPLATE {AIRFLOW_MADE} OWNER {OWNER}")
        machines_cluster.create_database(names[1], f"OWNER {OWNER}")
        made.extend(names)
        machine = Machine(machines_cluster, tmp_path_factory.mktemp(f"machine-{number}"), *names)
        machine.prepare()
        return machine

    yield make
    for name in made:
        machines_cluster.drop_database(name)


@pytest.fixture
def make_rig(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> Iterator[MakeRig]:
    """``make_rig(tables, items=…, limits=…)``: a run of tables that are planned by hand, by superusers."""
    made: list[EngineRun] = []

    def make(tables: Sequence[PlannedTable], **options: Any) -> EngineRun:
        of = options.pop("source", source), options.pop("source_database", source_database)
        into = target, options.pop("twin", twin_database)
        items, document = options.pop("items", None), {**AS_IS, "limits": options.pop("limits", {})}
        run = EngineRun(*of, *into, tmp_path, document, reader="postgres", writer="postgres", **options)
        made.append(run)
        run.plan_tables(tables, items)
        return run

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def twin_run(start_run: Callable[..., EngineRun], source: Cluster, source_database: str) -> EngineRun:
    """A run of three small tables, whose snapshot is taken."""
    for name in ("first", "second", "third"):
        small_table(source, source_database, name)
    run = start_run()
    run.plan_as_is()
    return run
