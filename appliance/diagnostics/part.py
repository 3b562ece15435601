"""A part of the archive: a name, and a function that finds out what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

TIMEOUT_S = 30
MOST_BYTES = 8 << 20
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Part:
    """``streams`` gives pieces of text, each of which is scrubbed as lines that follow one another."""

    name: str
    about: str
    streams: Callable[[], Iterable[str]]


class NotThereError(Exception):
    """What the part would say cannot be found out here; its text says why, and holds no secret."""


def output_of(command: Sequence[str]) -> str:
    """What a program prints, and how it ended if not well.

    Raises NotThereError where it is missing or hangs.
    """
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:{PATH}")
    if program is None:
        raise NotThereError(f"{command[0]} is not on this machine.")
    try:
        done = subprocess.run(  # noqa: S603
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotThereError(f"{command[0]} did not answer within {TIMEOUT_S} s.") from None
    except OSError as error:
        raise NotThereError(f"{command[0]} could not be started: {error.strerror}.") from None
    text = done.stdout[-MOST_BYTES:].decode(errors="replace")
    if done.returncode != 0:
        text += f"\n({command[0]} ended with status {done.returncode})"
    return text


def separated(text: str, blanks: int = 1) -> str:
    """A program's columns with a bar between, where there are at least so many blanks.

    Numbers side by side with nothing but blanks between look like a telephone number to the scrubber.
    """
    return "\n".join(re.sub(rf" {{{blanks},}}", " | ", line.strip()) for line in text.splitlines())


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns with a bar between; None is a dash."""
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = value.isoformat(" ", "seconds") if hasattr(value, "isoformat") else str(value)
    return text.replace("\n", " ")
