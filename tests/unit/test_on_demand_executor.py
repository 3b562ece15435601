"""Workers come with the work and go after it; no task is lost or run twice on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SOAK = """
import json, os, random, sys, time
from types import SimpleNamespace
from airflow.executors.base_executor import BaseExecutor
from appliance.orchestration.airflow import executor as on_demand_executor
from appliance.orchestration.airflow.executor import OnDemandLocalExecutor

on_demand_executor.IDLE_S = 0.05
log = open(sys.argv[1], "a")

def work(workload, **_):
    with open(sys.argv[1], "a") as file:
        file.write(f"{workload.key}\\\\n")
    time.sleep(0.002)

BaseExecutor.run_workload = staticmethod(work)
on_demand_executor.api_answers = lambda _: True
executor = OnDemandLocalExecutor(parallelism=4)
executor.start()
seen = {"at_start": len(executor.forked), "most": 0, "ended": {}, "none_left": 0}

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
    give_up = time.monotonic() + 300
    while executor.running and time.monotonic() < give_up:
        executor.sync()
        seen["most"] = max(seen["most"], len(executor.forked))
        time.sleep(0.001)
    if burst % 3 == 0:
        give_up = time.monotonic() + 300
        while executor.forked and time.monotonic() < give_up:
            executor.sync()
            time.sleep(0.005)
        seen["none_left"] += not executor.forked
    elif burst % 3 == 1:
        time.sleep(0.06)
        executor.sync()  # the messages that end workers are on their way when the next tasks come
executor.end()
seen["asked_for"] = number
print(json.dumps(seen))
"""


def said_by(program: str, folder: Path, *arguments: str) -> Any:
    """What it prints at last, as JSON, in a process whose Airflow has its home in the folder."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={"AIRFLOW_HOME": str(folder), "PATH": "/usr/bin:/bin", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_sixty_comings_and_goings_lose_no_task(tmp_path: Path) -> None:
    seen = said_by(SOAK.replace("\\\\n", "\\n"), tmp_path, str(tmp_path / "ran"))
    everything = {f"t{number}": 1 for number in range(seen["asked_for"])}
    assert seen["ended"] == everything
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(everything)
    assert seen["at_start"] == 0
    assert 1 < seen["most"] <= 4
    assert seen["none_left"] == 20


KILLED = """
import json, os, signal, sys, time
from types import SimpleNamespace
from airflow.executors.base_executor import BaseExecutor
from appliance.orchestration.airflow import executor as on_demand_executor
from appliance.orchestration.airflow.executor import DIED, OnDemandLocalExecutor

def work(workload, **_):
    time.sleep(workload.seconds)

BaseExecutor.run_workload = staticmethod(work)
on_demand_executor.api_answers = lambda _: True
executor = OnDemandLocalExecutor(parallelism=2)
executor.start()
ended = {}

def change_state(key, state, info=None, remove_running=True):
    executor.running.discard(key)
    ended[key] = [state, info]

executor.change_state = change_state

def ask(key, seconds=0):
    workload = SimpleNamespace(key=key, seconds=seconds, running_state=None, success_state="success",
        failure_state="failed", display_name=key)
    executor.queued_tasks[key] = workload
    executor.running.add(key)
    executor._process_workloads([workload])

def until(done):
    give_up = time.monotonic() + 300
    while not done() and time.monotonic() < give_up:
        executor.sync()
        time.sleep(0.01)

def kill(key=None):
    if key:
        until(lambda: any(each.workload and each.workload.key == key and each.has_begun
            for each in executor.forked.values()))
    for pid, worker in executor.forked.items():
        if key is None or (worker.workload and worker.workload.key == key):
            os.kill(pid, signal.SIGKILL)

ask("first"), ask("second")
until(lambda: len(ended) == 2)
kill()                                  # idle ones, each waiting for something to do
ask("after idle ones were killed")
until(lambda: len(ended) == 3)
ask("killed at work", 60)
kill("killed at work")
until(lambda: len(ended) == 4)
ask("given up", 60), ask("beside it", 60), ask("waits for a place")
executor.revoke_task(ti=SimpleNamespace(key="given up"))
until(lambda: "waits for a place" in ended)
kill("beside it")
until(lambda: "beside it" in ended)
executor.end()
print(json.dumps([ended, sorted(executor.running), len(executor.forked), DIED]))
"""


def test_a_worker_that_is_killed_holds_up_no_other_and_its_task_is_told_as_failed(tmp_path: Path) -> None:
    ended, running, workers, died = said_by(KILLED, tmp_path)
    worked, failed = ["success", None], ["failed", died]
    assert ended == {
        "first": worked,
        "second": worked,
        "after idle ones were killed": worked,
        "killed at work": failed,
        "waits for a place": worked,
        "beside it": failed,
    }
    assert (running, workers) == ([], 0)


EARLY = """
import json, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from airflow.executors.base_executor import BaseExecutor
from appliance.orchestration.airflow.executor import OnDemandLocalExecutor

class Api(BaseHTTPRequestHandler):
    status = 503

    def do_GET(self):
        asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass

asked = []
server = HTTPServer(("127.0.0.1", 0), Api)
BaseExecutor.run_workload = staticmethod(lambda workload, **_: None)
executor = OnDemandLocalExecutor(parallelism=2)
url = f"http://127.0.0.1:{server.server_port}/execution/"
executor.conf = SimpleNamespace(get=lambda section, key, fallback=None: url, team_name=None)
executor.start()
ended = {}
executor.change_state = lambda key, state, *_, **__: ended.update({key: state})
workload = SimpleNamespace(key="early", running_state=None, success_state="success", failure_state="failed",
    display_name="early")
executor.queued_tasks["early"] = workload
threading.Thread(target=server.serve_forever, daemon=True).start()
executor._process_workloads([workload])
executor.sync()
seen = {"before": len(executor.forked), "asked": asked[:]}
Api.status = 200
give_up = time.monotonic() + 300
while not ended and time.monotonic() < give_up:
    executor.sync()
    time.sleep(0.01)
seen["after"], count = ended, len(asked)
executor.sync()
server.shutdown()
executor.end()
print(json.dumps(seen | {"once": len(asked) == count}))
"""


def test_no_task_begins_before_the_execution_api_has_answered_once(tmp_path: Path) -> None:
    seen = said_by(EARLY, tmp_path)
    assert seen == {
        "before": 0,
        "asked": ["/execution/health"] * 2,
        "after": {"early": "success"},
        "once": True,
    }
