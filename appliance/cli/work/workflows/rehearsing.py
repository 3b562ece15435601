"""What ``appliance rehearse`` needs to know: the twin's server, as whom, and how large the source is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.cli.work.copies.branch_server import BranchesOfWorkflow
from appliance.connections.file import load_connections, select_connections
from appliance.errors import ExitCode, WrongRequestError
from appliance.orchestration.rehearsal_reports import rows_left_out
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import Rehearser
from appliance.rehearsals.results.judging import EXIT_CODES
from appliance.rehearsals.results.report import Rehearsal


def rehearser_of(
    branches: BranchesOfWorkflow, say: Callable[[str], None], unwanted: Callable[[], bool]
) -> Rehearser:
    """Where migrations of the workflow are rehearsed. Raises WrongRequestError."""
    limits = branches.document.rehearsal
    migrator = None
    if limits.connection is not None:
        path = branches.connections_file
        known = select_connections(load_connections(path), [limits.connection], str(path))
        migrator = Login.of(known[limits.connection])
    return Rehearser(
        server=branches.server,
        twin=Login.of(branches.connection),
        migrator=migrator,
        limits=limits,
        make_branch=branches.make,
        source_rows=lambda run: rows_left_out(branches.settings, run),
        say=say,
        unwanted=unwanted,
    )


def write_report(file: Path, text: str) -> None:
    """Write a report to a file. Raises WrongRequestError."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongRequestError(
            f"{file} could not be written: {error.strerror or type(error).__name__}.",
            "",
            "Name another file.",
        ) from None


def exit_code(rehearsal: Rehearsal) -> ExitCode:
    """What the command ends with."""
    return EXIT_CODES[rehearsal.verdict]


def need_one_migration(sql: Sequence[Path] | None, image: str | None) -> None:
    """Raise WrongRequestError for none, and for both files of SQL and an image."""
    if bool(sql) == bool(image):
        raise WrongRequestError(
            "There is no migration to rehearse." if not sql else "There are two migrations to rehearse.",
            "It is in files of SQL, or it is an image.",
            "--sql FILE, or --image IMAGE",
        )


def files_of(named: Sequence[Path]) -> list[Path]:
    """The files; of a folder, those that end in .sql, by name. Raises WrongRequestError."""
    files: list[Path] = []
    for path in named:
        inside = sorted(path.glob("*.sql")) if path.is_dir() else [path]
        if not inside:
            raise WrongRequestError(f"There is no file *.sql in {path}.", "", "Name a file.")
        files += inside
    return files
