"""What a run delivers on the host beside the twin: to a bucket, and to a program of the customer's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.bucket_server import SECRET, BucketServer, bucket_server, has_program
from tests.vm.certificate_authority import make_authority
from tests.vm.conftest import Appliance
from tests.vm.running import assert_masked_twin, run_workflow
from tests.vm.sample_database import WORKFLOW, make_sample, packed, put_workflow

IMAGE = "shop.example/row-count:1"
COUNTS = """
import gzip, json, pathlib, socket
files = sorted(pathlib.Path("/data").rglob("*.csv.gz"))
rows = {path.name: gzip.open(path, "rt").read().count("\\n") - 1 for path in files}
try:
    socket.create_connection(("172.29.0.1", 5433), 3)
    rows["reached"] = 1
except OSError:
    pass
pathlib.Path("/out/rows.json").write_text(json.dumps(rows))
print("ada17@example.org", sum(rows.values()), "rows")
"""
FAILS = "raise SystemExit(3)"
POLICY = {"images": [IMAGE], "destinations": ["files", "lake"], "read": ["production"], "write": ["staging"]}
ETC = "/etc/appliance"
UPLOADED = {"bucket": {"connection": "lake", "prefix": "shop/", "formats": ["csv", "parquet"]}}
MAKE_IMAGE = f"""
set -eu
step=$(docker image ls --format "{{{{.Repository}}}}:{{{{.Tag}}}}" appliance-step | head -1)
made=$(docker create --entrypoint python "$step")
docker commit --change 'ENTRYPOINT ["python"]' "$made" {IMAGE}
docker save --output /root/row-count.tar {IMAGE}
docker rm "$made"
docker image rm {IMAGE}
"""


def write(appliance: Appliance, path: str, text: str) -> None:
    """Fill a file of the host; what is there keeps its owner and mode."""
    appliance.vm.sudo(f"printf %s {packed(text)} | base64 -d > {path}")


@pytest.fixture(scope="module")
def shop(appliance: Appliance) -> Iterator[Appliance]:
    """The appliance with a database to copy, and a policy that names where its rows may go."""
    make_sample(appliance)
    appliance.vm.sudo(f"test ! -e {ETC}/policy.yaml || cp -p {ETC}/policy.yaml /root/policy.yaml")
    write(appliance, f"{ETC}/policy.yaml", json.dumps(POLICY))
    appliance.vm.sudo(f"chmod 644 {ETC}/policy.yaml")
    yield appliance
    put_workflow(appliance)
    appliance.vm.sudo(
        f"appliance images forget {IMAGE}; docker image rm --force {IMAGE}; rm -f /root/row-count.tar"
    )
    appliance.vm.sudo(
        f"rm -f {ETC}/policy.yaml;test ! -e /root/policy.yaml || mv /root/policy.yaml {ETC}/policy.yaml"
    )


def put(appliance: Appliance, *deliveries: dict[str, Any]) -> None:
    """Give the shop's workflow deliveries beside its twin, which belongs to one workflow (JSON is YAML)."""
    more = "".join(f"  - {json.dumps(each)}\n" for each in deliveries)
    put_workflow(appliance, WORKFLOW.replace("limits:", f"{more}limits:"))


def counting(program: str) -> dict[str, Any]:
    return {"container": {"image": IMAGE, "args": ["-c", program], "reads": "files", "memory_mb": 64}}


@pytest.fixture(scope="module")
def lake(shop: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer | None]:
    """A bucket beyond the host, and its connection on the host; None where there is no such server."""
    if shop.vm.gateway is None or not has_program():
        yield None
        return
    known = f"{ETC}/connections.yaml"
    with bucket_server(tmp_path_factory.mktemp("lake"), host=shop.vm.gateway) as server:
        shop.vm.sudo(f"mkdir -p {ETC}/certs && cp -p {known} /root/connections-before.yaml")
        write(shop, f"{ETC}/certs/lake.pem", server.certificate.read_text())
        connections = json.loads(shop.vm.sudo(f"cat {known}"))
        connections["lake"] = server.connection(sslrootcert=f"{ETC}/certs/lake.pem")
        write(shop, known, json.dumps(connections))
        yield server
        shop.vm.sudo(f"cp -p /root/connections-before.yaml {known} && rm /root/connections-before.yaml")


@dataclass(frozen=True)
class Delivered:
    """One run with all deliveries, and how the image was refused before its owner had trusted it."""

    unknown: str
    only_loaded: str
    run: dict[str, Any]


@pytest.fixture(scope="module")
def delivered(shop: Appliance, lake: BucketServer | None) -> Delivered:
    """The image comes as a tar, is trusted, and gets the files that a bucket gets too."""
    put(shop, {"files": {"format": "csv"}}, counting(COUNTS), *([UPLOADED] if lake else []))
    asked = "sudo appliance workflow start vm-twin --wait"
    unknown = shop.vm.ssh(asked, check=False)
    write(shop, "/root/make-image", MAKE_IMAGE)
    shop.vm.sudo("sh /root/make-image")
    shop.vm.sudo("appliance images load /root/row-count.tar")
    only_loaded = shop.vm.ssh(asked, check=False)
    shop.vm.sudo(f"appliance images trust {IMAGE}")
    run = run_workflow(shop)
    assert run["state"] == "succeeded", str(run)
    return Delivered(unknown.stdout + unknown.stderr, only_loaded.stdout + only_loaded.stderr, run)


def test_a_container_of_the_customer_s_own_gets_the_files_and_reaches_nothing(
    shop: Appliance, delivered: Delivered
) -> None:
    assert f"appliance images trust {IMAGE}" in delivered.unknown
    assert f"appliance images trust {IMAGE}" in delivered.only_loaded, "loaded is not trusted"
    out = f"/var/lib/appliance/exports/vm-twin/{delivered.run['run_id']}-container-2/out/rows.json"
    counted = json.loads(shop.vm.sudo(f"cat {out}"))
    assert counted == {"public.customer.csv.gz": 5000, "public.orders.csv.gz": 20000}
    # What it printed looks like an original's address, and is in no log.
    patterns = shop.patterns("ada17@example.org")
    assert shop.vm.sudo(f"grep -rlFf {patterns} /var/log/appliance", check=False) == ""
    assert shop.vm.sudo("docker ps --all --quiet --filter label=appliance.run") == ""


def test_files_are_uploaded_to_a_bucket_through_the_host_s_firewall(
    shop: Appliance, lake: BucketServer | None, delivered: Delivered
) -> None:
    names = {Path(name).name for name in served(lake).objects()}
    assert {"manifest.json", "public.customer.csv.gz", "public.customer.parquet"} <= names, names
    patterns = shop.patterns(SECRET)
    places = "/var/log/appliance /var/lib/appliance/runs"
    assert shop.vm.sudo(f"grep -rlFf {patterns} {places}", check=False) == ""


def test_a_container_that_fails_leaves_the_twin_and_says_where_to_look(
    shop: Appliance, delivered: Delivered
) -> None:
    put(shop, {"files": {"format": "csv"}}, counting(FAILS))
    run = run_workflow(shop)
    assert run["state"] == "failed", run
    assert f"The container of {IMAGE} ended with exit status 3." in str(run["failure"]), str(run)
    assert_masked_twin(shop)


def test_a_bucket_whose_certificate_is_not_known_gets_nothing_and_the_twin_stays(
    shop: Appliance, lake: BucketServer | None, tmp_path: Path
) -> None:
    put(shop, UPLOADED)
    served(lake).empty()
    certificate = f"{ETC}/certs/lake.pem"
    shop.vm.sudo(f"cp -p {certificate} /root/lake.pem")
    make_authority(tmp_path / "another.pem")
    write(shop, certificate, (tmp_path / "another.pem").read_text())
    try:
        run = run_workflow(shop)
    finally:
        shop.vm.sudo(f"cp -p /root/lake.pem {certificate}")
    assert run["state"] == "failed", run
    assert "certificate" in str(run["failure"]).lower(), run
    assert served(lake).objects() == []
    assert_masked_twin(shop)


def served(lake: BucketServer | None) -> BucketServer:
    """The bucket; skips the test where there is none."""
    if lake is None:
        pytest.skip("a bucket beside a VM of one's own is not reached from there, or there is none")
    return lake
