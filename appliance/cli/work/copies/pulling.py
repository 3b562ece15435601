"""What ``appliance pull`` does: from an appliance or a bucket, to a folder or a database."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from appliance.cli.terminal.output import counted, print_table, size
from appliance.cli.terminal.pulling import PullBar
from appliance.documents.names import WORKFLOW_ID
from appliance.durable import write_file
from appliance.errors import WrongRequestError
from appliance.exports.manifest import MANIFEST, ExportedFile, ExportedFormat, Manifest
from appliance.pulling.destination import Destination
from appliance.pulling.fetching import again, fetch_files
from appliance.pulling.from_appliance import ApplianceOrigin
from appliance.pulling.origin import FoundExport, Origin
from appliance.pulling.restoring import Archive, Progress, refuse_occupied, restore

TOKEN_VARIABLE = "APPLIANCE_PULL_TOKEN"  # noqa: S105 - a name
_TOKEN_FILE = Path(".config/appliance/pull-token")
_CACHE = Path(".cache/appliance/pulls")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_MAJOR = re.compile(r"pg_dump (\d+)")


@dataclass(frozen=True)
class Pulling:
    """What was asked for."""

    workflow: str
    run: str | None
    address: str | None
    token_file: Path | None
    ca: Path | None
    bucket: str | None
    prefix: str
    connections: Path | None

    def check(self, *, to: bool, into: bool, listing: bool) -> None:
        """Raises WrongRequestError for what does not go together."""
        if re.fullmatch(WORKFLOW_ID, self.workflow) is None:
            raise WrongRequestError(
                f"'{self.workflow[:80]}' is no workflow's id.", "", "As shop, or nightly-twin."
            )
        if self.run is not None and _RUN.fullmatch(self.run) is None:
            raise WrongRequestError(
                f"'{self.run[:80]}' is no run's id.", "", "appliance pull WORKFLOW --list"
            )
        if to + into + listing != 1:
            raise WrongRequestError(
                "It is to be said where it goes: into a database, or to a folder.",
                "",
                "--to postgresql://localhost/shop, or --into DIR, or --list",
            )
        if (self.address is None) == (self.bucket is None):
            raise WrongRequestError(
                "It is to be said where it comes from: an appliance, or a bucket.",
                "",
                "--from https://appliance.corp:8642, or --bucket NAME --connections FILE",
            )
        if self.bucket is not None and self.connections is None:
            raise WrongRequestError(
                f"There are no credentials for the bucket '{self.bucket}'.",
                "",
                "--connections FILE, with your own, as docs/buckets.md shows",
            )

    @contextlib.contextmanager
    def origin(self) -> Iterator[Origin]:
        """Where it comes from. Raises our errors."""
        if self.bucket is not None and self.connections is not None:
            from appliance.pulling.from_bucket import BucketOrigin  # noqa: PLC0415 - its library is an extra

            yield BucketOrigin(self.connections, self.bucket, self.prefix, self.workflow)
            return
        with ApplianceOrigin(self.address or "", self.workflow, _token(self.token_file), self.ca) as origin:
            yield origin


def print_exports(asked: Pulling) -> None:
    """What could be fetched. Raises our errors."""
    with asked.origin() as origin:
        found = _exports(origin)
    rows = [
        (each.run, f"{each.created_at:%Y-%m-%d %H:%M}", ", ".join(each.formats), size(each.bytes))
        for each in found
    ]
    print_table(("run", "made (UTC)", "formats", "size"), rows, empty="There is no export of it.")


def pull_files(asked: Pulling, into: Path, formats: Sequence[str]) -> None:
    """The files and their manifest in a folder. Raises our errors."""
    with asked.origin() as origin:
        manifest = _manifest(origin, _chosen(asked, origin, None))
        wanted = [each for each in manifest.formats if not formats or each.format in formats]
        if not wanted:
            raise WrongRequestError(
                f"The export of {manifest.run} has none of these formats.",
                f"It has {manifest.shown_formats}.",
                "appliance pull WORKFLOW --list",
            )
        _refuse_other_run(into, manifest)
        files = [file for each in wanted for file in each.files]
        _fetch(origin, manifest, files, into)
    write_file(into / MANIFEST, manifest.model_dump_json(indent=1) + "\n", durable=False, mode=0o600)
    typer.echo(f"{counted(len(files), 'file')} of {manifest.run} in {into}, each as its manifest says.")


def pull_to(asked: Pulling, to: str, *, jobs: int, replace: bool, keep: bool) -> None:
    """The archive, restored into a database. Raises our errors."""
    destination = Destination(to)
    with asked.origin() as origin:
        manifest = _manifest(origin, _chosen(asked, origin, "archive"))
        form = _archive_of(manifest)
        found = _MAJOR.fullmatch(form.made_with or "")
        major = int(found[1]) if found else 0
        refuse_occupied(destination, major, replace=replace)
        cache = Path.home() / _CACHE / manifest.workflow / manifest.run
        _fetch(origin, manifest, form.files, cache)
    folder = form.files[0].file.partition("/")
    archive = Archive(
        path=cache / folder[0],
        major=major,
        rows={each.table: each.rows for each in form.tables},
        workflow=manifest.workflow,
        run=manifest.run,
    )
    total = sum(archive.rows.values())
    with PullBar("restore", total, in_bytes=False) as bar:

        def show(progress: Progress) -> None:
            note = f"{progress.items:,} of {progress.items_expected:,} objects"
            bar.at(progress.rows, f"{note}: {progress.now}" if progress.now else note)

        restore(archive, destination, jobs=jobs, replace=replace, on_progress=show)
    if not keep:
        shutil.rmtree(cache, ignore_errors=True)
    typer.echo(
        f"{destination.database}: {counted(len(form.tables), 'table')} with {counted(total, 'row')} of"
        f" {manifest.run}, made {manifest.created_at:%Y-%m-%d %H:%M} UTC."
    )


def _fetch(origin: Origin, manifest: Manifest, files: Sequence[ExportedFile], into: Path) -> None:
    with PullBar("fetch", sum(each.bytes for each in files), in_bytes=True) as bar:
        fetch_files(origin, manifest.run, files, into, bar.more)


def _exports(origin: Origin) -> list[FoundExport]:
    found: list[FoundExport] = []
    again(lambda: found.extend(origin.exports()), lambda: False)
    return found


def _manifest(origin: Origin, run: str) -> Manifest:
    found: list[Manifest] = []
    again(lambda: found.append(origin.manifest(run)), lambda: False)
    manifest = found[0]
    if manifest.run != run:
        raise WrongRequestError(
            f"The manifest of {run} is that of another run.", "", "appliance exports list"
        )
    return manifest


def _chosen(asked: Pulling, origin: Origin, form: str | None) -> str:
    """The run: the one that was named, or the newest that has the format."""
    found = _exports(origin)
    if asked.run is not None:
        return asked.run
    fitting = [each for each in found if form is None or form in each.formats]
    if fitting:
        return fitting[0].run
    if not found:
        raise WrongRequestError(
            f"There is no export of '{asked.workflow}' in {origin.name}.",
            "It delivers no files, or they have expired.",
            "deliver: [files: {format: archive}]   in the workflow, and a run",
        )
    there = ", ".join(sorted({each for one in found for each in one.formats}))
    raise WrongRequestError(
        f"No export of '{asked.workflow}' is an archive: there is {there}.",
        "Only an archive has the schema, which a database needs.",
        "--into DIR fetches the files; or in the workflow: deliver: [files: {format: archive}]",
    )


def _archive_of(manifest: Manifest) -> ExportedFormat:
    found = next((each for each in manifest.formats if each.format == "archive"), None)
    if found is None or not found.files:
        raise WrongRequestError(
            f"The export of {manifest.run} is no archive: it has {manifest.shown_formats}.",
            "Only an archive has the schema, which a database needs.",
            "--into DIR fetches the files.",
        )
    return found


def _refuse_other_run(into: Path, manifest: Manifest) -> None:
    """A folder takes up one export: two mixed ones would be none."""
    with contextlib.suppress(FileNotFoundError):
        there = {path.name.removesuffix(".part") for path in into.iterdir()}
        known = {file.file.partition("/")[0] for file in manifest.files} | {MANIFEST}
        if there - known:
            raise WrongRequestError(
                f"In the folder {into} are other files.", "", "Name one that does not exist yet."
            )


def _token(file: Path | None) -> str:
    """The person's own token, which stands in no command line. Raises WrongRequestError."""
    if file is None and (given := os.environ.get(TOKEN_VARIABLE, "").strip()):
        return given
    path = file or Path.home() / _TOKEN_FILE
    try:
        with path.open(encoding="ascii") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise WrongRequestError(f"Others may read the token in {path}.", "", f"chmod 600 {path}")
            return opened.read(200).strip()
    except (OSError, UnicodeDecodeError):
        raise WrongRequestError(
            f"There is no token in {path}.",
            "The people who run the appliance make one: appliance tokens make YOU --workflow ID",
            f"Put it into {path} (chmod 600), or into the variable {TOKEN_VARIABLE}.",
        ) from None
