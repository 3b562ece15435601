"""A look at the release repository: what there is, what was taken back, and what is wanted fetched.

``python -m appliance.releases.repository.looking`` is what appliance-fetch.service runs. It installs nothing:
the updater, which has no network, does so with what was verified here.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

import appliance
from appliance.documents.names import bundle_name
from appliance.durable import write_file
from appliance.errors import ApplianceError, ExitCode, WorkFailedError, WrongRequestError
from appliance.policy.policy import Policy, read_policy
from appliance.releases.bundles import FOLDER as BUNDLES
from appliance.releases.bundles import is_fetched
from appliance.releases.installed import CURRENT, ROOT, is_installed, linked
from appliance.releases.lock import BusyError
from appliance.releases.repository.alone import looking_alone
from appliance.releases.repository.contents import CHANNELS, ChannelIndex, this_architecture
from appliance.releases.repository.repository import Repository
from appliance.releases.repository.seen import Available, Seen, read_seen, write_seen
from appliance.releases.repository.source import Pace, Server, Source
from appliance.releases.repository.trust import How, Trust, Verified
from appliance.releases.repository.unused import drop_unused
from appliance.releases.wanted import FOLDER as WISHES
from appliance.releases.wanted import read_wanted
from appliance.settings.settings import Settings, load_settings

_REMEMBERED = "remembered.json"


class _Remembered(BaseModel):
    etag: Annotated[str, Field(max_length=200)]
    body: str


def channels_of(policy: Policy) -> list[str]:
    """Where a release is looked for: the channel that policy follows, and for a pinned one all others too."""
    own = policy.updates.channel if policy.updates.channel in CHANNELS else "stable"
    others = [name for name in CHANNELS if name != own]
    return [own, *others] if policy.updates.pin else [own]


def address(settings: Settings) -> str:
    """The repository's. Raises WrongRequestError where there is none.

    It may be plain http: a proxy between sees what is fetched, and can change none of it unseen.
    """
    url = settings.releases.repository or f"{(settings.dashboard_url or '').rstrip('/')}/releases"
    if not _is_address(url):
        raise WrongRequestError(
            "No release repository is set."
            if url == "/releases"
            else "That is no release repository's address.",
            "",
            "Set releases.repository in appliance.yaml to https://…, or: sudo appliance release import DIR",
        )
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        more = parts.username or parts.query or parts.fragment
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not more
    except ValueError:
        return False


@contextlib.contextmanager
def server(settings: Settings, trust: Trust) -> Iterator[Server]:
    """The repository's server, with what is remembered of it."""
    _take_proxy(settings.config_dir / "proxy.env")
    limit = settings.releases.kib_per_s
    path = trust.folder / _REMEMBERED
    url = address(settings)
    try:
        opened = Server(
            url,
            version=appliance.__version__,
            ca_file=settings.dashboard_ca_file,
            pace=Pace(most_bytes_per_s=limit * 1024 if limit else None),
            remembered=_read_remembered(path),
        )
    except OSError as error:
        raise WrongRequestError(
            f"The authorities in {settings.dashboard_ca_file} cannot be read: {error.strerror}.",
            "The release repository is asked only by who knows its authority.",
            f"openssl x509 -noout -subject -in {settings.dashboard_ca_file}",
        ) from None
    except ValueError:
        raise WrongRequestError(
            "The proxy's address is none.", "", "Set http_proxy of the deploy to http://HOST:PORT."
        ) from None
    try:
        yield opened
        stamp = opened.remembered.get("timestamp.json")
        if stamp is not None:
            kept = _Remembered(etag=stamp[0], body=base64.b64encode(stamp[1]).decode())
            write_file(path, kept.model_dump_json(), durable=False, mode=0o644)
    finally:
        opened.close()


def _take_proxy(file: Path) -> None:
    """Go out by the deploy's proxy at a terminal too, where systemd has not set it. What is set stays."""
    with contextlib.suppress(OSError):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
                os.environ.setdefault(name, value.strip('"'))


def _read_remembered(path: Path) -> dict[str, tuple[str, bytes]]:
    with contextlib.suppress(OSError, ValidationError, binascii.Error):
        kept = _Remembered.model_validate_json(path.read_bytes())
        return {"timestamp.json": (kept.etag, base64.b64decode(kept.body))}
    return {}


class Look:
    """One look, by one process, on one machine."""

    def __init__(self, root: Path, source: Source, policy: Policy) -> None:
        """Raises WorkFailedError where nothing is trusted."""
        self._root, self._source, self._policy = root, source, policy
        self._trust = Trust(root)
        self._repository = Repository(self._trust, source)

    def see(self) -> Seen:
        """Verify the newest state, and write down what there is. Raises ApplianceError, written down too."""
        channel = channels_of(self._policy)[0]
        try:
            self._repository.refresh()
            index = self._repository.channel(channel)
        except ApplianceError as error:
            former = read_seen(self._root)
            kept = former.releases if former and former.channel == channel else ()
            write_seen(
                self._root,
                Seen(
                    at=_now(),
                    source=self._source.name,
                    channel=channel,
                    releases=kept,
                    revoked=former.revoked if former else {},
                    problem=error.explanation.line(),
                ),
            )
            raise
        for version in index.revoked:
            # What was fetched and not installed yet never will be.
            self._trust.forget(version)
        seen = Seen(
            at=_now(),
            source=self._source.name,
            channel=channel,
            releases=tuple(_available(index)),
            revoked=index.revoked,
        )
        write_seen(self._root, seen)
        return seen

    def bring(self, version: str, how: How) -> Verified:
        """Fetch that release's bundle and let it be installed. Raises ApplianceError."""
        channels = channels_of(self._policy)
        for channel in channels:
            try:
                offer = self._repository.offer(channel, version)
                break
            except WrongRequestError:
                if channel == channels[-1]:
                    raise
        note = Verified(
            version=version,
            sha256=offer.sha256,
            how=how,
            channel=channel,
            released_at=offer.release.released_at,
            at=_now(),
        )
        if not is_installed(self._root, version):
            folder = self._root / BUNDLES
            folder.mkdir(mode=0o755, exist_ok=True)
            self._repository.fetch(offer, folder / bundle_name(version, this_architecture()))
        self._trust.note(note)
        return note

    def vouch(self, digest: str) -> Verified:
        """Find what has signed for the bundle of that SHA-256. Raises WorkFailedError where nothing has."""
        self._repository.refresh()
        for channel in CHANNELS:
            for release in self._repository.channel(channel).releases:
                own = release.bundles.get(this_architecture())
                if own is None or own.sha256 != digest:
                    continue
                self._repository.offer(channel, release.version)
                note = Verified(
                    version=release.version,
                    sha256=digest,
                    how="repository",
                    channel=channel,
                    released_at=release.released_at,
                    at=_now(),
                )
                self._trust.note(note)
                return note
        raise WorkFailedError(
            "Nothing has signed for the bundle.",
            f"No channel of {self._source.name} has one with its SHA-256.",
            "Fetch the bundle that the dashboard names.",
        )

    def fetch_wanted(self, wishes: Path) -> str | None:
        """Fetch what is asked for and not here yet; which that was. Raises ApplianceError."""
        wanted = read_wanted(wishes)
        if wanted is None or is_installed(self._root, wanted.version):
            return None
        was_there, note = is_fetched(self._root, wanted.version), self._trust.verified(wanted.version)
        if was_there and note and note.how != "repository":
            # An operator has brought it.
            return None
        try:
            self.bring(wanted.version, "repository")
        except ApplianceError as error:
            seen, why = read_seen(self._root), error.explanation.line()
            if seen is not None:
                is_refusal = isinstance(error, WrongRequestError)
                # What may come another time is only shown; a wish for it waits.
                said = {"refused": (wanted.version, why)} if is_refusal else {"problem": why}
                write_seen(self._root, seen.model_copy(update=said))
            raise
        return None if was_there else wanted.version


def _available(index: ChannelIndex) -> list[Available]:
    return [
        Available(version=each.version, released_at=each.released_at, notes=each.notes)
        for each in index.releases
        if this_architecture() in each.bundles
    ]


def _now() -> datetime:
    return datetime.now(UTC)


def look_and_fetch(root: Path, settings: Settings, wishes: Path) -> str:
    """What the timer asks for; a line for the journal. Raises ApplianceError."""
    trust = Trust(root)
    if not trust.is_pinned:
        return "No release repository is trusted here, so none is looked at."
    with looking_alone(root), server(settings, trust) as source:
        look = Look(root, source, read_policy(settings))
        seen = look.see()
        fetched = look.fetch_wanted(wishes)
        drop_unused(root, wishes)
    current = linked(root, CURRENT) or appliance.__version__
    newer = [each.version for each in seen.newer(current)]
    found = f"{seen.channel} has {', '.join(newer) + ',' if newer else 'nothing'} newer"
    why = seen.revoked.get(current)
    taken_back = f" {current}, which runs, was revoked: {why}" if why is not None else ""
    return f"{found} than {current}.{f' {fetched} was fetched.' if fetched else ''}{taken_back}"


def main() -> int:
    """Look, and fetch what is wanted."""
    try:
        line = look_and_fetch(ROOT, load_settings(), WISHES)
    except BusyError as error:
        # To its timer that is no failure: it comes again.
        sys.stdout.write(error.text() + "\n")
        return ExitCode.DONE
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    sys.stdout.write(line + "\n")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
