"""What one would do by hand: COPY piped into COPY, and pg_dump with pg_restore. Nothing is masked."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.servers import DATABASE, Servers

TABLES_BY_SIZE = """
SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname = 'public' ORDER BY pg_table_size(pg_class.oid) DESC
"""


def copy_pipe(servers: Servers, name: str, parallel: int) -> float:
    """Seconds for a binary COPY of each table, ``parallel`` at a time, then the indexes."""
    servers.fresh_target(name)
    tables = [table for (table,) in servers.source.rows(DATABASE, TABLES_BY_SIZE)]
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    schema = folder / "schema"
    began = time.monotonic()
    try:
        dump = ["--schema-only", "--format=custom", f"--file={schema}", DATABASE]
        servers.run(servers.program(servers.source, "pg_dump", *dump))
        restore = ["--dbname", name, str(schema)]
        servers.run(
            servers.program(servers.target, "pg_restore", "--section=pre-data", "--no-privileges", *restore)
        )
        with ThreadPoolExecutor(parallel) as pool:
            list(pool.map(lambda table: _pipe(servers, table, name), tables))
        after = ["--section=post-data", f"--jobs={parallel}"]
        servers.run(servers.program(servers.target, "pg_restore", *after, *restore))
        return time.monotonic() - began
    finally:
        shutil.rmtree(folder)


def dump_and_restore(servers: Servers, name: str, parallel: int, source: str = DATABASE) -> float:
    """Seconds for pg_dump -Fd -jN and then pg_restore -jN, with the compression it has by default."""
    servers.fresh_target(name)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    began = time.monotonic()
    try:
        dump = ["--format=directory", f"--jobs={parallel}", f"--file={folder / 'dump'}", source]
        servers.run(servers.program(servers.source, "pg_dump", *dump))
        restore = ["--no-privileges", f"--jobs={parallel}", "--dbname", name, str(folder / "dump")]
        servers.run(servers.program(servers.target, "pg_restore", *restore))
        return time.monotonic() - began
    finally:
        shutil.rmtree(folder)


def _pipe(servers: Servers, table: str, name: str) -> None:
    out = servers.psql(servers.source, DATABASE, "--command", f"COPY {table} TO STDOUT (FORMAT binary)")
    into = servers.psql(servers.target, name, "--command", f"COPY {table} FROM STDIN (FORMAT binary)")
    with subprocess.Popen(out, env=servers.environment(), stdout=subprocess.PIPE) as reader:
        subprocess.run(into, env=servers.environment(), check=True, stdin=reader.stdout)
    if reader.returncode:
        raise RuntimeError(f"COPY of {table} failed")
