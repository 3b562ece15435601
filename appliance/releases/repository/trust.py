"""What this machine trusts: the root that it was born with, what it has seen since, and what it has verified.

All of it lies in ``/opt/appliance/trust``, which only root writes: ``root.json`` is the root of trust,
``metadata/`` what python-tuf has accepted last, ``clock.json`` the latest time that was ever seen,
``verified/`` a note for each bundle that may be installed, and ``unsigned.log`` each exception that was made.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from appliance.documents.names import RELEASE, SHA256, is_release
from appliance.durable import append_line, write_file
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.releases.repository.contents import METADATA

FOLDER = "trust"
"""Under the root of all releases."""
_ROOT = "root.json"
_CLOCK = "clock.json"
_VERIFIED = "verified"
_UNSIGNED = "unsigned.log"
CLOCK_SLACK = timedelta(days=1)
"""Time zones that were set wrong, and clocks that drift before anything sets them."""

How = Literal["repository", "folder", "unsigned"]


class Verified(BaseModel):
    """A bundle that may be installed here, and why."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    version: Annotated[str, Field(pattern=f"^{RELEASE}$")]
    sha256: Annotated[str, Field(pattern=f"^{SHA256}$")]
    how: How
    channel: str = ""
    released_at: AwareDatetime | None = None
    at: AwareDatetime


class _Clock(BaseModel):
    latest: AwareDatetime


class Trust:
    """The folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    @property
    def metadata(self) -> Path:
        """Where python-tuf keeps what it has accepted."""
        return self.folder / METADATA

    @property
    def is_pinned(self) -> bool:
        """Whether there is a root of trust; without, nothing is fetched."""
        return (self.folder / _ROOT).is_file()

    def root(self) -> bytes:
        """The root of trust. Raises WorkFailedError without one."""
        try:
            return (self.folder / _ROOT).read_bytes()
        except OSError:
            raise WorkFailedError(
                "This machine trusts no release repository yet.",
                f"There is no {self.folder / _ROOT}.",
                "sudo appliance release trust SHA256 (the dashboard's command for a new appliance has it)",
            ) from None

    def pin(self, root: bytes, digest: str, now: datetime) -> None:
        """Trust this root, and all that it leads to, from here on. Raises WrongRequestError."""
        if hashlib.sha256(root).hexdigest() != digest:
            raise WrongRequestError(
                "That is not the root of trust that was asked for.",
                "Its SHA-256 is another one.",
                "Compare the digest with what the dashboard prints.",
            )
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if (self.folder / _ROOT).is_file() and self.root() != root:
            # What another root led to says nothing about this one.
            shutil.rmtree(self.metadata, ignore_errors=True)
        write_file(self.folder / _ROOT, root, durable=True, mode=0o644)
        self.saw(now)

    def check_clock(self, now: datetime) -> None:
        """Raise WorkFailedError where the clock was set back: what has expired would seem current again."""
        latest = self._latest()
        if latest is not None and now < latest - CLOCK_SLACK:
            raise WorkFailedError(
                f"The clock of this machine says {now:%Y-%m-%d}, and it was {latest:%Y-%m-%d} here before.",
                "With a clock that was set back, nothing can be known about the age of a release.",
                f"timedatectl status; if the clock was ahead before: sudo rm {self.folder / _CLOCK}",
            )

    def saw(self, now: datetime) -> None:
        """Remember that it was this late."""
        latest = self._latest()
        if latest is None or now > latest:
            text = _Clock(latest=now).model_dump_json()
            write_file(self.folder / _CLOCK, text, durable=True, mode=0o644)

    def _latest(self) -> datetime | None:
        try:
            return _Clock.model_validate_json((self.folder / _CLOCK).read_bytes()).latest
        except (OSError, ValidationError):
            return None

    def note(self, verified: Verified) -> None:
        """Let this bundle be installed; an exception is written down for good."""
        folder = self.folder / _VERIFIED
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if verified.how == "unsigned":
            line = json.dumps(
                {
                    "at": verified.at.astimezone(UTC).isoformat(),
                    "version": verified.version,
                    "sha256": verified.sha256,
                }
            )
            append_line(self.folder / _UNSIGNED, line, durable=True, mode=0o644)
        write_file(self._note_of(verified.version), verified.model_dump_json(), durable=True, mode=0o644)

    def verified(self, version: str) -> Verified | None:
        """The note for that release's bundle."""
        try:
            found = Verified.model_validate_json(self._note_of(version).read_bytes())
        except (OSError, ValidationError, WrongRequestError):
            return None
        return found if found.version == version else None

    def forget(self, version: str) -> None:
        """Its bundle may no longer be installed. Raises WrongRequestError, OSError."""
        self._note_of(version).unlink(missing_ok=True)

    def _note_of(self, version: str) -> Path:
        """Beside it lie the root of trust and what holds: no name leads there. Raises WrongRequestError."""
        if not is_release(version):
            raise WrongRequestError("That is not a version of the appliance.", "", "appliance release list")
        return self.folder / _VERIFIED / f"{version}.json"
