"""The scrubber that knows this appliance's connections: their passwords, and whom and where they lead to.

Anyone who adds an event to the outbox and may read connections.yaml scrubs with it there and then. The status
service, which sends the events, may not read that file, and needs to know no secret but its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from appliance.connections.file import Connections, load_connections
from appliance.connections.password_command import printed_passwords
from appliance.errors import ApplianceError
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import load_settings

_WORD = re.compile(r"\w[\w.-]*")
_LARGEST_DOCUMENT = 1 << 20


def scrubber_of(file: Path, *secrets: str, from_cloud: Path | None = None) -> Scrubber:
    """One that knows every secret of the connections, and whom and where they lead to.

    What connections are called is no secret, nor what stands in the workflows in ``from_cloud``: the
    dashboard wrote them. A host that is called so is no reason to take the word away.
    """
    try:
        known = load_connections(file)
    except (ApplianceError, OSError):
        known = Connections()
    found, buckets = list(known.values()), known.buckets.values()
    away = [each for each in found if not each.host.startswith("/")]
    return Scrubber(
        [
            *(each.password.get_secret_value() for each in found),
            *(secret for each in buckets for secret in each.secrets),
            *printed_passwords(),
            *secrets,
        ],
        [each.host for each in away],
        roles=[each.user for each in away],
        own_words={*known, *known.buckets, *(_words(from_cloud) if from_cloud is not None else ())},
    )


def _words(folder: Path) -> Iterator[str]:
    """Every word of the workflows that the dashboard wrote, and each part of a dotted one."""
    for file in sorted(folder.glob("*.yaml")):
        try:
            with file.open(encoding="utf-8", errors="ignore") as opened:
                text = opened.read(_LARGEST_DOCUMENT)
        except OSError:
            continue
        for word in _WORD.findall(text):
            yield word
            yield from word.split(".")


def own_scrubber() -> Scrubber:
    """The same for the connections of this process's settings, as they are now."""
    file, from_cloud = _own_places()
    marks = _mark_of(file), _mark_of(from_cloud)
    return _plain() if marks[0] is None else _kept(file, from_cloud, marks, printed_passwords())


@lru_cache(maxsize=1)
def _own_places() -> tuple[Path, Path]:
    """The connections, and the workflows from the dashboard."""
    try:
        settings = load_settings()
    except ApplianceError:
        return Path("/nowhere"), Path("/nowhere")
    return settings.connections_file, settings.state_dir / "workflows"


def _mark_of(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file's content; with a folder's as well, where files are put by renaming."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


@lru_cache(maxsize=1)
def _plain() -> Scrubber:
    return Scrubber()


@lru_cache(maxsize=1)
def _kept(
    file: Path,
    from_cloud: Path,
    marks: tuple[tuple[int, int, int] | None, ...],  # noqa: ARG001 - these two make it read afresh
    printed: tuple[str, ...],  # noqa: ARG001
) -> Scrubber:
    return scrubber_of(file, from_cloud=from_cloud)
