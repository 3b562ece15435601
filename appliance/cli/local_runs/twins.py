"""Since when the twins of a run stand, and what replaced each: across ``appliance run`` and the services too.

Neither knows of the other's runs. Both note each twin in the ledger of copies before they publish it, so the
ledger names what may have come after; whether it did, the later run itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from appliance.cli.local_runs.recorded import recorded_run
from appliance.copies.ledger import CopyMade, made
from appliance.settings.settings import Settings
from appliance.steps.local.folders import state_folders
from appliance.store.rows import RunDetails, StepLine, TwinLine

Ask = Callable[[Settings, str], RunDetails | None]
"""What the appliance's services know of a run; None where they know nothing or do not answer."""


def twins_of(run: RunDetails, settings: Settings, state: Path | None, ask: Ask) -> tuple[TwinLine, ...]:
    """The twins that a run put in place, as things stand."""
    own = run.twins or tuple(published(run))
    if not own:
        return ()
    copies = [each for folder in state_folders(settings, state) for each in made(folder)]
    return tuple(_as_it_stands(twin, run, copies, settings, state, ask) for twin in own)


def published(run: RunDetails) -> Iterator[TwinLine]:
    """The twins that its steps say they have swapped in; what was built for files alone is none."""
    for step in run.steps:
        connection = _connection(step)
        if connection is not None and step.ended_at is not None:
            yield TwinLine(connection, step.ended_at, None, None, None)


def _connection(step: StepLine) -> str | None:
    if step.step != "publish" or step.state != "succeeded" or not step.result or not step.result.get("twin"):
        return None
    return str(step.result.get("connection"))


def _as_it_stands(  # noqa: PLR0917
    twin: TwinLine,
    run: RunDetails,
    copies: list[CopyMade],
    settings: Settings,
    state: Path | None,
    ask: Ask,
) -> TwinLine:
    """The first that came after it, of all that are known."""
    places = {each.place for each in copies if each.run == run.run_id and _is_of(each, twin)}
    found = [(twin.replaced_at, twin.replaced_by, twin.replaced_workflow)] if twin.replaced_at else []
    later = {each.run: each for each in copies if each.place in places and each.run != run.run_id}
    for each in sorted(later.values(), key=lambda copy: copy.made_at):
        if found and each.made_at > min(at for at, _, _ in found if at):
            break
        came = _came(each, twin, settings, state, ask)
        if came is not None and came > twin.since:
            found.append((came, each.run, each.workflow))
    if not found:
        return twin
    at, by, workflow = min(found, key=lambda each: each[0] or twin.since)
    return replace(twin, replaced_at=at, replaced_by=by, replaced_workflow=workflow)


def _is_of(copy: CopyMade, twin: TwinLine) -> bool:
    return copy.kind == "twin" and copy.place.partition("/")[0] == twin.connection


def _came(
    copy: CopyMade, twin: TwinLine, settings: Settings, state: Path | None, ask: Ask
) -> datetime | None:
    """When a noted twin was swapped in, None if never; of a run that is forgotten, when it was noted."""
    recorded = recorded_run(settings, state, copy.run)
    later = recorded.run if recorded is not None else ask(settings, copy.run)
    if later is None:
        return copy.made_at
    its = later.twins or tuple(published(later))
    return next((each.since for each in its if each.connection == twin.connection), None)
