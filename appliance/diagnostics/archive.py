"""Collecting the parts, each scrubbed and each on its own: what is broken is what is being diagnosed."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import appliance
from appliance.diagnostics import configuration, containers, databases, machine, services, task_logs
from appliance.diagnostics.known_secrets import scrubber
from appliance.diagnostics.part import NotThereError, Part, table
from appliance.durable import whole_file
from appliance.errors import ApplianceError, WorkFailedError
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import Settings

MOST_PART_BYTES = 8 << 20
FOLDER = "appliance-diagnostics"
_LINES = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_PLAIN = re.compile(r"[^A-Za-z0-9._/-]")


@dataclass(frozen=True)
class Collected:
    """One file of the archive. ``problem`` says why a part could not be had; its text then says so too."""

    name: str
    about: str
    text: str
    problem: str = ""

    @property
    def bytes(self) -> int:
        return len(self.text.encode())


def collect(settings: Settings) -> list[Collected]:
    """Every part, scrubbed. Never raises for what is broken: a part that failed says so in its place."""
    clean = scrubber(settings)
    found = [_collected(part, clean) for part in _parts(settings)]
    return [_contents(found), *found]


def write_archive(files: list[Collected], path: Path) -> None:
    """Write them as one .tar.gz of mode 0600, whole or not at all. Raises WorkFailedError."""
    try:
        with (
            whole_file(path, durable=False, mode=0o600) as opened,
            gzip.GzipFile(filename="", fileobj=opened, mode="wb") as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for file in files:
                member = tarfile.TarInfo(f"{FOLDER}/{file.name}")
                member.size, member.mode, member.mtime = file.bytes, 0o600, int(time.time())
                tar.addfile(member, io.BytesIO(file.text.encode()))
    except OSError as error:
        raise WorkFailedError(
            f"{path} could not be written: {error.strerror or type(error).__name__}.",
            "",
            "Name another place with --output FILE.",
        ) from None


def _parts(settings: Settings) -> Iterator[Part]:
    yield from machine.parts(settings)
    yield from services.parts()
    yield from task_logs.parts(settings)
    yield from configuration.parts(settings)
    yield from databases.parts(settings)
    yield from containers.parts()


def _collected(part: Part, clean: Scrubber) -> Collected:
    lines: list[str] = []
    problem = ""
    try:
        left = MOST_PART_BYTES
        for piece in part.streams():
            for line in _cleaned(piece, clean):
                left -= len(line) + 1
                lines.append(line)
            if left < 0:
                lines.append("(cut: the rest is too long)")
                break
    except NotThereError as error:
        problem = clean.clean(str(error))
    except ApplianceError as error:
        problem = clean.clean(error.what).split("\n", maxsplit=1)[0]
    except Exception as error:  # whatever is broken here is no reason to have nothing at all
        problem = f"{type(error).__name__} while it was looked for."
    if not any(lines) and not problem:
        lines = ["(nothing)"]
    if problem:
        lines.append(f"This part could not be collected, or not all of it: {problem}")
    name = _PLAIN.sub("_", clean.clean(part.name))
    return Collected(name, part.about, "\n".join(lines) + "\n", problem)


def _cleaned(piece: str, clean: Scrubber) -> Iterator[str]:
    clean_line = clean.stream()
    return (clean_line(line) for line in _LINES.split(piece))


def _contents(files: list[Collected]) -> Collected:
    rows = [(file.name, file.bytes, file.problem or file.about) for file in files]
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    text = (
        f"Diagnostics of an appliance, release {appliance.__version__}, made {made}.\n"
        "Secrets and whatever has the shape of personal data were removed, line by line; a mark is there.\n\n"
        + table(("file", "bytes", "what"), rows)
        + "\n"
    )
    return Collected("contents.txt", "what is in here", text)
