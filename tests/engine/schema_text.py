"""The schema of a database as pg_dump prints it, normalised so that two databases can be compared."""

from __future__ import annotations

import os
import re
import subprocess

from appliance.postgres.schema_dump import find_pg_dump
from tests.engine.clusters import Cluster


def schema_text(cluster: Cluster, database: str, *, asked_by: int | None = None) -> list[str]:
    """Every statement of the schema, sorted: what is there, not the order in which it was made.

    ``asked_by`` is the newest server whose dump it is compared with: both are read by the same pg_dump.
    """
    program = find_pg_dump(max(cluster.major, asked_by or 0) * 10000)
    output = subprocess.run(
        [
            str(program.path),
            *("--schema-only", "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"),
            *("-h", cluster.host, "-p", str(cluster.port), "-U", "postgres", "-d", database),
        ],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": cluster.passwords["postgres"]},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    blocks = re.split(r"\n--\n-- Name: .*\n--\n", output)[1:]
    statements = []
    for block in blocks:
        lines = [
            line for line in block.strip().splitlines() if not re.match(r"SET |\\(un)?restrict|--$|-- ", line)
        ]
        statements += [part.strip() for part in "\n".join(lines).split(";\n\n") if part.strip()]
    return sorted(statement.rstrip(";") for statement in statements)
