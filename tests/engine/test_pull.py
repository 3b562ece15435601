"""``appliance pull``, from a status service that really listens to a server that is really restored into."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import TypeAdapter

from appliance.copies.ledger import made
from appliance.data_users.offered import DataOffers
from appliance.data_users.offers import Offers
from appliance.exports.manifest import ExportedFile, ExportedFormat, ExportedTable, Manifest
from appliance.exports.writing import export_folder, finish_export, write_manifest
from appliance.settings.settings import load_settings
from tests.browser.test_status_page import status_service
from tests.engine.bucket_server import bucket_server, make_certificates
from tests.engine.clusters import SUPERUSER, Cluster, program
from tests.engine.scenario import CANARY, Scenario

SHOP = """
CREATE SCHEMA crm;
CREATE TABLE crm.customer (id int PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE public.invoice (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES crm.customer);
INSERT INTO crm.customer SELECT i, 'person' || i || '@example.com' FROM generate_series(1, 500) AS i;
INSERT INTO public.invoice SELECT i, 1 + i % 500 FROM generate_series(1, 4000) AS i;
CREATE INDEX by_customer ON public.invoice (customer_id);
"""
ROOT = Path(__file__).parents[2]
ROWS = {"crm.customer": 500, "public.invoice": 4000}


@dataclass
class Laptop:
    """A machine with nothing but the package, and the appliance that it pulls from."""

    address: str
    state: Path
    home: Path
    server: Cluster
    database: str

    @property
    def to(self) -> str:
        return f"host={self.server.host} port={self.server.port} user={SUPERUSER} dbname={self.database}"

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("APPLIANCE")}
        environment = {
            **kept,
            "HOME": str(self.home),
            "NO_COLOR": "1",
            "PGPASSWORD": self.server.passwords[SUPERUSER],
            "APPLIANCE_CONFIG_DIR": str(self.state.parent),
            "APPLIANCE_STATE_DIR": str(self.state),
            **variables,
        }
        command = [sys.executable, "-m", "appliance", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def token(self, person: str = "anna", workflow: str = "shop") -> str:
        done = self.run("tokens", "make", person, "--workflow", workflow)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pull(self, token: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("pull", "shop", "--from", self.address, *words, APPLIANCE_PULL_TOKEN=token)

    def restored(self) -> dict[str, int]:
        counted = "SELECT count(*) FROM {}"
        return {table: self.server.value(self.database, counted.format(table)) for table in ROWS}


@pytest.fixture(scope="module")
def archive(target: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What pg_dump makes of a small shop."""
    target.create_database("pulled_from")
    target.sql("pulled_from", SHOP)
    path = tmp_path_factory.mktemp("dump") / "archive.dump"
    address = f"host={target.host} port={target.port} user={SUPERUSER} dbname=pulled_from"
    subprocess.run(
        [program(target.major, "pg_dump"), "-Fc", f"--file={path}", address],
        env={**os.environ, "PGPASSWORD": target.passwords[SUPERUSER]},
        check=True,
    )
    yield path
    target.drop_database("pulled_from")


def manifest_of(archive: Path, run: str, major: int) -> Manifest:
    content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    form = ExportedFormat(
        format="archive",
        compression="gzip",
        tables=tuple(ExportedTable(table=name, columns=("id",), rows=rows) for name, rows in ROWS.items()),
        files=(ExportedFile(file="archive.dump", bytes=len(content), sha256=digest),),
        made_with=f"pg_dump {major}",
    )
    return Manifest(
        workflow="shop", run=run, created_at=datetime.now(UTC), appliance_version="0.1.0", formats=(form,)
    )


@pytest.fixture(scope="module")
def service(
    archive: Path, target: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A status service over one export; its address, and the state's folder."""
    folder = tmp_path_factory.mktemp("appliance")
    (folder / "workflows").mkdir()
    exports = folder / "state" / "exports"
    with export_folder(exports, "shop", "shop-1") as hidden:
        (hidden / "archive.dump").write_bytes(archive.read_bytes())
        write_manifest(hidden, manifest_of(archive, "shop-1", target.major))
    finish_export(exports, "shop", "shop-1")
    with status_service(folder) as address:
        yield address.rstrip("/"), folder / "state"


@pytest.fixture
def laptop(service: tuple[str, Path], target: Cluster, tmp_path: Path) -> Iterator[Laptop]:
    made_here = Laptop(*service, tmp_path, target, "pulled_to")
    yield made_here
    for name in ("pulled_to", "pulled_to__pull", "pulled_to__pulled"):
        target.drop_database(name)


def test_a_pull_restores_what_was_delivered_and_the_appliance_knows_who_has_it(laptop: Laptop) -> None:
    token = laptop.token()
    done = laptop.pull(token, "--to", laptop.to)
    assert done.returncode == 0, done.stderr
    assert "2 tables with 4,500 rows of shop-1" in done.stdout
    assert laptop.restored() == ROWS
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexname = 'by_customer'"
    assert laptop.server.value("pulled_to", indexes) == 1
    assert not [name for name in laptop.server.databases() if name.startswith("pulled_to__")]
    assert not list((laptop.home / ".cache").rglob("*.dump"))

    (copy,) = [each for each in made(laptop.state) if each.kind == "pull"]
    assert (copy.place, copy.run) == ("anna/shop/shop-1", "shop-1")
    uses = json.loads(laptop.run("tokens", "uses", "--json").stdout)
    assert [(each["person"], each["file"]) for each in uses] == [
        ("anna", "manifest.json"),
        ("anna", "archive.dump"),
    ]
    assert token not in (laptop.state / "data-users" / "tokens.json").read_text()

    gone = laptop.run("copies", "gone", "anna/shop/shop-1", "--why", "Anna says so.")
    assert gone.returncode == 0, gone.stderr
    listed = json.loads(laptop.run("copies", "list", "--json", "--connections", "/dev/null").stdout or "[]")
    assert [each["standing"] for each in listed if each["kind"] == "pull"] in (["ended"], [])


def test_a_database_that_is_not_empty_stays_unless_it_is_to_be_replaced(laptop: Laptop) -> None:
    laptop.server.create_database("pulled_to")
    laptop.server.sql("pulled_to", "CREATE TABLE mine (id int)")
    token = laptop.token()
    refused = laptop.pull(token, "--to", laptop.to)
    assert refused.returncode == 2 and "is not empty" in refused.stderr and "--replace" in refused.stderr
    assert laptop.server.value("pulled_to", "SELECT count(*) FROM mine") == 0
    with laptop.server.connect("pulled_to"):
        replaced = laptop.pull(token, "--to", laptop.to, "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert laptop.restored() == ROWS
    assert laptop.server.value("pulled_to", "SELECT to_regclass('mine') IS NULL")


def test_a_restore_that_fails_leaves_what_was_there_and_names_the_object_without_a_value(
    laptop: Laptop, archive: Path
) -> None:
    """The owner of the target may make no extension and no schema where a trigger forbids it."""
    laptop.server.create_database("pulled_to")
    token = laptop.token()
    limited = laptop.to.replace(f"user={SUPERUSER}", "user=twin_owner")
    password = laptop.server.passwords["twin_owner"]
    laptop.server.sql("postgres", "ALTER ROLE twin_owner NOCREATEDB")
    try:
        done = laptop.run(
            "pull", "shop", "--from", laptop.address, "--to", limited,
            APPLIANCE_PULL_TOKEN=token, PGPASSWORD=password,
        )  # fmt: skip
    finally:
        laptop.server.sql("postgres", "ALTER ROLE twin_owner CREATEDB")
    assert done.returncode != 0 and "Traceback" not in done.stderr and "42501" in done.stderr
    assert "pulled_to" in laptop.server.databases()


def test_what_came_before_a_cut_is_not_fetched_again(laptop: Laptop, archive: Path) -> None:
    into = laptop.home / "files"
    into.mkdir()
    half = archive.stat().st_size // 2
    (into / "archive.dump.part").write_bytes(archive.read_bytes()[:half])
    done = laptop.pull(laptop.token("berta"), "--into", str(into))
    assert done.returncode == 0, done.stderr
    assert (into / "archive.dump").read_bytes() == archive.read_bytes()
    uses = json.loads(laptop.run("tokens", "uses", "--person", "berta", "--json").stdout)
    assert [each["start"] for each in uses if each["file"] == "archive.dump"] == [half]


def test_a_file_that_is_not_what_its_manifest_says_is_thrown_away(laptop: Laptop) -> None:
    stored = laptop.state / "exports" / "shop" / "shop-1" / "archive.dump"
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        done = laptop.pull(laptop.token(), "--to", laptop.to)
    finally:
        stored.write_bytes(whole)
    assert done.returncode == 1 and "not what the manifest says" in done.stderr
    assert "pulled_to" not in laptop.server.databases()
    assert not list((laptop.home / ".cache").rglob("archive*"))


def test_a_token_opens_its_workflow_until_it_is_revoked(laptop: Laptop) -> None:
    other = laptop.token("carla", "payroll")
    refused = laptop.pull(other, "--into", str(laptop.home / "files"))
    assert refused.returncode == 2 and "shows: none" in refused.stderr
    headers = {"authorization": f"Bearer {other}"}
    file = f"{laptop.address}/data/exports/shop/shop-1/archive.dump"
    assert httpx.get(file, headers=headers).status_code == 403
    assert httpx.get(file).status_code == 401

    good = laptop.token("carla")
    headers = {"authorization": f"Bearer {good}"}
    assert httpx.get(file, headers=headers).status_code == 200
    assert laptop.run("tokens", "revoke", "carla").returncode == 0
    assert httpx.get(file, headers=headers).status_code == 401
    assert httpx.get(f"{laptop.address}/data/offers", headers=headers).status_code == 401
    after = laptop.pull(good, "--list")
    assert after.returncode == 3 and "was revoked" in after.stderr
    uses = json.loads(laptop.run("tokens", "uses", "--person", "carla", "--json").stdout)
    assert [bool(each["refused"]) for each in uses] == [True, False, True]


def test_what_the_documentation_composes_pulls_over_tls_with_an_authority_of_ones_own(
    service: tuple[str, Path], target: Cluster, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "pull.md").read_text()
    composed = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    program_name, *words = composed["services"]["pull"]["entrypoint"]
    assert program_name == "appliance"
    authority, chain = make_certificates(tmp_path)
    state = service[1]
    with status_service(state.parent, chain) as address:
        laptop = Laptop(address.rstrip("/"), state, tmp_path, target, "pulled_to")
        meant = {"https://appliance.corp:8642": laptop.address, "postgresql://postgres@db/shop": laptop.to}
        assert set(meant) <= set(words)
        written = [meant.get(word, word) for word in words]
        token = laptop.token("erik")
        unknown = laptop.run(*written, APPLIANCE_PULL_TOKEN=token)
        assert unknown.returncode != 0 and "certificate" in unknown.stderr, unknown.stderr
        assert "--ca" in unknown.stderr
        try:
            for _ in range(2):
                done = laptop.run(*written, "--ca", str(authority), APPLIANCE_PULL_TOKEN=token)
                assert done.returncode == 0, done.stderr
                assert laptop.restored() == ROWS
        finally:
            target.drop_database("pulled_to")


@pytest.mark.parametrize(
    "path",
    [
        "../../../keys/mask.key",
        "%2e%2e/%2e%2e/x",
        "archive.dump/../manifest.json",
        ".hidden",
        "archive.dump%00",
    ],
)
def test_nothing_but_what_a_manifest_names_is_handed_out(laptop: Laptop, path: str) -> None:
    headers = {"authorization": f"Bearer {laptop.token('dora')}"}
    answer = httpx.get(f"{laptop.address}/data/exports/shop/shop-1/{path}", headers=headers)
    assert answer.status_code in (401, 404) or answer.json()["workflow"] == "shop"


def test_a_bucket_is_pulled_from_with_credentials_of_ones_own(
    laptop: Laptop, archive: Path, tmp_path: Path
) -> None:
    with bucket_server(tmp_path) as server:
        folder = server.bucket / "shop" / "shop-9"
        folder.mkdir(parents=True)
        (folder / "archive.dump").write_bytes(archive.read_bytes())
        manifest = manifest_of(archive, "shop-9", laptop.server.major)
        (folder / "manifest.json").write_text(manifest.model_dump_json())
        connections = tmp_path / "connections.yaml"
        connections.touch(mode=0o600)
        connections.write_text(json.dumps({"lake": server.connection()}))
        words = ("--bucket", "lake", "--prefix", "shop/", "--connections", str(connections))
        done = laptop.run("pull", "shop", *words, "--to", laptop.to)
    assert done.returncode == 0, done.stderr
    assert "of shop-9" in done.stdout and laptop.restored() == ROWS


def test_a_data_user_sees_how_fresh_a_twin_is_what_was_masked_how_and_where_it_is(scenario: Scenario) -> None:
    scenario.workflow["deliver"].append({"files": {"format": "csv"}})
    scenario.policy = {"destinations": ["files"]}
    before = datetime.now(UTC)
    ended = scenario.run()
    assert ended.code == 0, ended.text
    config = scenario.folder / "appliance.yaml"
    config.write_text("{}\n")
    variables = {
        "APPLIANCE_STATE_DIR": str(scenario.state),
        "APPLIANCE_CONFIG_DIR": str(scenario.folder),
    }
    offers = Offers(load_settings(config, variables)).of(None)
    (workflow,) = offers.workflows
    assert workflow.as_of is not None and workflow.as_of >= before
    (twin,) = workflow.twins
    assert (twin.at.database, twin.at.host, twin.run) == (scenario.twin, scenario.target.host, workflow.run)
    assert [each.formats for each in workflow.exports] == [("csv",)]
    columns = {f"{table.table}.{each.name}": each.mask for table in workflow.tables for each in table.columns}
    assert columns["crm.customer.email"] == "email" and columns["crm.customer.id"] is None
    said = TypeAdapter(DataOffers).dump_json(offers).decode()
    assert CANARY not in said
    assert not [word for word in scenario.target.passwords.values() if word in said]
