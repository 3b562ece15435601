"""The container itself: started, watched, ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docker.errors import APIError

from appliance.errors import Explanation, WorkFailedForGoodError
from appliance.exports.container_output import written_bytes
from appliance.orchestration.containers.attempt import WATCH_EVERY_S, DockerTrouble, EngineAwayError, StepRun
from appliance.orchestration.containers.output import ForeignOutput
from appliance.orchestration.handover import failures
from appliance.orchestration.handover.container import CreatedContainer
from appliance.workflow.deliveries.container_delivery import ContainerDelivery

_LOOK_AT_OUT_EVERY_S = 2.0


class HandoverFailedError(WorkFailedForGoodError):
    """The container has failed; trying again would do what it did again."""

    def __init__(self, explanation: Explanation, tail: tuple[str, ...] = ()) -> None:
        super().__init__(explanation.what)
        self.explanation = explanation
        self.tail = tail


class ContainerRun(StepRun):
    """The container itself: started, watched, ended."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.output: ForeignOutput = ForeignOutput(options["log"], options["clean_line"])
        self.wrote_too_much = False
        self.interrupted = False
        self._out: Path | None = None
        self._most = 0

    def launch(
        self, container: ContainerDelivery, wanted: CreatedContainer, clean: Callable[[str], str]
    ) -> None:
        """Create and start it. Raises HandoverFailedError where the engine refuses it, EngineAwayError."""
        try:
            self._begin(**wanted)
        except APIError as error:
            said = " ".join(str(error.explanation or "").split())[:300]
            raise HandoverFailedError(failures.not_started(container, clean(said))) from None
        except DockerTrouble as error:
            raise EngineAwayError(error) from None

    def watch_out(self, out: Path, most_bytes: int) -> None:
        """End it when there is more than that in the folder."""
        self._out, self._most = out, most_bytes
        threading.Thread(target=self._watch_out, name="out-watch", daemon=True).start()

    def interrupt(self) -> None:
        """What waits for it has to end."""
        self.interrupted = True
        self.stop()

    def _watch_out(self) -> None:
        while self._out is not None and not self._ended.wait(max(WATCH_EVERY_S, _LOOK_AT_OUT_EVERY_S)):
            if written_bytes(self._out) > self._most:
                self.wrote_too_much = True
                self.stop()
                return
