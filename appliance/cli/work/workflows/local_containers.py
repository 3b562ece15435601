"""Containers of the customer's own in ``appliance run``: through this machine's Docker, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from appliance.connections.database import Connection
from appliance.connections.file import select_connections
from appliance.contract.step_messages import Notice
from appliance.errors import ApplianceError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.container_result import ContainerResult
from appliance.steps.local.observer import Observer
from appliance.steps.local.run import LocalRun
from appliance.workflow.document import Workflow

CONTAINER = "container"
_ALTERNATIVE = "Leave the container out of `deliver` for a trial, or run it where Docker is."


def require_engine(workflow: Workflow) -> None:
    """Raise WrongRequestError where the workflow has containers, and this machine cannot run any."""
    if not workflow.containers:
        return
    try:
        import docker  # noqa: PLC0415 - an extra
        from docker.errors import DockerException  # noqa: PLC0415
    except ImportError:
        raise _no_engine("The Python package docker is not installed.", "pip install docker") from None
    try:
        docker.from_env(version="auto").api.ping()
    except (DockerException, OSError) as error:
        raise _no_engine(f"{type(error).__name__} while asking for it.", "docker info") from None


def hand_over_all(
    run: LocalRun, settings: Settings, known: dict[str, Connection], exports_dir: Path
) -> Callable[[Observer], list[ContainerResult]]:
    """What a local run calls when its twin is published: each container in turn, and what came of it."""

    def hand_over(observer: Observer) -> list[ContainerResult]:
        if not run.spec.workflow.containers:
            return []
        import docker  # noqa: PLC0415 - an extra, and slow to import

        from appliance.orchestration.handover.running import Handover, warned  # noqa: PLC0415

        workflow = run.spec.workflow
        results: list[ContainerResult] = []
        client = docker.from_env(version="auto").api
        twins = select_connections(known, [each.connection for each in workflow.twins.values()])
        for place, container in workflow.containers.items():
            call = StepCall(run.spec.run_id, workflow.id, CONTAINER, delivery=place)
            observer.step_started(CONTAINER, place, len(workflow.containers))
            began = time.monotonic()
            handover = Handover(
                client=client,
                settings=settings,
                spec=run.spec,
                call=call,
                twins=twins if container.reaches_databases else {},
                exports_dir=exports_dir,
                secrets_dir=run.paths.secrets_dir.with_name(f"{call.place}-{time.monotonic_ns()}"),
                log=lambda line: observer.message(Notice(step=CONTAINER, text=line)),
            )
            try:
                result = handover.hand_over()
            except ApplianceError as error:
                observer.step_ended(CONTAINER, place, time.monotonic() - began, worked=False)
                if container.on_failure == "fail":
                    raise
                result = warned(container, error, began)
                observer.message(Notice(step=CONTAINER, text=result.notes[0]))
            else:
                observer.step_ended(CONTAINER, place, time.monotonic() - began, worked=True)
            results.append(result)
        return results

    return hand_over


def with_state(settings: Settings, folder: Path) -> Settings:
    """The settings as of an appliance whose state lies there: its containers are known by that."""
    return settings.model_copy(update={"state_dir": folder})


def _no_engine(why: str, next_step: str) -> WrongRequestError:
    return WrongRequestError(
        "This workflow hands its result to a container, and there is no Docker for it here.",
        why,
        f"{next_step}\n{_ALTERNATIVE}",
    )
