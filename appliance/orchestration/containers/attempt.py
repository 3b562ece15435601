"""One attempt at a step: its container is made, watched and removed, whatever happens. Knows no Airflow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

from appliance.contract.step_messages import Result
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.orchestration.containers.container import (
    STOP_GRACE_S,
    StepLimits,
    host_settings,
    labels_of,
    same_place,
)
from appliance.orchestration.containers.output import ProgressKeeper, StepOutput
from appliance.orchestration.step_failures import KILLED, ContainerState
from appliance.run_folder import StopRequest
from appliance.steps.calling.call import PROGRAM, StepCall, StepPaths, to_arguments
from appliance.store.runs import RunStore

WATCH_EVERY_S = 0.5
ENGINE_AWAY_S = 60
"""How long a running container is looked for while Docker restarts (with live-restore it runs on)."""

DockerTrouble = (DockerException, RequestException)


class EngineAwayError(WorkFailedError):
    """Docker does not answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "Docker does not answer.",
            f"{type(error).__name__} while talking to the engine.",
            "systemctl status docker",
        )


class StepRun:
    """Makes one container for ``call`` and follows it to its end."""

    def __init__(
        self,
        client: docker.APIClient,
        call: StepCall,
        *,
        instance: str,
        connect: Callable[[], docker.APIClient],
        image: str,
        limits: StepLimits,
        store: RunStore | None,
        deadline: datetime,
        asked_to_stop: Callable[[], StopRequest | None],
        log: Callable[[str], None],
        clean: Callable[[str], str],
        clean_line: Callable[[str], str],
        grace_s: int = STOP_GRACE_S,
    ) -> None:
        self.call = call
        self.instance = instance
        self.entrypoint = list(PROGRAM)
        self.output = StepOutput(log, clean, clean_line)
        self.stopped_by: StopRequest | None = None
        self.out_of_time = False
        self.state = ContainerState(exit_code=KILLED)
        self._client = client
        self._connect = connect
        self._image = image
        self._limits = limits
        self._deadline = deadline
        self._asked_to_stop = asked_to_stop
        self._keeper = ProgressKeeper(store, call.run_id, self.output)
        self._container: str | None = None
        self._ended = threading.Event()
        self._log = log
        self._grace_s = grace_s

    def remove_stale(self) -> None:
        """Remove what an earlier attempt at the same place left: the process that watched it was killed."""
        try:
            found = self._client.containers(all=True, filters={"label": same_place(self.instance, self.call)})
            for container in found:
                self._log(f"Removing the container of an earlier attempt, {container['Id'][:12]}")
                _remove(self._client, container["Id"])
        except DockerTrouble as error:
            raise EngineAwayError(error) from None

    def start(self, mounts: list[docker.types.Mount], paths: StepPaths, user: str) -> None:
        """Create and start the container, with its output attached.

        Raises WrongRequestError without the image.
        """
        try:
            self._begin(
                image=self._image,
                entrypoint=self.entrypoint,
                command=to_arguments(self.call, paths),
                user=user,
                working_dir="/tmp",  # noqa: S108 - its own tmpfs
                environment={"HOME": "/tmp", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},  # noqa: S108
                labels=labels_of(self.instance, self.call),
                host_config=self._client.create_host_config(**host_settings(self._limits, mounts)),
            )
        except ImageNotFound:
            raise WrongRequestError(
                f"The image for steps, {self._image}, is not on this machine.",
                "It comes with the appliance's release and is never pulled while a run waits.",
                f"docker image ls, then load or build {self._image}",
            ) from None
        except APIError as error:
            self.remove()
            raise WorkFailedError(
                "Docker could not start the step's container.",
                f"The engine answered {error.status_code}: {(error.explanation or '').splitlines()[0:1]}",
                "docker info; journalctl -u docker",
            ) from None
        except DockerTrouble as error:
            self.remove()
            raise EngineAwayError(error) from None

    def _begin(self, **created: Any) -> None:
        """Create, attach and start. Raises Docker's own errors."""
        self._container = self._client.create_container(**created)["Id"]
        self._stream = self._client.attach(self._container, stdout=True, stderr=True, stream=True, demux=True)
        self._client.start(self._container)

    def follow(self, *, until_result: bool = False) -> Result | None:
        """Read the output until the container ends (a keeper: until its result); its result if it worked.

        Meanwhile a second thread looks for a request to stop and passes progress on.
        """
        watcher = threading.Thread(target=self._watch, name="step-watch", daemon=True)
        watcher.start()
        try:
            for outcome in self._outcomes():
                if until_result and isinstance(outcome, Result):
                    return outcome
            self.state = self._final_state()
        finally:
            self._ended.set()
            watcher.join(timeout=self._grace_s + 5)
            self._keeper.pass_on(now=True)
        return self.output.result if self.state.worked and self.output.failure is None else None

    def stop(self) -> None:
        """End the container from another thread or a signal handler: politely first."""
        if self._container is not None:
            stop_container(self._connect(), self._container, self._grace_s)

    def remove(self) -> None:
        """Remove the container, running or not. Docker being away is no error: the reaper comes later."""
        if self._container is not None:
            _remove(self._client, self._container)

    def _outcomes(self) -> Iterator[Any]:
        """The attached stream, and when that breaks while the container still runs, its log from then on."""
        assert self._container is not None  # noqa: S101 - start() came before
        yield from self.output.read(_unbroken(self._stream))
        while self._inspect().running:
            since = int(time.time())
            self._log("The connection to Docker broke; following the container again.")
            try:
                lines = self._client.logs(self._container, stream=True, follow=True, since=since)
                yield from self.output.read((line, None) for line in _unbroken(lines))
            except DockerTrouble:
                time.sleep(1)

    def _final_state(self) -> ContainerState:
        """Docker's last word on the container, once it has really ended."""
        give_up = time.monotonic() + ENGINE_AWAY_S
        while (state := self._inspect()).running or state.status == "created":
            if time.monotonic() > give_up:
                break
            time.sleep(0.05)
        return state

    def _inspect(self) -> ContainerState:
        give_up = time.monotonic() + ENGINE_AWAY_S
        while True:
            try:
                return ContainerState.of(self._client.inspect_container(self._container or "")["State"])
            except NotFound:
                return ContainerState(exit_code=KILLED)
            except DockerTrouble as error:
                if time.monotonic() > give_up:
                    raise EngineAwayError(error) from None
                time.sleep(1)

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_EVERY_S):
            self._keeper.pass_on()
            request = self._asked_to_stop()
            late = datetime.now(UTC) > self._deadline
            if request or late:
                self.stopped_by, self.out_of_time = request, late and not request
                self._log(f"Stopping the container: {request.why if request else 'out of time'}")
                self.stop()
                return


def stop_container(client: docker.APIClient, container: str, grace_s: int = STOP_GRACE_S) -> None:
    """SIGTERM, then SIGKILL after a short grace; a container that is gone is no error."""
    try:
        client.stop(container, timeout=grace_s)
    except DockerTrouble:
        return


def _remove(client: docker.APIClient, container: str) -> None:
    try:
        client.remove_container(container, force=True, v=True)
    except DockerTrouble:
        return


def _unbroken(chunks: Any) -> Iterator[Any]:
    """The stream's chunks; a stream that breaks just ends."""
    try:
        yield from chunks
    except (OSError, ValueError, *DockerTrouble):
        return
