"""A branch's schema as pg_dump writes it, before a migration and after its way back."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from appliance.durable import write_file
from appliance.errors import WorkFailedError
from appliance.rehearsals.login import Login
from appliance.rehearsals.results.report import SchemaComparison
from appliance.system.postgres_programs import find_pg_dump

_MOST_LINES = 60
_SERVICE = "branch"
_UNTELLING = re.compile(r"--|\\(un)?restrict ")
"""Comments say when; psql's commands have a key drawn anew each time."""


def schema_text(login: Login, database: str, server_version: int) -> str:
    """All of a database's schema. Raises WrongRequestError without a pg_dump, WorkFailedError."""
    program = find_pg_dump(server_version, "the branch")
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(  # noqa: S603
            [str(program.path), "--schema-only", "--no-password", "--encoding=UTF8"],
            env={
                "PATH": os.environ.get("PATH", ""),
                "LC_ALL": "C",
                "PGAPPNAME": "appliance rehearsal",
                "PGSERVICE": _SERVICE,
                "PGSERVICEFILE": str(_service_file(Path(place), login, database)),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise WorkFailedError(
            "The branch's schema could not be read.",
            f"pg_dump ended with {done.returncode}.",
            "Leave out --down, or look at the server's log.",
        )
    return done.stdout.decode("utf-8", "replace")


def _service_file(folder: Path, login: Login, database: str) -> Path:
    """What leads pg_dump to the branch; a password stands in a file of its own beside it."""
    parameters = {**login.parameters, "dbname": database}
    if password := parameters.pop("password", None):
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        parameters["passfile"] = str(folder / "pass")
        write_file(folder / "pass", f"*:*:*:*:{escaped}\n", durable=False, mode=0o400)
    lines = [f"[{_SERVICE}]", *(f"{key}={value}" for key, value in parameters.items()), ""]
    write_file(folder / "service", "\n".join(lines), durable=False, mode=0o400)
    return folder / "service"


def compared(before: str, after: str) -> SchemaComparison:
    """What of the schema is not as it was."""
    lines = [
        line
        for line in difflib.unified_diff(
            _telling(before), _telling(after), "before", "after", n=1, lineterm=""
        )
        if not line.startswith(("---", "+++", "@@"))
    ]
    return SchemaComparison(same=not lines, difference=tuple(lines[:_MOST_LINES]))


def _telling(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not _UNTELLING.match(line)]
