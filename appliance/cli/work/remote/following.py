"""Waiting for what was asked of an appliance elsewhere, and what becomes of an interrupted wait."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer
from pydantic import JsonValue

from appliance.cli.work.remote.work import Kind, Place, Work, wait
from appliance.errors import ApplianceError


def started(place: Place, kind: Kind, wanted: dict[str, JsonValue]) -> str:
    """Ask for it; its id. Raises our errors."""
    work_id = place.start(kind, wanted)
    say(f"Asked for, as {work_id}.")
    return work_id


def followed(place: Place, work_id: str, *, can_be_cancelled: bool = True) -> Work:
    """It, once it is over; interrupted, it may be ended there too. Raises our errors, typer.Exit."""
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return wait(place, work_id, say)
    except KeyboardInterrupt:
        goes_on = f"It goes on there. Take it up again: appliance remote wait {work_id}"
        say(_ended(place, work_id) if can_be_cancelled and _is_to_be_cancelled() else goes_on)
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, former)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal calls it
    raise KeyboardInterrupt


def _ended(place: Place, work_id: str) -> str:
    try:
        place.cancel(work_id)
    except ApplianceError as error:
        return error.text()
    return "It was asked to end: its branch is gone within seconds."


def _is_to_be_cancelled() -> bool:
    """A person is asked. Who ends a pipeline waits for nothing any more."""
    if not sys.stdin.isatty():
        return True
    try:
        return typer.confirm("\nEnd the rehearsal there too?", err=True)
    except (typer.Abort, KeyboardInterrupt):
        return False


def say(line: str) -> None:
    """Beside what is printed."""
    typer.echo(line, err=True)
