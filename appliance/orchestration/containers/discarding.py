"""After a run that was killed, or whose own ``discard`` did not work: the same step, started by the reaper.

The reaper reaches no database, nor need it: the step's container does, as during a run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker

from appliance.errors import ApplianceError
from appliance.killed_runs import left_behind, note_try
from appliance.orchestration.containers.attempt import StepRun
from appliance.orchestration.containers.container import StepLimits, paths_inside, step_mounts
from appliance.orchestration.containers.host_paths import host_path
from appliance.orchestration.containers.inputs import StepInputs, instance_name
from appliance.orchestration.containers.needs import DISCARD
from appliance.orchestration.containers.reach import open_ways
from appliance.settings.settings import Settings
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.records.run_files import SPEC
from appliance.store.runs import RunStore

LONGEST = timedelta(seconds=60)
"""The reaper itself is ended after two minutes, and may have more to do."""


def discard_left_behind(client: docker.APIClient, settings: Settings) -> Iterator[str]:
    """Drop what each run that is over has left beside a twin; a line for each, also where it did not work.

    Only databases that such a run has made and no run has verified are dropped: see the step.
    """
    for run_id, folder in left_behind(settings.state_dir):
        note_try(folder)
        try:
            _discard(client, settings, run_id, folder)
        except ApplianceError as error:
            yield f"What the run {run_id} had built beside its twin could not be dropped. {error.text()}"
        else:
            yield f"Dropped what the run {run_id} had built beside its twin."


def _discard(client: docker.APIClient, settings: Settings, run_id: str, folder: Path) -> None:
    spec = SPEC.read(folder)
    call = StepCall(run_id, spec.workflow.id, DISCARD)
    inputs = StepInputs.of_run(settings, call, SPEC.path(folder), spec.origin)
    known, wanted = inputs.connections_to_reach(call)
    limits, steps = spec.workflow.limits, settings.steps
    store = RunStore(settings.database_url)
    run = StepRun(
        client,
        call,
        instance=instance_name(settings, client),
        connect=lambda: docker.from_env(version=client.api_version).api,
        image=steps.image,
        limits=StepLimits(
            memory_mb=min(limits.memory_mb, steps.max_memory_mb),
            cpus=min(limits.cpus, steps.max_cpus, os.cpu_count() or 1),
            network=steps.network,
            cgroup_parent=steps.cgroup_parent,
            hosts=open_ways(settings.runtime_dir, known, wanted, named=inputs.named_places()),
        ),
        store=store,
        deadline=datetime.now(UTC) + LONGEST,
        asked_to_stop=lambda: None,
        log=lambda _: None,
        clean=inputs.scrubber.clean,
        clean_line=inputs.scrubber.stream(),
    )
    secrets = settings.runtime_dir / run_id / f"{call.place}-reaper-{time.monotonic_ns()}"
    try:
        run.remove_stale()
        inputs.write_secrets(secrets, call)
        on_host = StepPaths(folder, secrets).each(lambda path: Path(host_path(client, path)))
        inside = paths_inside(call)
        run.start(step_mounts(inside, on_host), inside, f"{os.getuid()}:{os.getgid()}")
        if run.follow() is None:
            failure = run.output.failure
            raise DiscardFailedError(failure.what if failure else "Its container ended without a word.")
    finally:
        run.remove()
        shutil.rmtree(secrets, ignore_errors=True)
        with contextlib.suppress(OSError):
            secrets.parent.rmdir()
        store.close()


class DiscardFailedError(ApplianceError):
    """The step has failed, with its own words."""
