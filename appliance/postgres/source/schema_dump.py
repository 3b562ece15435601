"""The source's schema through pg_dump: the program found, run in the run's snapshot, its archive read.

The archive comes through a pipe. What a twin never has (foreign servers and the passwords in their user
mappings, grants, optimizer statistics, …) is dropped before anything is written to the run's folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

from appliance.errors import WorkFailedError, WorkFailedForGoodError
from appliance.postgres.no_encoding import client_encoding_for
from appliance.postgres.sessions.connect import SESSION_SETTINGS
from appliance.postgres.source.archive_contents import Entry, read_archive
from appliance.postgres.source.trigger_states import after_their_triggers
from appliance.postgres.source.unsupported_objects import LeftCheck
from appliance.system.postgres_programs import PgDump

MAX_ARCHIVE_BYTES = 512 * 1024 * 1024
# Never in a twin. Rows, and what holds values out of rows, come first.
_NEVER = {
    "TABLE DATA", "SEQUENCE SET", "MATERIALIZED VIEW DATA", "STATISTICS DATA", "LARGE OBJECT",
    "LARGE OBJECTS", "BLOB", "BLOBS", "BLOB METADATA",
    "ACL", "DEFAULT ACL", "SECURITY LABEL", "SHSECLABEL", "DATABASE", "DATABASE PROPERTIES",
    "FOREIGN DATA WRAPPER", "SERVER", "FOREIGN SERVER", "USER MAPPING", "FOREIGN TABLE", "EVENT TRIGGER",
    "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION", "SUBSCRIPTION TABLE",
}  # fmt: skip
# Settings of the session that loads: ours are set by the session that loads.
_SETTINGS = {"ENCODING", "STDSTRINGS", "SEARCHPATH"}
# How definitions are written follows what a database or role has set: they are loaded under ours.
_WRITTEN_AS_OURS = " ".join(
    f"-c {name}={SESSION_SETTINGS[name]}" for name in ("standard_conforming_strings", "quote_all_identifiers")
)
# Entries that are about another one, and go where that goes. All others have a catalog row of their own.
_PARTS = {"COMMENT", "TABLE ATTACH", "INDEX ATTACH", "ROW SECURITY", "SEQUENCE OWNED BY"}


def dump_schema(
    program: PgDump,
    environment: Mapping[str, str],
    *,
    snapshot: str,
    lock_timeout_s: int,
    encoding: str,
    left_out: Iterable[tuple[str, str]] = (),
) -> list[Entry]:
    """Every object of the source's schema as the snapshot sees it, without what a twin never has.

    ``environment`` names the service file, so that no secret stands in an argument or a variable; tables in
    ``left_out`` (schema, name) are neither locked nor dumped. Raises WorkFailedError, pg_dump's words left
    out.
    """
    command = [
        str(program.path),
        *("--format=custom", "--compress=0", "--schema-only", f"--snapshot={snapshot}"),
        f"--encoding={client_encoding_for(encoding)}",
        *("--no-owner", "--no-privileges", "--no-tablespaces", "--no-password"),
        *("--no-publications", "--no-subscriptions", "--no-security-labels"),
        f"--lock-wait-timeout={lock_timeout_s * 1000}",
        *(f"--exclude-table={_pattern(schema)}.{_pattern(name)}" for schema, name in left_out),
    ]
    if program.major >= 18:
        command.append("--no-statistics")
    base = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGOPTIONS": _WRITTEN_AS_OURS}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603
            command,
            env={**base, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert process.stdout is not None  # noqa: S101
            content = process.stdout.read(MAX_ARCHIVE_BYTES + 1)
            if len(content) > MAX_ARCHIVE_BYTES:
                raise WorkFailedForGoodError(
                    "The source's schema is too large.", f"It takes more than {MAX_ARCHIVE_BYTES} bytes."
                )
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status != 0:
            raise _dump_failed(errors, status)
    return after_their_triggers(entry for entry in read_archive(content) if entry.kind not in _SETTINGS)


def carried_entries(
    entries: Sequence[Entry], left_behind: Iterable[tuple[int, int]], checks: Iterable[LeftCheck] = ()
) -> list[Entry]:
    """The entries of what the twin gets: without what no twin has or what is left behind, ``checks`` too."""
    gone_checks: dict[tuple[str | None, str], list[LeftCheck]] = defaultdict(list)
    for check in checks:
        gone_checks[check.schema_name, check.table].append(check)
    objects = set(left_behind)
    # The shell that pg_dump makes before a base type's functions has no oid of its own, only the type's name.
    types_gone = {
        (entry.schema_name, entry.tag)
        for entry in entries
        if entry.kind == "TYPE" and (entry.class_oid, entry.oid) in objects
    }
    gone: set[int] = set()
    kept: list[Entry] = []
    for entry in entries:
        about_gone = entry.kind in _PARTS and not gone.isdisjoint(entry.depends_on)
        shell_of_gone = entry.kind == "SHELL TYPE" and (entry.schema_name, entry.tag) in types_gone
        in_objects = (entry.class_oid, entry.oid) in objects
        if entry.kind in _NEVER or in_objects or about_gone or shell_of_gone:
            gone.add(entry.dump_id)
        elif entry.kind == "TABLE" and (about := gone_checks.get((entry.schema_name, entry.tag))):
            kept.append(entry.model_copy(update={"sql": _without(entry.sql, about)}))
        else:
            kept.append(entry)
    return kept


def _without(statement: str, checks: Iterable[LeftCheck]) -> str:
    """CREATE TABLE without some of its CHECK constraints. One that it inherits does not stand in it."""
    for check in checks:
        written = f"\n    CONSTRAINT {check.name} {check.definition}"
        before, found, after = statement.partition(written)
        if not found or written in after:
            continue
        if before.endswith(",") and after.startswith((",", "\n")):
            statement = before.removesuffix(",") + after
        elif before.endswith("(") and after.startswith((",", "\n)")):
            # A table without columns.
            statement = before + after.removeprefix(",")
    return statement


def _pattern(name: str) -> str:
    """A name as a pattern that matches only it."""
    return '"' + name.replace('"', '""') + '"'


_AGAIN = "Run it again."
# What pg_dump says when it fails, in the C locale; only names of objects are taken from it.
_FAILURES = (
    (
        r"permission denied for (?:table|schema|sequence|relation) (\S+)",
        (
            "42501",
            "The source's role may not read {0}.",
            "GRANT it SELECT (on a schema: USAGE) on {0}.",
        ),
    ),
    (
        r"out of shared memory|max_locks_per_transaction",
        (
            "53200",
            "The source's lock table is full: pg_dump locks all tables of the database at once.",
            "Raise max_locks_per_transaction on the source, so that this times max_connections is well above"
            " the number of its tables and indexes (ALTER SYSTEM SET …; then a restart).",
        ),
    ),
    (
        r"lock timeout|canceling statement due to lock",
        ("55P03", "A table of the source stayed locked for limits.lock_timeout_s.", _AGAIN),
    ),
    (
        r"invalid snapshot identifier|could not import the requested snapshot|snapshot .* does not exist",
        ("08006", "The run's snapshot is gone: the session that holds it has ended.", _AGAIN),
    ),
    (
        r"could not connect|connection to server|server closed|terminating connection",
        ("08006", "The connection to the source broke.", f"{_AGAIN} See also: appliance connections check"),
    ),
    (
        r"cache lookup failed|does not exist",
        ("40001", "The source's schema was changed at the same moment.", _AGAIN),
    ),
)


def _dump_failed(errors: BinaryIO, status: int) -> WorkFailedError:
    errors.seek(0)
    text = errors.read(64 * 1024).decode(errors="replace")
    what = "pg_dump could not read the source's schema."
    for pattern, (state, why, next_step) in _FAILURES:
        match = re.search(pattern, text)
        if match:
            names = match.groups()
            return WorkFailedError(what, why.format(*names), next_step.format(*names), sqlstate=state)
    return WorkFailedError(
        what, f"It ended with status {status}.", "Look at the source's log for its answer."
    )
