"""The exceptions by which Airflow knows whether it tries a step again."""

from __future__ import annotations

from typing import NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from appliance.contract.step_messages import Failure


class TaskFailedError(AirflowException):
    """A step failed and may succeed when tried again."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.explanation.text())


class TaskFailedForGoodError(AirflowFailException):
    """A step failed and trying again cannot help: Airflow does not retry it."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.explanation.text())


def raise_failure(failure: Failure) -> NoReturn:
    """Raise as Airflow needs it: with or without another try."""
    raise TaskFailedError(failure) if failure.retry else TaskFailedForGoodError(failure)
