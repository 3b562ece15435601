"""Starting a run through Airflow's execution API, without Airflow: a signed token and one request."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from uuid import UUID

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.system import http
from appliance.system.beneath import as_owner_of

AUDIENCE = "urn:airflow.apache.org:task"
"""Airflow's default for [execution_api] jwt_audience."""
NO_TASK = UUID(int=0)
"""The token names a task instance; none has this id, so the run has no parent."""
TOKEN_S = 60
TIMEOUT_S = 20


def token(secret: bytes) -> str:
    """A JSON Web Token as Airflow's own supervisors carry it."""
    import jwt  # noqa: PLC0415 - the command line reads this module where no library for tokens is installed

    now = int(time.time())
    claims = {
        "sub": str(NO_TASK),
        "jti": secrets.token_hex(16),
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + TOKEN_S,
        "scope": "execution",
    }
    return jwt.encode(claims, secret, algorithm="HS512")


def create_dag_run(settings: Settings, dag_id: str, run_id: str) -> bool:
    """Ask for a run; False when that id is taken. Takes some 50 ms.

    Raises WrongRequestError when Airflow knows no such workflow (yet), WorkFailedError when it does not
    answer.
    """
    status = call(settings, "POST", f"dag-runs/{dag_id}/{run_id}", {}).status
    if status == 404:
        raise WrongRequestError(
            f"Airflow does not know the workflow '{dag_id}'.",
            "A new file takes up to 30 seconds to be seen; one with an error is not taken up.",
            "appliance workflow list",
        )
    if status == 409:
        return False
    if status >= 300:
        raise WorkFailedError(
            f"Airflow did not start the workflow '{dag_id}'.",
            f"Its execution API answered {status}.",
            "appliance status",
        )
    return True


def call(settings: Settings, method: str, path: str, body: Mapping[str, object] | None = None) -> http.Answer:
    """One request to the execution API.

    Raises WorkFailedError when nothing answers.
    """
    base = settings.airflow_execution_api_url.rstrip("/")
    try:
        return http.ask(
            f"{base}/{path}",
            method=method,
            body=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token(_secret(settings))}",
                "Content-Type": "application/json",
            },
            within_s=TIMEOUT_S,
        )
    except http.NoAnswerError as error:
        raise WorkFailedError(
            "Airflow's execution API does not answer.", f"At {base}: {error}.", "appliance status"
        ) from None


def _secret(settings: Settings) -> bytes:
    path = settings.airflow_jwt_secret_file
    if path is None:
        raise WrongRequestError("airflow_jwt_secret_file is not set.", "", "Set it in appliance.yaml.")
    try:
        with as_owner_of(path):
            return path.read_bytes().strip()
    except OSError as error:
        raise WrongRequestError(
            f"{path} cannot be read: {error.strerror}.",
            "It signs the request to start a run.",
            "Run the command as the user of the appliance: sudo -u appliance …",
        ) from None
