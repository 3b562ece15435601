"""The end of the snapshot: a teardown, so it runs whatever became of the steps between."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import docker
from airflow.sdk import BaseOperator

from appliance.orchestration.containers import failure as step_failure
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAway
from appliance.orchestration.containers.reaping import remove_run
from appliance.run_folder import run_id_for
from appliance.settings.settings import Settings, load_settings

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class CloseSnapshotOperator(BaseOperator):
    """Ends and removes the container that OpenSnapshotOperator left running, and its secrets."""

    step = "close_snapshot"
    part = None

    def __init__(self, *, workflow: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.result = None

    @cached_property
    def settings(self) -> Settings:
        """The appliance's settings, read when the task runs."""
        return load_settings()

    def run_id(self, context: Context) -> str:
        """The appliance's id of the run."""
        return run_id_for(self.workflow, context["ti"].run_id)

    def execute(self, context: Context) -> None:
        """Stop the keeper. One that is gone already is no error: what needed it has failed by itself."""
        try:
            client = docker.from_env(version="auto").api
            removed = remove_run(client, self.settings, self.run_id(context), step="open_snapshot")
        except DockerTrouble as error:
            step_failure.raise_failure(step_failure.from_error(EngineAway(error), self.step, None))
        else:
            self.log.info("The snapshot is closed." if removed else "The snapshot was closed already.")
