"""An update as a state machine. Every state can be entered again: a process that finds one carries on there.

installing → saving → lowering → switching → proving → probing → watching → settling → done
                 └────────┴──────────┴──────────┴─────────┴─────────┴→ rolling_back → failed

Until ``saving`` the running release is not touched. From then on there are only two ends: the new release
has proven itself, or the former one runs again with the metadata that it had. No process waits for the end of
``watching``, the grace period: each that comes by looks once. ``lowering`` is only on the way down to an
older schema of the metadata: what Airflow has recorded goes along, and a copy of before is kept aside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

from appliance.errors import ApplianceError
from appliance.releases.wanted import Wanted

State = Literal[
    "installing",
    "saving",
    "lowering",
    "switching",
    "proving",
    "probing",
    "watching",
    "settling",
    "rolling_back",
    "done",
    "failed",
]
PROVING_MAX = 3
"""Interrupted more often (by reboots that the new release may cause), it is not waited for again."""


class Update(BaseModel):
    """How far an update has come: all that has to outlive the process that performs it."""

    model_config = ConfigDict(frozen=True)

    wanted: Wanted
    former: str
    state: State = "installing"
    metadata: str = ""
    """The schema version of Airflow's metadata under the former release, known from ``switching`` on."""
    lower_to: str = ""
    """The older schema version that the metadata is turned into before the switch; empty where it stays."""
    provings: int = 0
    in_contact: bool = False
    """Whether the dashboard had answered shortly before the former release was stopped."""
    tried_at: AwareDatetime | None = None
    """When the release was switched to for the first time: the journal of a failure begins there."""
    proven_at: AwareDatetime | None = None
    """When it had proven itself: what goes wrong is looked for from there on."""
    proven_uptime: float | None = None
    """The same by the kernel's clock, which cannot be set: the grace period is counted by it."""
    watch_minutes: int = 0
    """How long the grace period is."""
    left_by_hand: bool = False
    """An operator went back: nothing says that the release is broken."""
    message: str = ""
    """What the outcome says."""

    def moved(self, state: State, **changes: str | float | bool | datetime) -> Update:
        """The same update, further on."""
        return self.model_copy(update={"state": state, **changes})

    def watched_for(self, now: datetime, uptime: float) -> timedelta:
        """How long it has been in its grace period for certain, whatever was done to the machine's clock.

        After a reboot it is counted from the start of the machine: what was seen before is not enough.
        """
        if self.proven_uptime is None:
            # It was begun by a release that did not count so.
            return now - (self.proven_at or now)
        began = self.proven_uptime if self.proven_uptime <= uptime else 0.0
        return timedelta(seconds=uptime - began)


class Host(Protocol):
    """What an update does to the machine. Each deed may be done twice, and raises ApplianceError."""

    def install(self, version: str) -> None:
        """Have the release and its step image there, whole, beside the running one."""

    def stop(self) -> None:
        """Stop the services."""

    def start(self) -> None:
        """Start the services, the scheduler before all that can wait; not to wait for their proof."""

    def metadata_version(self) -> str:
        """The schema version of Airflow's metadata, as it is now."""

    def save_metadata(self) -> None:
        """Copy Airflow's metadata aside."""

    def restore_metadata(self) -> None:
        """Put the copy back, in one transaction."""

    def lower_metadata(self, former: str, schema: str) -> None:
        """Have the former release turn Airflow's metadata into that older schema, with what is in it."""

    def keep_metadata(self, version: str) -> None:
        """Keep aside what Airflow has recorded under this release; what cannot be kept is no error."""

    def keep_copy(self, version: str) -> None:
        """Keep the copy of the metadata, which is of that release, beyond the end of the update."""

    def switch(self, version: str) -> None:
        """Make it the current release, with its units."""

    def unproven(self) -> str:
        """Wait until the services have proven that they work; else, after long, what is missing."""

    def in_contact(self) -> bool:
        """Whether the dashboard has answered within the last minutes."""

    def probe(self, version: str, contact_since: datetime | None) -> str:
        """Have a tiny run go through this release, and wait for the dashboard if it had answered before.

        Else what does not work. A probe that was interrupted begins anew.
        """

    def remove_probe(self) -> None:
        """Remove what a probe that was cut off has left; what cannot be removed is no error."""

    def wrong(self, since: datetime) -> str:
        """What has gone wrong under this release since then that it is left for; empty where nothing has."""

    def keep_journal(self, version: str, since: datetime) -> None:
        """Keep what the services wrote while this release was tried; what cannot be kept is no error."""

    def settle(self, version: str) -> None:
        """Let this release perform the updates to come, and drop the copy of the metadata."""


def carry_on(update: Update, host: Host, keep: Callable[[Update], None]) -> Update:
    """Perform an update from where it is to its end, ``done`` or ``failed``. ``keep`` writes it down.

    In its grace period it comes back as ``watching``, to be looked at again later. Raises ApplianceError only
    where the last deed of all fails: then the state stays, to be tried again.
    """
    keep(update)
    while update.state not in ("done", "failed"):
        further = _next(update, host)
        if further == update:
            break
        update = further
        keep(update)
    return update


def judged(update: Update, host: Host, now: datetime, uptime: float | None = None) -> Update:
    """A release in its grace period, looked at once: as it was, or moved on or back. Never raises."""
    watched = update.watched_for(now, time.monotonic() if uptime is None else uptime)
    since = update.proven_at or now
    try:
        # With a clock that was set back since, all that it has done would be before it began.
        wrong = host.wrong(min(since, now - watched))
    except ApplianceError:
        # Who cannot look knows nothing against it.
        wrong = ""
    if wrong:
        return update.moved("rolling_back", message=f"{wrong} It had proven itself at {since:%H:%M} UTC.")
    if watched >= timedelta(minutes=update.watch_minutes):
        return update.moved("settling")
    return update


def _next(update: Update, host: Host) -> Update:
    if update.state == "installing":
        return _install(update, host)
    if update.state == "rolling_back":
        return _roll_back(update, host)
    if update.state == "watching":
        return judged(update, host, datetime.now(UTC))
    if update.state == "settling":
        # It has proven itself. The copy of the metadata may be gone already, so there is no way back.
        if update.lower_to:
            host.keep_copy(update.former)
        host.settle(update.wanted.version)
        return update.moved("done")
    try:
        return _forward(update, host)
    except ApplianceError as error:
        return update.moved("rolling_back", message=replace(error.explanation, next_step="").line())


def _install(update: Update, host: Host) -> Update:
    try:
        host.install(update.wanted.version)
    except ApplianceError as error:
        why = " ".join(part for part in (error.why, "Nothing was changed.") if part)
        return update.moved("failed", message=replace(error.explanation, why=why).line())
    return update.moved("saving")


def _forward(update: Update, host: Host) -> Update:
    version = update.wanted.version
    if update.state == "saving":
        in_contact = host.in_contact()
        host.stop()
        metadata = host.metadata_version()
        host.save_metadata()
        further: State = "lowering" if update.lower_to not in ("", metadata) else "switching"
        return update.moved(further, metadata=metadata, in_contact=in_contact or update.in_contact)
    if update.state == "lowering":
        host.stop()
        host.lower_metadata(update.former, update.lower_to)
        return update.moved("switching")
    if update.state == "switching":
        host.stop()
        tried_at = update.tried_at or datetime.now(UTC)
        host.switch(version)
        return update.moved("proving", provings=1, tried_at=tried_at)
    if update.state == "proving":
        # Counted before it begins: its start may be what brings the machine down.
        host.start()
        missing = host.unproven()
        return update.moved("rolling_back", message=missing) if missing else update.moved("probing")
    broken = host.probe(version, update.tried_at if update.in_contact else None)
    if broken:
        return update.moved("rolling_back", message=broken)
    message = f"{version} runs, and has proven that it works."
    return update.moved(
        "watching", message=message, proven_at=datetime.now(UTC), proven_uptime=time.monotonic()
    )


def _roll_back(update: Update, host: Host) -> Update:
    version = update.wanted.version
    if update.tried_at is not None:
        host.keep_journal(version, update.tried_at)
    host.stop()
    # A metadata schema that the former release does not know stops its scheduler, whatever downgrade says.
    if update.metadata and host.metadata_version() != update.metadata:
        if update.proven_at is not None:
            host.keep_metadata(version)
        host.restore_metadata()
    host.switch(update.former)
    host.start()
    missing = host.unproven()
    host.remove_probe()
    host.settle(update.former)
    back = f"{update.former} runs again." if not missing else f"{update.former} was put back: {missing}"
    return update.moved("failed", message=f"{update.message} {back}")


def resumed(update: Update) -> Update:
    """An update found on disk, as it is to be carried on."""
    if update.state not in ("proving", "probing"):
        return update
    if update.provings >= PROVING_MAX:
        return update.moved("rolling_back", message="The machine stopped again and again while it was tried.")
    return update.moved(update.state, provings=update.provings + 1)
