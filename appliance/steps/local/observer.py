"""What shows a run as it goes."""

from __future__ import annotations

from typing import Protocol

from appliance.contract.step_messages import Notice, Progress
from appliance.postgres.plan import Plan


class Observer(Protocol):
    """What shows a run."""

    def planned(self, plan: Plan) -> None:
        """The plan is made."""

    def step_started(self, step: str, part: int | None, parts: int) -> None:
        """One process of a step begins; ``parts`` is how many the step has."""

    def step_ended(self, step: str, part: int | None, seconds: float, *, worked: bool) -> None:
        """One process of a step is over."""

    def message(self, message: Progress | Notice) -> None:
        """A step says something."""

    def tick(self) -> None:
        """Some time has passed."""


class SilentObserver:
    """For a run without a terminal."""

    def planned(self, plan: Plan) -> None:
        """The plan is made."""

    def step_started(self, step: str, part: int | None, parts: int) -> None:
        """One process of a step begins."""

    def step_ended(self, step: str, part: int | None, seconds: float, *, worked: bool) -> None:
        """One process of a step is over."""

    def message(self, message: Progress | Notice) -> None:
        """A step says something."""

    def tick(self) -> None:
        """Some time has passed."""


class NoticesObserver(SilentObserver):
    """Keeps what the steps say, to be shown where the work fails."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def message(self, message: Progress | Notice) -> None:
        """A step says something."""
        if isinstance(message, Notice):
            self.texts.append(message.text)
