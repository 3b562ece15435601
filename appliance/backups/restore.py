"""Restoring a backup: a state machine that is kept on disk, and that can be run again from any point.

``unpacking`` changes nothing but its own folder. From ``replacing`` on the services are held off (their
units have a condition on the file), and only a restore that reaches its end lets them start. Each of its
steps gives the same when it is done twice: a database is emptied and loaded in one transaction, a file is
renamed into place. So whatever interrupts it, the same command again brings it to its end.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from appliance.backups.after_restore import begin_anew, end_airflow_runs
from appliance.backups.contents import MIRRORED
from appliance.backups.create import database_urls
from appliance.backups.manifest import DATABASES, Manifest
from appliance.backups.postgres_tools import Database
from appliance.backups.restore_files import FROM_BACKUP, place_files
from appliance.backups.unpack import unpack
from appliance.cloud.enrolment import ROTATION_WANTED
from appliance.durable import write_file
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.settings.settings import Settings
from appliance.store.database import connect
from appliance.system.beneath import as_owner_of, folder_of_our_own, lesser_owner, refuse_link, ways
from appliance.system.units import STOP, TIMERS, active_units

FOLDER = "restore"
PENDING = "pending"
FORMER = "before-restore"
STATES = ("unpacking", "unpacked", "replacing", "airflow", "appliance", "files", "done")
State = Literal["unpacking", "unpacked", "replacing", "airflow", "appliance", "files", "done"]
"""Named after what has been done when it is entered, but for the first."""
LEAVING_S = 15.0
"""A killed restore's last session ends by itself; so long it is waited for."""


@dataclass(frozen=True)
class Restored:
    """What a restore brought back, and what it left of what was here."""

    manifest: Manifest
    files: int
    runs_ended: int
    """Runs that were under way when the backup was made."""
    other_settings: Path | None
    """The backup's appliance.yaml, where this machine's own says something else."""
    former: Path | None
    """Where files that had other contents are kept."""
    is_enrolled: bool


def restore_backup(
    settings: Settings,
    file: Path,
    passphrase: str,
    *,
    replace: bool = False,
    entered: Callable[[State], None] = lambda _: None,
) -> Restored:
    """Make this appliance the one that the backup was made of. ``entered`` is called with every state.

    Raises WrongRequestError, with nothing changed, while services run, for a file that cannot be used, and
    for an appliance that has state of its own unless ``replace``; WorkFailedError when it could not be
    finished.
    """
    for name in (FOLDER, FORMER, *(mirrored.partition("/")[2] for mirrored in MIRRORED)):
        refuse_link(settings.state_dir / name)
    # What will be believed is unpacked where the user whose state it is cannot change it.
    try:
        with folder_of_our_own(settings.state_dir, FOLDER) as folder:
            restored = _restore(settings, file, passphrase, folder, replace=replace, entered=entered)
    finally:
        # Not where a restore is unfinished: then it holds the mark of it.
        with contextlib.suppress(OSError):
            (settings.state_dir / FOLDER).rmdir()
    entered("done")
    return restored


def _restore(
    settings: Settings,
    file: Path,
    passphrase: str,
    folder: Path,
    *,
    replace: bool,
    entered: Callable[[State], None],
) -> Restored:
    pending, former = folder / PENDING, settings.state_dir / FORMER
    owner = lesser_owner(settings.state_dir)
    is_repeated = pending.exists()
    _check_stopped(is_repeated=is_repeated)
    versions = {name: _server_version(name, url) for name, url in database_urls(settings).items()}
    if not (replace or is_repeated):
        _check_fresh(settings)
    entered("unpacking")
    contents = unpack(settings, file, passphrase, folder / "staged")
    try:
        _check_servers(contents.manifest, versions)
        scripts = {}
        for name, url in database_urls(settings).items():
            scripts[name] = folder / "staged" / f"{name}.sql"
            Database(name, url, versions[name], owner).write_script(contents.dumps[name], scripts[name])
        entered("unpacked")
        if not is_repeated:
            with as_owner_of(settings.state_dir):
                shutil.rmtree(former, ignore_errors=True)
        _note(pending, "replacing", contents.manifest)
        entered("replacing")
        ended = 0
        for name in DATABASES:
            url = database_urls(settings)[name]
            Database(name, url, versions[name], owner).replace_contents(scripts[name])
            ended = end_airflow_runs(url) if name == "airflow" else begin_anew(url)
            _note(pending, name, contents.manifest)
            entered("airflow" if name == "airflow" else "appliance")
        placed = place_files(settings, contents.files, former)
        is_enrolled = settings.identity_file.exists()
        if is_enrolled:
            _want_rotation(settings)
        _note(pending, "files", contents.manifest)
        entered("files")
    except OSError as error:
        raise WorkFailedError(
            f"The restore stopped: {error.strerror or type(error).__name__}.",
            "The appliance's services stay stopped until it has been finished."
            if pending.exists()
            else "Nothing has been changed.",
            ways(error, Path(error.filename or former), f"df -h {settings.state_dir}")
            + "; then run the same command again.",
        ) from None
    finally:
        shutil.rmtree(folder / "staged", ignore_errors=True)
    pending.unlink()
    return Restored(
        manifest=contents.manifest,
        files=len(placed),
        runs_ended=ended,
        other_settings=next((path for path in placed if path.name.endswith(FROM_BACKUP)), None),
        former=former if former.exists() else None,
        is_enrolled=is_enrolled,
    )


def _check_stopped(*, is_repeated: bool) -> None:
    """After a reboot in the middle the timers run again, but whatever they start waits for the end too."""
    running = [unit for unit in active_units() if not (is_repeated and unit in TIMERS)]
    if running:
        raise WrongRequestError(
            f"The appliance is running: {', '.join(running)}.",
            "A restore replaces what its services are using. Nothing has been changed.",
            STOP,
        )


def _server_version(name: str, url: str) -> int:
    """Also proves that no one else is in the database."""
    give_up = time.monotonic() + LEAVING_S
    try:
        with closing(connect(url, read_only=True)) as session:
            while True:
                row = session.execute(
                    "SELECT count(*) AS others FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                ).fetchone()
                if not row or not row["others"]:
                    return session.info.server_version
                if time.monotonic() > give_up:
                    break
                time.sleep(0.2)
    except psycopg.Error as error:
        raise database_failure(f"The database '{name}' does not answer.", error) from None
    raise WrongRequestError(
        f"The database '{name}' is in use: something of the appliance is running.",
        f"{row['others']} other sessions are in it. Nothing has been changed.",
        STOP,
    )


def _check_fresh(settings: Settings) -> None:
    """An appliance that has masked anything, or is known to a dashboard, is not overwritten unasked."""
    own = []
    try:
        with closing(connect(settings.database_url, read_only=True)) as session:
            row = session.execute("SELECT count(*) AS runs FROM appliance.run").fetchone()
            if row and row["runs"]:
                own.append(f"{row['runs']} runs")
    except psycopg.errors.UndefinedTable:
        pass
    except psycopg.Error as error:
        raise database_failure("The database 'appliance' does not answer.", error) from None
    if settings.identity_file.exists():
        own.append("an enrolment with a dashboard")
    if own:
        raise WrongRequestError(
            f"This appliance has state of its own: {' and '.join(own)}.",
            "A restore replaces it, its mask key too. Nothing has been changed.",
            "appliance backup create FILE   keeps what is here; then restore with --replace.",
        )


def _check_servers(manifest: Manifest, versions: dict[str, int]) -> None:
    for name, facts in manifest.databases.items():
        theirs, ours = facts.server_version // 10000, versions[name] // 10000
        if theirs > ours:
            raise WrongRequestError(
                f"The backup was made with PostgreSQL {theirs}, and this machine has {ours}.",
                "A newer server's dump cannot be loaded into an older one. Nothing has been changed.",
                f"Restore onto a machine with PostgreSQL {theirs} or newer.",
            )


def _want_rotation(settings: Settings) -> None:
    """With its next contact the appliance changes its token, which turns away anyone else who has it."""
    marker = settings.identity_file.with_name(ROTATION_WANTED)
    with as_owner_of(marker.parent):
        marker.touch(mode=0o600)


def _note(pending: Path, state: State | str, manifest: Manifest) -> None:
    """Write down how far it is, durably, before anything further happens."""
    content = {"state": state, "release": manifest.release, "created_at": manifest.created_at.isoformat()}
    write_file(pending, json.dumps(content), durable=True, mode=0o600)
