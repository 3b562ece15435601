"""What an erasure is asked with: whom it is about, in which source, and the sessions that it opens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg

from appliance.connections.database import Connection
from appliance.connections.file import select_connections
from appliance.erasure.finding import FoundSubject, find_subject
from appliance.erasure.places import APPLICATION, Session
from appliance.errors import WrongRequestError
from appliance.keys.keys import binding_value, load_or_create_key
from appliance.policy.policy import Policy
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.bindings import start_options
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.subjects.document import Subject
from appliance.subjects.erased import ERASED_KEY, erased_key
from appliance.subjects.records import (
    ErasureRecord,
    list_records,
)
from appliance.subjects.walk import Walk, walk


@dataclass(frozen=True)
class Appliance:
    """Where an appliance keeps what an erasure needs."""

    state_dir: Path
    exports_dir: Path
    connections: dict[str, Connection]
    policy: Policy


@dataclass
class Request:
    """One subject to be erased. What was typed is in memory only."""

    appliance: Appliance
    name: str
    subject: Subject
    by: str
    typed: str = field(repr=False)
    asked_by: str = "local"
    reference: str | None = None
    user: str | None = None

    @cached_property
    def walked(self) -> Walk:
        """The document, held against the source. Raises WrongRequestError with all that does not fit."""
        try:
            with closing(self.open(self.subject.source, {}, read_only=True)) as session:
                tables = read_catalog(session, lambda _: ()).tables
        except psycopg.Error as error:
            raise database_failure("The source's catalog could not be read.", error) from None
        walked = walk(self.subject, tables)
        if walked.problems:
            raise WrongRequestError(
                "\n".join(f"subjects.{self.name}: {problem}" for problem in walked.problems),
                "Nothing was looked for, and nothing was changed.",
                "Correct subjects.yaml, and run it again.",
            )
        return walked

    @cached_property
    def key(self) -> bytes:
        """The appliance's."""
        return load_or_create_key(self.appliance.state_dir / "keys" / "mask.key")

    @cached_property
    def key_name(self) -> str:
        """Under which the source's keys are derived."""
        (source,) = self._settings_of(self.subject.source)
        return source.mask_key or self.subject.source

    @cached_property
    def found(self) -> FoundSubject:
        """The subject in the source. Raises our errors."""
        digest_key = binding_value(erased_key(self.key, self.key_name), ERASED_KEY)
        return find_subject(self.open_source, self.walked, self.by, self.typed, digest_key)

    def former(self) -> ErasureRecord | None:
        """The record of an erasure of the same subject."""
        for record in reversed(list_records(self.appliance.state_dir)):
            same = any(record.digests.get(column) == digest for column, digest in self.identity().items())
            if record.subject == self.name and record.key_name == self.key_name and same:
                return record
        return None

    def identity(self) -> dict[str, str]:
        """The digests that say who it is."""
        key, digests = self.subject.key, self.found.digests
        return {key: digests[key]} if key in digests else digests

    def open_source(self, settings: Mapping[str, str]) -> Session:
        """A session that reads the source, with settings in its start-up packet."""
        return self.open(self.subject.source, settings, read_only=True)

    def _settings_of(self, name: str) -> tuple[Connection]:
        return (select_connections(self.appliance.connections, [name])[name],)

    def open(
        self, name: str, settings: Mapping[str, str], *, read_only: bool, database: str | None = None
    ) -> Session:
        """A session on a connection's database, or another one of its server."""
        (connection,) = self._settings_of(name)
        return open_session(
            name,
            libpq_parameters(connection, database),
            application_name=APPLICATION,
            read_only=read_only,
            lock_timeout_s=30,
            options=start_options(settings),
        )
