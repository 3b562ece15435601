"""The schema of a database as pg_dump prints it, normalised so that two databases can be compared."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from appliance.system.postgres_programs import find_pg_dump, newest
from tests.engine.clusters import Cluster

_NOISE = re.compile(r"SET |\\(un)?restrict|--$|-- ")
_LEFT_OUT = ("--no-publications", "--no-subscriptions")


def schema_text(cluster: Cluster, database: str, *, major: int | None = None) -> list[str]:
    """Every statement of the schema, sorted: what is there, not the order in which it was made.

    ``major`` is that of the newer of two servers to compare: both are read by the same pg_dump.
    """
    blocks = re.split(r"\n--\n-- Name: .*\n--\n", _dump(cluster, database, major or cluster.major))[1:]
    statements = []
    for block in blocks:
        lines = [line for line in block.strip().splitlines() if not _NOISE.match(line)]
        statements += [part.strip() for part in "\n".join(lines).split(";\n\n") if part.strip()]
    return sorted(statement.rstrip(";") for statement in statements)


def restore_schema(cluster: Cluster, database: str, into: Cluster, name: str) -> None:
    """Make the database ``name`` with the same schema, as pg_dump and psql do it for a superuser."""
    into.create_database(name, "TEMPLATE template0")
    subprocess.run(
        [newest("psql"), "-X", "-q", "-h", into.host, "-p", str(into.port), "-U", "postgres", "-d", name],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": into.passwords["postgres"]},
        input=_dump(cluster, database, max(cluster.major, into.major)),
        check=True,
        capture_output=True,
        text=True,
    )


_COLUMN_MARKS = re.compile(
    r"^ALTER [^\n]* SET \(pg_attver='?\d+'?\);\n|, pg_attver='?\d+'?|pg_attver='?\d+'?, ", re.MULTILINE
)
"""Numbers that newer servers give columns, each its own."""


def _dump(cluster: Cluster, database: str, major: int) -> str:
    program = find_pg_dump(major * 10000)
    with tempfile.TemporaryDirectory(prefix="appliance-schema-") as folder:
        services = Path(folder) / "pg_service.conf"
        services.write_text(
            f"[it]\nhost={cluster.host}\nport={cluster.port}\nuser=postgres\ndbname={database}\n"
            f"password={cluster.passwords['postgres']}\n"
        )
        dumped = subprocess.run(
            [str(program.path), "--schema-only", "--no-owner", "--no-privileges", *_LEFT_OUT],
            env={"PATH": os.environ["PATH"], "PGSERVICEFILE": str(services), "PGSERVICE": "it"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return _COLUMN_MARKS.sub("", dumped)
