"""Whether Docker answers: asked by the scheduler's supervisor, which may, and noted for the status service.

Without an engine the scheduler itself works on, and every step would fail: nothing else would say why.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from appliance.durable import write_file
from appliance.supervision.health_probes import Proof
from appliance.system.http import DOCKER, ask_status

NOTE = "docker-answers"
"""In the runtime folder. What stands in it is what is wrong with Docker; nothing where it answers."""
NOTE_FRESH_S = 90.0
"""Several of a supervisor's looks: an older note says nothing."""
_ANSWER_WITHIN_S = 5.0


def noting_docker(proof: Proof, runtime_dir: Path, ask: Callable[[], str] | None = None) -> Proof:
    """The same proof, which notes each time also whether Docker answers. That is no part of the proof."""
    asked = ask or docker_answers(DOCKER)

    def proved() -> str:
        with contextlib.suppress(OSError):
            write_file(runtime_dir / NOTE, asked(), durable=False, mode=0o640)
        return proof()

    return proved


def docker_answers(path: Path) -> Proof:
    """The engine at that socket answers to a ping; else what is wrong."""

    def proof() -> str:
        try:
            works = ask_status(path, "/_ping", within_s=_ANSWER_WITHIN_S) == 200
        except (OSError, ValueError):
            works = False
        return "" if works else "does not answer (systemctl status docker)"

    return proof


def noted_docker(runtime_dir: Path) -> str | None:
    """What is wrong with Docker, or nothing; None where no one has looked lately."""
    try:
        note = runtime_dir / NOTE
        is_fresh = time.time() - note.stat().st_mtime < NOTE_FRESH_S
        return note.read_text(encoding="ascii") if is_fresh else None
    except (OSError, UnicodeDecodeError):
        return None
