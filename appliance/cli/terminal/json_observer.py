"""A run as JSON lines, for programs."""

from __future__ import annotations

from appliance.cli.terminal.output import print_json_line
from appliance.contract.step_messages import Notice, Progress
from appliance.errors import ApplianceError
from appliance.postgres.plan import Plan
from appliance.steps.local.observer import SilentObserver
from appliance.steps.local.run import RunOutcome
from appliance.steps.plan import summary_of
from appliance.steps.records.run_spec import RunSpec


class JsonObserver(SilentObserver):
    """Prints every event as one line; the last has the type ``done`` or ``failed``."""

    def begin(self, spec: RunSpec) -> None:
        """The run has a name."""
        print_json_line({"type": "run", "run_id": spec.run_id, "workflow": spec.workflow.id})

    def planned(self, plan: Plan) -> None:
        print_json_line({"type": "planned", **summary_of(plan).model_dump()})

    def step_started(self, step: str, part: int | None, parts: int) -> None:
        """A part of a step begins."""
        print_json_line({"type": "step", "step": step, "part": part, "parts": parts, "state": "running"})

    def step_ended(self, step: str, part: int | None, seconds: float, *, worked: bool) -> None:
        """A part of a step is over."""
        state = "done" if worked else "failed"
        print_json_line(
            {"type": "step", "step": step, "part": part, "state": state, "seconds": round(seconds, 3)}
        )

    def message(self, message: Progress | Notice) -> None:
        print_json_line(message.model_dump(exclude_none=True))

    def end(self, outcome: RunOutcome) -> None:
        """The run has worked."""
        print_json_line(
            {
                "type": "done",
                "run_id": outcome.plan.run_id,
                "seconds": {step: round(taken, 3) for step, taken in outcome.seconds.items()},
                "total_seconds": round(outcome.total_seconds, 3),
                "results": outcome.results,
                "export": str(outcome.export) if outcome.export else None,
                "receipt": outcome.receipt.digest if outcome.receipt else None,
                "containers": [each.model_dump(mode="json") for each in outcome.containers],
                "not_carried": [
                    *(item.model_dump() for item in outcome.plan.not_carried),
                    *(item for made in outcome.results.get("schema", []) for item in made["not_carried"]),
                ],
            }
        )

    def changed(self, error: ApplianceError) -> None:
        """The source changed under the run's snapshot: the lines of another run follow."""
        print_json_line({"type": "anew", "what": error.what, "why": error.why})

    def failed(self, error: ApplianceError) -> None:
        """The run has not worked."""
        said = {"what": error.what, "why": error.why, "next": error.next_step}
        print_json_line({"type": "failed", "exit_code": int(error.exit_code), **said})
