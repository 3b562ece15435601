"""Workers come with the work and go after it; no task is lost or run twice on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SOAK = """
import json, os, random, sys, time
from types import SimpleNamespace
from airflow.executors.base_executor import BaseExecutor
from appliance.orchestration import on_demand_executor
from appliance.orchestration.on_demand_executor import OnDemandLocalExecutor

on_demand_executor.IDLE_S = 0.05
log = open(sys.argv[1], "a")

def work(workload, **_):
    with open(sys.argv[1], "a") as file:
        file.write(f"{workload.key}\\\\n")
    time.sleep(0.002)

BaseExecutor.run_workload = staticmethod(work)
executor = OnDemandLocalExecutor(parallelism=4)
executor.start()
seen = {"at_start": len(executor.workers), "most": 0, "ended": {}, "none_left": 0}

def ended(key, state, *_, **__):
    executor.running.discard(key)
    seen["ended"][key] = seen["ended"].get(key, 0) + (state == "success")

executor.change_state = ended
random.seed(7)
number = 0
for burst in range(60):
    size = random.choice([1, 1, 2, 7])
    batch = [SimpleNamespace(key=f"t{number + i}", running_state=None, success_state="success",
             failure_state="failed", display_name="t") for i in range(size)]
    number += size
    for each in batch:
        executor.queued_tasks[each.key] = each
        executor.running.add(each.key)
    executor._process_workloads(batch)
    give_up = time.monotonic() + 60
    while executor.running and time.monotonic() < give_up:
        executor.sync()
        seen["most"] = max(seen["most"], len(executor.workers))
        time.sleep(0.001)
    if burst % 3 == 0:
        give_up = time.monotonic() + 60
        while executor.workers and time.monotonic() < give_up:
            executor.sync()
            time.sleep(0.005)
        seen["none_left"] += not executor.workers
    elif burst % 3 == 1:
        time.sleep(0.06)
        executor.sync()  # the messages that end workers are on their way when the next tasks come
executor.end()
seen["asked_for"] = number
print(json.dumps(seen))
"""


def test_sixty_comings_and_goings_lose_no_task(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SOAK.replace("\\\\n", "\\n"), str(tmp_path / "ran")],
        env={"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    everything = {f"t{number}": 1 for number in range(seen["asked_for"])}
    assert seen["ended"] == everything
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(everything)
    assert seen["at_start"] == 0
    assert 1 < seen["most"] <= 4
    assert seen["none_left"] == 20
