"""pg_dump, pg_restore and psql on the appliance's own databases, without a secret in any argument."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from psycopg.conninfo import conninfo_to_dict

from appliance.errors import WorkFailedError
from appliance.system.beneath import Owner
from appliance.system.end_with_parent import end_with_parent
from appliance.system.postgres_programs import find_pg_dump

_EMPTY = """\
-- Everything but what PostgreSQL itself and extensions own: a dump is then loaded as into a new database.
DO $$
DECLARE found record;
BEGIN
  FOR found IN SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
  LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', found.nspname);
  END LOOP;
  FOR found IN SELECT relname, relkind FROM pg_class AS c
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
  LOOP
    EXECUTE format('DROP %s IF EXISTS public.%I CASCADE', CASE found.relkind
      WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
      WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, found.relname);
  END LOOP;
  FOR found IN SELECT oid::regprocedure AS name FROM pg_proc AS p
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
  LOOP
    EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', found.name);
  END LOOP;
  FOR found IN SELECT oid::regtype AS name FROM pg_type AS t
    WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = t.oid AND deptype = 'e')
  LOOP
    EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', found.name);
  END LOOP;
END $$;
"""


class Database:
    """One of the two databases, as the client programs reach it.

    What they read was written by the database's owner, and psql obeys more than SQL: so they run as
    ``owner``, where that is not this process's own user, and are given open files, no names.
    """

    def __init__(self, name: str, conninfo: str, server_version: int, owner: Owner | None = None) -> None:
        self.name = name
        self._owner = owner
        self._service = _service_file(conninfo)
        self._programs = find_pg_dump(server_version).path.parent

    def dump(self, target: BinaryIO) -> None:
        """pg_dump's custom format into ``target``. Raises WorkFailedError."""
        self._run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges"], stdout=target)

    def write_script(self, dump: Path, script: Path) -> None:
        """What empties the database and restores the dump, as SQL: a dump that cannot be read is found before
        anything is replaced.
        """
        options = ["--no-owner", "--no-privileges", "--file=-"]
        with dump.open("rb") as source, script.open("wb") as target:
            target.write(_EMPTY.encode())
            target.flush()
            self._run("pg_restore", options, stdin=source, stdout=target)

    def replace_contents(self, script: Path) -> None:
        """Run the script in one transaction: all or nothing. Raises WorkFailedError."""
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"]
        with script.open("rb") as source:
            self._run("psql", options, stdin=source)

    def _run(
        self,
        program: str,
        options: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        stdout: BinaryIO | None = None,
    ) -> None:
        # A file that has no name and ends with this process: its copy of the password does too.
        service = os.memfd_create("pg_service")
        os.write(service, self._service)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        environment |= {"PGSERVICEFILE": f"/proc/self/fd/{service}", "PGSERVICE": "own", "LC_ALL": "C"}
        if self._owner:
            # Root's home is closed to it, and libpq takes a home that it may not look into for a fault.
            environment["HOME"] = "/nonexistent"
        try:
            done = subprocess.run(  # noqa: S603 - one thread, and a killed restore must not load on
                [self._programs / program, *options],
                env=environment,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[service],
                preexec_fn=end_with_parent,
                user=self._owner.uid if self._owner else None,
                group=self._owner.gid if self._owner else None,
                extra_groups=self._owner.groups if self._owner else None,
                check=False,
            )
        finally:
            os.close(service)
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace")
            raise WorkFailedError(
                f"{program} failed on the database '{self.name}'.",
                f"It ended with status {done.returncode}{_reason(words)}.",
                "df -h; systemctl status postgresql; then run the same command again.",
            )


def _service_file(conninfo: str) -> bytes:
    parameters = {key: value for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    return "\n".join(["[own]", *(f"{key}={value}" for key, value in parameters.items()), ""]).encode()


def _reason(words: str) -> str:
    """What may be shown of a program's own words, which can quote rows: known causes only."""
    for text in (
        "No space left on device",
        "server version mismatch",
        "could not connect",
        "Connection refused",
        "permission denied",
        "canceling statement due to lock timeout",
        "input file does not appear to be a valid archive",
    ):
        if text.lower() in words.lower():
            return f" ({text})"
    return ""
