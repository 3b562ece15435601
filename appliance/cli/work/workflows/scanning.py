"""What ``appliance scan`` does: open the source, look, print, keep the result, and write a workflow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import typer

from appliance.cli.terminal.output import print_json
from appliance.cli.terminal.results.scan_result import print_scan, scan_json
from appliance.connections.file import load_connections, select_connections
from appliance.discovery.findings import Scan
from appliance.discovery.last_result import keep_result, new_since
from appliance.discovery.scanned_columns import columns_file, keep_columns
from appliance.discovery.scanning import LOCK_TIMEOUT_S, STATEMENT_TIMEOUT_S, Sampler, Session, scan
from appliance.discovery.workflow_text import workflow_text
from appliance.documents.problems import printable
from appliance.errors import ExitCode, WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.settings.settings import Settings, load_settings
from appliance.steps.local.folders import state_folder
from appliance.system.beneath import become_owner_of, lesser_owner
from appliance.workflow.catalog import Catalog
from appliance.workflow.matching.patterns import PatternError, parse_pattern

_CATALOG_TIMEOUT_S = 600


@dataclass(frozen=True)
class ScanRequest:
    """What is asked for on the command line."""

    connection: str
    tables: tuple[str, ...] = ()
    connections_file: Path | None = None
    state: Path | None = None
    rows: int = 500
    seed: int = 1


def run_scan(request: ScanRequest, *, write: Path | None, as_json: bool) -> None:
    """Scan, print, and write. Raises WrongRequestError; exits with 1 where nothing could be looked at."""
    settings = load_settings()
    if write is not None and write.exists():
        raise WrongRequestError(
            f"{write} is there already.", "A scan overwrites no workflow.", "Name a new file."
        )
    found, catalog = look(settings, request)
    if request.tables and not found.tables:
        raise WrongRequestError(
            f"No table of {request.connection!r} matches {', '.join(map(printable, request.tables))}.",
            "A pattern names schema and table as the database writes them.",
            f"appliance scan {request.connection}",
        )
    new = _since_last_time(settings, request, found, catalog)
    if as_json:
        print_json(scan_json(found, new))
    else:
        print_scan(found, new)
    if write is not None:
        target = _target(settings, request)
        write.write_text(workflow_text(found, catalog, target, request.tables), encoding="utf-8")
        if not as_json:
            typer.echo(f"Written: {write}. Look at its lines, then: appliance plan {write}")
    if found.tables and len(found.not_looked_at) == found.tables:
        raise typer.Exit(ExitCode.WORK_FAILED)


def look(settings: Settings, request: ScanRequest) -> tuple[Scan, Catalog]:
    """The scan, and the catalog that it is of."""
    _check_patterns(request.tables)
    connections_file = request.connections_file or settings.connections_file
    known = load_connections(connections_file)
    connection = select_connections(known, [request.connection], str(connections_file))[request.connection]

    def connect(timeout_s: int = STATEMENT_TIMEOUT_S) -> Session:
        return open_session(
            request.connection,
            libpq_parameters(connection),
            application_name="appliance-scan",
            read_only=True,
            statement_timeout_s=timeout_s,
            lock_timeout_s=LOCK_TIMEOUT_S,
        )

    with closing(connect(_CATALOG_TIMEOUT_S)) as session:
        try:
            catalog = read_catalog(session)
        except psycopg.Error as error:
            raise database_failure("The source's catalog could not be read.", error) from None
    sampler = Sampler(connect, catalog.encoding, request.rows, request.seed)
    with closing(sampler), _progress() as progress:
        found = scan(request.connection, catalog, sampler, patterns=request.tables, progress=progress)
    return found, catalog


def _target(settings: Settings, request: ScanRequest) -> str:
    """Where the workflow delivers: the first other connection that is known."""
    known = load_connections(request.connections_file or settings.connections_file)
    return next((name for name in known if name != request.connection), "staging")


def _check_patterns(patterns: tuple[str, ...]) -> None:
    for text in patterns:
        try:
            parse_pattern(text, 2)
        except PatternError as error:
            raise WrongRequestError(
                f"The pattern {printable(text)} {error}.", f"Expected {error.expected}."
            ) from None


def scans_folder(settings: Settings, state: Path | None) -> Path:
    """Where the results of scans are kept."""
    return state_folder(settings, state) / "scans"


def _since_last_time(
    settings: Settings, request: ScanRequest, found: Scan, catalog: Catalog
) -> list[str] | None:
    """What is new, and the result kept for the next time; None where there is none yet.

    Root follows no link in the appliance's folder: it becomes the appliance first.
    """
    folder = state_folder(settings, request.state)
    if lesser_owner(folder) is not None:
        become_owner_of(folder)
    path = folder / "scans" / f"{request.connection}.json"
    new = new_since(path, found)
    keep_result(path, found, whole=not request.tables)
    keep_columns(columns_file(path.parent, request.connection), found, catalog, whole=not request.tables)
    return new


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console  # noqa: PLC0415 - a pipe does without it
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield partial(_advance, bar, bar.add_task("Tables", total=None))


def _advance(bar: object, task: object, done: int, of: int) -> None:
    bar.update(task, completed=done, total=of)  # type: ignore[attr-defined]
