"""What is asked of an appliance elsewhere, and how far it is: over its status service, or the dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from appliance.branches.asking import BranchesFound
from appliance.cli.work.remote.asking import Far, in_path
from appliance.errors import Explanation, RefusedError, WorkFailedError, WrongRequestError
from appliance.rehearsals.results.judging import EXIT_CODES
from appliance.rehearsals.results.report import Rehearsal

Kind = Literal["branch", "rehearse"]
Model = TypeVar("Model", bound=BaseModel)
_LOOK_S = 1.0
_OVER = {"done", "failed", "refused", "cancelled", "expired"}
_EXIT = {"done": 0, "refused": 3}
_PATHS: dict[Kind, str] = {"branch": "/branches", "rehearse": "/rehearsals"}


class BranchRow(BaseModel):
    """One branch."""

    model_config = ConfigDict(extra="ignore")

    name: str
    database: str | None = None
    """None from the dashboard, which does not know it."""
    run_id: str
    copy_of: str
    bytes: int
    ends_at: datetime


class Work(BaseModel):
    """Something that was asked for, as it stands."""

    model_config = ConfigDict(extra="ignore")

    id: str
    kind: Kind
    state: str
    said: tuple[str, ...] = ()
    exit_code: int | None = None
    rule: str | None = None
    problem: str | None = None
    answer: dict[str, JsonValue] | None = None
    """Which branches there are, or the report."""
    verdict: str | None = None
    """Of a rehearsal, where its report stays on the appliance."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.state in _OVER

    @property
    def rehearsal(self) -> Rehearsal | None:
        """The report, if it is one. Raises WorkFailedError for one of another release."""
        if self.kind != "rehearse" or self.answer is None:
            return None
        return _read(Rehearsal, self.answer)

    @property
    def branches(self) -> tuple[BranchRow, ...]:
        """The branches that there are, if that was asked. Raises WorkFailedError as above."""
        if self.kind != "branch" or self.answer is None:
            return ()
        if isinstance(twins := self.answer.get("twins"), list):
            rows = [row for each in twins if isinstance(each, dict) for row in _rows(each.get("branches"))]
            return tuple(_read(BranchRow, row) for row in rows)
        found = _read(BranchesFound, self.answer)
        return tuple(
            BranchRow(
                name=each.marker.name,
                database=each.database,
                run_id=each.marker.run,
                copy_of=each.marker.copy_of,
                bytes=each.bytes,
                ends_at=each.marker.ends_at,
            )
            for each in found.branches
        )


class Place(Protocol):
    """Where an appliance is asked."""

    def start(self, kind: Kind, wanted: Mapping[str, JsonValue]) -> str:
        """Ask for it; the id of the work. Raises our errors."""

    def look(self, work_id: str) -> Work:
        """How far it is. Raises our errors."""

    def cancel(self, work_id: str) -> None:
        """Ask it to end. Raises our errors; RefusedError where policy does not let it."""


@dataclass
class StatusService:
    """The appliance's own service, inside the network."""

    far: Far

    def start(self, kind: Kind, wanted: Mapping[str, JsonValue]) -> str:
        """Under an id of ours, so that it may be sent again."""
        named = str(uuid4())
        self.far.post(_PATHS[kind], {**wanted, "id": named}, again=True)
        return named

    def look(self, work_id: str) -> Work:
        """One call says all."""
        return _read(Work, self.far.get(f"/work/{in_path(work_id)}"))

    def cancel(self, work_id: str) -> None:
        """Twice is as good as once."""
        self.far.post(f"/work/{in_path(work_id)}/cancel", {}, again=True)


@dataclass
class Dashboard:
    """The dashboard, which hands it to the appliance as a command."""

    far: Far
    appliance_id: str

    def start(self, kind: Kind, wanted: Mapping[str, JsonValue]) -> str:
        """The dashboard names it."""
        if wanted.get("keep"):
            raise WrongRequestError(
                "--keep is not for the dashboard.", "It learns of no address of a branch."
            )
        body = {"kind": kind, **{key: value for key, value in wanted.items() if key != "keep"}}
        made = self.far.post(f"/v1/appliances/{in_path(self.appliance_id)}/commands", body, again=False)
        if not isinstance(made, dict) or not isinstance(made.get("id"), str):
            raise _unknown()
        return str(made["id"])

    def cancel(self, work_id: str) -> None:
        """By a command of its own, whose answer is waited for."""
        path = f"/v1/appliances/{in_path(self.appliance_id)}/commands"
        made = self.far.post(path, {"kind": "cancel", "command_id": work_id}, again=True)
        if not isinstance(made, dict) or not isinstance(made.get("id"), str):
            raise _unknown()
        command_id = str(made["id"])
        while True:
            command = self.far.get(f"/v1/commands/{in_path(command_id)}")
            state = command.get("state") if isinstance(command, dict) else None
            if not isinstance(command, dict) or not isinstance(state, str):
                raise _unknown()
            if state == "done":
                return
            if state in _OVER:
                said = Explanation.parsed(
                    str(command.get("problem") or "The appliance did not call in time.")
                )
                raise (RefusedError if state == "refused" else WrongRequestError).of(said)
            time.sleep(_LOOK_S)

    def look(self, work_id: str) -> Work:
        """What became of the command; the report and the branches stand beside it."""
        command = self.far.get(f"/v1/commands/{in_path(work_id)}")
        if not isinstance(command, dict):
            raise _unknown()
        kind: Kind = "rehearse" if command.get("kind") == "rehearse" else "branch"
        argument = command.get("argument")
        shown = {key: command.get(key) for key in ("rule", "problem", "state")}
        work = _read(Work, {"id": work_id, "kind": kind, **shown})
        if not work.is_over:
            return work
        work = work.model_copy(update={"exit_code": _EXIT.get(work.state, 1)})
        if kind == "rehearse" and work.state in ("done", "cancelled"):
            return self._with_report(work)
        if work.state == "done" and isinstance(argument, dict):
            return self._with_branches(work, str(argument.get("workflow")))
        if work.state == "expired":
            return work.model_copy(update={"problem": "The appliance did not call in time."})
        return work

    def _with_report(self, work: Work) -> Work:
        path = f"/v1/appliances/{in_path(self.appliance_id)}/rehearsals/{in_path(work.id)}"
        try:
            found = self.far.get(path)
        except WrongRequestError:
            if work.state == "cancelled":
                # Nothing was seen of it yet.
                return work
            raise
        inside = found.get("found") if isinstance(found, dict) else None
        if not isinstance(inside, dict) or inside.get("verdict") not in EXIT_CODES:
            raise _unknown()
        verdict, report = str(inside["verdict"]), inside.get("report")
        return work.model_copy(
            update={
                "exit_code": int(EXIT_CODES[verdict]),
                "verdict": verdict,
                "answer": report if isinstance(report, dict) else None,
            }
        )

    def _with_branches(self, work: Work, workflow: str) -> Work:
        path = f"/v1/appliances/{in_path(self.appliance_id)}/branches/{in_path(workflow)}"
        return work.model_copy(update={"answer": {"twins": self.far.get(path)}})


def wait(place: Place, work_id: str, say: Callable[[str], None]) -> Work:
    """Until it is over; what it says meanwhile is said here. Raises our errors."""
    said = 0
    while True:
        work = place.look(work_id)
        for line in work.said[said:]:
            say(line)
        said = max(said, len(work.said))
        if work.is_over:
            return work
        time.sleep(_LOOK_S)


def _read(model: type[Model], value: object) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError:
        raise _unknown() from None


def _rows(branches: JsonValue) -> list[JsonValue]:
    return branches if isinstance(branches, list) else []


def _unknown() -> WorkFailedError:
    return WorkFailedError(
        "It answers in a way that this release does not know.",
        "It is of another release, or no appliance stands at that address.",
        "appliance --version, on both sides",
    )
