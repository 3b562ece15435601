"""What an update does to a real machine: links, units, services, the step image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from appliance.durable import write_file
from appliance.errors import WorkFailedError
from appliance.releases import bundles, metadata, probing
from appliance.releases.failures import keep_journal, last_lines
from appliance.releases.installed import CURRENT, UPDATER, is_installed, linked, manifest, point
from appliance.releases.prune import mark_used
from appliance.releases.step_probe import check_steps
from appliance.releases.verdicts import (
    OUT_OF_MEMORY,
    SHOWN,
    does_not_stay_up,
    fails_what_succeeded,
    takes_too_much_memory,
)
from appliance.releases.wanted import FOLDER
from appliance.releases.way_down import kept_aside, lowering
from appliance.settings.settings import Settings
from appliance.system.postgres_programs import ask
from appliance.system.units import (
    PREPARE,
    REAPER,
    SERVICES,
    UNIT_FOLDER,
    begins_beside_the_api_server,
    start_scheduler_first,
    start_unit,
)

METADATA_COPY = "metadata.sql"
"""In the folder of the update's state, as long as there is a way back."""
_UNITS = (PREPARE, *SERVICES)
PROVEN_WITHIN_S = 600.0
"""A start on a slow disk, with Airflow's migration before it, takes a minute or two."""
CRASHES_MAX = 4
"""A service that was started again this often will not work at the fifth attempt either."""
_POLL_S = 1.0
_JOURNAL_LINES, _JOURNAL_BYTES = 20_000, 16 << 20
# Preflight runs in a service of its own: the updater's sees neither the network nor the kernel as they are.
_OUTSIDE = ("systemd-run", "--wait", "--pipe", "--quiet", "--collect")
_CHECK_FAILED = 1
_ASK_WITHIN_S = 20.0


class ThisMachine:
    """The Host that an update acts on."""

    def __init__(self, root: Path, state: Path, settings: Settings) -> None:
        self._root = root
        self._state = state
        self._copy = state / METADATA_COPY
        self._metadata_url = settings.airflow_database_url
        self._database_url = settings.database_url
        # What crashes at its first real work shows by then.
        self._steady_s = settings.releases.steady_seconds

    def install(self, version: str) -> None:
        """Have the release and its step images there, whole, beside the running one."""
        if not is_installed(self._root, version):
            bundles.install(self._root, version)
        images = manifest(self._root, version).step_images
        inspect = ("docker", "image", "inspect", "--format", "{{.Id}}")
        if any(_run(*inspect, image.tag, check=False).strip() != image.id for image in images):
            archive = self._root / "releases" / version / "image" / "step.tar.gz"
            _run("docker", "load", "--quiet", "--input", str(archive))
        check_steps(image.tag for image in images)
        check_fitness(self._root / "releases" / version)

    def stop(self) -> None:
        # One that goes on from an updater that was killed; a release from before there was a probe has none.
        _run("systemctl", "stop", probing.UNIT, check=False)
        # The last first: systemd begins with what is named first, and tasks report to the api-server.
        _run("systemctl", "stop", *reversed(_UNITS))

    def start(self) -> None:
        """Start the services, the scheduler before all that can wait; not to wait for their proof."""
        _run("systemctl", "daemon-reload")
        _run("systemctl", "reset-failed", *_UNITS, check=False)
        if begins_beside_the_api_server(Path(UNIT_FOLDER)):
            start_scheduler_first()
        _run("systemctl", "start", "--no-block", *_UNITS)

    def metadata_version(self) -> str:
        """The schema version of Airflow's metadata, as it is now."""
        return metadata.version(self._metadata_url)

    def save_metadata(self) -> None:
        """Copy Airflow's metadata aside."""
        metadata.save(self._metadata_url, self._copy)

    def restore_metadata(self) -> None:
        """Put the copy back, in one transaction."""
        metadata.restore(self._metadata_url, self._copy)

    def lower_metadata(self, former: str, schema: str) -> None:
        """Have the former release turn Airflow's metadata into that older schema, with what is in it."""
        lowering.perform(self._root / "releases" / former / "venv" / "bin" / "python", schema)
        if (found := self.metadata_version()) != schema:
            raise WorkFailedError(f"Airflow's metadata has the schema {found} instead of {schema}.")

    def keep_metadata(self, version: str) -> None:
        """Keep aside what Airflow has recorded under this release; what cannot be kept is no error."""
        try:
            metadata.save(self._metadata_url, kept_aside.place_for(self._state, version, datetime.now(UTC)))
            kept_aside.drop_older(self._state)
        except (WorkFailedError, OSError) as error:
            sys.stderr.write(f"What {version} has recorded in Airflow could not be kept aside: {error}\n")

    def keep_copy(self, version: str) -> None:
        """Keep the copy of the metadata, which is of that release, beyond the end of the update."""
        kept_aside.keep(self._state, self._copy, version, datetime.now(UTC))

    def switch(self, version: str) -> None:
        """Make it the current release, with its units."""
        if not is_installed(self._root, version):
            raise WorkFailedError(f"The release {version} is not installed.", "", "appliance release list")
        former = linked(self._root, CURRENT)
        replace_units(self._units_of(former), self._units_of(version), Path(UNIT_FOLDER))
        for used in (former, version):
            mark_used(self._root, used)
        point(self._root, CURRENT, version)

    def unproven(self) -> str:
        """Wait until the services have proven that they work; else, after long, what is missing.

        systemd holds each to be active only once it has said so, which its supervisor does with proof.
        """
        give_up = time.monotonic() + PROVEN_WITHIN_S
        first: dict[str, int] | None = None
        steady: tuple[float, dict[str, int]] | None = None
        while time.monotonic() < give_up:
            try:
                states = _states()
            except WorkFailedError:
                # systemd does not answer: the machine goes down, most likely, and that is not the release.
                time.sleep(_POLL_S)
                continue
            first = first or _restarts(states)
            restarts = _restarts(states)
            crashing = [name for name in _UNITS if restarts[name] - first[name] >= CRASHES_MAX]
            if crashing:
                return f"Does not stay up: {', '.join(crashing)}."
            if _missing(states):
                steady = None
            elif steady is None or steady[1] != restarts:
                steady = (time.monotonic(), restarts)
            elif time.monotonic() - steady[0] >= self._steady_s:
                return ""
            time.sleep(_POLL_S)
        names = ", ".join(_missing(_states())) or "a service that does not stay up"
        return f"Not proven to work within {PROVEN_WITHIN_S / 60:.0f} minutes: {names}."

    def in_contact(self) -> bool:
        """Whether the dashboard has answered within the last minutes."""
        return probing.in_contact(self._database_url)

    def probe(self, version: str, contact_since: datetime | None) -> str:
        """Have a tiny run go through this release, and see whether the dashboard still answers.

        A release from before there was a probe brings none.
        """
        broken = probing.perform(version, FOLDER) if (self._units_of(version) / probing.UNIT).exists() else ""
        if broken or contact_since is None:
            return broken
        python = self._root / UPDATER / "venv" / "bin" / "python"
        lost = probing.lost_contact(self._database_url, contact_since, python)
        return f"The dashboard is no longer reached, as it was before: {lost}" if lost else ""

    def remove_probe(self) -> None:
        """Have the reaper remove what a probe that was cut off has left; by itself it comes later."""
        start_unit(REAPER, wait=True)

    def wrong(self, since: datetime) -> str:
        """What has gone wrong since then that the release is left for; empty where nothing has."""
        if ask(self._database_url, "SELECT 1", within_s=_ASK_WITHIN_S) is None:
            # Services that wait for PostgreSQL are started again and again, which no release can help.
            _run("systemctl", "reset-failed", *_UNITS, check=False)
            return ""
        shown = _run("systemctl", "show", "-p", SHOWN, *_UNITS)
        since_then = f"--since=@{since.timestamp():.0f}"
        killed = _run("journalctl", "--output=json", "--no-pager", since_then, OUT_OF_MEMORY, check=False)
        return (
            does_not_stay_up(shown, time.monotonic())
            or takes_too_much_memory(killed)
            or fails_what_succeeded(self._database_url, since)
        )

    def keep_journal(self, version: str, since: datetime) -> None:
        """Keep what the services wrote while this release was tried; what cannot be kept is no error."""
        command = ("journalctl", "--unit=appliance-*", f"--since=@{since.timestamp():.0f}")
        shown = ("--output=json", f"--lines={_JOURNAL_LINES}", "--no-pager")
        try:
            keep_journal(self._state, version, last_lines((*command, *shown), _JOURNAL_BYTES))
        except OSError as error:
            sys.stderr.write(f"The journal of {version} could not be kept: {error}\n")

    def settle(self, version: str) -> None:
        """Let this release perform the updates to come, and drop the copy of the metadata."""
        point(self._root, UPDATER, version)
        self._copy.unlink(missing_ok=True)

    def _units_of(self, version: str | None) -> Path:
        return self._root / "releases" / (version or "-") / "systemd"


def check_fitness(release: Path) -> None:
    """Run the preflight that a release brings. Raises WorkFailedError with what fails; warnings are none.

    A release from before there was a preflight, or one that cannot be asked, is not held up.
    """
    command = [*_OUTSIDE, str(release / "venv" / "bin" / "appliance"), "preflight", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return
    unfit = failures_in(done.stdout) if done.returncode == _CHECK_FAILED else []
    if unfit:
        raise WorkFailedError(
            f"This machine is not fit for {release.name}.", " ".join(unfit), "sudo appliance preflight"
        )


def failures_in(report: str) -> list[str]:
    """The checks that fail in the report of ``preflight --json``."""
    try:
        findings = json.loads(report)["findings"]
        return [f"{each['check']}: {each['what']}" for each in findings if each["state"] == "fail"]
    except (ValueError, KeyError, TypeError):
        return []


def replace_units(former: Path, wanted: Path, live: Path) -> None:
    """Write the units of a release over those of another; what only the other had goes.

    A unit that both releases have and that is not live was left out by a knob of the deploy, and stays out.
    What all units share is always there.
    """
    before, after = _unit_files(former), _unit_files(wanted)
    drop_ins = _drop_ins(wanted)
    # The restrictions that units share are there before a unit that relies on them.
    for name, text in sorted(drop_ins.items()):
        (live / name).parent.mkdir(mode=0o755, exist_ok=True)
        _write(live / name, text)
    for name in sorted(before.keys() - after.keys()):
        _run("systemctl", "disable", "--now", "--quiet", name, check=False)
        (live / name).unlink(missing_ok=True)
    for name, text in sorted(after.items()):
        path = live / name
        if path.exists() or name not in before:
            _write(path, text)
    for name in _drop_ins(former).keys() - drop_ins.keys():
        (live / name).unlink(missing_ok=True)
    for name in sorted(after.keys() - before.keys()):
        if b"[Install]" in after[name]:
            _run("systemctl", "enable", "--quiet", name, check=False)


def _unit_files(folder: Path) -> dict[str, bytes]:
    kinds = (".service", ".timer", ".path", ".slice")
    return {path.name: path.read_bytes() for path in folder.glob("appliance*") if path.suffix in kinds}


def _drop_ins(folder: Path) -> dict[str, bytes]:
    """What a release adds to all its units of a kind, as ``appliance-.service.d`` does."""
    found = folder.glob("appliance*.d/*.conf")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _write(path: Path, text: bytes) -> None:
    if path.exists() and path.read_bytes() == text:
        return
    write_file(path, text, durable=True, mode=0o644)


def _states() -> dict[str, dict[str, str]]:
    shown = _run("systemctl", "show", "-p", "Id,ActiveState,NRestarts", *_UNITS)
    blocks = (dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n"))
    return {block["Id"]: block for block in blocks if "Id" in block}


def _restarts(states: dict[str, dict[str, str]]) -> dict[str, int]:
    return {name: int(states.get(name, {}).get("NRestarts") or 0) for name in _UNITS}


def _missing(states: dict[str, dict[str, str]]) -> list[str]:
    return [name for name in _UNITS if states.get(name, {}).get("ActiveState") != "active"]


def _run(*command: str, check: bool = True) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": tempfile.gettempdir()}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise WorkFailedError(f"{command[0]} cannot be run: {os.strerror(error.errno or 0)}.") from None
    if check and done.returncode != 0:
        said = " ".join(done.stderr.split())[-400:]
        raise WorkFailedError(f"{command[0]} {command[1]} failed.", said, "journalctl -u appliance-update")
    return done.stdout
