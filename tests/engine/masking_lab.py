"""Masks tried as they run: inside a binary COPY, read-only, as a role that may only read."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from appliance.keys.keys import derived_key
from appliance.masking.bindings import secret_settings, word_settings
from appliance.masking.compiled import CompiledColumn
from appliance.masking.compiler import compile_column, keep_column
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import MaskSpec
from tests.engine.clusters import Cluster

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
_numbers = itertools.count(1)


def spec(mask: str, **params: Any) -> MaskSpec:
    """A mask as a workflow has it."""
    return MaskSpec(mask=mask, params=params)


def keyed_hash(text: str, domain: str = "hash", key: bytes = KEY) -> bytes:
    """The digest of a text that the mask ``hash`` shows the beginning of."""
    own, message = derived_key(key, "domain", f"hash/{domain}"), text.encode()
    return hashlib.sha256(own + b"t" + len(message).to_bytes(4, "big") + message).digest()


def keyed_hmac(message: bytes, letter: bytes, domain: str = "hash", key: bytes = KEY) -> bytes:
    """What the mask ``hash`` shows all of, by Python's own hmac."""
    own = derived_key(derived_key(key, "domain", f"hash/{domain}"), "hmac")
    return hmac.digest(own, letter + len(message).to_bytes(4, "big") + message, hashlib.sha256)


@dataclass
class Lab:
    """A database with a table for each type that a test asks for."""

    cluster: Cluster
    database: str
    reader: str
    encoding: str = "UTF8"
    _tables: dict[str, Table] = field(default_factory=dict)
    _sessions: dict[str, psycopg.Connection[Any]] = field(default_factory=dict)

    def session(self, user: str = "postgres") -> psycopg.Connection[Any]:
        """A session as the engine has them, kept open for the next time; the reader's is read-only."""
        if user not in self._sessions or self._sessions[user].closed:
            entry = self.cluster.connection(self.database, user)
            del entry["type"]
            parameters = {key: str(value) for key, value in entry.items()}
            self._sessions[user] = open_session(
                "lab", parameters, application_name="lab", read_only=user == self.reader
            )
        return self._sessions[user]

    def close(self) -> None:
        """Close all sessions."""
        for session in self._sessions.values():
            session.close()

    def script(self, text: str) -> None:
        """Statements of several lines, as the superuser."""
        self.cluster.sql(self.database, text)

    def catalog_table(self, name: str) -> Table:
        """A table of the schema ``lab`` as the catalog reader sees it."""
        tables = {table.name: table for table in read_catalog(self.session()).tables}
        return tables[name]

    def table_of(self, column_type: str) -> Table:
        """A table lab.t<n> (id, v) whose column v has the type; made once for each type."""
        if column_type not in self._tables:
            name = f"t{next(_numbers)}"
            body = f"(id int PRIMARY KEY, v {column_type})"
            self.script(
                f"CREATE TABLE lab.{name} {body}; CREATE TABLE lab.{name}_twin {body};"
                f"GRANT SELECT ON lab.{name} TO {self.reader}"
            )
            self._tables[column_type] = self.catalog_table(name)
        return self._tables[column_type]

    def masked(
        self, column_type: str, values: Sequence[Any], mask: MaskSpec, *, key: bytes = KEY, cast: str = ""
    ) -> list[Any]:
        """What the values are in the twin, after a binary COPY from one table to the other.

        With ``cast``, values go in as text of that type and come out as text.
        """
        table = self.table_of(column_type)
        column = next(column for column in table.columns if column.name == "v")
        compiled = compile_column(table, column, mask, encoding=self.encoding, row=kept_beside(table))
        source, twin = f"lab.{table.name}", f"lab.{table.name}_twin"
        session = self.session()
        session.execute(f"DELETE FROM {source}; DELETE FROM {twin}".encode())
        rows = list(enumerate(values))
        placeholder = f"%s::{cast}" if cast else "%s"
        with session.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {source} VALUES (%s, {placeholder})".encode(), rows)
        copied = self.copy_out(f"SELECT id, {compiled.sql} FROM {source}", [compiled], key=key)
        with session.cursor().copy(f"COPY {twin} FROM STDIN (FORMAT binary)".encode()) as copy:
            copy.write(copied)
        shown = "v::text" if cast else "v"
        found = session.execute(f"SELECT {shown} FROM {twin} ORDER BY id".encode()).fetchall()
        assert len(found) == len(values)
        return [value for (value,) in found]

    def copy_out(self, query: str, columns: Iterable[CompiledColumn], *, key: bytes = KEY) -> bytes:
        """The bytes of a binary COPY by the reader, in a read-only transaction with the keys bound."""
        session = self.session(self.reader)
        with session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            bind(session, columns, key)
            with session.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as copy:
                return b"".join(bytes(block) for block in copy)

    def shapes(self, column_type: str, mask: MaskSpec) -> CompiledColumn:
        """The compiled column v of the table for a type."""
        table = self.table_of(column_type)
        row = kept_beside(table)
        return compile_column(table, self.column(column_type), mask, encoding=self.encoding, row=row)

    def column(self, column_type: str) -> Column:
        """The column v of the table for a type."""
        return next(column for column in self.table_of(column_type).columns if column.name == "v")


def bind(session: psycopg.Connection[Any], columns: Iterable[CompiledColumn], key: bytes = KEY) -> None:
    """Bind the keys and words of some columns in the current transaction."""
    for column in columns:
        settings = secret_settings(key, column.bindings) | word_settings(column.bindings)
        for setting, value in settings.items():
            session.execute("SELECT set_config(%s, %s, true)", (setting, value))


def kept_beside(table: Table) -> dict[str, CompiledColumn]:
    """The key of a table of the lab, for masks that write it."""
    return {column.name: keep_column(column) for column in table.columns if column.name == "id"}


def make_lab(cluster: Cluster, options: str = "", encoding: str = "UTF8") -> Lab:
    """A fresh database with the schema ``lab`` and a role that may read what it is granted."""
    number = next(_numbers)
    lab = Lab(cluster, f"lab_{number}", f"lab_reader_{number}", encoding)
    cluster.role(lab.reader)
    cluster.create_database(lab.database, options)
    lab.script(f"CREATE SCHEMA lab; GRANT USAGE ON SCHEMA lab TO {lab.reader}")
    return lab


def remove_lab(lab: Lab) -> None:
    """Drop its database and role."""
    lab.close()
    lab.cluster.drop_database(lab.database)
    with lab.cluster.connect() as session:
        session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(lab.reader)))


__all__ = ["KEY", "OTHER_KEY", "Lab", "bind", "keyed_hash", "keyed_hmac", "make_lab", "remove_lab", "spec"]
