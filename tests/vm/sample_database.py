"""A production database and the server of its twin, in a cluster of their own on the host under test."""

from __future__ import annotations

import base64

from tests.vm.container_host import Deployed

SAMPLE_PORT = 5433

WORKFLOW = """\
id: vm-twin
title: Twin of the shop
source: production
tables: {include: ["public.*"]}
masks:
  public.customer.email: email
  public.customer.name: full_name
keep: ["public.customer.id", "public.orders.*"]
deliver:
  - twin: {connection: staging}
limits: {parallel: 2, memory_mb: 512, cpus: 1, run_timeout_min: 20}
"""

_SCHEMA = """
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE);
INSERT INTO customer
  SELECT n, 'Ada Lovelace ' || n, 'ada' || n || '@example.org' FROM generate_series(1, 5000) n;
CREATE TABLE orders (
  id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, total numeric NOT NULL
);
INSERT INTO orders SELECT n, 1 + n % 5000, n % 97 FROM generate_series(1, 20000) n;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""


def make_sample(appliance: Deployed) -> None:
    """Make the cluster with its roles and the shop in it, unless it is there."""
    vm = appliance.vm
    major = vm.sudo("ls /usr/lib/postgresql | sort -n | tail -1")
    folder = f"/etc/postgresql/{major}/sample"
    fresh = not vm.sudo(f"test -e {folder} && echo there || true")
    if fresh:
        vm.sudo(f"pg_createcluster {major} sample --port {SAMPLE_PORT} --locale C.UTF-8 --encoding UTF8")
        # It must come back by itself after a reboot, also before Docker has made its bridge.
        settings = "listen_addresses = '*'\nfsync = off\nshared_buffers = 32MB\n"
        rules = "local all postgres peer\nhost all all 172.29.0.0/16 scram-sha-256\n"
        for name, text in (("conf.d/sample.conf", settings), ("pg_hba.conf", rules)):
            vm.sudo(f"printf %s {packed(text)} | base64 -d > {folder}/{name}")
        vm.sudo(f"systemctl start postgresql@{major}-sample")
        sql(appliance, "CREATE ROLE reader LOGIN; CREATE ROLE twin_owner LOGIN CREATEDB")
        sql(appliance, "CREATE DATABASE shop")
        sql(appliance, _SCHEMA, "shop")
    for role, name in (("reader", "source"), ("twin_owner", "target")):
        sql(appliance, f"ALTER ROLE {role} PASSWORD {_literal(appliance.passwords[name])}")


def sql(appliance: Deployed, text: str, database: str = "postgres") -> str:
    """Run SQL in the sample cluster as its administrator, and give back what it prints, unaligned."""
    psql = f"runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -p {SAMPLE_PORT} -d {database}"
    return appliance.vm.sudo(f"cd / && printf %s {packed(text)} | base64 -d | {psql}")


def put_workflow(appliance: Deployed, text: str = WORKFLOW, name: str = "vm-twin") -> None:
    """Write a workflow file as an editor that renames does."""
    path = f"/etc/appliance/workflows/{name}.yaml"
    appliance.vm.sudo(f"printf %s {packed(text)} | base64 -d > {path}.new && chmod 644 {path}.new")
    appliance.vm.sudo(f"mv {path}.new {path}")


def packed(text: str) -> str:
    """For a command line: what `base64 -d` gives back."""
    return base64.b64encode(text.encode()).decode()


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f" E'{escaped}'"
