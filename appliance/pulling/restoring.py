"""Restoring an archive into a database of one's own: aside, in parallel, and put in place when it is whole.

What is called as the database is called stays as it is until then, and after a failure.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.pulling.archive_items import ArchiveItems, RestoreState, items_of
from appliance.pulling.destination import (
    Destination,
    Session,
    check_name,
    drop_own,
    make_aside,
    put_in_place,
)
from appliance.scrubbing.scrub import Scrubber
from appliance.system.end_with_parent import end_with_parent
from appliance.system.postgres_programs import PgDump, find_pg_restore

_LOOK_EVERY_S = 0.3
_ERROR = re.compile(r"^pg_restore: error: (?P<what>.+)$")
# What a pg_restore of 17 sets first, and an older server does not know: nothing is lost by it.
_HARMLESS = re.compile(r'unrecognized configuration parameter "transaction_timeout"')


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    items: int
    items_expected: int
    rows: int
    rows_expected: int
    now: str


@dataclass(frozen=True)
class Archive:
    """What was fetched."""

    path: Path
    """The file, or the folder."""
    major: int
    """Of the pg_dump that made it."""
    rows: dict[str, int]
    workflow: str
    run: str


def restore(
    archive: Archive,
    to: Destination,
    *,
    jobs: int,
    replace: bool,
    on_progress: Callable[[Progress], None],
) -> None:
    """Restore it, and give it the name. Raises our errors; then what had the name has it still."""
    program = find_pg_restore(archive.major)
    items = _listed(program, archive.path)
    with to.session("postgres") as admin:
        _check(admin, to, archive, items, replace=replace)
        make_aside(admin, to)
    try:
        _run(program, archive, to, items, jobs=jobs, on_progress=on_progress)
        with to.session(to.aside) as session:
            # An archive has none of what the server knows of its rows.
            session.execute("ANALYZE")
        with to.session("postgres") as admin:
            put_in_place(admin, to, workflow=archive.workflow, run=archive.run, replace=replace)
    except BaseException:
        with contextlib.suppress(WorkFailedError, WrongRequestError), to.session("postgres") as admin:
            drop_own(admin, to.aside)
        raise


def refuse_occupied(to: Destination, archive_major: int, *, replace: bool) -> None:
    """What would be refused after the download, before it. Raises our errors."""
    find_pg_restore(archive_major)
    with to.session("postgres") as admin:
        check_name(admin, to, replace=replace)


def _listed(program: PgDump, path: Path) -> ArchiveItems:
    done = subprocess.run(  # noqa: S603
        [str(program.path), "--list", str(path)],
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise WorkFailedError(
            f"{program.path} cannot read the archive.",
            "It was built without what the archive is packed with, most likely (zstd).",
            "Install a newer postgresql-client, or name a pg_restore in APPLIANCE_PG_RESTORE.",
        )
    return items_of(done.stdout.decode(errors="replace").splitlines())


def _check(admin: Session, to: Destination, archive: Archive, items: ArchiveItems, *, replace: bool) -> None:
    _check_server(admin, items.server or archive.major)
    check_name(admin, to, replace=replace)
    there = {str(name) for (name,) in admin.execute("SELECT name::text FROM pg_available_extensions")}
    lacking = [name for name in items.extensions if name not in there]
    if lacking:
        raise WrongRequestError(
            f"The server lacks extensions that the archive needs: {', '.join(lacking)}.",
            "They are packages of the server's machine, or of its image.",
            "Install them there, or take an image that has them, as postgis/postgis.",
        )


def _check_server(admin: Session, major: int) -> None:
    server = admin.info.server_version // 10000
    # Schemas of a newer server hold what an older one does not know; a release or two mostly goes well.
    if server + 2 < major:
        raise WrongRequestError(
            f"The server is PostgreSQL {server}, and the archive is of PostgreSQL {major}.",
            "What it holds may be unknown to that server.",
            f"Take a server of PostgreSQL {major}, as the image postgres:{major}.",
        )


def _run(
    program: PgDump,
    archive: Archive,
    to: Destination,
    items: ArchiveItems,
    *,
    jobs: int,
    on_progress: Callable[[Progress], None],
) -> None:
    command = [str(program.path), "--no-owner", "--no-privileges", "--no-password", "--verbose"]
    command += [f"--jobs={jobs}", f"--dbname={to.conninfo(to.aside)}", str(archive.path)]
    process = subprocess.Popen(  # noqa: S603 - one thread
        command,
        env=to.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=end_with_parent,  # noqa: PLW1509
    )
    state = RestoreState(items, archive.rows)
    try:
        _follow(process, state, to, on_progress)
    finally:
        process.kill()
        process.wait()


def _follow(
    process: subprocess.Popen[bytes],
    state: RestoreState,
    to: Destination,
    on_progress: Callable[[Progress], None],
) -> None:
    said: queue.Queue[str | None] = queue.Queue()
    pipe = process.stderr
    assert pipe is not None  # noqa: S101

    def read() -> None:
        for line in pipe:
            said.put(line.decode(errors="replace").rstrip("\n"))
        said.put(None)

    threading.Thread(target=read, name="pg_restore", daemon=True).start()
    harmless = False
    expected = sum(state.rows.get(table, 0) for table in state.items.tables.values())
    with to.session("postgres") as admin:
        while True:
            try:
                line = said.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                line = ""
            if line is None:
                break
            if found := _ERROR.match(line):
                harmless = _HARMLESS.search(line) is not None
                if not harmless:
                    raise _failure(found["what"], state.now)
            state.line(line)
            if said.empty():
                rows = min(expected, state.done_rows + _rows_under_way(admin, to.aside))
                on_progress(Progress(len(state.done), state.items.count, rows, expected, state.now))
    status = process.wait()
    # It ends with 1 for the harmless one, too.
    if status != 0 and not (harmless and status == 1):
        raise _failure(f"it ended with status {status}", state.now)
    on_progress(Progress(state.items.count, state.items.count, expected, expected, ""))


def _rows_under_way(admin: Session, database: str) -> int:
    if admin.info.server_version < 140000:
        return 0
    row = admin.execute(
        "SELECT coalesce(sum(tuples_processed), 0) FROM pg_stat_progress_copy WHERE datname = %s", [database]
    ).fetchone()
    return int(row[0]) if row is not None else 0


def _failure(said: str, item: str) -> WorkFailedError:
    return WorkFailedError(
        "The archive could not be restored; what was there before is as it was.",
        f"pg_restore says{f' at {item}' if item else ''}: {Scrubber().clean(said)}",
        "The server's log says more. The files were kept: the same command does not fetch them again.",
    )
