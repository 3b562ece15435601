"""Where PostgreSQL's programs are, and one question put with psql.

The supervisors use it, so it imports nothing but the standard library.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

PG_DUMP_VARIABLE = "APPLIANCE_PG_DUMP"
"""Environment variable with the path of the pg_dump to use, where it is not found by itself."""
_DEBIAN = Path("/usr/lib/postgresql")
PG_RESTORE_VARIABLE = "APPLIANCE_PG_RESTORE"
"""The same for pg_restore."""
_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/libpq/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


class PgDump(NamedTuple):
    """A pg_dump program, or a pg_restore."""

    path: Path
    major: int


def newest(name: str) -> str:
    """The program itself: Debian's /usr/bin/psql is Perl that looks for it, at ten times the cost."""
    found = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else name


def of_server(name: str, conninfo: str) -> str:
    """The program of the server's own version: what a newer one writes, an older server may not read."""
    own = _DEBIAN / (ask(conninfo, "SHOW server_version_num") or "")[:-4] / "bin" / name
    return str(own) if own.is_file() else name


def find_pg_dump(server_version: int, what: str = "the source") -> PgDump:
    """The oldest pg_dump that can read a server of that ``server_version_num``.

    Raises WrongRequestError where there is none.
    """
    return _find(
        "pg_dump",
        PG_DUMP_VARIABLE,
        server_version // 10000,
        f"read {what}: it is PostgreSQL {server_version // 10000}, and pg_dump must be at least as new",
    )


def find_pg_restore(major: int) -> PgDump:
    """The oldest pg_restore that reads an archive of pg_dump of that version.

    Raises WrongRequestError where there is none.
    """
    what = f"read the archive: pg_dump {major} made it, and pg_restore must be at least as new"
    return _find("pg_restore", PG_RESTORE_VARIABLE, major, what)


def _find(name: str, variable: str, major: int, what: str) -> PgDump:
    import shutil  # noqa: PLC0415 -- memory that the supervisors do not spend

    from appliance.errors import WrongRequestError  # noqa: PLC0415

    named = os.environ.get(variable)
    found = (
        [Path(named)]
        if named
        else [path for place in _PLACES for path in Path("/").glob(f"{place[1:]}/{name}")]
    )
    on_path = shutil.which(name)
    if not named and on_path:
        found.append(Path(on_path))
    programs = [program for path in found if (program := _pg_dump(path)) is not None]
    able = [program for program in programs if program.major >= major]
    if able:
        return min(able, key=lambda program: program.major)
    there = ", ".join(f"{program.path} ({program.major})" for program in programs) or "none"
    raise WrongRequestError(
        f"No {name} can {what}.",
        f"Found: {there}.",
        f"Install postgresql-client-{major} or newer, or name a {name} in {variable}.",
    )


def ask(conninfo: str, sql: str, *, within_s: float | None = None) -> str | None:
    """What psql prints for one query; None where it could not ask. No driver stays in memory."""
    options = ["-XAtq", "--no-password", "--dbname", conninfo, "--command", sql]
    try:
        done = subprocess.run(  # noqa: S603
            [newest("psql"), *options], capture_output=True, text=True, timeout=within_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _pg_dump(path: Path) -> PgDump | None:
    try:
        command = [str(path), "--version"]
        output = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\) (\d+)", output)
    return PgDump(path, int(version.group(1))) if version else None
