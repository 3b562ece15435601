"""An archive of a database that was proven: what pg_dump makes of it, for a stock pg_restore.

It holds the whole schema, without owners, grants and what is ours, and the rows of the chosen tables.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from appliance.durable import sync_folder
from appliance.errors import WorkFailedError
from appliance.exports.manifest import Compression, ExportedFile, ExportedFormat, ExportedTable
from appliance.postgres.copying import ledger
from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.exporting.files import WrittenFile, hash_file
from appliance.postgres.exporting.relations import Relation
from appliance.postgres.exporting.verified import Progress, VerifiedDatabase, check_rows, reading
from appliance.postgres.no_encoding import client_encoding_for
from appliance.postgres.plan import TableName
from appliance.system.end_with_parent import end_with_parent
from appliance.system.postgres_programs import PgDump

Layout = Literal["file", "folder"]

ARCHIVE_FILE = "archive.dump"
ARCHIVE_FOLDER = "archive"
_ZSTD_SINCE = 16
_TRANSACTION_TIMEOUT_SINCE = 17
_LOOK_EVERY_S = 0.25
_WORDS_MAX = 64 * 1024
_NO_SUPPORT = "does not support compression"


def compression_of(program: PgDump) -> Compression:
    """zstd where this pg_dump was built with it: a third of the time of gzip, and smaller."""
    if program.major < _ZSTD_SINCE:
        return "gzip"
    # It looks at its options before it looks for a server, and this one is nowhere.
    command = [str(program.path), "--format=custom", "--compress=zstd", "--dbname=host=/nonexistent"]
    tried = subprocess.run(command, env=_environment({}), capture_output=True, text=True, check=False)  # noqa: S603
    return "gzip" if _NO_SUPPORT in tried.stderr else "zstd"


def dump_command(
    program: PgDump,
    path: Path,
    *,
    database: str,
    layout: Layout,
    compression: Compression,
    snapshot: str,
    encoding: str = "UTF8",
    without_rows: Iterable[TableName] = (),
    jobs: int = 1,
) -> list[str]:
    """The command line: no secret is in it."""
    form = ["--format=custom"] if layout == "file" else ["--format=directory", f"--jobs={jobs}"]
    packed = ["--compress=zstd"] if compression == "zstd" else []
    return [
        str(program.path),
        *form,
        *packed,
        f"--file={path}",
        f"--dbname={make_conninfo(dbname=database)}",
        f"--snapshot={snapshot}",
        *("--no-owner", "--no-privileges", "--no-tablespaces", "--no-password", f"--encoding={encoding}"),
        *("--no-publications", "--no-subscriptions", "--no-security-labels"),
        f"--exclude-schema={ledger.SCHEMA}",
        *(f"--exclude-table-data={_pattern(each)}" for each in without_rows),
    ]


def restore_command(layout: Layout, program: PgDump, server_version: int) -> str:
    """What a person types beside the manifest, with an empty database on a server of that version.

    A pg_restore as new as ``program`` may begin with a setting that such a server does not know. Were that
    ignored, everything else that fails would be, too.
    """
    where = ARCHIVE_FILE if layout == "file" else ARCHIVE_FOLDER
    major = server_version // 10000
    if program.major >= _TRANSACTION_TIMEOUT_SINCE > major:
        without = "sed '1,/^SET transaction_timeout/{/^SET transaction_timeout/d;}'"
        into = "psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=DATABASE"
        return f"pg_restore --no-owner --file=- {where} | {without} | {into}"
    return f"pg_restore --no-owner --exit-on-error --jobs=4 --dbname=DATABASE {where}"


def write_archive(
    database: VerifiedDatabase,
    relations: Sequence[Relation],
    program: PgDump,
    environment: Mapping[str, str],
    layout: Layout,
    *,
    database_name: str,
    without_rows: Iterable[TableName] = (),
    jobs: int = 1,
) -> ExportedFormat:
    """The archive, with the rows of ``relations``. Raises our errors and OSError."""
    tables: list[ExportedTable] = []
    for relation in relations:
        with reading(relation):
            columns = database.columns(relation)
            check_rows(relation, _count(database.session, relation))
        tables.append(ExportedTable(table=relation.name.qualified, columns=columns, rows=relation.rows))
    compression = compression_of(program)
    path = database.folder / (ARCHIVE_FILE if layout == "file" else ARCHIVE_FOLDER)
    command = dump_command(
        program,
        path,
        database=database_name,
        layout=layout,
        compression=compression,
        snapshot=database.snapshot,
        encoding=client_encoding_for(database.session.info.parameter_status("server_encoding")),
        without_rows=without_rows,
        jobs=jobs,
    )
    rows = sum(each.rows for each in relations)

    def tell(size: int, *, done: bool = False) -> None:
        database.tell(Progress("archive", rows if done else 0, rows, size, done=done))

    run_pg_dump(command, environment, path, tell)
    written = _files(database.folder, layout)
    tell(sum(each.bytes for each in written), done=True)
    return ExportedFormat(
        format="archive",
        compression=compression,
        tables=tuple(tables),
        files=tuple(ExportedFile(file=each.name, bytes=each.bytes, sha256=each.sha256) for each in written),
        restore=restore_command(layout, program, database.session.info.server_version),
        made_with=f"pg_dump {program.major}",
    )


def _count(session: Connection[TupleRow], relation: Relation) -> int:
    source = f"{relation.only}{table_reference(relation.name)}"
    row = session.execute(f"SELECT count(*) FROM {source}".encode()).fetchone()  # noqa: S608 - quoted
    return int(row[0]) if row else 0


def run_pg_dump(
    command: Sequence[str], environment: Mapping[str, str], path: Path, on_bytes: Callable[[int], None]
) -> None:
    """Run it until it has written ``path``; ``on_bytes`` is called now and then with what is there.

    Raises WorkFailedError, without pg_dump's own words, and OSError where the disk is full; nothing of it
    runs on then, nor after this process was killed.
    """
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(  # noqa: S603 - one thread
            list(command),
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            umask=0o077,
            preexec_fn=end_with_parent,  # noqa: PLW1509
        )
        try:
            while process.poll() is None:
                time.sleep(_LOOK_EVERY_S)
                on_bytes(_size(path))
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise _failure(words, process.returncode)


def _files(folder: Path, layout: Layout) -> list[WrittenFile]:
    """What pg_dump has written, on the disk and with its digests."""
    if layout == "file":
        return [hash_file(folder, ARCHIVE_FILE)]
    path = folder / ARCHIVE_FOLDER
    path.chmod(0o700)
    names = sorted(each.name for each in path.iterdir())
    written = [hash_file(folder, f"{ARCHIVE_FOLDER}/{name}") for name in names]
    sync_folder(path)
    return written


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", **given}


def _pattern(name: TableName) -> str:
    """A name as a pattern that matches only it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (name.schema_name, name.name))


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        if path.is_dir():
            return sum(each.stat().st_size for each in path.iterdir())
        return path.stat().st_size
    return 0


_FAILURES = (
    (r"could not connect|connection to server|server closed|terminating connection|lost synchron", "08006",
     "The connection to the server broke.", "Run it again. See also: appliance connections check"),
    (r"out of shared memory|max_locks_per_transaction", "53200",
     "The server's lock table is full: pg_dump locks all tables at once.",
     "Raise max_locks_per_transaction on that server (ALTER SYSTEM SET …; then a restart)."),
    (r"row-level security|row security", "42501",
     "Row-level security applies to the role that built it, so that rows would be missing.",
     "Let the role of that connection own what it builds."),
    (r"snapshot", "08006", "The session that holds the snapshot has ended.", "Run it again."),
)  # fmt: skip


def _failure(words: BinaryIO, status: int) -> Exception:
    """Its words can quote rows: only known causes are named."""
    words.seek(0)
    text = words.read(_WORDS_MAX).decode(errors="replace")
    if re.search("No space left on device", text):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    what = "pg_dump could not write the archive."
    for pattern, state, why, next_step in _FAILURES:
        if re.search(pattern, text):
            return WorkFailedError(what, f"{why} (SQLSTATE {state})", next_step, sqlstate=state)
    return WorkFailedError(
        what, f"It ended with status {status}.", "Look at the server's log for its answer."
    )
