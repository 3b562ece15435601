"""The programs in the step image."""

from __future__ import annotations

import subprocess

import pytest

from tests.engine.clusters import SUPERUSER, start_cluster


def run_in(image: str, command: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    docker = [
        "docker",
        "run",
        "--rm",
        "--network",
        "host",
        *options,
        "--entrypoint",
        program,
        image,
        *arguments,
    ]
    return subprocess.run(docker, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("major", [17, 18])
def test_each_pg_dump_checks_the_certificate_of_its_server(step_image: str, major: int) -> None:
    cluster = start_cluster(name="dumped", tls=True)
    try:
        assert cluster.tls_ca is not None
        cluster.sql("postgres", "CREATE TABLE seen_by_pg_dump (id integer)")
        # The CA's folder is closed to others; the certificate alone is not.
        ca = cluster.tls_ca
        ca.chmod(0o644)
        place = f"host=localhost port={cluster.port} user={SUPERUSER} dbname=postgres sslmode=verify-full"
        pg_dump = [f"/usr/lib/postgresql/{major}/bin/pg_dump", "--schema-only", "--dbname"]
        options = ("-e", f"PGPASSWORD={cluster.passwords[SUPERUSER]}", "-v", f"{ca}:/ca.crt:ro")
        dumped = run_in(step_image, [*pg_dump, f"{place} sslrootcert=/ca.crt"], *options)
        assert "CREATE TABLE public.seen_by_pg_dump" in dumped.stdout, dumped.stderr
        assert f"Dumped by pg_dump version {major}." in dumped.stdout
        refused = run_in(step_image, [*pg_dump, f"{place} sslrootcert=system"], *options)
        assert refused.returncode != 0 and "certificate verify failed" in refused.stderr
    finally:
        cluster.remove()
