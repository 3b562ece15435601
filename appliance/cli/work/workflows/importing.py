"""What ``appliance workflow import`` does: another tool's rules as a workflow, and what has no equal here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from appliance.connections.file import load_connections, select_connections
from appliance.documents.document import MAX_BYTES
from appliance.documents.strict_yaml import load
from appliance.durable import create_file
from appliance.errors import WrongRequestError
from appliance.importers.anon import LABELS, read_anon_file, read_anon_labels
from appliance.importers.greenmask import read_greenmask
from appliance.importers.neosync import read_neosync
from appliance.importers.pgstream import read_pgstream
from appliance.importers.replibyte import read_replibyte
from appliance.importers.rules import Imported, Rule, unreadable
from appliance.importers.workflow_text import workflow_text
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.settings.settings import load_settings

READERS: Mapping[str, Callable[[object], Imported]] = {
    "greenmask": read_greenmask,
    "pgstream": read_pgstream,
    "replibyte": read_replibyte,
    "neosync": read_neosync,
}
_LARGEST = 8 * MAX_BYTES
_TIMEOUT_S = 60


@dataclass(frozen=True)
class ImportRequest:
    """What was asked for on the command line."""

    tool: str
    given: str
    """A file, or for ``anon`` a connection."""
    source: str | None
    target: str
    connections: Path | None


@dataclass(frozen=True)
class Outcome:
    """The workflow, and what became of each rule."""

    text: str
    imported: Imported

    @property
    def open_rules(self) -> list[Rule]:
        """The rules that have no equal here."""
        return [each for each in self.imported.rules if each.mask is None and not each.keep]

    def lines(self, written: Path | None) -> list[str]:
        """What is said beside the workflow: how much was carried over, and what was not."""
        rules = self.imported.rules
        kept = sum(each.keep for each in rules)
        masked = len(rules) - kept - len(self.open_rules)
        without = len(self.open_rules)
        said = [f"{len(rules)} rules: {masked} have an equal mask, {kept} keep, {without} have no equal."]
        said += [f"  {'.'.join(each.place)}: {each.written}. {each.why}" for each in self.open_rules]
        said += [f"Not carried over: {note}" for note in self.imported.notes]
        file = written or "FILE"
        return [*said, f"Next: appliance workflow validate {file}, then appliance plan {file}"]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        rules = [
            {
                "column": ".".join(each.place),
                "rule": each.written,
                "mask": each.mask.model_dump(mode="json") if each.mask else None,
                "keep": each.keep,
                "note": each.note,
                "why": each.why,
            }
            for each in self.imported.rules
        ]
        return {"tool": self.imported.tool, "rules": rules, "not_carried": list(self.imported.notes)}


def import_rules(request: ImportRequest) -> Outcome:
    """Read the rules and make a workflow.

    Raises WrongRequestError for rules that cannot be read, WorkFailedError where a source is away.
    """
    path = Path(request.given)
    if path.is_file():
        imported = _from_file(request.tool, path)
    elif request.tool == "anon":
        imported = _from_source(request)
    else:
        raise WrongRequestError(
            f"There is no file {request.given}.", "", f"Name the file with the rules of {request.tool}."
        )
    if not imported.rules:
        raise unreadable(f"there is no rule for a column in {request.given}")
    named = request.source or ("production" if path.is_file() else request.given)
    return Outcome(workflow_text(imported, named, request.target), imported)


def write_new(path: Path, text: str) -> None:
    """Write the workflow to a file that is not there yet. Raises WrongRequestError where it is."""
    try:
        created = create_file(path, text, durable=False, mode=0o644)
    except OSError as error:
        raise WrongRequestError(f"{path} cannot be written: {error.strerror}.", "", "Name another.") from None
    if not created:
        raise WrongRequestError(f"{path} is there already.", "", "Name another file.")


def _from_file(tool: str, path: Path) -> Imported:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WrongRequestError(f"{path} cannot be read: {error.strerror}.", "", f"ls -l {path}") from None
    if tool == "anon":
        return read_anon_file(raw.decode("utf-8", errors="replace"))
    if raw.lstrip()[:1] == b"[":
        # A list of mappings alone; every other file is a mapping.
        raw = b'{"mappings": ' + raw + b"}"
    return READERS[tool](load(raw, str(path), max_bytes=_LARGEST).data)


def _from_source(request: ImportRequest) -> Imported:
    settings = load_settings()
    file = request.connections or settings.connections_file
    (connection,) = select_connections(load_connections(file), [request.given], str(file)).values()
    with closing(
        open_session(
            request.given,
            libpq_parameters(connection),
            application_name="appliance workflow import",
            read_only=True,
            statement_timeout_s=_TIMEOUT_S,
            lock_timeout_s=_TIMEOUT_S,
        )
    ) as session:
        try:
            return read_anon_labels(session.execute(LABELS).fetchall())
        except psycopg.Error as error:
            raise database_failure("The source's security labels could not be read.", error) from None
