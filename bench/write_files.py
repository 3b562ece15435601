"""Write one format of files from a database, alone in a process.

``python -m bench.write_files FORMAT FOLDER CONNINFO`` prints the seconds, and the memory that it or pg_dump
had at most. The password is in PGPASSWORD.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from appliance.postgres.exporting.archive import write_archive
from appliance.postgres.exporting.parquet import write_parquet
from appliance.postgres.exporting.parquet_files import ArrowSession, statements_before
from appliance.postgres.exporting.relations import Relation
from appliance.postgres.exporting.text_files import write_text
from appliance.postgres.exporting.verified import VerifiedDatabase, snapshot_of
from appliance.postgres.plan import NO_SETTINGS, TableName
from appliance.system.postgres_programs import find_pg_dump
from appliance.workflow.deliveries.delivery import ROWS_PER_FILE

_TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 2"


def main() -> None:
    """Count the rows first, as a run knows them, then write."""
    form, folder, conninfo = sys.argv[1:]
    given: dict[str, Any] = conninfo_to_dict(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as session, snapshot_of(session) as snapshot:
        database = VerifiedDatabase(session, snapshot, NO_SETTINGS, Path(folder), lambda _: None)
        relations = []
        for schema, name in session.execute(_TABLES).fetchall():
            table = TableName(schema_name=schema, name=name)
            row = session.execute(f'SELECT count(*) FROM "{schema}"."{name}"'.encode()).fetchone()
            relations.append(Relation(table, rows=row[0] if row else 0, parts=[table]))
        began = time.monotonic()
        if form == "archive":
            names = {"PGHOST": given["host"], "PGPORT": given["port"], "PGUSER": given["user"]}
            environment = {**names, "PGPASSWORD": os.environ["PGPASSWORD"]}
            program = find_pg_dump(session.info.server_version)
            write_archive(database, relations, program, environment, "file", database_name=given["dbname"])
        elif form == "parquet":
            write_parquet(
                database,
                relations,
                lambda snapshot: ArrowSession(given, statements_before(snapshot)),
                ROWS_PER_FILE,
            )
        else:
            write_text(database, relations, "csv")
        seconds = time.monotonic() - began
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "peak_mib": max(peaks) / 1024}))


if __name__ == "__main__":
    main()
